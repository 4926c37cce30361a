# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is started is what was proven."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from tests.acceptance.conftest import UNIT
from tests.acceptance.harness import Playbooks, Run
from tests.acceptance.overlay.look import BUILD, HOSTS, NCCL, in_image, inspect, launched, overlay, refused


def replace(node: Any, names: list[str], labelled: bool) -> None:
    """Put 2.28.9 into the overlay of the first name by hand and give it these names."""
    current = names[0]
    old = "/opt/env/lib/python3.12/site-packages/nvidia/nccl/lib/libnccl.so.2"
    change = " ".join(f"--change 'LABEL {label}='" for label in ([] if labelled else ["dgx-spark.image-key", "dgx-spark.nccl-version"]))
    node.check_output(f"docker run --name by-hand --network none --entrypoint cp {current} {old} {NCCL}")
    try:
        image = node.check_output(f"docker commit {change} by-hand")
        for name in names:
            node.check_output(f"docker tag {image} {name}")
    finally:
        node.check_output("docker rm by-hand")


def proven(name: str) -> str:
    return name.replace("dgx-spark/vllm:", "dgx-spark/vllm-proven:")


@pytest.mark.parametrize("labelled", [True, pytest.param(False, marks=pytest.mark.long)])
def test_an_overlay_replaced_by_hand_is_put_right_and_only_there(clean: Callable[..., Run], nodes: dict[str, Any], labelled: bool) -> None:
    clean().succeeded()
    name = overlay(nodes["spark2"])
    before = inspect(nodes["spark2"], name)["Id"]
    replace(nodes["spark2"], [name], labelled)
    assert inspect(nodes["spark2"], name)["Id"] != before
    assert clean("--check").succeeded().changed == {("spark2", BUILD)}
    assert clean().succeeded().changed == {("spark2", BUILD)}
    assert inspect(nodes["spark2"], name)["Id"] == before
    assert clean().succeeded().changed == set()


@pytest.mark.long
def test_an_overlay_that_was_never_proven_here_is_built_anew(clean: Callable[..., Run], nodes: dict[str, Any]) -> None:
    clean().succeeded()
    node = nodes["spark2"]
    name = overlay(node)
    replace(node, [name], labelled=True)
    node.check_output(f"docker image rm {proven(name)}")
    assert ("spark2", BUILD) in clean().succeeded().changed
    assert in_image(node, name, f'grep -ac "NCCL version 2.30.4+cuda13.2" {NCCL}') == "1"


@pytest.mark.long
def test_nodes_whose_files_of_nccl_differ_are_told_before_any_rank_is_started(clean: Callable[..., Run], nodes: dict[str, Any]) -> None:
    clean().succeeded()
    node = nodes["spark2"]
    name = overlay(node)
    node.check_output(f"docker create --name by-hand {name} true")
    image = node.check_output("docker commit --change 'LABEL dgx-spark.nccl-sha256=f00d' by-hand")
    node.check_output(f"docker rm by-hand && docker tag {image} {name} && docker tag {image} {proven(name)}")
    refused(clean(), "different files of NCCL 2.30.4", "spark2", "f00d")
    clean(image_state="absent").succeeded()


@pytest.mark.long
@pytest.mark.parametrize("labelled", [True, False])
def test_ranks_are_never_started_with_unequal_versions(
    deployed: Playbooks, nodes: dict[str, Any], journal: Callable[[str], str], serves: Callable[[], Any], labelled: bool
) -> None:
    name = launched(nodes["spark2"])
    replace(nodes["spark2"], [name], labelled)
    for host in HOSTS:
        nodes[host].check_output(f"systemctl stop {UNIT}")
    since = nodes["spark2"].check_output("date +%s")
    assert ("spark2", BUILD) in deployed.deploy().succeeded().changed
    serves()
    for host in HOSTS:
        assert "NCCL version 2.30.4+cuda13.2" in journal(host)
        assert "2.28.9" not in nodes[host].check_output(f"journalctl --unit {UNIT} --since @{since} --output cat")


@pytest.mark.long
def test_a_start_without_a_controller_runs_the_proven_image_whatever_has_its_name(
    deployed: Playbooks, nodes: dict[str, Any], journal: Callable[[str], str], serves: Callable[[], Any], restart: Callable[[], None]
) -> None:
    name = launched(nodes["spark2"])
    proven_id = inspect(nodes["spark2"], name)["Id"]
    replace(nodes["spark2"], [name], labelled=True)
    restart()
    serves()
    assert nodes["spark2"].check_output("docker inspect --format '{{.Image}}' $(docker ps --quiet)") == proven_id
    assert "NCCL version 2.30.4+cuda13.2" in journal("spark2")
    assert deployed.deploy().succeeded().changed == {("spark2", BUILD)}


@pytest.mark.long
def test_a_rank_that_runs_another_version_is_told_from_its_banner(deployed: Playbooks, nodes: dict[str, Any]) -> None:
    """Whoever moves both names by hand is met by the last proof."""
    name = launched(nodes["spark2"])
    replace(nodes["spark2"], [name, proven(name)], labelled=True)
    for host in HOSTS:
        nodes[host].check_output(f"systemctl stop {UNIT}")
    try:
        run = deployed.deploy()
        assert run.code != 0
        assert "the ranks run different versions of NCCL" in run.output or "NCCL 2.28.9 runs, wanted 2.30.4" in run.output
    finally:
        deployed.run("playbooks/teardown.yml").succeeded()
        deployed.deploy().succeeded()
