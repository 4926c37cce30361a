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


def interface(kind: tuple[str, bool], address: str, network: str, carrier: Any = True) -> dict[str, Any]:
    ipv4 = [{"address": address, "prefix_length": 24, "network": network}]
    physical = kind[0] in ("enP7s7", "wlP9s9")
    return {"name": kind[0], "mac": None, "wireless": kind[1], "physical": physical, "carrier": carrier, "ipv4": ipv4}


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
    hosts = ring("abc", cages=dict(zip("abc", cages)))
    found = plan(hosts)
    assert (found["topology"], found["findings"]) == ("ring", [])
    # NCCL connects only the two in which each cable joins port 0 to port 1.
    judged = plan(hosts, nccl="2.30.7")
    assert ids(judged) == ([] if len(set(cages)) == 1 else ["ring.ports"])
    assert plan(hosts, nccl="2.30.7", nccl_rings=True)["findings"] == []
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


@pytest.mark.parametrize("carrier", [False, None])
def test_an_interface_without_a_carrier_is_no_way(carrier: Any) -> None:
    hosts = without(ring("abc"), LAN, WIFI)
    for number, observation in enumerate(hosts.values()):
        observation["interfaces"].append(interface(LAN, f"10.9.0.{number}", "10.9.0.0/24", carrier))
    assert ids(plan(hosts)) == ["ring.no-control-path"]


@pytest.mark.parametrize("interfaces", [None, [], [{"name": "enP7s7"}]])
def test_what_is_not_known_of_interfaces_is_no_way(interfaces: Any) -> None:
    hosts = ring("abc")
    hosts["b"]["interfaces"] = interfaces
    assert ids(plan(hosts)) == ["ring.no-control-path"]


def test_an_address_that_an_interface_gave_itself_is_no_way() -> None:
    hosts = without(ring("abc"), LAN)
    for number, observation in enumerate(hosts.values()):
        observation["interfaces"].append(interface(LAN, f"169.254.7.{number}", "169.254.0.0/16"))
    found = plan(hosts)
    assert ids(found) == ["ring.wireless-control-path"]
    assert found["nodes"]["a"]["socket_ifname"] == "wlP9s9"


@pytest.mark.parametrize("name", ["wg0", "br-lxd"])
def test_a_card_goes_before_a_tunnel_or_a_bridge(name: str) -> None:
    hosts = ring("abc")
    for number, observation in enumerate(hosts.values(), 1):
        observation["interfaces"].insert(0, interface((name, False), f"10.200.0.{number}", "10.200.0.0/24"))
    assert {node["socket_ifname"] for node in plan(hosts)["nodes"].values()} == {"enP7s7"}
    assert plan(without(hosts, LAN))["nodes"]["a"]["socket_ifname"] == "wlP9s9"
    assert plan(without(hosts, WIFI))["nodes"]["a"]["socket_ifname"] == name


def test_a_bridge_with_another_address_on_one_node_is_no_mistake() -> None:
    hosts = ring("abc")
    hosts["c"]["interfaces"][0]["ipv4"][0]["address"] = "172.17.0.254"
    assert plan(hosts)["findings"] == []


def test_two_nodes_with_one_address_beside_the_rails_are_told() -> None:
    hosts = without(ring("abc"), LAN, of="b")
    hosts["b"]["interfaces"].append(interface(LAN, "10.9.0.1", "10.9.0.0/24"))
    found = plan(hosts)
    assert ids(found) == ["address.duplicate"]
    assert "enP7s7 has 10.9.0.1, as has enP7s7 of a" in found["findings"][0]["found"]


def of_lengths(hosts: dict[str, Any], first: str) -> dict[str, Any]:
    """The same with one network of another prefix length."""
    for observation in hosts.values():
        for device in observation["devices"]:
            for entry in device["ipv4"]:
                if entry["network"] == first:
                    entry["network"] = first.replace("/24", "/25")
    return hosts


def test_networks_of_cables_have_one_prefix_length() -> None:
    (finding,) = plan(of_lengths(ring("abc"), "10.0.0.0/24"))["findings"]
    assert finding["id"] == "ring.prefix-lengths" and "10.0.0.0/25" in finding["found"]


