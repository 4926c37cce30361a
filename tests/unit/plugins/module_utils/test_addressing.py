# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that rails are given, from who hears whom."""

from __future__ import annotations

import copy
import ipaddress
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _findings, _gid
from ansible_collections.dgx_spark.vllm.plugins.module_utils._addressing import Addressing, addressing
from ansible_collections.dgx_spark.vllm.plugins.module_utils._foresee import foresee
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.spark import mapped, pair
from tests.unit.plugins.fixtures.wires import Cable, Cluster, bare, hearing, ring_of

PROVOKED = ("rail.miswired", "probe.silent", "probe.lost", "probe.missing", "fabric.range", "fabric.stacked")
"""The findings that this file provokes."""

PAIR: list[Cable] = [[("a", 0), ("b", 1)]]
TWO_CABLES: list[Cable] = [[("a", 0), ("b", 0)], [("a", 1), ("b", 1)]]


def address(cluster: Cluster, **settings: Any) -> Addressing:
    return addressing(cluster, list(cluster), **settings)


def shown(found: Addressing) -> dict[str, dict[str, str]]:
    assert _findings.errors(found.findings) == []
    return {host: {rail["interface"]: rail["address"] for rail in rails} for host, rails in found.rails.items()}


def give(cluster: Cluster, host: str, netdev: str, *addresses: str, mtu: int = 9000) -> None:
    """Give an interface these addresses."""
    device = next(device for device in cluster[host]["devices"] if device["netdev"] == netdev)
    parsed = [ipaddress.IPv4Interface(text) for text in addresses]
    device["ipv4"] = [{"address": str(a.ip), "prefix_length": a.network.prefixlen, "network": str(a.network)} for a in parsed]
    device["mtu"] = mtu
    entries = {gid["index"]: gid for gid in device["gids"] if not gid["ipv4"]}
    for number, entry in enumerate(parsed):
        for index, (gid, kind, name) in pair(4 + 2 * number, mapped(str(entry.ip)), netdev).items():
            entries[index] = {"index": index, "gid": gid, "type": kind.split()[-1], "netdev": name, "ipv4": str(entry.ip)}
    device["gids"] = list(entries.values())


def ids(found: Addressing) -> list[str]:
    return [finding["id"] for finding in found.findings]


def test_each_function_of_a_cable_has_a_network_of_its_own_whichever_ports_the_cable_is_in() -> None:
    found = address(bare("ab", PAIR))
    assert shown(found) == {
        "a": {"enp1s0f0np0": "10.100.0.1/24", "enP2p1s0f0np0": "10.100.1.1/24"},
        "b": {"enp1s0f1np1": "10.100.0.2/24", "enP2p1s0f1np1": "10.100.1.2/24"},
    }
    assert {(rail["mtu"], rail["kept"], tuple(rail["routes"])) for rails in found.rails.values() for rail in rails} == {(9000, False, ())}


def test_two_cables_have_four_networks_and_a_switch_one_for_each_function() -> None:
    two = shown(address(bare("ab", TWO_CABLES)))
    assert [text.split(".")[2] for text in two["a"].values()] == ["0", "2", "1", "3"]
    switch = shown(address(bare("abcd", [[("a", 0), ("b", 1), ("c", 0), ("d", 1)]])))
    assert [list(rails.values()) for rails in switch.values()] == [[f"10.100.0.{n}/24", f"10.100.1.{n}/24"] for n in (1, 2, 3, 4)]


def test_a_cable_that_leads_to_no_node_of_the_cluster_gets_nothing() -> None:
    cluster = bare("ab", [*PAIR, [("a", 1)]])
    assert set(shown(address(cluster))["a"]) == {"enp1s0f0np0", "enP2p1s0f0np0"}


def test_a_ring_has_two_networks_a_cable_and_routes_over_the_nearer_neighbour() -> None:
    found = address(bare("abcd", ring_of("abcd")))
    rails = {rail["interface"]: rail for rail in found.rails["a"]}
    # Networks 0 and 1 are of the cable a - b, 2 and 3 of that to d, 4 and 5 of b - c, 6 and 7 of c - d.
    assert rails["enp1s0f0np0"] == {
        "interface": "enp1s0f0np0",
        "address": "10.100.0.1/24",
        "mtu": 9000,
        "kept": False,
        "routes": [{"to": "10.100.4.0/24", "via": "10.100.0.2"}],
    }
    assert rails["enP2p1s0f0np0"]["routes"] == [{"to": "10.100.5.0/24", "via": "10.100.1.2"}]
    assert rails["enp1s0f1np1"]["routes"] == [{"to": "10.100.6.0/24", "via": "10.100.2.4"}]
    assert rails["enP2p1s0f1np1"]["routes"] == [{"to": "10.100.7.0/24", "via": "10.100.3.4"}]


