# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are cabled in a ring, each cable with networks of its own."""

from __future__ import annotations

import itertools
from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _explain, _findings
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import UNSET, plan
from tests.unit.plugins.fixtures.spark import cabled, change, observed

LAN, WIFI, BRIDGE = ("enP7s7", False), ("wlP9s9", True), ("docker0", False)


def interface(kind: tuple[str, bool], address: str, network: str, carrier: bool = True) -> dict[str, Any]:
    ipv4 = [{"address": address, "prefix_length": 24, "network": network}]
    return {"name": kind[0], "mac": None, "wireless": kind[1], "carrier": carrier, "ipv4": ipv4}


def beside(node: int) -> list[dict[str, Any]]:
    """What a node has beside its rails."""
    return [
        interface(BRIDGE, "172.17.0.1", "172.17.0.0/16"),
        interface(WIFI, f"192.168.7.{node}", "192.168.7.0/24"),
        interface(LAN, f"10.9.0.{node}", "10.9.0.0/24"),
    ]


def ring(names: str, order: Optional[str] = None, cages: Optional[dict[str, int]] = None) -> dict[str, dict[str, Any]]:
    """Nodes of one letter, each cabled to the next of `names`; the inventory has them in `order`.

    The cable to the next is in cage 0 of a node and the one from before in cage 1, or the other way round where `cages` says 1.
    """
    hosts = {}
    for number, name in enumerate(names):
        after, before = f"10.0.{2 * number}", f"10.0.{2 * ((number - 1) % len(names))}"
        cage = (cages or {}).get(name, 0)
        twins = {cage: (after, f"10.1.{after[5:]}"), 1 - cage: (before, f"10.1.{before[5:]}")}
        node = ord(name) - ord("a") + 1
        hosts[name] = {**observed(cabled(node, twins)), "interfaces": beside(node)}
    return {name: hosts[name] for name in order or names}


def ids(found: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in found["findings"]]


@pytest.mark.parametrize("names", ["abc", "abcd", "abcdefgh"])
def test_every_node_uses_both_rails_of_both_cables(names: str) -> None:
    found = plan(ring(names))
    assert (found["topology"], found["findings"]) == ("ring", [])
    assert [node["rank"] for node in found["nodes"].values()] == list(range(len(names)))
    for node in found["nodes"].values():
        assert [rail["device"] for rail in node["rails"]] == ["rocep1s0f0", "rocep1s0f1", "roceP2p1s0f0", "roceP2p1s0f1"]
        assert len({rail["network"] for rail in node["rails"]}) == 4


@pytest.mark.parametrize("cages", list(itertools.product((0, 1), repeat=3)))
def test_each_cable_may_be_in_either_port(cages: tuple[int, ...]) -> None:
    found = plan(ring("abc", cages=dict(zip("abc", cages))))
    assert (found["topology"], found["findings"]) == ("ring", [])
    networks: dict[str, list[str]] = {}
    for host, node in found["nodes"].items():
        for rail in node["rails"]:
            networks.setdefault(rail["network"], []).append(host)
    assert sorted(map(len, networks.values())) == [2] * 6


def test_the_environment_is_that_of_a_ring() -> None:
    node = plan(ring("abc"))["nodes"]["b"]
    assert node["env"] == {
        "VLLM_HOST_IP": "10.9.0.2",
        "NCCL_NET": "IB",
        "NCCL_IB_DISABLE": "0",
        "NCCL_CROSS_NIC": "1",
        "NCCL_IB_HCA": "=rocep1s0f0:1,rocep1s0f1:1,roceP2p1s0f0:1,roceP2p1s0f1:1",
        "NCCL_SOCKET_IFNAME": "=enP7s7",
        "GLOO_SOCKET_IFNAME": "enP7s7",
        "TP_SOCKET_IFNAME": "enP7s7",
        "MN_IF_NAME": "enP7s7",
        "OMPI_MCA_btl_tcp_if_include": "enP7s7",
        "NCCL_IB_SUBNET_AWARE_ROUTING": "1",
        "NCCL_IB_SUBNET_PREFIX_LEN": "24",
        "NCCL_IB_MERGE_NICS": "0",
        "NCCL_NET_PLUGIN": "none",
        "NCCL_ALGO": "Ring",
    }
    assert not set(node["env"]) & set(node["env_unset"])
    assert set(UNSET) <= set(node["env"]) | set(node["env_unset"])


@pytest.mark.parametrize(
    ("order", "head", "ranks"), [("abcd", None, "abcd"), ("acbd", None, "abcd"), ("dbca", "c", "cdab"), ("abdc", "b", "badc")]
)
def test_ranks_follow_the_cables_from_the_head_on(order: str, head: Optional[str], ranks: str) -> None:
    found = plan(ring("abcd", order), head=head)
    assert "".join(found["nodes"]) == ranks
    assert found["master_addr"] == found["nodes"][ranks[0]]["host_ip"]


def test_the_ranks_meet_over_a_network_that_all_share() -> None:
    found = plan(ring("abcd"))
    assert found["master_addr"] == "10.9.0.1"
    assert {host: (node["host_ip"], node["socket_ifname"]) for host, node in found["nodes"].items()} == {
        name: (f"10.9.0.{number}", "enP7s7") for number, name in enumerate("abcd", 1)
    }


def without(hosts: dict[str, Any], *kinds: tuple[str, bool], of: str = "") -> dict[str, Any]:
    """The same without these interfaces, on these hosts or on all."""
    for host, observation in hosts.items():
        if not of or host in of:
            observation["interfaces"] = [i for i in observation["interfaces"] if i["name"] not in [name for name, _wireless in kinds]]
    return hosts