def readdressed(hosts: dict[str, Any], host: str, changes: dict[str, list[str]]) -> dict[str, Any]:
    """The same with other addresses on a host's devices, each in a network of 24 bits."""
    for device in hosts[host]["devices"]:
        if device["device"] in changes:
            old = {gid["ipv4"]: gid for gid in device["gids"] if gid["type"] == "v2" and gid["ipv4"]}
            gid = next(iter(old.values()))
            device["gids"] = [
                {**gid, "index": 3 + 2 * number, "ipv4": address, "gid": f"::ffff:{address}"}
                for number, address in enumerate(changes[device["device"]])
            ]
            device["ipv4"] = [
                {"address": address, "prefix_length": 24, "network": f"{address.rsplit('.', 1)[0]}.0/24"}
                for address in changes[device["device"]]
            ]
    return hosts


def crossed_ports() -> dict[str, Any]:
    """The addresses of b's first functions exchanged: those of its second ones say otherwise."""
    hosts = ring("abc")
    return readdressed(hosts, "b", {"rocep1s0f0": ["10.0.0.2"], "rocep1s0f1": ["10.0.2.2"]})


def test_a_port_whose_twins_lead_to_different_ports_is_told() -> None:
    found = plan(crossed_ports())
    assert set(ids(found)) == {"rail.crossed-ports"} and found["nodes"] == {}
    of_b = [finding for finding in found["findings"] if finding["host"] == "b"]
    assert "enp1s0f0np0 10.0.0.2 in 10.0.0.0/24 with a" in of_b[0]["found"]


@pytest.mark.parametrize(("cages", "named"), [({"b": 1}, "on b"), ({"a": 1, "c": 1}, "on b"), ({"a": 1}, "on a")])
def test_the_fewest_nodes_are_named_whose_cables_are_to_be_exchanged(cages: dict[str, int], named: str) -> None:
    (finding,) = plan(ring("abc", cages=cages), nccl="2.30.7")["findings"]
    assert finding["remedy"].endswith(named)
    assert "a p" in finding["found"]


def test_a_stray_network_of_all_nodes_does_not_hide_ports_that_are_crossed() -> None:
    hosts = crossed_ports()
    for number, name in enumerate("abc", 1):
        device = next(d for d in hosts[name]["devices"] if d["device"] == "roceP2p1s0f0")
        device["ipv4"] = [*device["ipv4"], {"address": f"10.5.0.{number}", "prefix_length": 24, "network": "10.5.0.0/24"}]
    assert set(ids(plan(hosts, nccl="2.30.4"))) == {"rail.crossed-ports"}


def test_a_switch_with_addresses_of_an_old_ring_is_a_switch() -> None:
    hosts = {}
    for n, name in enumerate("abc", 1):
        hosts[name] = observed(cabled(n, {0: ("10.0.0", "10.0.1"), 1: ("10.0.2", "10.0.3")}))
    old = {"a": ("10.7.0.1", "10.7.2.1"), "b": ("10.7.0.2", "10.7.1.2"), "c": ("10.7.1.3", "10.7.2.3")}
    for n, (name, (first, second)) in enumerate(old.items(), 1):
        readdressed(hosts, name, {"rocep1s0f0": [f"10.0.0.{n}", first], "rocep1s0f1": [f"10.0.2.{n}", second]})
    found = plan(hosts, nccl="2.30.4")
    assert found["topology"] == "switch"
    assert set(ids(found)) == {"rail.redundant"}


def test_as_many_rails_of_a_cable_are_used_as_can_be_whoever_is_head() -> None:
    hosts = readdressed(ring("abc"), "a", {"rocep1s0f0": ["192.168.9.1", "10.0.0.1"]})
    hosts = readdressed(hosts, "b", {"roceP2p1s0f1": ["192.168.9.2", "10.1.0.2"]})
    for head in "abc":
        assert {len(node["rails"]) for node in plan(hosts, head=head)["nodes"].values()} == {4}