@pytest.mark.parametrize("nodes", [3, 4, 5, 8])
def test_in_a_ring_every_address_is_reached_from_every_node(nodes: int) -> None:
    names = "abcdefgh"[:nodes]
    rails = address(bare(names, ring_of(names))).rails
    owners = {ipaddress.IPv4Interface(rail["address"]).ip: host for host, mine in rails.items() for rail in mine}
    for host in names:
        for target in owners:
            here, hops = host, 0
            while target not in [ipaddress.IPv4Interface(rail["address"]).ip for rail in rails[here]]:
                near = [owners[target] for rail in rails[here] if target in ipaddress.IPv4Interface(rail["address"]).network]
                far = [
                    owners[ipaddress.IPv4Address(route["via"])]
                    for rail in rails[here]
                    for route in rail["routes"]
                    if target in ipaddress.IPv4Network(route["to"])
                ]
                assert len(near + far) == 1, (here, target)
                here, hops = (near + far)[0], hops + 1
                assert hops <= (nodes + 1) // 2, (host, target)


def dropped_by_strict_nodes(rails: dict[str, list[dict[str, Any]]]) -> set[tuple[str, str]]:
    """Who does not reach whom where a node drops what comes in by another rail than it would send the answer by (rp_filter 1)."""
    owners = {ipaddress.IPv4Interface(rail["address"]).ip: (host, rail["interface"]) for host, mine in rails.items() for rail in mine}

    def way(host: str, target: ipaddress.IPv4Address) -> tuple[str, str, ipaddress.IPv4Address, ipaddress.IPv4Address]:
        """The next node, the interface by which it is arrived at, and by which this one is left; the address at this end."""
        for rail in rails[host]:
            own = ipaddress.IPv4Interface(rail["address"])
            if target in own.network:
                return (*owners[target], rail["interface"], own.ip)
        for rail in rails[host]:
            for route in rail["routes"]:
                if target in ipaddress.IPv4Network(route["to"]):
                    return (*owners[ipaddress.IPv4Address(route["via"])], rail["interface"], ipaddress.IPv4Interface(rail["address"]).ip)
        raise AssertionError((host, target))

    found = set()
    for host in rails:
        for target, (owner, _interface) in owners.items():
            here, source = host, None
            while here != owner:
                here, arrived, _left, mine = way(here, target)
                source = source or mine
                if owners[source][0] != here and way(here, source)[2] != arrived:
                    found.add((host, owner))
    return found


@pytest.mark.parametrize("nodes", [3, 4, 5, 6, 7])
def test_in_a_ring_of_an_odd_number_of_nodes_answers_come_another_way_than_questions(nodes: int) -> None:
    """Why the role has its nodes check the way back loosely."""
    names = "abcdefgh"[:nodes]
    found = dropped_by_strict_nodes(address(bare(names, ring_of(names))).rails)
    assert (found != set()) == (nodes % 2 == 1), found


@pytest.mark.parametrize("cables", [PAIR, TWO_CABLES, [[("a", 0), ("b", 1), ("c", 0)]]])
def test_where_no_node_passes_anything_on_answers_come_the_way_of_the_questions(cables: list[Cable]) -> None:
    names = sorted({host for ends in cables for host, _cage in ends})
    rails = address(bare(names, cables)).rails
    assert len(rails) == len(names) and dropped_by_strict_nodes(rails) == set()


def test_a_fabric_that_somebody_has_made_is_kept_with_its_mtu() -> None:
    cluster = bare("ab", PAIR)
    for host, cage, last in (("a", "f0np0", 10), ("b", "f1np1", 11)):
        give(cluster, host, f"enp1s0{cage}", f"192.168.200.{last}/24", mtu=1500)
        give(cluster, host, f"enP2p1s0{cage}", f"192.168.201.{last}/24", mtu=1500)
    found = address(cluster)
    assert shown(found)["a"] == {"enp1s0f0np0": "192.168.200.10/24", "enP2p1s0f0np0": "192.168.201.10/24"}
    assert {(rail["kept"], rail["mtu"]) for rails in found.rails.values() for rail in rails} == {(True, 1500)}


