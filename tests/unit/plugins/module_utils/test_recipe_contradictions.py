# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe says twice, or against what the roles do, is named before anything is on the nodes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe
from tests.unit.plugins.fixtures import recipes as given_recipes

SOUND = given_recipes.shipped(given_recipes.FILES[0])
NAME = SOUND["name"]


def with_arguments(change: dict[str, Any]) -> dict[str, Any]:
    return _recipe.override(SOUND, change)


def said(recipe: dict[str, Any]) -> list[str]:
    return _recipe.problems(recipe, NAME)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"distributed-executor-backend": "ray"}, "arguments.distributed-executor-backend: found 'ray', wanted mp"),
        ({"distributed-executor-backend": "uni"}, "arguments.distributed-executor-backend: found 'uni', wanted mp"),
        ({"gpu-memory-utilization": 1.5}, "arguments.gpu-memory-utilization: found 1.5, wanted a share above 0"),
        ({"gpu-memory-utilization": 0}, "arguments.gpu-memory-utilization: found 0, wanted a share above 0"),
        ({"gpu-memory-utilization": "1.5"}, "arguments.gpu-memory-utilization: found '1.5', wanted a share above 0"),
        ({"gpu-memory-utilization": "nan"}, "arguments.gpu-memory-utilization: found 'nan', wanted a share above 0"),
        ({"max-num-seqs": "0"}, "arguments.max-num-seqs: found '0', wanted a whole number from 1 on"),
        (
            {"cudagraph-capture-sizes": [1], "compilation-config": {"cudagraph_capture_sizes": [1]}},
            "arguments.cudagraph-capture-sizes: found compilation-config.cudagraph_capture_sizes beside it",
        ),
        ({"max-model-len": -2}, "arguments.max-model-len: found -2, wanted a whole number from 1 on, or -1 or auto"),
        ({"decode-context-parallel-size": 4}, "arguments.decode-context-parallel-size: found 4, wanted a divisor of tensor-parallel-size"),
        ({"enable-log-outputs": True}, "arguments.enable-log-outputs: found no enable-log-requests beside it"),
        ({"uds": "/run/x"}, "arguments.uds is decided by the roles"),
        ({"data-parallel-rank": 1}, "arguments.data-parallel-rank is decided by the roles"),
        ({"max-num-seqs": -1}, "arguments.max-num-seqs: found -1, wanted a whole number from 1 on"),
        ({"block-size": 0}, "arguments.block-size: found 0, wanted a whole number from 1 on"),
        ({"tool-call-parser": None}, "arguments.enable-auto-tool-choice: found no tool-call-parser beside it"),
        ({"reasoning-parser": "qwen3"}, "arguments.reasoning-config.reasoning_parser: found 'deepseek_v4', wanted 'qwen3'"),
        ({"reasoning-config": {"reasoning_start_str": ""}}, "arguments.reasoning-config.reasoning_start_str: found ''"),
        ({"speculative-config": {"method": "mtp", "a": ["x", {"b": ""}]}}, "arguments.speculative-config.a[1].b: found ''"),
        ({"data-parallel-rpc-port": 25000}, "arguments.data-parallel-rpc-port: found 25000, which is ports.master too"),
        ({"data-parallel-rpc-port": 8000}, "arguments.data-parallel-rpc-port: found 8000, which is ports.api too"),
        (
            {"prefill-context-parallel-size": 2},
            "data-parallel-size x prefill-context-parallel-size is 4",
        ),
    ],
)
def test_arguments_that_contradict_something_are_named_in_a_recipe_and_in_an_override(change: dict[str, Any], text: str) -> None:
    changed = with_arguments(change)
    (problem,) = said(changed)
    assert text in problem and problem.isprintable()
    (problem,) = _recipe.override_problems(changed)
    assert text in problem


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"NCCL_DEBUG": None}, "environment.NCCL_DEBUG: found nothing, wanted INFO"),
        ({"NCCL_DEBUG": "WARN"}, "environment.NCCL_DEBUG: found 'WARN', wanted INFO"),
        ({"NCCL_DEBUG": "VERSION"}, "environment.NCCL_DEBUG: found 'VERSION', wanted INFO"),
        ({"NCCL_DEBUG_FILE": "/tmp/nccl.%h"}, "environment.NCCL_DEBUG_FILE: found '/tmp/nccl.%h', wanted none"),
        ({"NCCL_DEBUG_SUBSYS": "NET,GRAPH"}, "environment.NCCL_DEBUG_SUBSYS: found 'NET,GRAPH', wanted INIT among what is printed"),
        ({"NCCL_DEBUG_SUBSYS": "^INIT"}, "environment.NCCL_DEBUG_SUBSYS: found '^INIT', wanted INIT among what is printed"),
    ],
)
def test_a_rank_that_would_not_prove_its_nccl_is_refused(environment: dict[str, Any], text: str) -> None:
    (problem,) = _recipe.override_problems(_recipe.override(SOUND, None, environment))
    assert problem.startswith(text)
    on_cpu = given_recipes.shipped(given_recipes.FILES[1])
    assert _recipe.override_problems(_recipe.override(on_cpu, None, environment)) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"NCCL_DEBUG": "TRACE"},
        {"NCCL_DEBUG": "info"},
        {"NCCL_DEBUG_SUBSYS": "init, NET"},
        {"NCCL_DEBUG_SUBSYS": "^COLL"},
        {"NCCL_DEBUG_FILE": "/dev/stderr"},
    ],
)
def test_a_rank_that_says_more_is_not(environment: dict[str, Any]) -> None:
    assert _recipe.override_problems(_recipe.override(SOUND, None, environment)) == []