def test_addresses_left_over_on_a_switch_are_nobodys_business() -> None:
    hosts = {name: observed(cabled(n, {0: ("10.0.0", "10.0.1")})) for n, name in enumerate("abc", 1)}
    readdressed(hosts, "a", {"rocep1s0f0": ["10.0.0.1", "10.7.0.1", "10.8.0.1"]})
    readdressed(hosts, "b", {"rocep1s0f0": ["10.0.0.2", "10.7.0.2"]})
    readdressed(hosts, "c", {"rocep1s0f0": ["10.0.0.3", "10.8.0.3"]})
    found = plan(hosts)
    assert (found["topology"], found["findings"]) == ("switch", [])
    assert {len(node["rails"]) for node in found["nodes"].values()} == {2}


def test_an_address_that_was_left_over_joins_no_ports() -> None:
    hosts = readdressed(ring("abc"), "a", {"rocep1s0f0": ["192.168.100.1", "10.0.0.1"]})
    hosts = readdressed(hosts, "b", {"rocep1s0f0": ["192.168.100.2", "10.0.2.2"]})
    found = plan(hosts)
    assert (found["topology"], found["findings"]) == ("ring", [])
    assert [rail["network"] for rail in found["nodes"]["a"]["rails"]] == [
        rail["network"] for rail in plan(ring("abc"))["nodes"]["a"]["rails"]
    ]
    assert found["nodes"]["a"]["rails"][0]["ipv4"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("first", "length", "topology", "wanted"),
    [("169.254.1", 16, None, {"rail.no-common", "address.link-local"}), ("10.0.0", 24, "switch", {"rail.same-network"})],
    ids=["addresses that interfaces gave themselves", "one subnet, of which addresses do not tell whether a switch or cables carry it"],
)
def test_one_network_at_the_end_of_every_cable_shows_no_ring(first: str, length: int, topology: Any, wanted: set[str]) -> None:
    hosts = ring("abc")
    network = "169.254.0.0/16" if length == 16 else "10.0.0.0/24"
    for number, (name, observation) in enumerate(hosts.items()):
        readdressed(hosts, name, {d["device"]: [f"{first}.{16 * number + port + 1}"] for port, d in enumerate(observation["devices"])})
        for device in observation["devices"]:
            device["ipv4"][0].update(prefix_length=length, network=network)
    found = plan(hosts)
    assert (found["topology"], set(ids(found))) == (topology, wanted)


def test_a_ring_with_a_cable_out_is_a_chain() -> None:
    hosts = ring("abcd")
    for name, cage in (("a", "f0"), ("b", "f1")):
        for device in hosts[name]["devices"]:
            if device["device"].endswith(cage):
                device.update(state="DOWN", phys_state="Disabled")
    found = plan(hosts)
    assert ids(found) == ["topology.unsupported"]
    assert found["nodes"] == {}


def test_a_ring_goes_before_one_network_of_all_nodes() -> None:
    hosts = ring("abc")
    for name in "abc":
        readdressed(hosts, name, {"roceP2p1s0f0": [f"10.5.0.{ord(name) - 96}"]})
    found = plan(hosts)
    assert found["topology"] == "ring"
    assert [rail["network"] for rail in found["nodes"]["a"]["rails"]].count("10.5.0.0/24") == 0
    assert set(ids(found)) == {"rail.unshared"}


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
    assert any("share no network" in line for line in _explain.explain(plan(without(ring("abc"), LAN, WIFI))))


PROVOKED = {
    "ring.no-control-path": lambda: plan(without(ring("abc"), LAN, WIFI)),
    "ring.wireless-control-path": lambda: plan(without(ring("abc"), LAN)),
    "ring.prefix-lengths": lambda: plan(of_lengths(ring("abc"), "10.0.0.0/24")),
    "ring.nccl-version": lambda: plan(ring("abc"), nccl="2.30.4"),
    "ring.nccl-trees": lambda: plan(ring("abcd"), nccl="2.30.7"),
    "ring.ports": lambda: plan(ring("abc", cages={"b": 1}), nccl="2.30.7"),
    "rail.crossed-ports": lambda: plan(crossed_ports()),
}


@pytest.mark.parametrize("identifier", list(PROVOKED))
def test_each_finding_of_rings_is_provoked(identifier: str) -> None:
    found = plan(ring("abc"))
    assert identifier not in ids(found) and identifier in ids(PROVOKED[identifier]())
