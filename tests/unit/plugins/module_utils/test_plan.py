# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan from what every node reported, whatever ports, names and GID tables the nodes have."""

from __future__ import annotations

import copy
import itertools
import json
import re
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _explain, _findings, _gid
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import UNSET, plan
from tests.unit.plugins.fixtures.spark import cabled, change, observed, spark, table


def cluster(*cages: int, **options: Any) -> dict[str, dict[str, Any]]:
    """Nodes spark1, spark2, …, each with its cable in the given cage."""
    return {f"spark{n}": observed(spark(n, cage, **options)) for n, cage in enumerate(cages, 1)}


PAIR = cluster(0, 1)


def test_a_pair_is_planned_over_both_rails_whichever_port_the_cable_is_in() -> None:
    found = plan(PAIR)
    assert (found["schema"], found["topology"], found["master_addr"], found["findings"]) == (1, "pair", "192.168.100.1", [])
    assert [(host, node["rank"], node["host_ip"], node["socket_ifname"]) for host, node in found["nodes"].items()] == [
        ("spark1", 0, "192.168.100.1", "enp1s0f0np0"),
        ("spark2", 1, "192.168.100.2", "enp1s0f1np1"),
    ]
    assert found["nodes"]["spark2"]["rails"] == [
        {
            "device": "rocep1s0f1",
            "port": 1,
            "netdev": "enp1s0f1np1",
            "ipv4": "192.168.100.2",
            "network": "192.168.100.0/24",
            "gid_index": 3,
            "mtu": 9000,
        },
        {
            "device": "roceP2p1s0f1",
            "port": 1,
            "netdev": "enP2p1s0f1np1",
            "ipv4": "192.168.101.2",
            "network": "192.168.101.0/24",
            "gid_index": 3,
            "mtu": 9000,
        },
    ]


def test_the_environment_binds_each_rank_to_its_own_names() -> None:
    node = plan(PAIR)["nodes"]["spark2"]
    assert node["env"] == {
        "VLLM_HOST_IP": "192.168.100.2",
        "NCCL_NET": "IB",
        "NCCL_IB_DISABLE": "0",
        "NCCL_CROSS_NIC": "0",
        "NCCL_IB_HCA": "=rocep1s0f1:1,roceP2p1s0f1:1",
        "NCCL_SOCKET_IFNAME": "=enp1s0f1np1",
        "GLOO_SOCKET_IFNAME": "enp1s0f1np1",
        "TP_SOCKET_IFNAME": "enp1s0f1np1",
        "MN_IF_NAME": "enp1s0f1np1",
        "OMPI_MCA_btl_tcp_if_include": "enp1s0f1np1",
    }
    assert node["env_unset"] == sorted([*UNSET, *_gid.NAMES])


@pytest.mark.parametrize("cages", list(itertools.product((0, 1), repeat=2)))
def test_any_port_on_either_node_gives_two_rails(cages: tuple[int, int]) -> None:
    found = plan(cluster(*cages))
    assert [len(node["rails"]) for node in found["nodes"].values()] == [2, 2]
    assert [node["socket_ifname"] for node in found["nodes"].values()] == [f"enp1s0f{cage}np{cage}" for cage in cages]


def test_of_more_than_two_nodes_addresses_that_interfaces_gave_themselves_are_not_used() -> None:
    hosts = cluster(0, 0, 0)
    for n, observation in enumerate(hosts.values(), 1):
        observation["devices"][0]["ipv4"] = [{"address": f"169.254.3.{n}", "prefix_length": 16, "network": "169.254.0.0/16"}]
    found = plan(hosts)
    assert [(finding["id"], finding["host"]) for finding in found["findings"]] == [("address.link-local", host) for host in hosts]
    assert {rail["network"] for node in found["nodes"].values() for rail in node["rails"]} == {"192.168.101.0/24"}


@pytest.mark.parametrize("count", [3, 4, 16])
def test_more_nodes_on_one_network_are_a_switch(count: int) -> None:
    found = plan(cluster(*(n % 2 for n in range(count))), head="spark3")
    assert (found["topology"], len(found["nodes"]), found["findings"]) == ("switch", count, [])
    assert [node["rank"] for node in found["nodes"].values()] == list(range(count))
    assert list(found["nodes"])[:3] == ["spark3", "spark1", "spark2"]
    assert found["master_addr"] == "192.168.100.3"


def test_names_are_those_of_each_node() -> None:
    renamed = [port.but(device=f"mlx5_{number}", netdev=f"qsfp{number}") for number, port in enumerate(spark(2))]
    found = plan({"spark1": PAIR["spark1"], "spark2": observed(renamed)})
    assert found["nodes"]["spark1"]["env"]["NCCL_IB_HCA"] == "=rocep1s0f0:1,roceP2p1s0f0:1"
    assert found["nodes"]["spark2"]["env"]["NCCL_IB_HCA"] == "=mlx5_0:1,mlx5_2:1"
    assert found["nodes"]["spark2"]["env"]["GLOO_SOCKET_IFNAME"] == "qsfp0"
    assert found["findings"] == []


