# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe would have to declare: what vLLM of its version does not know, and nothing that it knows."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe, _recipe_declarations
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures.sparkrun import PATTERN

MTP = {"method": "mtp", "num_speculative_tokens": 2}


def recipe(arguments: dict[str, Any], *variables: str, **change: Any) -> dict[str, Any]:
    """A sound recipe for vLLM 0.21.1, which declares nothing, with more arguments and variables."""
    plain = {key: value for key, value in PATTERN.items() if key not in _recipe_declarations.DECLARATIONS}
    sizes = {"tensor-parallel-size": PATTERN["nodes"]}
    environment = {"NCCL_DEBUG": "INFO", **dict.fromkeys(variables, "1")}
    return {**plain, "vllm_version": "0.21.1", "arguments": {**sizes, **arguments}, "environment": environment, **change}


def declared(given: dict[str, Any]) -> dict[str, Any]:
    return _recipe_declarations.declared(_recipe_declarations.missing(given, CATALOGUE))


@pytest.mark.parametrize(
    ("given", "wanted", "reason"),
    [
        (recipe({"enable-b12x": True}), {"fork_arguments": ["enable-b12x"]}, "vLLM 0.21.1, going by 0.21.0, has no such option"),
        (recipe({"moe-backnd": "auto"}), {"fork_arguments": ["moe-backnd"]}, "has no such option (did you mean moe-backend?)"),
        (recipe({"kv-cache-dtype": "fp9"}), {"fork_values": {"kv-cache-dtype": ["fp9"]}}, "does not take 'fp9' (did you mean fp8?)"),
        (
            recipe({"speculative-config": {**MTP, "method": "dspark"}}),
            {"fork_values": {"speculative-config.method": ["dspark"]}},
            "does not take 'dspark' (vLLM 0.25.0 and later have it)",
        ),
        (
            recipe({"speculative-config": {**MTP, "methd": [1]}}),
            {"fork_arguments": ["speculative-config.methd"]},
            "has no such key (did you mean method?)",
        ),
        (recipe({}, "VLLM_USE_B12X"), {"fork_environment": ["VLLM_USE_B12X"]}, "vLLM 0.21.1, going by 0.21.0, does not know it"),
        (recipe({}, "NCLL_DEBUG"), {"other_environment": ["NCLL_DEBUG"]}, "nothing is known to read it (did you mean NCCL_DEBUG?)"),
    ],
)
def test_what_is_unknown_is_declared(given: dict[str, Any], wanted: dict[str, Any], reason: str) -> None:
    (unknown,) = _recipe_declarations.missing(given, CATALOGUE)
    assert reason in unknown.reason and unknown.where.startswith(("arguments.", "environment."))
    assert declared(given) == wanted
    assert declared({**given, **wanted}) == {}
    assert _recipe.problems({**given, **wanted}, given["name"], vllm=CATALOGUE) == []


KNOWN = [
    recipe({"kv-cache-dtype": "fp8", "enforce-eager": True, "no-enable-prefix-caching": True, "max-model-len": "1m"}),
    recipe({"speculative-config": MTP, "compilation-config": {"cudagraph_mode": "FULL"}, "default-chat-template-kwargs": {"a": 1}}),
    recipe({}, "VLLM_LOGGING_LEVEL", "NCCL_OF_A_PATCH", "CUDA_HOME", "OMP_NUM_THREADS", "HOME"),
]


@pytest.mark.parametrize("given", KNOWN)
def test_what_is_known_is_not_declared(given: dict[str, Any]) -> None:
    assert _recipe.problems(given, given["name"], vllm=CATALOGUE) == []
    assert declared(given) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        {"block-size": "many"},
        {"kv-cache-dtype": True},
        {"kv-cache-dtype": ["fp9"]},
        {"enforce-eager": "yes"},
        {"no-max-model-len": True},
        {"compilation-config": "full"},
        {"compilation-config.cudagraph_mode": "FULL"},
        {"speculative-config": {**MTP, "method": True}},
        {"speculative-config": {**MTP, "method": ["mtp"]}},
        {"speculative-config": {**MTP, "a key": 1}},
        {"speculative-config": {**MTP, "num_speculative_tokens": 0}},
        {"enable-prefix-caching": True, "no-enable-prefix-caching": True},
        {"Enable-b12x": True},
        {"tp": 2},
    ],
)
def test_what_no_declaration_makes_right_stays_a_problem(arguments: dict[str, Any]) -> None:
    given = recipe(arguments)
    assert _recipe_declarations.problems(given, CATALOGUE) != []
    assert declared(given) == {}


def test_without_data_of_the_version_only_what_is_not_vllm_s_is_declared() -> None:
    given = recipe({"enable-b12x": True, "kv-cache-dtype": "fp9"}, "VLLM_USE_B12X", "B12X_MODE", vllm_version="0.20.0")
    assert declared(given) == {"other_environment": ["B12X_MODE"]}


def test_what_the_recipes_of_the_collection_declare_is_what_is_missing_of_them() -> None:
    undeclared = {key: value for key, value in PATTERN.items() if key not in _recipe_declarations.DECLARATIONS}
    own = {key: PATTERN[key] for key in _recipe_declarations.DECLARATIONS if key in PATTERN}
    assert declared(undeclared) == own
