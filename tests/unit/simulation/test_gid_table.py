# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest

from simulation.node.sim_rdma import tree as tree_module
from simulation.node.sim_rdma.gid_table import V1, V2, GidTable, gid_of_mac, text_of_gid
from simulation.node.sim_rdma.hardware import functions, switch_id
from simulation.node.sim_rdma.netlink import address_of, messages
from simulation.node.sim_rdma.tree import Link, Tree

MAC = "4c:bb:47:07:00:10"


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


@pytest.fixture
def table() -> GidTable:
    fresh = GidTable()
    fresh.set_default(MAC)
    return fresh


def used(table: GidTable) -> dict[int, tuple[str, str]]:
    shown = {}
    for index, entry in enumerate(table.entries):
        if entry:
            address = ipaddress.IPv6Address(entry[0])
            shown[index] = (str(address.ipv4_mapped or address), entry[1])
    return shown


def test_default_gid_is_the_link_local_of_the_mac() -> None:
    assert text_of_gid(gid_of_mac(MAC)) == "fe80:0000:0000:0000:4ebb:47ff:fe07:0010"


def test_first_address_comes_after_the_default_entries(table: GidTable) -> None:
    table.add(packed("192.168.100.11"))
    assert used(table) == {
        0: ("fe80::4ebb:47ff:fe07:10", V1),
        1: ("fe80::4ebb:47ff:fe07:10", V2),
        2: ("192.168.100.11", V1),
        3: ("192.168.100.11", V2),
    }
    assert len(table.entries) == 255


def test_eui64_link_local_takes_no_entries_of_its_own(table: GidTable) -> None:
    table.add(packed("fe80::4ebb:47ff:fe07:10"))
    assert list(used(table)) == [0, 1]


def test_another_link_local_pushes_the_ipv4_to_five(table: GidTable) -> None:
    table.add(packed("fe80::1234"))
    table.add(packed("192.168.100.11"))
    assert used(table)[5] == ("192.168.100.11", V2)


def test_a_hole_is_filled_by_the_next_address(table: GidTable) -> None:
    for address in ("10.0.0.1", "10.0.0.2"):
        table.add(packed(address))
    table.remove(packed("10.0.0.1"))
    assert list(used(table)) == [0, 1, 4, 5]
    table.add(packed("10.0.0.3"))
    assert used(table)[3] == ("10.0.0.3", V2)


def test_an_address_added_twice_is_there_once(table: GidTable) -> None:
    table.add(packed("10.0.0.1"))
    table.add(packed("10.0.0.1"))
    assert list(used(table)) == [0, 1, 2, 3]


def test_default_entries_survive_the_removal_of_their_address(table: GidTable) -> None:
    table.remove(packed("fe80::4ebb:47ff:fe07:10"))
    assert list(used(table)) == [0, 1]


def test_rescan_drops_what_is_gone_and_adds_what_is_new(table: GidTable) -> None:
    table.add(packed("10.0.0.1"))
    table.add(packed("10.0.0.2"))
    table.keep_only([packed("10.0.0.3"), packed("10.0.0.2")])
    assert {address for address, _ in used(table).values()} == {"fe80::4ebb:47ff:fe07:10", "10.0.0.2", "10.0.0.3"}


def test_a_full_table_takes_no_more() -> None:
    small = GidTable(4)
    small.set_default(MAC)
    small.add(packed("10.0.0.1"))
    small.add(packed("10.0.0.2"))
    assert used(small)[3] == ("10.0.0.1", V2)


def test_local_address_wins_over_the_peers_in_a_netlink_message() -> None:
    def attribute(kind: int, data: bytes) -> bytes:
        return (4 + len(data)).to_bytes(2, "little") + kind.to_bytes(2, "little") + data

    message = bytes(24) + attribute(1, packed("10.0.0.9")) + attribute(2, packed("10.0.0.1"))
    assert address_of(message) == packed("10.0.0.1")


def test_messages_of_one_datagram_are_told_apart() -> None:
    one = (17).to_bytes(4, "little") + (20).to_bytes(2, "little") + bytes(11)
    other = (16).to_bytes(4, "little") + (21).to_bytes(2, "little") + bytes(10)
    assert [kind for kind, _ in messages(one + bytes(3) + other)] == [20, 21]


@pytest.fixture
def tree(table: GidTable, monkeypatch: pytest.MonkeyPatch) -> Tree:
    table.add(packed("192.168.100.11"))
    ours = functions({"SIM_RDMA_NAMES": "mlx5_1 mlx5_0 mlx5_3 mlx5_2"})
    live: Any = SimpleNamespace(tables={function.device: table if function.device == "mlx5_0" else GidTable() for function in ours})
    monkeypatch.setattr(tree_module, "has_carrier", lambda netdev: netdev.endswith("f1np1"))
    return Tree(ours, live, "/run/fuse")


def at(tree: Tree, path: str) -> Any:
    return tree.look_up(tuple(path.split("/")))


def test_names_are_given_in_the_order_of_the_functions(tree: Tree) -> None:
    assert at(tree, "infiniband/mlx5_0/device") == Link("/run/fuse/pci/0000:01:00.1")


def test_attributes_of_an_unused_entry_cannot_be_read(tree: Tree) -> None:
    port = "infiniband/mlx5_0/ports/1/"
    assert at(tree, port + "gids/4") == "0000:0000:0000:0000:0000:0000:0000:0000\n"
    assert at(tree, port + "gid_attrs/types/4") == errno.EINVAL
    assert at(tree, port + "gid_attrs/ndevs/4") == errno.EINVAL
    assert at(tree, port + "gid_attrs/types/3") == "RoCE v2\n"
    assert at(tree, port + "gid_attrs/ndevs/3") == "enp1s0f1np1\n"
    assert at(tree, port + "gids/255") is None


@pytest.mark.parametrize(
    ("device", "state", "physical", "rate"),
    [("mlx5_0", "4: ACTIVE", "5: LinkUp", "200 Gb/sec (2X NDR)"), ("mlx5_1", "1: DOWN", "3: Disabled", "40 Gb/sec (4X QDR)")],
)
def test_port_follows_the_cable(tree: Tree, device: str, state: str, physical: str, rate: str) -> None:
    port = f"infiniband/{device}/ports/1/"
    assert [at(tree, port + name) for name in ("state", "phys_state", "rate")] == [state + "\n", physical + "\n", rate + "\n"]


def test_twins_share_port_name_and_all_functions_the_switch() -> None:
    ours = functions({})
    assert {function.netdev: function.port_name for function in ours} == {
        "enp1s0f0np0": "p0",
        "enp1s0f1np1": "p1",
        "enP2p1s0f0np0": "p0",
        "enP2p1s0f1np1": "p1",
    }
    assert switch_id({"SIM_NODE_ID": "1"}) != switch_id({"SIM_NODE_ID": "2"})


def test_two_devices_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="four different names"):
        functions({"SIM_RDMA_NAMES": "mlx5_0 mlx5_0 mlx5_1 mlx5_2"})
