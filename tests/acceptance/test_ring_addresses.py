"""Rings and switches without addresses: addressed, routed, proven between all pairs, and put back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

from simulation.description import load
from tests.acceptance.conftest import another_cluster, inventory_file
from tests.acceptance.harness import Playbooks
from tests.acceptance.test_addresses import FABRIC, rails_of, same, states, unreached
from tests.acceptance.test_fabric import ROLE_ALONE
from tests.acceptance.test_recovery import reboot
from tests.acceptance.test_topologies import recipe

UNIT = "dgx-spark-fabric-forward.service"


@pytest.mark.long
@pytest.mark.parametrize(("cluster", "rails"), [("three_spark_ring_bare", 4), ("four_spark_ring_bare", 4), ("four_spark_switch_bare", 2)])
def test_every_node_reaches_every_rail_and_all_is_put_back(
    playbooks: Playbooks, tmp_path: Path, reach: Callable[[str], Any], cluster: str, rails: int
) -> None:
    with another_cluster(cluster) as path:
        described = load(path).nodes
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts={n.name: {"ansible_host": n.address} for n in described}))
        nodes = {node.name: reach(node.address) for node in described}
        found = states(nodes)
        foretold = playbooks.run(FABRIC, "--check", inventory=inventory).succeeded()
        same(states(nodes), found)
        run = playbooks.run(FABRIC, inventory=inventory).succeeded()
        assert run.changed == foretold.changed
        assert [len(rails_of(node)) for node in nodes.values()] == [rails] * len(nodes)
        assert unreached(nodes) == []
        assert playbooks.run(FABRIC, inventory=inventory).succeeded().changed == set()
        for node in nodes.values():
            reboot(node)
        assert playbooks.run(FABRIC, inventory=inventory).succeeded().changed == set()
        assert unreached(nodes) == []
        playbooks.run(FABRIC, "-e", "fabric_state=absent", inventory=inventory).succeeded()
        same(states(nodes), found)
        assert all("dgx-spark" not in node.check_output("iptables-save") for node in nodes.values())


@pytest.mark.long
def test_without_our_rules_dockers_firewall_drops_what_a_node_of_a_ring_would_pass_on(
    playbooks: Playbooks, tmp_path: Path, reach: Callable[[str], Any]
) -> None:
    with another_cluster("four_spark_ring_bare") as path:
        described = load(path).nodes
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts={n.name: {"ansible_host": n.address} for n in described}))
        nodes = {node.name: reach(node.address) for node in described}
        playbooks.run(FABRIC, inventory=inventory).succeeded()
        for node in nodes.values():
            # What Docker does where nothing was forwarded before it started.
            node.check_output("iptables --policy FORWARD DROP")
        assert unreached(nodes) == []
        for node in nodes.values():
            node.check_output(f"systemctl stop {UNIT}")
        assert unreached(nodes) != []
        for node in nodes.values():
            node.check_output("systemctl restart docker")
        assert unreached(nodes) == []
        # A ring that works is left alone also where a firewall lets no probe through.
        block = "add table netdev deaf; add chain netdev deaf in { type filter hook ingress devices = { %s } priority 0; };"
        block += " add rule netdev deaf in ether type 0x88b5 drop"
        nodes["spark1"].check_output(f"nft '{block % 'enp1s0f0np0, enp1s0f1np1, enP2p1s0f0np0, enP2p1s0f1np1'}'")
        run = playbooks.run(FABRIC, inventory=inventory).succeeded()
        assert "probe.silent spark1" in run.output and run.changed == set()
        assert unreached(nodes) == []


@pytest.mark.long
def test_nodes_of_a_ring_that_check_the_way_back_strictly_pass_on_what_comes_another_way(
    playbooks: Playbooks, tmp_path: Path, reach: Callable[[str], Any]
) -> None:
    with another_cluster("three_spark_ring_bare") as path:
        described = load(path).nodes
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts={n.name: {"ansible_host": n.address} for n in described}))
        nodes = {node.name: reach(node.address) for node in described}
        listing = "sysctl --all --pattern 'ipv4[.]conf[.].*[.](rp_filter|forwarding|arp_ignore)$'"

        def strict() -> None:
            for node in nodes.values():
                node.check_output("for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $file; done")

        strict()
        settings = {host: node.check_output(listing) for host, node in nodes.items()}
        playbooks.run(FABRIC, "-e", "fabric_arp=false", inventory=inventory).succeeded()
        assert unreached(nodes) == []
        assert all(".arp_ignore = 1" not in node.check_output(listing) for node in nodes.values())
        strict()
        assert unreached(nodes) != []
        playbooks.run(FABRIC, inventory=inventory).succeeded()
        assert unreached(nodes) == []
        # Neither of these says anything about the ring.
        playbooks.run(ROLE_ALONE, "-e", "fabric_arp=false", inventory=inventory).succeeded()
        assert unreached(nodes) == []
        playbooks.run(FABRIC, "-e", "fabric_state=absent", inventory=inventory).succeeded()
        assert {host: node.check_output(listing) for host, node in nodes.items()} == settings


@pytest.mark.long
def test_a_ring_that_somebody_else_has_made_is_left_alone(playbooks: Playbooks, tmp_path: Path, reach: Callable[[str], Any]) -> None:
    with another_cluster("three_spark_ring") as path:
        described = load(path).nodes
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts={n.name: {"ansible_host": n.address} for n in described}))
        nodes = {node.name: reach(node.address) for node in described}
        found = states(nodes)
        assert playbooks.run(FABRIC, "-e", "fabric_arp=false", inventory=inventory).succeeded().changed == set()
        same(states(nodes), found)


@pytest.mark.long
def test_four_bare_nodes_on_a_switch_serve(playbooks: Playbooks, tmp_path: Path, ask: Callable[..., dict[str, Any]]) -> None:
    with another_cluster("four_spark_switch_bare") as path:
        hosts = {node.name: {"ansible_host": node.address} for node in load(path).nodes}
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts=hosts))
        words = ("-e", f"dsv4_recipe={recipe(tmp_path, {}, nodes=4)}", "-e", "fabric_manage=true")
        playbooks.deploy(*words, inventory=inventory).succeeded()
        answer = ask()
        assert answer["status"] == 200 and json.loads(answer["body"])["usage"]["completion_tokens"] >= 1
        assert playbooks.deploy(*words, inventory=inventory).succeeded().changed == set()
