# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More nodes than the recipe is for: two serve, the third takes the place of one that can't, and gives it back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Callable

import pytest

from simulation import cluster
from simulation.description import load
from tests.acceptance.conftest import UNIT, another_cluster, inventory_file
from tests.acceptance.harness import Playbooks, Run, wait_for
from tests.acceptance.test_addresses import rails_of, same, states, unreached

# Of each node in the ring of three.
PORTS = (0, 1)


def told(run: Run) -> set[tuple[str, str, str]]:
    """(severity, id, host) of what was said of spares."""
    return set(re.findall(r"\b(error|warning|info) (plan\.[a-z-]+) (\w+): found ", run.output))


def has_a_rank(node: Any) -> bool:
    return bool(node.run(f"systemctl is-active {UNIT}").rc == 0)


def nothing_of_a_rank_is_left(node: Any) -> bool:
    """No unit, container or file, and no process that was one."""
    files = "ls -d /etc/dgx-spark /run/dgx-spark /usr/local/lib/dgx-spark /etc/systemd/system/vllm@.service /etc/systemd/system/*/vllm@*"
    left = node.run(files).stdout + node.check_output("docker ps --all --quiet --filter name=vllm-")
    units = node.check_output("systemctl list-units --all --no-legend --plain 'vllm@*'")
    return (left, units) == ("", "")


def plug(state: str, node: str = "spark2") -> None:
    for port in PORTS:
        assert cluster.main(["cable", node, str(port), state]) == 0


def state_of(playbooks: Playbooks, inventory: Path, folder: Path) -> dict[str, Any]:
    playbooks.run("playbooks/status.yml", "-e", f"status_file={folder}/status.json", inventory=inventory).succeeded()
    found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return found


@pytest.mark.long
def test_a_spare_takes_the_place_of_a_node_without_cables_and_gives_it_back(
    playbooks: Playbooks, tmp_path: Path, reach: Callable[[str], Any], serves: Callable[[], Any]
) -> None:
    with another_cluster("three_spark_ring") as path:
        described = load(path).nodes
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts={n.name: {"ansible_host": n.address} for n in described}))
        nodes = {node.name: reach(node.address) for node in described}

        def serving(ranks: str, spare: str) -> None:
            serves()
            assert [host for host, node in nodes.items() if has_a_rank(node)] == ranks.split()
            assert nothing_of_a_rank_is_left(nodes[spare])
            assert playbooks.deploy(inventory=inventory).succeeded().changed == set()
            document = state_of(playbooks, inventory, tmp_path)
            assert (document["state"], [entry["host"] for entry in document["nodes"]]) == ("serving", ranks.split()), document["problems"]
            assert [(entry["host"], entry["answers"]) for entry in document["spares"]] == [(spare, True)]

        foretold = playbooks.deploy("--check", inventory=inventory).succeeded()
        first = playbooks.deploy(inventory=inventory).succeeded()
        assert first.changed == foretold.changed and {host for host, task in first.changed if "fabric" not in task} == {"spark1", "spark2"}
        assert told(first) == {("info", "plan.spare", "spark3")} and "pair of 2 nodes and 1 spare" in first.output
        assert nodes["spark3"].check_output("docker images --quiet dgx-spark/vllm") == ""
        serving("spark1 spark2", "spark3")

        pinged = {}
        for whole in (False, True):
            words = ("-e", f"validate_dir={tmp_path}/{whole}") + (("-e", "discover_for_recipe=false") if whole else ())
            assert playbooks.run("playbooks/validate.yml", *words, inventory=inventory).succeeded().changed == set()
            (left,) = (tmp_path / str(whole)).glob("*.json")
            pinged[whole] = {entry["from"] for entry in json.loads(left.read_text())["measured"]["pings"]}
        assert pinged == {False: {"spark1", "spark2"}, True: {"spark1", "spark2", "spark3"}}

        plug("unplug")
        wait_for("the ports to be down", lambda: "(Up)" not in nodes["spark2"].check_output("ibdev2netdev"), 60)
        refused = playbooks.deploy("-e", "spark_head=spark2", inventory=inventory)
        assert refused.code != 0 and refused.changed == set()
        assert "0 choices of 2 of 3 hosts looked at" in refused.output and "rdma.no-active-port spark2" in refused.output
        foretold = playbooks.deploy("--check", inventory=inventory).succeeded()
        assert has_a_rank(nodes["spark2"]) and nothing_of_a_rank_is_left(nodes["spark3"])
        document = state_of(playbooks, inventory, tmp_path)
        assert any("spark2: has a rank, and would be a spare now" in problem for problem in document["problems"])
        moved = playbooks.deploy(inventory=inventory).succeeded()
        assert told(moved) == {("warning", "plan.passed-over", "spark2")} and "because of rdma.no-active-port" in moved.output
        assert moved.changed == foretold.changed
        serving("spark1 spark3", "spark2")

        plug("plug")
        wait_for("the addresses", lambda: len(rails_of(nodes["spark2"])) == 4, 60)
        back = playbooks.deploy(inventory=inventory).succeeded()
        assert told(back) == {("info", "plan.spare", "spark3")}
        serving("spark1 spark2", "spark3")

        playbooks.run("playbooks/teardown.yml", inventory=inventory).succeeded()
        assert all(map(nothing_of_a_rank_is_left, nodes.values()))
        assert all(node.check_output("docker images --quiet dgx-spark/vllm") == "" for node in nodes.values())


@pytest.mark.long
def test_a_spare_of_a_bare_ring_gets_addresses_like_the_others(
    playbooks: Playbooks, tmp_path: Path, reach: Callable[[str], Any], serves: Callable[[], Any]
) -> None:
    with another_cluster("three_spark_ring_bare") as path:
        described = load(path).nodes
        inventory = inventory_file(tmp_path, lambda group: group.update(hosts={n.name: {"ansible_host": n.address} for n in described}))
        nodes = {node.name: reach(node.address) for node in described}
        found = states(nodes)
        words = ("-e", "fabric_manage=true")
        foretold = playbooks.deploy(*words, "--check", inventory=inventory).succeeded()
        same(states(nodes), found)
        run = playbooks.deploy(*words, inventory=inventory).succeeded()
        assert run.changed == foretold.changed
        serves()
        assert [host for host, node in nodes.items() if has_a_rank(node)] == ["spark1", "spark2"]
        assert [len(rails_of(node)) for node in nodes.values()] == [4, 4, 4] and unreached(nodes) == []
        assert playbooks.deploy(*words, inventory=inventory).succeeded().changed == set()
        # The same fabric as without a recipe.
        assert playbooks.run("playbooks/fabric.yml", inventory=inventory).succeeded().changed == set()
        # What happens to a spare is no business of the ranks, nor of what the others forward.
        plug("unplug", "spark3")
        wait_for("the ports to be down", lambda: "(Up)" not in nodes["spark3"].check_output("ibdev2netdev"), 60)
        without = playbooks.deploy(*words, inventory=inventory).succeeded()
        assert {host for host, _task in without.changed} <= {"spark3"} and told(without) == {("warning", "plan.spare-unfit", "spark3")}
        plug("plug", "spark3")
        wait_for("the addresses", lambda: len(rails_of(nodes["spark3"])) == 4, 60)
        assert {host for host, _task in playbooks.deploy(*words, inventory=inventory).succeeded().changed} <= {"spark3"}
        assert unreached(nodes) == []
        playbooks.run("playbooks/teardown.yml", "-e", "caches_state=absent", inventory=inventory).succeeded()
        same(states(nodes), found)
