# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every recipe on the simulated cluster of its size, and from one to another and back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from simulation import cluster, images
from simulation.description import load
from tests.acceptance.conftest import CLUSTERS, RECIPE, another_cluster
from tests.acceptance.harness import ROOT, Playbooks

pytestmark = pytest.mark.long
# The nodes reach no repository of packages; the wheel on the controller has the same NCCL.
STARTED = "ExecMainStartTimestampMonotonic"
OFFLINE = ("-e", "image_nccl_source=wheel")


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    return subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def local(tmp_path: Path) -> Callable[[str], str]:
    """A recipe's name, or the path of a copy whose layers come from a repository on this machine where the recipe's are far away."""

    def name_or_path(name: str) -> str:
        recipe = read(ROOT / "recipes" / f"{name}.yml")
        far = [layer for layer in recipe.get("layers", []) if "git" in layer]
        if not far:
            return name
        repository = tmp_path / "repository"
        for layer in far:
            folder = repository / layer.get("folder", "")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "overlay.py").write_text("# Laid over the image.\n")
        git(tmp_path, "init", "-q", str(repository))
        git(repository, "add", ".")
        git(repository, "commit", "-q", "-m", "Overlay")
        for layer in far:
            layer.update(git=f"file://{repository}", revision=git(repository, "rev-parse", "HEAD"))
        path = tmp_path / f"{name}.yml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        return str(path)

    return name_or_path


@pytest.fixture
def answers(ask: Callable[..., dict[str, Any]]) -> Callable[[str], None]:
    """Ask the model of a recipe by the name and at the port that the recipe gives it."""

    def question(name: str) -> None:
        recipe = read(ROOT / "recipes" / f"{name}.yml")
        body = {"model": recipe["model"]["served_name"], "max_tokens": 8, "messages": [{"role": "user", "content": "6 x 7?"}]}
        found = ask(body=body, port=recipe["ports"]["api"])
        assert found["status"] == 200 and json.loads(found["body"])["usage"]["completion_tokens"] >= 1, found

    return question


def left_of_others(node: Any, name: str) -> list[str]:
    """What is on a node of other recipes than this one: units, containers, files."""
    units = node.check_output("systemctl list-units --all --plain --no-legend 'vllm@*'").splitlines()
    enabled = node.check_output("ls /etc/systemd/system/multi-user.target.wants").split()
    found = [unit.split()[0] for unit in units] + [unit for unit in enabled if unit.startswith("vllm@")]
    found += node.check_output("docker ps --all --format '{{.Names}}'").split()
    found += node.check_output("ls /etc/dgx-spark /run/dgx-spark").split()
    ours = {f"vllm@{name}.service", f"vllm-{name}", name, "/etc/dgx-spark:", "/run/dgx-spark:"}
    return [word for word in found if word not in ours]


TWO_NODES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yml") if read(path)["nodes"] == 2)


def test_every_recipe_for_two_nodes_serves_and_replaces_the_one_before(
    playbooks: Playbooks,
    nodes: dict[str, Any],
    answers: Callable[[str], None],
    local: Callable[[str], str],
) -> None:
    assert RECIPE in TWO_NODES and len(TWO_NODES) == 4
    cluster.give_images(load(CLUSTERS / "two_spark.yml"), list(images.PLAYED))
    # The last is the first again.
    for name in [*TWO_NODES, TWO_NODES[0]]:
        words = (*OFFLINE, "-e", f"dsv4_recipe={local(name)}")
        playbooks.deploy(*words).succeeded()
        answers(name)
        assert playbooks.deploy(*words).succeeded().changed == set()
        assert {host: left_of_others(node, name) for host, node in nodes.items()} == {host: [] for host in nodes}


def test_four_nodes_serve_with_expert_parallelism_from_a_flat_folder(
    playbooks: Playbooks, reach: Callable[[str], Any], answers: Callable[[str], None]
) -> None:
    name, flat = "dsv4-flash-jasl-tp4-ep", "/home/nvidia/models/DeepSeek-V4-Flash"
    patch = read(ROOT / "recipes" / f"{name}.yml")["container"]["mounts"][0]["source"]
    inventory = ROOT / "inventories" / "sim_four_spark"
    words = (*OFFLINE, "-e", f"model_directory={flat}")
    with another_cluster("four_spark_switch") as path:
        cluster.give_images(load(path), ["jasl"])
        all_nodes = {f"spark{number}": reach(f"10.77.0.{10 + number}") for number in range(1, 5)}
        for node in all_nodes.values():
            cached = "/home/nvidia/.cache/huggingface/hub/models--deepseek-ai--DeepSeek-V4-Flash/snapshots/*/"
            node.check_output(f"mkdir -p {flat} && cp --recursive --dereference {cached}. {flat}/")
        assert playbooks.run("playbooks/four_spark.yml", *words, "--check", inventory=inventory).succeeded().changed
        playbooks.run("playbooks/four_spark.yml", *words, inventory=inventory).succeeded()
        answers(name)
        ranks = {host: json.loads(node.file(f"/etc/dgx-spark/{name}/launch.json").content_string) for host, node in all_nodes.items()}
        assert [ranks[host]["rank"] for host in sorted(ranks)] == [0, 1, 2, 3]
        assert len({ranks[host]["hash"] for host in ranks}) == 1
        # In microseconds of one clock: the nodes are containers of one machine.
        asked = f"systemctl show --property {STARTED} --value vllm@{name}"
        started = {host: int(node.check_output(asked)) for host, node in all_nodes.items()}
        assert all(started[host] < started["spark1"] for host in ("spark2", "spark3", "spark4")), started
        for host, node in all_nodes.items():
            command = json.loads(node.check_output(f"docker inspect --format '{{{{json .Args}}}}' vllm-{name}"))
            assert "--enable-expert-parallel" in command and "/models/DeepSeek-V4-Flash" in command
            assert ("--headless" in command) == (host != "spark1")
        assert playbooks.run("playbooks/four_spark.yml", *words, inventory=inventory).succeeded().changed == set()

        # The patch on three of four nodes is an error before anything is changed; on all of them it is mounted.
        for host in ("spark1", "spark2", "spark3"):
            all_nodes[host].check_output(f"mkdir -p {Path(patch).parent} && echo '# patched' > {patch}")
        refused = playbooks.run("playbooks/four_spark.yml", *words, inventory=inventory)
        assert refused.code != 0 and refused.changed == set() and "the nodes have different ones" in refused.output
        answers(name)
        all_nodes["spark4"].check_output(f"mkdir -p {Path(patch).parent} && echo '# patched' > {patch}")
        playbooks.run("playbooks/four_spark.yml", *words, inventory=inventory).succeeded()
        answers(name)
        for node in all_nodes.values():
            mounts = json.loads(node.check_output(f"docker inspect --format '{{{{json .Mounts}}}}' vllm-{name}"))
            assert [(mount["Destination"], mount["RW"]) for mount in mounts if mount["Source"] == patch] == [
                (read(ROOT / "recipes" / f"{name}.yml")["container"]["mounts"][0]["target"], False)
            ]