def test_rails_are_matched_by_network_and_nccls_order_of_devices() -> None:
    crossed = observed(spark(2, networks=("192.168.101", "192.168.100")))
    found = plan({"spark1": PAIR["spark1"], "spark2": crossed})
    assert [rail["network"] for rail in found["nodes"]["spark2"]["rails"]] == ["192.168.100.0/24"]
    assert found["nodes"]["spark2"]["socket_ifname"] == "enP2p1s0f0np0"
    assert found["nodes"]["spark2"]["env"]["NCCL_IB_HCA"] == "=roceP2p1s0f0:1"
    assert [finding["id"] for finding in found["findings"]] == ["rail.crossed"]


def test_cables_that_are_plugged_crosswise_are_to_be_exchanged_and_not_their_addresses() -> None:
    hosts = {
        "spark1": observed(cabled(1, {0: ("10.0.0", "10.0.1"), 1: ("10.0.2", "10.0.3")})),
        "spark2": observed(cabled(2, {1: ("10.0.0", "10.0.1"), 0: ("10.0.2", "10.0.3")})),
    }
    for observation in hosts.values():
        for device in observation["devices"]:
            device["rate_gbps"] = 100
    remedies = {finding["remedy"] for finding in plan(hosts)["findings"] if finding["id"] == "rail.crossed"}
    assert len(remedies) == 1 and "exchange the two cables on one of the nodes" in remedies.pop()


@pytest.mark.parametrize(
    ("second", "rates", "devices"),
    [
        (("10.0.2", "10.0.3"), (200, 200), [0, 2]),
        (("10.0.2", "10.0.3"), (100, 100), [0, 1, 2, 3]),
        (("10.0.2", "10.0.3"), (100, 200), [0, 1, 2, 3]),  # the second cable is the faster one
        (("10.0.3", "10.0.2"), (200, 200), [0, 2]),  # its twins are crossed on one node
    ],
)
def test_a_second_cable_is_used_where_the_first_leaves_something_to_it(
    second: tuple[str, str], rates: tuple[int, int], devices: list[int]
) -> None:
    hosts = {}
    for n, networks in ((1, ("10.0.2", "10.0.3")), (2, second)):
        hosts[f"spark{n}"] = observed(cabled(n, {0: ("10.0.0", "10.0.1"), 1: networks}))
        for number, device in enumerate(hosts[f"spark{n}"]["devices"]):
            device["rate_gbps"] = rates[number % 2]
    found = plan(hosts)
    names = [device["device"] for device in hosts["spark1"]["devices"]]
    for node in found["nodes"].values():
        assert [rail["device"] for rail in node["rails"]] == [names[number] for number in devices]
    assert {finding["id"] for finding in found["findings"]} <= {"rail.redundant", "link.slow"}


def test_an_address_in_the_common_network_is_used_though_it_is_not_the_first() -> None:
    ports = change(spark(2), "enp1s0f0np0", ipv4=("10.9.0.2/24", "192.168.100.2/24"))
    node = plan({"spark1": PAIR["spark1"], "spark2": observed(ports)})["nodes"]["spark2"]
    assert (node["host_ip"], node["rails"][0]["gid_index"]) == ("192.168.100.2", 5)
    assert node["env"]["NCCL_IB_ADDR_RANGE"] == "192.168.100.0/23"
    assert "NCCL_IB_ADDR_RANGE" not in node["env_unset"]


def test_a_rail_with_addresses_in_two_common_networks_is_one_rail() -> None:
    hosts = {}
    for n in (1, 2):
        ports = change(spark(n), "enp1s0f0np0", ipv4=(f"192.168.100.{n}/24", f"10.9.0.{n}/24"))
        hosts[f"spark{n}"] = observed(change(ports, "enP2p1s0f0np0", link_layer="InfiniBand"))  # IP over InfiniBand is no rail
    found = plan(hosts)
    assert [[rail["ipv4"] for rail in node["rails"]] for node in found["nodes"].values()] == [["192.168.100.1"], ["192.168.100.2"]]
    assert found["findings"] == []


def test_ranks_may_differ_in_how_nccl_is_told_about_gids() -> None:
    first, second = spark(2)[0], spark(2)[2]
    ports = change(spark(2), first.netdev, gids=table(first, "10.9.0.2", "192.168.100.2"))
    ports = change(ports, second.netdev, gids=table(second, first=4))
    nodes = plan({"spark1": PAIR["spark1"], "spark2": observed(ports)})["nodes"]
    assert "NCCL_IB_GID_INDEX" in nodes["spark1"]["env_unset"]
    assert nodes["spark2"]["env"]["NCCL_IB_GID_INDEX"] == "5"
    assert [rail["gid_index"] for rail in nodes["spark1"]["rails"]] == [3, 3]


