# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node says about its ports, read from trees as kernels lay them out."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _roce
from tests.unit.plugins.fixtures.spark import (
    DOWN,
    UNREADABLE,
    UP,
    Reader,
    change,
    device,
    ip_addresses,
    link_local,
    mapped,
    observed,
    pair,
    plant,
    spark,
    table,
)

F0_UP = """\
rocep1s0f0 port 1 ==> enp1s0f0np0 (Up)
rocep1s0f1 port 1 ==> enp1s0f1np1 (Down)
roceP2p1s0f0 port 1 ==> enP2p1s0f0np0 (Up)
roceP2p1s0f1 port 1 ==> enP2p1s0f1np1 (Down)
"""
F1_UP = """\
rocep1s0f0 port 1 ==> enp1s0f0np0 (Down)
rocep1s0f1 port 1 ==> enp1s0f1np1 (Up)
roceP2p1s0f0 port 1 ==> enP2p1s0f0np0 (Down)
roceP2p1s0f1 port 1 ==> enP2p1s0f1np1 (Up)
"""
# The same tool under the locale C.
F1_UP_SORTED_BY_BYTES = """\
roceP2p1s0f0 port 1 ==> enP2p1s0f0np0 (Down)
roceP2p1s0f1 port 1 ==> enP2p1s0f1np1 (Up)
rocep1s0f0 port 1 ==> enp1s0f0np0 (Down)
rocep1s0f1 port 1 ==> enp1s0f1np1 (Up)
"""
ALL_UP = F0_UP.replace("Down", "Up")
FIRST = "enp1s0f0np0"


@pytest.mark.parametrize(("cages", "output"), [("p0", F0_UP), ("p1", F1_UP), ("p0 p1", ALL_UP)])
def test_the_lines_equal_those_of_the_real_ibdev2netdev(cages: str, output: str) -> None:
    ports = [port.but(**UP if port.cage in cages else DOWN) for port in spark(1)]
    assert observed(ports)["ibdev2netdev"] == output.splitlines()


def test_the_tools_other_order_has_the_same_lines() -> None:
    assert sorted(observed(spark(1, 1))["ibdev2netdev"]) == sorted(F1_UP_SORTED_BY_BYTES.splitlines())


def test_a_healthy_rail_is_described_completely() -> None:
    port = spark(7)[0]
    found = device(spark(7), FIRST)
    assert found.pop("gids")[3] == {"index": 3, "gid": mapped("192.168.100.7"), "type": "v2", "netdev": FIRST, "ipv4": "192.168.100.7"}
    assert found == {
        "device": "rocep1s0f0",
        "port": 1,
        "pci_address": "0000:01:00.0",
        "link_layer": "Ethernet",
        "state": "ACTIVE",
        "phys_state": "LinkUp",
        "rate_gbps": 200,
        "netdev": FIRST,
        "mac": port.mac,
        "mtu": 9000,
        "operstate": "up",
        "carrier": True,
        "phys_port_name": "p0",
        "phys_switch_id": "02005e100700",
        "uppers": [],
        "ipv4": [{"address": "192.168.100.7", "prefix_length": 24, "network": "192.168.100.0/24"}],
        "gid_table_length": 8,
        "gid_index": 3,
        "nccl_gid_index": 3,
        "usable": True,
        "reasons": [],
        "lldp": None,
    }


def test_what_is_made_upon_an_interface_is_told(tmp_path: Path) -> None:
    plant(tmp_path, spark(1))
    (tmp_path / "class/net" / FIRST / "upper_bond0").mkdir()
    first, *others = _roce.observe(str(tmp_path), [], [], Reader())["devices"]
    assert (first["netdev"], first["uppers"]) == (FIRST, ["bond0"])
    assert [device["uppers"] for device in others] == [[], [], []]


