# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user is told of a recipe in which nothing is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe_findings
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

FORK = {
    "fork_arguments": ["enable-b12x", "speculative-config.block", "unused"],
    "fork_values": {"kv-cache-dtype": ["nvfp4_ds_mla"], "speculative-config.method": ["dspark", 5]},
    "fork_environment": ["VLLM_USE_B12X_MOE", "VLLM_UNUSED"],
}


def recipe(arguments: dict[str, Any], **change: Any) -> dict[str, Any]:
    base = {"name": "mine", "vllm_version": "0.21.1", "image": {"name": "us/image:1"}, "environment": {}, "arguments": arguments}
    return {**base, **FORK, **change}


@pytest.mark.parametrize(
    ("arguments", "environment", "only"),
    [
        ({"block-size": 256, "kv-cache-dtype": "fp8"}, {"NCCL_DEBUG": "INFO"}, []),
        ({"enable-b12x": True}, {}, ["enable-b12x"]),
        ({"kv-cache-dtype": "nvfp4_ds_mla"}, {}, ["kv-cache-dtype=nvfp4_ds_mla"]),
        ({"speculative-config": {"method": "dspark", "block": 5}}, {}, ["speculative-config.block", "speculative-config.method=dspark"]),
        ({"speculative-config": {"method": "mtp"}}, {}, []),
        ({"speculative-config": "text"}, {}, []),
        ({}, {"VLLM_USE_B12X_MOE": "1"}, ["VLLM_USE_B12X_MOE"]),
    ],
)
def test_what_only_the_fork_knows_is_told_as_far_as_it_is_used(
    arguments: dict[str, Any], environment: dict[str, str], only: list[str]
) -> None:
    found = _recipe_findings.findings(recipe(arguments, environment=environment), CATALOGUE)
    assert [(item["id"], item["severity"]) for item in found] == [("recipe.fork-only", "warning")] * bool(only)
    assert all(f"does not know: {', '.join(only)}" in item["found"] and "us/image:1" in item["wanted"] for item in found)


def test_a_variable_that_a_layer_bakes_in_is_used() -> None:
    (found,) = _recipe_findings.findings(recipe({}, layers=[{"run": ["true"]}, {"environment": {"VLLM_USE_B12X_MOE": "1"}}]), CATALOGUE)
    assert found["id"] == "recipe.fork-only" and "VLLM_USE_B12X_MOE" in found["found"]


@pytest.mark.parametrize("version", ["0.20.0", "0.34.1", "v20260613.dev297+ga93b9098b"])
def test_a_version_without_data_is_told_with_those_that_have_some(version: str) -> None:
    (found,) = _recipe_findings.findings(recipe({}, vllm_version=version), CATALOGUE)
    assert (found["id"], found["severity"]) == ("recipe.vllm-unknown", "warning")
    assert version in found["found"] and "0.21.0, 0.22.0" in found["wanted"]
