# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other clusters than a pair on one cable: what is planned, what serves, and what is refused before anything is changed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from simulation.description import load
from tests.acceptance.conftest import RECIPE, another_cluster, inventory_file
from tests.acceptance.harness import ROOT, Playbooks, Run

PLAY = {"hosts": "spark_nodes", "become": True, "gather_facts": False, "any_errors_fatal": True, "roles": ["dgx_spark.vllm.discover"]}


@contextlib.contextmanager
def up(name: str, folder: Path) -> Iterator[Path]:
    """Bring the cluster of that name up and give its inventory; afterwards the usual pair again."""
    with another_cluster(name) as path:
        hosts = {node.name: {"ansible_host": node.address} for node in load(path).nodes}
        yield inventory_file(folder, lambda group: group.update(hosts=hosts))


@pytest.fixture
def discover(playbooks: Playbooks, tmp_path: Path) -> Callable[..., Run]:
    """Run the role discover alone, with another NCCL in the recipe, which is for so many nodes."""
    (tmp_path / "discover.yml").write_text(yaml.safe_dump([PLAY]))

    def run(inventory: Path, nodes: int, **nccl: Any) -> Run:
        words = ("-e", f"dsv4_recipe={recipe(tmp_path, nccl=nccl, nodes=nodes)}")
        return playbooks.run(str(tmp_path / "discover.yml"), *words, inventory=inventory)

    return run


def recipe(folder: Path, nccl: dict[str, Any], nodes: int = 2) -> Path:
    """The usual recipe with another NCCL or for another number of nodes, as a file of the user's."""
    content = yaml.safe_load((ROOT / "recipes" / f"{RECIPE}.yml").read_text())
    version = content["nccl"]["version"]
    content["nccl"].update(nccl)
    content["nccl"]["apt_package"] = content["nccl"]["apt_package"].replace(version, content["nccl"]["version"])
    content["nodes"] = nodes
    # Each node computes a share of the heads, where these can be divided among them, and else a share of the layers.
    whole = content["model"]["attention_heads"] % nodes
    content["arguments"].update({"tensor-parallel-size": 1 if whole else nodes, "pipeline-parallel-size": nodes if whole else 1})
    path = folder / f"{RECIPE}.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def table(run: Run) -> list[list[str]]:
    """The plan that was shown, a list of words a line."""
    (text,) = {
        str(event["message"]) for event in run.events if "MASTER" in str(event.get("message")) or "RANK" in str(event.get("message"))
    }
    return [line.split() for line in text.splitlines()]


@pytest.mark.long
def test_of_two_cables_between_two_nodes_one_is_used_and_serves(
    playbooks: Playbooks, tmp_path: Path, serves: Callable[[], Any], journal: Callable[[str], str]
) -> None:
    with up("two_spark_two_cables", tmp_path) as inventory:
        run = playbooks.deploy(inventory=inventory).succeeded()
        serves()
        assert "rail.redundant" in run.output
        assert "NET/IB : Using [0]rocep1s0f0:1/RoCE [1]roceP2p1s0f0:1/RoCE [RO]" in journal("spark1")
        assert playbooks.deploy(inventory=inventory).succeeded().changed == set()


@pytest.mark.long
def test_four_nodes_on_a_switch_serve(playbooks: Playbooks, tmp_path: Path, ask: Callable[..., dict[str, Any]]) -> None:
    with up("four_spark_switch", tmp_path) as inventory:
        words = ("-e", f"dsv4_recipe={recipe(tmp_path, {}, nodes=4)}")
        playbooks.deploy(*words, inventory=inventory).succeeded()
        answer = ask()
        assert answer["status"] == 200 and json.loads(answer["body"])["usage"]["completion_tokens"] >= 1
        assert playbooks.deploy(*words, inventory=inventory).succeeded().changed == set()


@pytest.mark.long
def test_a_ring_of_three_is_planned_and_refused_with_an_nccl_that_can_not_connect_it(discover: Callable[..., Run], tmp_path: Path) -> None:
    with up("three_spark_ring", tmp_path) as inventory:
        refused = discover(inventory, 3)
        assert refused.code != 0 and refused.changed == set()
        assert "ring.nccl-version" in refused.output and "NCCL 2.30.4" in refused.output
        planned = discover(inventory, 3, version="2.30.7").succeeded()
        lines = table(planned)
        assert lines[0][:5] == ["ring", "of", "3", "nodes,", "master"]
        assert [line[:3] for line in lines if line[0] in "012" and len(line) == 9] == [
            ["0", "spark1", "10.77.0.11"],
            ["1", "spark2", "10.77.0.12"],
            ["2", "spark3", "10.77.0.13"],
        ]
        assert "find each other over enP7s7" in planned.output


@pytest.mark.long
def test_a_ring_of_four_needs_an_nccl_without_trees_and_ranks_follow_its_cables(discover: Callable[..., Run], tmp_path: Path) -> None:
    with up("four_spark_ring", tmp_path) as inventory:
        refused = discover(inventory, 4, version="2.30.7")
        assert refused.code != 0
        assert "ring.nccl-trees" in refused.output
        planned = discover(inventory, 4, version="2.30.7", rings=True).succeeded()
        assert "cabled spark1 - spark3 - spark2 - spark4 - spark1" in planned.output
