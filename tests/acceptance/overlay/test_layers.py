# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else goes into an overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from tests.acceptance.harness import Run
from tests.acceptance.overlay.look import BUILD, HOSTS, NCCL, in_image, overlay, refused


@pytest.mark.long
def test_layers_of_a_recipe_go_in_once_and_a_changed_file_makes_another_overlay(
    clean: Callable[..., Run], nodes: dict[str, Any], recipe: Callable[..., str], tmp_path: Path
) -> None:
    target = "/usr/local/lib/python3.12/dist-packages/vllm/sm12x_deep_gemm_fallbacks.py"
    awkward = 'a "b" $HOME \\ c'
    path = recipe(
        layers=[
            {"file": "sm12x_deep_gemm_fallbacks.py", "target": target, "mode": "0640"},
            {"environment": {"VLLM_TRITON_MLA_SPARSE": "1", "AWKWARD": awkward}},
            {"run": ['echo "$VLLM_TRITON_MLA_SPARSE $(id -u)" > /seen']},
        ]
    )
    patch = tmp_path / "sm12x_deep_gemm_fallbacks.py"
    refused(clean(dsv4_recipe=path), "layers[0].file", str(patch))
    patch.write_text("first\n")
    announced = clean("--check", "--diff", dsv4_recipe=path).succeeded()
    assert f"file {target} 0640 sha256:" in announced.output and "environment VLLM_TRITON_MLA_SPARSE=1" in announced.output
    done = clean(dsv4_recipe=path).succeeded()
    assert announced.changed == done.changed
    assert clean(dsv4_recipe=path).succeeded().changed == set()
    names = {overlay(node) for node in nodes.values()}
    assert len(names) == 1
    first = names.pop()
    for node in nodes.values():
        seen = in_image(node, first, f"cat {target} /seen; stat -c %a {target}; printenv AWKWARD")
        assert seen.splitlines() == ["first", "1 0", "640", awkward]
    patch.write_text("second\n")
    assert (HOSTS[0], BUILD) in clean(dsv4_recipe=path).succeeded().changed
    tags = nodes["spark1"].check_output("docker image ls --format '{{.Tag}}' dgx-spark/vllm").split()
    (second,) = {f"dgx-spark/vllm:{tag}" for tag in tags} - {first}
    assert in_image(nodes["spark1"], second, f"cat {target}") == "second"
    clean(image_state="absent").succeeded()
    assert not nodes["spark1"].file("/var/lib/dgx-spark/layers").exists


@pytest.mark.long
def test_a_layer_that_replaces_the_library_is_refused(clean: Callable[..., Run], nodes: dict[str, Any]) -> None:
    old = "/opt/env/lib/python3.12/site-packages/nvidia/nccl/lib/libnccl.so.2"
    run = clean(image_layers=[{"run": [f"cp {old} {NCCL}"]}])
    assert run.code != 0
    assert "is NCCL 2.28.9 and not the file with 2.30.4 that was put there" in run.output
    for node in nodes.values():
        assert node.check_output("docker image ls --quiet --filter reference='dgx-spark/*'") == ""
        assert node.check_output("docker ps --all --quiet --filter name=dgx-spark-") == ""


@pytest.mark.long
def test_a_layer_whose_target_is_a_folder_is_refused(clean: Callable[..., Run], nodes: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "patch.py").write_text("1\n")
    run = clean(image_layers=[{"file": str(tmp_path / "patch.py"), "target": "/usr/local/lib"}])
    assert run.code != 0
    assert "layers[0]: /usr/local/lib is a folder in" in run.output
    for node in nodes.values():
        assert node.check_output("docker image ls --quiet --filter reference='dgx-spark/*'") == ""


def test_a_mistake_in_a_layer_is_one_message_and_no_change(clean: Callable[..., Run], tmp_path: Path) -> None:
    refused(clean(image_layers=[{"file": "a", "target": "b"}, {"copy": "c"}]), "image_layers[0].target", "image_layers[1]: found copy")
