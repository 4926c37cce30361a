# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every finding of the plan, each provoked once."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _explain
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan_ids import SEVERITY
from tests.unit.plugins.fixtures.spark import DOWN, Port, cabled, change, link_local, observed, pair, spark, table
from tests.unit.plugins.module_utils import test_addressing, test_ring, test_subset

RAIL, TWIN = "enp1s0f0np0", "enP2p1s0f0np0"
GONE = {**DOWN, "cage": ""}  # down, and not known as a twin


@dataclasses.dataclass(frozen=True)
class Case:
    """Nodes by name, and the only findings that they give: id, host of the first, words of what was found, wanted and to be done."""

    id: str
    nodes: dict[str, Any]
    host: Optional[str]
    words: tuple[str, ...]
    rails: int  # how many each node still uses
    head: Optional[str] = None
    count: int = 1


def two(second: list[Port], first: Optional[list[Port]] = None) -> dict[str, list[Port]]:
    return {"spark1": spark(1) if first is None else first, "spark2": second}


def both(netdev: str, **fields: Any) -> dict[str, list[Port]]:
    return two(change(spark(2), netdev, **fields), change(spark(1), netdev, **fields))


def chain(nodes: int) -> dict[str, list[Port]]:
    """Each node with a cable to the next, the last with none to the first."""

    def twins(cable: int) -> tuple[str, str]:
        return (f"10.0.{cable}", f"10.1.{cable}")

    middle = {f"spark{n}": cabled(n, {0: twins(n), 1: twins(n - 1)}) for n in range(2, nodes)}
    return {"spark1": cabled(1, {0: twins(1)}), **middle, f"spark{nodes}": cabled(nodes, {1: twins(nodes - 1)})}