def test_the_same_input_gives_the_same_plan_whatever_the_order_of_its_keys() -> None:
    hosts = cluster(0, 1, 0)
    order = list(hosts)
    wanted = json.dumps(plan(hosts, head="spark2", order=order))
    for permuted in itertools.permutations(order):
        shuffled = {host: copy.deepcopy(hosts[host]) for host in permuted}
        assert json.dumps(plan(shuffled, head="spark2", order=order)) == wanted


def test_another_order_of_hosts_changes_ranks_and_nothing_else() -> None:
    hosts = cluster(0, 1, 0)
    plans = [plan(hosts, head=order[0], order=order) for order in itertools.permutations(hosts)]
    for host in hosts:
        described = {json.dumps({**found["nodes"][host], "rank": None}) for found in plans}
        assert len(described) == 1
    assert len({found["hash"] for found in plans}) == len(plans)


def test_the_input_is_left_as_it_was() -> None:
    before = json.dumps(PAIR)
    plan(PAIR)
    assert json.dumps(PAIR) == before


@pytest.mark.parametrize(
    ("ports", "same"),
    [
        (spark(2, 1), True),
        (change(spark(2, 1), "enp1s0f1np1", mtu=1500), True),
        (change(spark(2, 1), "enp1s0f1np1", gids=table(spark(2, 1)[1], first=4)), True),
        (change(spark(2, 1), "enp1s0f1np1", rate="100 Gb/sec (1X NDR)"), True),
        (spark(2, 0), False),
        (change(spark(2, 1), "enp1s0f1np1", ipv4=("192.168.100.9/24",)), False),
        (change(spark(2, 1), "enp1s0f1np1", device="mlx5_0"), False),
        (change(spark(2, 1), "enP2p1s0f1np1", ipv4=()), False),
    ],
)
def test_the_hash_is_over_what_must_not_change_while_serving(ports: Any, same: bool) -> None:
    found = plan({"spark1": PAIR["spark1"], "spark2": observed(ports)})
    assert re.fullmatch("[0-9a-f]{64}", found["hash"])
    assert (found["hash"] == plan(PAIR)["hash"]) is same


@pytest.mark.parametrize("hosts", [{}, {"spark1": PAIR["spark1"]}, {"spark1": {"devices": []}, "spark2": {}}, {"spark1": None}])
def test_a_plan_with_errors_has_every_key(hosts: Any) -> None:
    found = plan(hosts)
    assert set(found) == set(plan(PAIR))
    assert (found["topology"], found["master_addr"], found["nodes"]) == (None, None, {})
    assert _findings.errors(found["findings"])


def test_no_environment_holds_an_empty_text_or_a_name_that_is_also_unset() -> None:
    for hosts in (PAIR, cluster(0, 0, networks=("192.168.100",)), cluster(0, 1, 0, 1)):
        for node in plan(hosts)["nodes"].values():
            assert all(isinstance(value, str) and value for value in node["env"].values())
            assert not set(node["env"]) & set(node["env_unset"])
            assert set(_gid.NAMES) <= set(node["env"]) | set(node["env_unset"])


def test_the_table_shows_ranks_rails_and_reasons() -> None:
    found = plan(PAIR)
    lines = _explain.explain(found)
    assert lines[0] == f"pair of 2 nodes, master 192.168.100.1, plan {found['hash'][:16]}"
    assert lines[1].split() == list(_explain.HEADINGS)
    assert " ".join(lines[2].split()) == "0 spark1 192.168.100.1 rocep1s0f0:1 enp1s0f0np0 192.168.100.1 192.168.100.0/24 3 9000"
    assert " ".join(lines[3].split()) == "roceP2p1s0f0:1 enP2p1s0f0np0 192.168.101.1 192.168.101.0/24 3 9000"
    assert lines[1].index("RAIL") == lines[2].index("rocep1s0f0:1") == lines[3].index("roceP2p1s0f0:1")
    assert lines[6].startswith("spark1: NCCL_IB_GID_INDEX is left unset: NCCL's own choice is right on every HCA")


def test_the_table_shows_a_setting_with_its_reason() -> None:
    first = spark(2)[0]
    ports = change(spark(2), first.netdev, gids=table(first, "10.9.0.2", "192.168.100.2"))
    (line,) = [line for line in _explain.explain(plan({"spark1": PAIR["spark1"], "spark2": observed(ports)})) if line.startswith("spark2:")]
    assert line.startswith("spark2: NCCL_IB_ADDR_RANGE=192.168.100.0/23: the indexes differ")


def test_the_table_says_when_there_is_nothing_to_show() -> None:
    assert _explain.explain(plan({})) == ["no plan: no rails could be chosen, see the findings"]