def test_what_is_missing_is_added_to_what_is_there() -> None:
    cluster = bare("abc", [[("a", 0), ("b", 0), ("c", 0)]])
    give(cluster, "a", "enp1s0f0np0", "192.168.200.3/24")
    give(cluster, "b", "enp1s0f0np0", "192.168.200.11/24", mtu=1500)
    found = address(cluster)
    # The third node's own number is taken by the first; the second changes its MTU and nothing else.
    assert [mine["enp1s0f0np0"] for mine in shown(found).values()] == ["192.168.200.3/24", "192.168.200.11/24", "192.168.200.4/24"]
    assert [mine["enP2p1s0f0np0"] for mine in shown(found).values()] == ["10.100.0.1/24", "10.100.0.2/24", "10.100.0.3/24"]
    kept = {(host, rail["interface"]) for host, rails in found.rails.items() for rail in rails if rail["kept"]}
    assert kept == {("a", "enp1s0f0np0")}


def test_of_twins_in_one_network_one_keeps_it() -> None:
    cluster = bare("ab", PAIR)
    for host, cage, last in (("a", "f0np0", 1), ("b", "f1np1", 3)):
        give(cluster, host, f"enp1s0{cage}", f"192.168.0.{last}/24")
        give(cluster, host, f"enP2p1s0{cage}", f"192.168.0.{last + 1}/24")
    assert shown(address(cluster))["b"] == {"enp1s0f1np1": "192.168.0.3/24", "enP2p1s0f1np1": "10.100.0.2/24"}


def test_an_address_that_two_nodes_have_and_one_that_an_interface_gave_itself_are_replaced() -> None:
    cluster = bare("ab", PAIR)
    for host, cage in (("a", "f0np0"), ("b", "f1np1")):
        give(cluster, host, f"enp1s0{cage}", "192.168.7.9/24")
        give(cluster, host, f"enP2p1s0{cage}", "169.254.3.4/16")
    assert shown(address(cluster)) == {
        "a": {"enp1s0f0np0": "192.168.7.9/24", "enP2p1s0f0np0": "10.100.0.1/24"},
        "b": {"enp1s0f1np1": "192.168.7.2/24", "enP2p1s0f1np1": "10.100.0.2/24"},
    }


def test_networks_that_the_nodes_reach_otherwise_are_passed_over() -> None:
    cluster = bare("ab", PAIR)
    cluster["b"]["interfaces"][0]["routes"] = ["10.100.0.0/23"]
    cluster["a"]["interfaces"][0]["ipv4"] = [{"address": "10.100.3.7", "prefix_length": 24, "network": "10.100.3.0/24"}]
    assert list(shown(address(cluster))["a"].values()) == ["10.100.2.1/24", "10.100.4.1/24"]


def test_networks_of_ports_that_lead_to_no_node_of_the_cluster_are_passed_over() -> None:
    cluster = bare("ab", [*PAIR, [("a", 1)]])
    give(cluster, "a", "enp1s0f1np1", "10.100.0.5/24")
    assert list(shown(address(cluster))["b"].values()) == ["10.100.1.2/24", "10.100.2.2/24"]
    # But a port whose frames nobody hears just now may be in the network of the others.
    give(cluster, "b", "enp1s0f1np1", "10.100.0.2/24")
    assert list(shown(address(cluster))["b"].values()) == ["10.100.0.2/24", "10.100.1.2/24"]


def test_networks_of_docker_are_passed_over() -> None:
    cluster = bare("ab", PAIR)
    bridge = {"address": "172.17.0.1", "prefix_length": 16, "network": "172.17.0.0/16"}
    cluster["b"]["interfaces"].append({**cluster["b"]["interfaces"][0], "name": "docker0", "physical": False, "ipv4": [bridge]})
    assert list(shown(address(cluster, addresses="172.16.0.0/12", prefix_length=16))["a"].values()) == ["172.16.0.1/16", "172.18.0.1/16"]
    found = address(cluster, addresses="172.17.0.0/16")
    assert ids(found) == ["fabric.range"] and "it overlaps 172.17.0.0/16 (b docker0)" in found.findings[0]["found"]