def test_devices_are_ordered_by_pci_address_whatever_their_names() -> None:
    names = dict(zip(("rocep1s0f0", "rocep1s0f1", "roceP2p1s0f0", "roceP2p1s0f1"), ("mlx5_3", "mlx5_0", "mlx5_1", "mlx5_2")))
    found = observed([port.but(device=names[port.device]) for port in reversed(spark(1))])["devices"]
    assert [port["pci_address"] for port in found] == ["0000:01:00.0", "0000:01:00.1", "0002:01:00.0", "0002:01:00.1"]
    assert [port["device"] for port in found] == ["mlx5_3", "mlx5_0", "mlx5_1", "mlx5_2"]
    assert found[0]["usable"]


def shown(**fields: Any) -> dict[str, Any]:
    return device(change(spark(1), FIRST, **fields), FIRST)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (DOWN, "rocep1s0f0 port 1 is in state DOWN with phys_state Disabled, wanted ACTIVE with LinkUp."),
        ({"state": "1: DOWN"}, "rocep1s0f0 port 1 is in state DOWN with phys_state LinkUp, wanted ACTIVE with LinkUp."),
        ({"link_layer": "InfiniBand"}, "rocep1s0f0 port 1 has link layer InfiniBand, wanted Ethernet."),
        ({"ipv4": ()}, "rocep1s0f0 port 1 has no IPv4 address on enp1s0f0np0, wanted one."),
    ],
)
def test_an_unusable_port_says_what_was_found_and_wanted(fields: dict[str, Any], reason: str) -> None:
    found = shown(**fields)
    assert not found["usable"]
    assert found["reasons"] == [reason]


def test_a_port_is_down_while_its_twin_is_up() -> None:
    ports = observed(change(spark(1), FIRST, **DOWN))["devices"]
    assert [port["usable"] for port in ports] == [False, False, True, False]
    assert [port["rate_gbps"] for port in ports] == [40, 40, 200, 40]


def test_a_node_without_cable_has_no_device() -> None:
    found = observed([])
    assert found["devices"] == []
    assert found["ibdev2netdev"] == []


@pytest.mark.parametrize(
    ("entries", "gid_index", "nccl_gid_index"),
    [
        (lambda port: table(port), 3, 3),
        (lambda port: table(port, first=4), 5, 5),  # a hole at 2 and 3
        (lambda port: {**pair(0, link_local(port.mac), FIRST), **pair(2, link_local("02:00:5e:99:99:99"), FIRST),
                       **pair(4, mapped("192.168.100.1"), FIRST)}, 5, 5),  # a second link-local GID where one expects the IPv4
        (lambda port: table(port, "10.9.9.9", "192.168.100.1"), 5, 3),  # an address that went in front
        (lambda port: {**table(port, first=4), **pair(2, mapped("192.168.100.1"), f"{FIRST}.100")}, 5, 3),  # a VLAN's netdev
        (lambda port: pair(0, link_local(port.mac), FIRST), None, 0),
        (lambda port: {**table(port), 3: (mapped("192.168.100.1"), UNREADABLE, FIRST)}, None, 2),
        (lambda port: {0: (link_local(port.mac), "RoCE v2", FIRST), 1: (mapped("192.168.100.1"), "RoCE v2", FIRST)}, 1, 1),
        (lambda port: {}, None, None),
    ],
)  # fmt: skip
def test_the_gid_of_the_rail_is_found_wherever_it_is(entries: Any, gid_index: Any, nccl_gid_index: Any) -> None:
    found = shown(gids=entries(spark(1)[0]))
    assert (found["gid_index"], found["nccl_gid_index"]) == (gid_index, nccl_gid_index)
    assert found["usable"] == (gid_index is not None)


def test_a_missing_gid_is_explained_by_the_table() -> None:
    vlan = {**pair(0, link_local(spark(1)[0].mac), FIRST), **pair(2, mapped("192.168.100.1"), f"{FIRST}.100")}
    (reason,) = shown(gids=vlan)["reasons"]
    assert "3 (v2, 192.168.100.1, enp1s0f0np0.100)" in reason
    assert "wanted one of type v2 for 192.168.100.1 on enp1s0f0np0" in reason


def test_the_first_of_several_addresses_is_the_rails() -> None:
    found = shown(ipv4=("192.168.100.1/24", "10.9.9.9/16"))
    assert [entry["network"] for entry in found["ipv4"]] == ["192.168.100.0/24", "10.9.0.0/16"]
    assert found["gid_index"] == 3
    assert found["gids"][-1]["index"] == 5