CASES = [
    Case("inventory.too-few-nodes", {"spark1": spark(1)}, None, ("1 host: spark1", "two or more"), 0),
    Case(
        "inventory.head-not-in-group",
        two(spark(2)),
        None,
        ("head sprak2", "one of spark1, spark2", "did you mean spark2?"),
        0,
        head="sprak2",
    ),
    Case(
        "inventory.same-machine",
        two([port.but(mac=twin.mac) for port, twin in zip(spark(2), spark(1))]),
        "spark2",
        ("enp1s0f0np0 has the MAC address 02:00:5e:10:01:00", "of spark1", "spark1 and spark2 in the inventory"),
        2,
    ),
    Case("observation.missing", {"spark1": spark(1), "spark2": {"msg": "unreachable"}}, "spark2", ("no list of devices (unreachable)",), 0),
    Case("rdma.none", two([]), "spark2", ("no RDMA device", "leaves the PCI bus", "put in the cable"), 0),
    Case(
        "rdma.only-infiniband",
        two([port.but(link_layer="InfiniBand") for port in spark(2)]),
        "spark2",
        ("rocep1s0f0:1 with link layer InfiniBand", "link layer Ethernet"),
        0,
    ),
    Case(
        "rdma.no-active-port",
        two([port.but(**{**DOWN, "phys_state": "5: LinkUp"}) for port in spark(2)]),
        "spark2",
        ("rocep1s0f0:1 enp1s0f0np0 DOWN (LinkUp)", "ACTIVE with LinkUp"),
        0,
    ),
    Case(
        "rail.no-ipv4",
        two(change(spark(2), TWIN, ipv4=()), change(spark(1), TWIN, **GONE)),
        "spark2",
        ("roceP2p1s0f0:1 is ACTIVE and enP2p1s0f0np0 has no IPv4", "bandwidth lost"),
        1,
    ),
    Case("rail.no-ipv4", both(TWIN, ipv4=()), "spark1", ("an IPv4 address on enP2p1s0f0np0",), 1, count=2),
    Case(
        "rail.twin-down",
        both(TWIN, **DOWN),
        "spark1",
        ("roceP2p1s0f0:1", "DOWN (Disabled) while its twin", "ip link set enP2p1s0f0np0 up"),
        1,
        count=2,
    ),
    Case(
        "rail.same-network",
        {f"spark{n}": spark(n, networks=("10.0.0", "10.0.0")) for n in (1, 2)},
        "spark1",
        (
            "roceP2p1s0f0:1 enP2p1s0f0np0 10.0.0.1/24 in 10.0.0.0/24",
            "only rocep1s0f0:1 is used",
            "give enP2p1s0f0np0 an address in another network",
        ),
        1,
        count=2,
    ),
    Case("rail.unshared", two(change(spark(2), TWIN, **GONE)), "spark1", ("192.168.101.1/24", "no other node has"), 1),
    Case(
        "rail.unshared",
        {"spark1": spark(1), "spark2": spark(2), "spark3": change(spark(3), TWIN, **GONE)},
        "spark1",
        ("only spark2 has too", "a rail in 192.168.101.0/24 on every node"),
        1,
        count=2,
    ),
    Case(
        "rail.no-common",
        two(spark(2, networks=("10.1.0", "10.1.1"))),
        None,
        ("spark1: rocep1s0f0:1 enp1s0f0np0 192.168.100.1/24", "spark2: rocep1s0f0:1 enp1s0f0np0 10.1.0.2/24"),
        0,
    ),
    Case(
        "rail.no-common",
        two([port.but(ipv4=tuple(a.replace("/24", "/16") for a in port.ipv4)) for port in spark(2)]),
        None,
        ("192.168.100.2/16", "same prefix length"),
        0,
    ),
    Case("topology.unsupported", chain(3), None, ("3 nodes", "through others, and not in a ring", "connect the nodes by a switch"), 0),
    Case("topology.unsupported", chain(4), None, ("4 nodes",), 0),
    Case(
        "rail.redundant",
        {f"spark{n}": cabled(n, {0: ("10.0.0", "10.0.1"), 1: ("10.0.2", "10.0.3")}) for n in (1, 2)},
        "spark1",
        ("rocep1s0f1:1 enp1s0f1np1 10.0.2.1/24", "shares its PCIe link with rocep1s0f0:1"),
        2,
        count=4,
    ),
    Case(
        "rail.crossed",
        two(spark(2, networks=("192.168.101", "192.168.100"))),
        None,
        ("spark1: 192.168.100.0/24 on enp1s0f0np0, 192.168.101.0/24 on enP2p1s0f0np0", "192.168.101.0/24 is not used", "n-th HCA"),
        1,
    ),
    Case(
        "address.duplicate",
        two(change(spark(2), RAIL, ipv4=("192.168.100.1/24",))),
        "spark2",
        ("enp1s0f0np0 has 192.168.100.1, as has enp1s0f0np0 of spark1",),
        2,
    ),
    Case(
        "address.link-local",
        {f"spark{n}": change(spark(n), RAIL, ipv4=(f"169.254.7.{n}/16",)) for n in (1, 2)},
        "spark1",
        ("enp1s0f0np0 has 169.254.7.1", "a fixed address"),
        2,
        count=2,
    ),
    Case(
        "mtu.mismatch",
        two(change(spark(2), RAIL, mtu=1500)),
        None,
        ("192.168.100.0/24", "spark1 enp1s0f0np0 9000, spark2 enp1s0f0np0 1500", "hang"),
        2,
    ),
    Case("mtu.low", both(RAIL, mtu=1500), None, ("MTU 1500 in 192.168.100.0/24", "9000"), 2),
    Case(
        "link.slow",
        two(change(spark(2), RAIL, rate="100 Gb/sec (1X NDR)")),
        "spark2",
        ("rocep1s0f0:1 (enp1s0f0np0) at 100 Gb/s", "200 Gb/s"),
        2,
    ),
    Case(
        "gid.missing",
        two(change(spark(2), RAIL, gids=pair(0, link_local("02:00:5e:10:02:00"), RAIL))),
        "spark2",
        ("rocep1s0f0:1 (enp1s0f0np0)", "a RoCE v2 GID for 192.168.100.2 on enp1s0f0np0"),
        2,
    ),
    Case(
        "gid.conflict",
        two(change(spark(2), RAIL, gids=table(spark(2)[0], "192.168.100.77", "192.168.100.2"))),
        "spark2",
        ("192.168.100.77 (enp1s0f0np0, rocep1s0f0:1 index 3)", "remove the other addresses"),
        2,
    ),
]