def test_a_wireless_network_is_the_last_choice_and_is_told() -> None:
    found = plan(without(ring("abc"), LAN, of="b"))
    assert ids(found) == ["ring.wireless-control-path"]
    assert found["nodes"]["a"]["env"]["GLOO_SOCKET_IFNAME"] == "wlP9s9"
    assert "a wlP9s9 192.168.7.1, b wlP9s9 192.168.7.2" in found["findings"][0]["found"]


def test_a_bridge_of_containers_is_no_way_from_node_to_node() -> None:
    found = plan(without(ring("abc"), LAN, WIFI))
    assert ids(found) == ["ring.no-control-path"]
    assert "a - b - c" in found["findings"][0]["found"]


def test_an_interface_without_a_carrier_is_no_way() -> None:
    hosts = without(ring("abc"), LAN, WIFI)
    for number, observation in enumerate(hosts.values()):
        observation["interfaces"].append(interface(LAN, f"10.9.0.{number}", "10.9.0.0/24", carrier=False))
    assert ids(plan(hosts)) == ["ring.no-control-path"]


def test_networks_of_cables_have_one_prefix_length() -> None:
    hosts = ring("abc")
    for observation in hosts.values():
        for device in observation["devices"]:
            for entry in device["ipv4"]:
                if entry["network"] == "10.0.0.0/24":
                    entry["network"] = "10.0.0.0/25"
    (finding,) = plan(hosts)["findings"]
    assert finding["id"] == "ring.prefix-lengths" and "10.0.0.0/25" in finding["found"]


def test_a_ring_with_a_cable_out_is_a_chain() -> None:
    hosts = ring("abcd")
    for name, cage in (("a", "f0"), ("b", "f1")):
        for device in hosts[name]["devices"]:
            if device["device"].endswith(cage):
                device.update(state="DOWN", phys_state="Disabled")
    found = plan(hosts)
    assert ids(found) == ["topology.unsupported"]
    assert found["nodes"] == {}


def test_a_rail_whose_network_has_a_third_node_is_not_used() -> None:
    hosts = ring("abc")
    for name in "abc":
        device = next(d for d in hosts[name]["devices"] if d["device"] == "roceP2p1s0f0")
        device["ipv4"] = [{"address": f"10.5.0.{ord(name) - 96}", "prefix_length": 24, "network": "10.5.0.0/24"}]
    # One network for three cables is what a switch has: it is taken, and the rest is what two of three nodes share.
    found = plan(hosts)
    assert found["topology"] == "switch"
    assert {len(node["rails"]) for node in found["nodes"].values()} == {1}


def test_two_rings_are_no_ring() -> None:
    second = {name.upper(): observation for name, observation in ring("abc").items()}
    for observation in second.values():
        for device in observation["devices"]:
            device["mac"] = device["mac"].replace("02:00", "02:01")
            for entry in device["ipv4"]:
                entry.update(address=entry["address"].replace("10.", "11.", 1), network=entry["network"].replace("10.", "11.", 1))
    found = plan({**ring("abc"), **second})
    assert ids(found) == ["rail.no-common"]


def test_a_twin_that_is_not_addressed_is_told_and_the_other_used() -> None:
    hosts = ring("abc")
    ports = change(cabled(2, {0: ("10.0.2", "10.1.2"), 1: ("10.0.0", "10.1.0")}), "enP2p1s0f0np0", ipv4=())
    hosts["b"] = {**observed(ports), "interfaces": beside(2)}
    found = plan(hosts)
    assert sorted(ids(found)) == ["rail.no-ipv4", "rail.unshared"]
    assert [len(node["rails"]) for node in found["nodes"].values()] == [4, 3, 3]


@pytest.mark.parametrize(
    ("names", "nccl", "rings", "wanted"),
    [
        ("abc", "2.30.4", False, ["ring.nccl-version"]),
        ("abc", "2.30.7", False, []),
        ("abc", "2.31.0", False, []),
        ("abc", "3.0", False, []),
        ("abc", None, False, []),
        ("abcd", "2.30.7", False, ["ring.nccl-trees"]),
        ("abcd", "2.30.7", True, []),
        ("abcd", "2.30.4", True, ["ring.nccl-version"]),
    ],
)
def test_a_ring_needs_an_nccl_that_can_connect_it(names: str, nccl: Optional[str], rings: bool, wanted: list[str]) -> None:
    found = plan(ring(names), nccl=nccl, nccl_rings=rings)
    assert ids(found) == wanted
    assert {finding["severity"] for finding in found["findings"]} <= {"error"}
    assert list(found["nodes"]) == list(names), "what was found is shown all the same"


def test_what_a_ring_lacks_is_said_with_what_to_do() -> None:
    (text,) = _findings.texts(plan(ring("abcd"), nccl="2.30.7")["findings"])
    for words in ("4 nodes in a ring (a - b - c - d)", "built to leave them out", "nccl.rings: true", "connect the nodes by a switch"):
        assert words in text


def test_any_nccl_will_do_on_a_switch() -> None:
    hosts = {f"spark{n}": observed(cabled(n, {0: ("10.0.0", "10.0.1")})) for n in (1, 2, 3, 4)}
    assert ids(plan(hosts, nccl="2.28.9")) == []


def test_the_table_names_the_ring_and_its_ranks() -> None:
    lines = _explain.explain(plan(ring("abc")))
    assert lines[0].startswith("ring of 3 nodes, master 10.9.0.1, plan ")
    assert lines[2].split()[:4] == ["0", "a", "10.9.0.1", "rocep1s0f0:1"]
    assert lines[14].startswith("cabled a - b - c - a: ranks follow the cables, and find each other over enP7s7")