def test_unused_gid_entries_cost_one_file_each(tmp_path: Path) -> None:
    ports = [port.but(table=255) for port in spark(1)]
    plant(tmp_path, ports)
    reader = Reader()
    _roce.observe(str(tmp_path), ip_addresses(ports), [], reader)
    used = 4 + 4 + 2 + 2  # entries of the two addressed and the two other ports
    assert sum("/gids/" in path for path in reader.opened) == 4 * 255
    assert sum("/types/" in path for path in reader.opened) == used
    assert sum("/ndevs/" in path for path in reader.opened) == used
    assert len(reader.opened) <= 4 * 255 + 2 * used + 4 * 12
    assert len(reader.opened) == len(set(reader.opened))


def test_an_infiniband_port_has_no_gid_of_a_rail() -> None:
    found = shown(link_layer="InfiniBand", ipv4=(), gids={0: (link_local("02:00:5e:10:01:00"), "IB/RoCE v1", UNREADABLE)})
    assert (found["gid_index"], found["nccl_gid_index"], found["gids"][0]["netdev"]) == (None, None, None)


def test_a_software_device_is_understood_without_a_device_link() -> None:
    found = shown(software=True, rate="2.5 Gb/sec (1X SDR)", gids={0: (link_local("02:00:5e:10:01:00"), "RoCE v2", FIRST),
                                                                    1: (mapped("192.168.100.1"), "RoCE v2", FIRST)})  # fmt: skip
    assert (found["netdev"], found["pci_address"], found["rate_gbps"], found["gid_index"]) == (FIRST, "0000:01:00.0", 2.5, 1)
    assert found["usable"]


def test_a_software_device_without_any_gid_is_found_by_its_parent() -> None:
    assert shown(software=True, gids={})["netdev"] == FIRST


def test_a_software_device_without_parent_is_found_by_its_first_gid(tmp_path: Path) -> None:
    port = spark(1)[0].but(software=True)
    plant(tmp_path, [port])
    (tmp_path / "class/infiniband/rocep1s0f0/parent").unlink()
    assert _roce.observe(str(tmp_path), ip_addresses([port]), [], Reader())["devices"][0]["netdev"] == FIRST


def test_the_netdev_of_a_second_port_is_told_by_its_number(tmp_path: Path) -> None:
    port = spark(1)[0]
    plant(tmp_path, [port])
    function = tmp_path / "devices/pci0000:00/0000:01:00.0"
    (function / "net/ens1d1").mkdir()
    (function / "net/ens1d1/dev_port").write_text("1\n")
    (tmp_path / "class/net/ens1d1").symlink_to(function / "net/ens1d1")
    (tmp_path / "class/infiniband/rocep1s0f0/ports/2").mkdir()
    found = _roce.observe(str(tmp_path), [], [], Reader())["devices"]
    assert [(entry["port"], entry["netdev"]) for entry in found] == [(1, FIRST), (2, "ens1d1")]


def test_absent_attributes_are_null_and_not_an_accident(tmp_path: Path) -> None:
    plant(tmp_path, [spark(1)[0]])
    for path in (*(tmp_path / "class/infiniband/rocep1s0f0/ports/1").glob("*"), *(tmp_path / "class/net/enp1s0f0np0").glob("*")):
        if path.is_file():
            path.unlink()
    (found,) = _roce.observe(str(tmp_path), [], [], Reader())["devices"]
    for name in (
        "link_layer",
        "state",
        "phys_state",
        "rate_gbps",
        "mac",
        "mtu",
        "operstate",
        "carrier",
        "phys_port_name",
        "phys_switch_id",
    ):
        assert found[name] is None
    assert not found["usable"]


def test_a_file_that_may_not_be_read_is_not_taken_for_absent(tmp_path: Path) -> None:
    def refused(path: str) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    plant(tmp_path, [spark(1)[0]])
    with pytest.raises(PermissionError):
        _roce.observe(str(tmp_path), [], [], refused)