def observations(nodes: dict[str, Any]) -> dict[str, Any]:
    return {host: observed(ports) if isinstance(ports, list) else ports for host, ports in nodes.items()}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_what_is_wrong_is_found_and_nothing_else(case: Case) -> None:
    found = plan(observations(case.nodes), head=case.head)
    assert [finding["id"] for finding in found["findings"]] == [case.id] * case.count
    first = found["findings"][0]
    assert (first["host"], first["severity"]) == (case.host, SEVERITY[case.id])
    text = f"{first['found']}; {first['wanted']}; {first['remedy']}"
    assert [words for words in case.words if words not in text] == []
    assert {len(node["rails"]) for node in found["nodes"].values()} == ({case.rails} if case.rails else set())


def test_a_port_without_interface_is_told() -> None:
    hosts = observations(two(spark(2)))
    device = hosts["spark2"]["devices"][2]
    device.update(netdev=None, mac=None, mtu=None, ipv4=[], gids=[], gid_index=None)
    found = plan(hosts)["findings"]
    assert [(finding["id"], finding["host"]) for finding in found] == [("rail.no-netdev", "spark2"), ("rail.unshared", "spark1")]


def test_every_finding_has_a_test() -> None:
    elsewhere = {*test_ring.PROVOKED, *test_addressing.PROVOKED, *test_subset.PROVOKED}
    assert {case.id for case in CASES} | {"rail.no-netdev"} | elsewhere == set(SEVERITY)


def test_all_findings_of_all_nodes_are_collected() -> None:
    first = change(spark(1), RAIL, mtu=1500, rate="100 Gb/sec (1X NDR)")
    second = change(spark(2), TWIN, ipv4=())
    found = plan(observations(two(second, first)))["findings"]
    assert [(finding["host"], finding["id"]) for finding in found] == [
        ("spark2", "rail.no-ipv4"),
        ("spark1", "rail.unshared"),
        (None, "mtu.mismatch"),
        ("spark1", "link.slow"),
    ]


def test_ports_that_do_not_name_their_cage_are_not_taken_for_twins() -> None:
    assert plan(observations(two([port.but(cage="") for port in spark(2)])))["findings"] == []


def test_made_up_addresses_of_bridges_do_not_make_two_nodes_one() -> None:
    hosts = observations(two(spark(2)))
    for observation in hosts.values():
        observation["interfaces"] = [{"name": "docker0", "mac": "02:42:ac:11:00:01"}, {"name": "lo", "mac": "00:00:00:00:00:00"}]
    assert plan(hosts)["findings"] == []


def test_two_names_of_one_uncabled_machine_are_told_by_its_management_interface() -> None:
    hosts: dict[str, Any] = {host: {"devices": [], "interfaces": [{"name": "enP7s7", "mac": "4C:BB:47:00:00:01"}]} for host in ("a", "b")}
    found = [finding for finding in plan(hosts)["findings"] if finding["id"] == "inventory.same-machine"]
    assert [finding["host"] for finding in found] == ["b"]
    assert "enP7s7 has the MAC address 4c:bb:47:00:00:01, as has enP7s7 of a" in found[0]["found"]


def test_a_node_without_gid_is_shown_with_a_gap() -> None:
    gids = pair(0, link_local("02:00:5e:10:02:00"), RAIL)
    lines = _explain.explain(plan(observations(two(change(spark(2), RAIL, gids=gids)))))
    assert "spark2: no GID setting fits, see the findings" in lines
    assert any("192.168.100.2  192.168.100.0/24  -    9000" in line for line in lines)
