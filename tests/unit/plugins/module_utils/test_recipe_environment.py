# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No variable of a recipe is read by nobody, unless the recipe says who reads it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe_environment
from ansible_collections.dgx_spark.vllm.plugins.module_utils._vllm_options import Catalogue
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE


def problems(*names: str, **change: Any) -> list[str]:
    """What is said of variables, on vLLM 0.21.1 unless the change says otherwise."""
    recipe = {"vllm_version": "0.21.1", "environment": dict.fromkeys(names, "1"), **change}
    return [problem.text for problem in _recipe_environment.problems(recipe, CATALOGUE)]


def test_variables_of_vllm_and_of_what_is_below_it_are_known() -> None:
    ours = ("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "VLLM_SPARSE_INDEXER_MAX_LOGITS_MB", "CUDA_HOME", "LD_LIBRARY_PATH", "MAX_JOBS")
    nccl = ("NCCL_DEBUG", "NCCL_NVLS_ENABLE", "NCCL_SWITCHLESS_RING_ONLY", "GLOO_SOCKET_IFNAME", "UCX_NET_DEVICES")
    torch = ("TORCH_CUDA_ARCH_LIST", "TORCHINDUCTOR_CACHE_DIR", "PYTORCH_CUDA_ALLOC_CONF", "OMP_NUM_THREADS", "CUDA_CACHE_PATH")
    kernels = ("FLASHINFER_DISABLE_VERSION_CHECK", "TRITON_CACHE_DIR", "TILELANG_CLEANUP_TEMP_FILES", "DG_JIT_USE_NVRTC", "CUTE_DSL_ARCH")
    rest = ("HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "XDG_CACHE_HOME", "PYTHONUNBUFFERED")
    assert problems(*ours, *nccl, *torch, *kernels, *rest) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "VLLM_ALLOW_LONG_MAX_MODEL_LENGTH",
            "vLLM 0.21.1, going by 0.21.0, does not know it (did you mean VLLM_ALLOW_LONG_MAX_MODEL_LEN?)",
        ),
        (
            "VLLM_USE_B12X_MOE",
            "does not know it; correct it, or, if only the image's fork of vLLM knows it, add VLLM_USE_B12X_MOE to fork_env",
        ),
        ("VLLM_FLASHINFER_AUTOTUNE_CACHE_DIR", "does not know it (vLLM 0.22.0 and later have it)"),
        (
            "B12X_W4A16_TC_DECODE",
            "nothing is known to read it; correct it, or, if something in the image does, add B12X_W4A16_TC_DECODE to other_e",
        ),
        ("NCLL_DEBUG", "nothing is known to read it (did you mean NCCL_DEBUG?)"),
        ("VLM_LOGGING_LEVEL", "nothing is known to read it; correct it"),
        ("TMPDIRS", "nothing is known to read it (did you mean TMPDIR?)"),
        ("nccl_debug", "nothing is known to read it"),
    ],
)
def test_a_variable_that_nothing_reads_is_a_problem(name: str, text: str) -> None:
    (problem,) = problems(name)
    assert problem.startswith(f"environment.{name}: ") and text in problem


def test_what_only_the_image_reads_is_declared() -> None:
    declared = {"fork_environment": ["VLLM_USE_B12X_MOE"], "other_environment": ["B12X_W4A16_TC_DECODE", "NCCL_DEBUG"]}
    assert problems("VLLM_USE_B12X_MOE", "B12X_W4A16_TC_DECODE", **declared) == []
    (problem,) = problems("VLLM_USE_B12X_MOA", **declared)
    assert "did you mean VLLM_USE_B12X_MOE?" in problem


def test_what_is_no_layer_is_not_looked_into() -> None:
    assert problems(layers=[{"environment": ["A"]}, "text"]) == [] and problems(layers=3) == []


def test_a_variable_that_a_layer_bakes_in_is_held_to_the_same() -> None:
    layers = [{"run": ["true"]}, {"environment": {"NCLL_DEBUG": "INFO", "VLLM_USE_B12X_MOE": "1", "PATH": "/opt/bin:/bin"}}]
    misspelt, undeclared = problems(layers=layers)
    assert misspelt.startswith("layers[1].environment.NCLL_DEBUG: ") and "did you mean NCCL_DEBUG?" in misspelt
    assert undeclared.startswith("layers[1].environment.VLLM_USE_B12X_MOE: ") and "to fork_environment" in undeclared
    assert problems(layers=layers, other_environment=["NCLL_DEBUG"], fork_environment=["VLLM_USE_B12X_MOE"]) == []


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"fork_environment": ["VLLM_API_KEY"]}, "fork_environment: vLLM 0.21.1, going by 0.21.0, knows VLLM_API_KEY; take it out"),
        ({"fork_environment": ["DSPARK_SLOT_CLAMP"]}, "fork_environment: DSPARK_SLOT_CLAMP does not begin with VLLM_"),
        (
            {"other_environment": ["VLLM_DSPARK_X"]},
            "other_environment: VLLM_DSPARK_X is vLLM's or its fork's; wanted it in fork_environment",
        ),
    ],
)
def test_a_wrong_declaration_is_a_problem(declared: dict[str, Any], text: str) -> None:
    (problem,) = problems(**declared)
    assert problem.startswith(text)


def test_without_data_of_the_version_only_vllm_s_own_variables_are_passed_over() -> None:
    (problem,) = problems("VLLM_X", "CUDA_HOME", "NCLL_DEBUG", vllm_version="0.20.0", fork_environment=["VLLM_API_KEY"])
    assert problem.startswith("environment.NCLL_DEBUG")
    without = Catalogue([], lambda version: {})
    assert _recipe_environment.problems({"vllm_version": "0.21.0", "environment": {"CUDA_HOME": "/x", "VLLM_X": "1"}}, without) == []