def test_what_a_layer_bakes_in_makes_a_rank_talk_too() -> None:
    quiet = _recipe.override(SOUND, None, {"NCCL_DEBUG": None})
    assert said({**quiet, "layers": [{"environment": {"NCCL_DEBUG": "INFO"}}]}) == []


def test_an_empty_text_that_may_mean_something_is_not_refused() -> None:
    assert _recipe.override_problems(with_arguments({"compilation-config": {"backend": ""}})) == []


def test_an_image_is_pinned_in_one_place() -> None:
    image = {**SOUND["image"], "name": f"a/b@sha256:{'1' * 64}"}
    assert said({**SOUND, "image": image}) == []
    (problem,) = said({**SOUND, "image": {**image, "digest": f"sha256:{'2' * 64}"}})
    assert "image.name: found 'a/b@sha256:1" in problem and "wanted the digest in one of them" in problem


@pytest.mark.parametrize("devices", [[], ["/dev/fuse"], ["/dev/infinibandit"]])
def test_ranks_on_gpus_get_the_rdma_devices(devices: list[str]) -> None:
    changed = copy.deepcopy(SOUND)
    changed["container"]["devices"] = devices
    (problem,) = said(changed)
    assert "container.devices: found " in problem and "wanted /dev/infiniband among them" in problem


@pytest.mark.parametrize("name", ["VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "FLASH_ATTENTION_CUTE_DSL_CACHE_ENABLED"])
def test_the_caches_are_the_roles(name: str) -> None:
    (problem,) = _recipe.override_problems(_recipe.override(SOUND, None, {name: "/mine"}))
    assert problem == f"environment.{name} is found per node or set by the roles; leave it out"
    (problem,) = said({**SOUND, "layers": [{"environment": {name: "/mine"}}]})
    assert f"environment.{name} is found per node or set by the roles" in problem


@pytest.mark.parametrize("target", ["//opt/dgx-spark", "//srv/a"])
def test_a_path_with_two_slashes_in_front_is_refused(target: str) -> None:
    changed = copy.deepcopy(SOUND)
    changed["container"]["mounts"] = [{"source": "/srv/a", "target": target}]
    assert any("wanted it without ., .., doubled or trailing slashes" in problem for problem in said(changed))


@pytest.mark.parametrize(
    "name", ["https://ghcr.io/a/b:c", "vllm/VLLM:x", "a//b", "a:b:c", "a@sha256:12", "a/", "a:", "a b", "-a", f"a@sha256:{'A' * 64}"]
)
def test_what_docker_takes_for_no_image_is_refused(name: str) -> None:
    (problem,) = said({**SOUND, "image": {**SOUND["image"], "name": name}})
    assert "wanted the name of an image" in problem


@pytest.mark.parametrize(
    "name",
    ["vllm", "a/b", "localhost:5000/a/b:1", "ghcr.io/a-b/c_d__e.f:T_1.2-3", f"GHCR.io/a@sha256:{'a' * 64}", f"a:b@sha256:{'0' * 64}"],
)
def test_what_docker_takes_for_one_is_not(name: str) -> None:
    assert said({**SOUND, "image": {**SOUND["image"], "name": name}}) == []


@pytest.mark.parametrize("device", ["/dev/infiniband:/dev/infiniband:rwm", "/dev/infiniband/uverbs0", "/dev"])
def test_rdma_devices_may_be_given_in_other_ways(device: str) -> None:
    changed = copy.deepcopy(SOUND)
    changed["container"]["devices"] = [device]
    assert said(changed) == []
