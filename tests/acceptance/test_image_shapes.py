# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of other shapes: by which words they start, what they bake in, and whether they are the pinned one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from simulation import cluster, images
from simulation import nodes as simulated
from simulation.description import load
from tests.acceptance.conftest import CLUSTERS, RECIPE
from tests.acceptance.harness import ROOT, Playbooks

CONTAINER = f"vllm-{RECIPE}"
DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture
def silent(tmp_path: Path) -> str:
    """The usual recipe without the words that start its image, as a file of the user's."""
    content = yaml.safe_load((ROOT / "recipes" / f"{RECIPE}.yml").read_text())
    content["image"] = {"name": content["image"]["name"]}
    path = tmp_path / f"{RECIPE}.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return str(path)


@pytest.fixture
def made_of(tmp_path: Path) -> Callable[[str, str], str]:
    """Have the stand-in with one more instruction of a Dockerfile on both nodes; its name."""

    def on_nodes(name: str, instruction: str) -> str:
        client, tag, context = images.connect(), f"dgx-spark-sim/variant-{name}:1", tmp_path / name
        images.stand_in_image(client)
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM {images.STAND_IN_NAME}\n{instruction}\n")
        image = images.build(client, tag, context, {})
        for host in ("spark1", "spark2"):
            simulated.load_image(client.containers.get(f"sim-{host}"), image, tag, f"variant-{name}")
        return tag

    return on_nodes


def command_of(node: Any) -> list[str]:
    container = json.loads(node.check_output(f"docker inspect {CONTAINER}"))[0]
    return [container["Path"], *container["Args"]]


@pytest.mark.long
@pytest.mark.parametrize("shape", ["jasl", "hazyumps"])
def test_an_image_that_says_serve_itself_is_given_the_model_alone(
    playbooks: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any], silent: str, shape: str
) -> None:
    cluster.give_images(load(CLUSTERS / "two_spark.yml"), [shape])
    words = ("-e", f"dsv4_recipe={silent}", "-e", f"image_name={images.PLAYED[shape]}")
    playbooks.deploy(*words).succeeded()
    serves()
    for node in nodes.values():
        assert command_of(node)[:3] == ["vllm", "serve", "deepseek-ai/DeepSeek-V4-Flash"]
    assert playbooks.deploy(*words).succeeded().changed == set()
    playbooks.deploy().succeeded()


def test_an_image_of_which_nothing_is_known_is_refused_and_the_ranks_stay(
    deployed: Playbooks, serves: Callable[[], Any], silent: str, made_of: Callable[[str, str], str]
) -> None:
    name = made_of("start", 'ENTRYPOINT ["/usr/local/bin/start.sh"]')
    refused = deployed.deploy("-e", f"dsv4_recipe={silent}", "-e", f"image_name={name}")
    assert refused.code != 0 and refused.changed == set()
    for host in ("spark1", "spark2"):
        assert f'image.entrypoint-unknown {host}: found image {name} with ENTRYPOINT ["/usr/local/bin/start.sh"]' in refused.output
    serves()


@pytest.mark.long
def test_what_an_image_bakes_in_for_another_machine_does_not_reach_the_ranks(
    playbooks: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any], made_of: Callable[[str, str], str]
) -> None:
    name = made_of("baked", "ENV NCCL_PROTO=LL NCCL_CONF_FILE=/etc/other.conf MASTER_PORT=1 WORLD_SIZE=8 VLLM_USE_B12X_MHC=1")
    run = playbooks.deploy("-e", f"image_name={name}").succeeded()
    serves()
    assert f"MASTER_PORT=1, NCCL_CONF_FILE=/etc/other.conf, NCCL_PROTO=LL, WORLD_SIZE=8 in image {name}" in run.output
    for node in nodes.values():
        pid = node.check_output(f"docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER}").strip()
        names = {line.partition("=")[0] for line in node.check_output(f"tr '\\0' '\\n' < /proc/{pid}/environ").splitlines()}
        assert not names & {"NCCL_PROTO", "NCCL_CONF_FILE", "MASTER_PORT", "WORLD_SIZE"}
        assert "VLLM_USE_B12X_MHC" in names
    playbooks.deploy().succeeded()


@pytest.mark.long
def test_a_pin_that_carried_images_can_not_be_held_to_is_a_warning_and_changes_nothing(deployed: Playbooks) -> None:
    run = deployed.deploy("-e", f"image_digest={DIGEST}").succeeded()
    assert run.changed == set()
    assert "image.digest-unverified spark1" in run.output and "image.digest-unverified spark2" in run.output