def test_rails_with_ipv6_alone_are_given_addresses() -> None:
    cluster = bare("ab", PAIR)
    for device in cluster["a"]["devices"]:
        gid = "fd00:0000:0000:0000:0000:0000:0000:0001"
        device["gids"] += [
            {"index": n, "gid": gid, "type": kind, "netdev": device["netdev"], "ipv4": None} for n, kind in ((2, "v1"), (3, "v2"))
        ]
    found = address(cluster)
    assert list(shown(found)["a"].values()) == ["10.100.0.1/24", "10.100.1.1/24"]
    planned = plan(applied(cluster, found))
    assert _findings.errors(planned["findings"]) == [] and [rail["gid_index"] for rail in planned["nodes"]["a"]["rails"]] == [5, 5]


def test_addresses_at_another_gid_index_are_kept_and_planned_with() -> None:
    cluster = bare("ab", PAIR)
    first = applied(cluster, address(cluster))
    drifted = copy.deepcopy(first)
    for device in drifted["b"]["devices"]:
        for gid in device["gids"]:
            gid["index"] += 2 if gid["ipv4"] else 0
        device["nccl_gid_index"] = _gid.nccl_choice(device["gids"], device["gid_table_length"])
        device["gid_index"] = device["nccl_gid_index"] if device["ipv4"] else None
    assert all(rail["kept"] for rails in address(drifted).rails.values() for rail in rails)
    before, after = plan(first), plan(drifted)
    assert _findings.errors(after["findings"]) == []
    assert {host: [rail["gid_index"] for rail in node["rails"]] for host, node in after["nodes"].items()} == {"a": [3, 3], "b": [5, 5]}
    assert [rail["ipv4"] for rail in after["nodes"]["b"]["rails"]] == [rail["ipv4"] for rail in before["nodes"]["b"]["rails"]]


@pytest.mark.parametrize(
    "given_range, length, said",
    [
        ("10.9.0.0/24", 24, "it overlaps 10.9.0.0/24 (a enP7s7)"),
        ("10.9.0.0/24", 30, "has 0 free networks of /30"),
        ("10.200.0.0/24", 24, "has 1 free networks of /24"),
        ("10.200.0.0/16", 31, "leaves 0 addresses a network"),
        ("10.200.0.0/16", 8, "at least 16, at most 30"),
        ("10.200.0.1/16", 24, "has host bits set"),
        ("fd00::/64", 24, "addresses: 'fd00::/64'"),
        ("", 24, "addresses: ''"),
    ],
)
def test_a_range_that_does_not_do_is_refused(given_range: str, length: int, said: str) -> None:
    found = address(bare("ab", PAIR), addresses=given_range, prefix_length=length)
    assert found.rails == {} and ids(found) == ["fabric.range"]
    assert said in _findings.text(found.findings[0])


def test_a_network_must_have_room_for_all_nodes() -> None:
    cluster = bare("abcd", [[(name, 0) for name in "abcd"]])
    assert "an address for each of 4 nodes" in address(cluster, prefix_length=30).findings[0]["wanted"]
    assert shown(address(bare("ab", PAIR), prefix_length=30))["b"]["enp1s0f1np1"] == "10.100.0.2/30"


def test_who_hears_nobody_is_named_and_who_was_not_probed_stops() -> None:
    cluster = bare("abc", [*PAIR, [("c", 0)]])
    found = address(cluster)
    assert [(finding["id"], finding["host"]) for finding in found.findings] == [("probe.silent", "c")]
    assert found.rails["c"] == []
    cluster["a"]["heard"] = {name: [] for name in cluster["a"]["heard"]}
    one_way = [finding for finding in address(cluster).findings if finding["host"] in ("a", "b")]
    assert "is heard by b and hears nobody" in one_way[0]["found"] and "hears a and is not heard" in one_way[1]["found"]
    del cluster["c"]["heard"]
    assert ids(address(cluster)) == ["probe.missing"]


def test_a_port_that_goes_while_it_is_probed_is_told() -> None:
    cluster = bare("ab", PAIR)
    give(cluster, "a", "enp1s0f0np0", "10.7.0.1/24")
    give(cluster, "b", "enp1s0f1np1", "10.7.0.2/24")
    cluster["b"]["lost"] = {"enp1s0f1np1": "Network is down"}
    for findings in (address(cluster).findings, plan(cluster)["findings"]):
        (gone,) = [finding for finding in findings if finding["id"] == "probe.lost"]
        assert (gone["severity"], gone["host"]) == ("warning", "b")
        assert gone["found"] == "rocep1s0f1:1 enp1s0f1np1 10.7.0.2/24 was up and then not: Network is down"
    cluster["b"]["lost"] = {}
    assert "probe.lost" not in ids(address(cluster))


def test_a_port_that_is_no_more_a_port_is_told_by_its_name() -> None:
    cluster = bare("ab", PAIR)
    cluster["b"]["lost"] = {"enp9s0": "No such device"}
    assert "enp9s0 was up and then not: No such device" in address(cluster).findings[0]["found"]


@pytest.mark.parametrize("upper", ["bond0", "br0", "enp1s0f1np1.100"])
def test_a_bond_a_bridge_or_a_vlan_upon_a_rail_is_named(upper: str) -> None:
    cluster = bare("ab", PAIR)
    cluster["b"]["devices"][1]["uppers"] = [upper]
    found = address(cluster)
    assert [(finding["id"], finding["host"]) for finding in found.findings] == [("fabric.stacked", "b")]
    assert f"{upper} made upon enp1s0f1np1" in found.findings[0]["found"]


def test_rails_of_one_network_that_no_wire_connects_are_refused() -> None:
    cluster = bare("ab", TWO_CABLES)
    for host, last in (("a", 1), ("b", 2)):
        give(cluster, host, "enp1s0f0np0" if host == "a" else "enp1s0f1np1", f"10.3.0.{last}/24")
    found = [finding for finding in plan(cluster)["findings"] if finding["severity"] == "error"]
    assert [finding["id"] for finding in found] == ["rail.miswired"]
    assert "a rocep1s0f0:1 enp1s0f0np0 10.3.0.1/24" in found[0]["found"]
    assert "on one wire are a enp1s0f0np0 - a enP2p1s0f0np0 - b enp1s0f0np0" in found[0]["found"]


def applied(cluster: Cluster, found: Addressing) -> Cluster:
    """The cluster as it is after the addresses have been given."""
    return foresee(copy.deepcopy(cluster), found.rails)


WIRINGS = st.sampled_from(["pair", "two cables", "ring", "switch", "switch of two ports each"])


@settings(max_examples=60, deadline=None)
@given(wiring=WIRINGS, nodes=st.integers(3, 9), seed=st.integers(0, 10**9))
def test_whatever_is_there_the_addresses_make_a_valid_plan_and_are_kept_from_then_on(wiring: str, nodes: int, seed: int) -> None:
    chance = random.Random(seed)
    names = ["a", "b"] if wiring in ("pair", "two cables") else [f"n{number}" for number in range(nodes)]
    swap = {name: chance.randint(0, 1) for name in names}
    wirings: dict[str, Any] = {
        "pair": PAIR,
        "two cables": TWO_CABLES,
        "ring": ring_of(names),
        "switch": [[(name, 0) for name in names]],
        "switch of two ports each": [[(name, cage) for name in names for cage in (0, 1)]],
    }
    cables = [[(host, cage ^ swap[host]) for host, cage in ends] for ends in wirings[wiring]]
    cluster = bare(names, cables)
    leftovers = ["192.168.0.{}/24", "192.168.1.{}/24", "169.254.0.{}/16", "10.100.0.{}/24", "10.100.1.{}/23", "10.9.0.{}/24"]
    for host in names:
        for device in cluster[host]["devices"]:
            if chance.random() < 0.4:
                give(
                    cluster, host, device["netdev"], chance.choice(leftovers).format(chance.randint(1, 9)), mtu=chance.choice([1500, 9000])
                )
    found = address(cluster)
    assert found.findings == []
    everything = [ipaddress.IPv4Interface(rail["address"]) for rails in found.rails.values() for rail in rails]
    assert len({entry.ip for entry in everything}) == len(everything), "an address twice"
    for rails in found.rails.values():
        networks = [ipaddress.IPv4Interface(rail["address"]).network for rail in rails]
        assert not any(one.overlaps(other) for n, one in enumerate(networks) for other in networks[n + 1 :])
    after = applied(cluster, found)
    planned = plan(after)
    assert [finding["id"] for finding in planned["findings"] if finding["id"] not in ("rail.redundant", "rail.crossed", "mtu.low")] == []
    again = address(hearing(after, cables))
    assert again.rails == {host: [{**rail, "kept": True} for rail in rails] for host, rails in found.rails.items()}
    assert address(copy.deepcopy(cluster)) == found
