# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a sparkrun recipe only its image knows is declared and told; what no declaration makes right is refused with its key there."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import (
    _recipe,
    _recipe_declarations,
    _recipe_findings,
    _sparkrun,
    _sparkrun_report,
    _sparkrun_unknown,
)
from ansible_collections.dgx_spark.vllm.plugins.module_utils._sparkrun_report import SparkrunError
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures.sparkrun import PATTERN, PLAIN, parsed

FORK = """vllm serve {model} -tp 2 --kv-cache-dtype nvfp4_ds_mla --enable-b12x --moe-backnd auto
  --speculative-config '{"method": "dspark", "num_speculative_tokens": 2}' -cc.mode 3 -cc.modus 4"""
VARIABLES = {"VLLM_USE_B12X": 1, "B12X_MODE": "fast", "NCCL_DEBUG": "INFO", "VLLM_LOGGING_LEVEL": "INFO"}


def convert(command: str, version: str = "0.21.1", **options: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    source = parsed(PLAIN, command=command.replace("\n", " "), env=VARIABLES, defaults={}, runtime_version=version)
    return _sparkrun.convert(source, "mine", "theirs.yaml", PATTERN, **{"attention_heads": 64, "catalogue": CATALOGUE, **options})


def told(report: list[dict[str, str]]) -> dict[str, tuple[str, str]]:
    """{place in ours: (key in theirs, note)} of what is declared."""
    return {entry["to"]: (entry["key"], entry["note"]) for entry in report if "; declared as " in entry["note"]}


def test_what_only_the_image_knows_is_declared_and_told() -> None:
    recipe, report = convert(FORK)
    assert {key: recipe[key] for key in _recipe_declarations.DECLARATIONS} == {
        "fork_arguments": ["enable-b12x", "moe-backnd", "compilation-config.modus"],
        "fork_values": {"kv-cache-dtype": ["nvfp4_ds_mla"], "speculative-config.method": ["dspark"]},
        "fork_environment": ["VLLM_USE_B12X"],
        "other_environment": ["B12X_MODE"],
    }
    who = "vLLM 0.21.1, going by 0.21.0,"
    assert told(report) == {
        "fork_arguments: enable-b12x": (
            "command: --enable-b12x",
            f"{who} has no such option (did you mean enable-dbo?); declared as its fork's own",
        ),
        "fork_arguments: moe-backnd": (
            "command: --moe-backnd",
            f"{who} has no such option (did you mean moe-backend?); declared as its fork's own",
        ),
        "fork_arguments: compilation-config.modus": (
            "command: -cc.modus",
            f"{who} has no such key (did you mean mode?); declared as its fork's own",
        ),
        "fork_values: kv-cache-dtype=nvfp4_ds_mla": (
            "command: --kv-cache-dtype",
            f"{who} does not take 'nvfp4_ds_mla' (vLLM 0.30.0 and later have it); declared as its fork's own",
        ),
        "fork_values: speculative-config.method=dspark": (
            "command: --speculative-config",
            f"{who} does not take 'dspark' (vLLM 0.25.0 and later have it); declared as its fork's own",
        ),
        "fork_environment: VLLM_USE_B12X": ("env.VLLM_USE_B12X", f"{who} does not know it; declared as its fork's own"),
        "other_environment: B12X_MODE": ("env.B12X_MODE", "nothing is known to read it; declared as read by something in the image"),
    }
    assert {entry["what"] for entry in report if entry["to"] in told(report)} == {"assumed"}


def test_such_a_recipe_passes_the_check_and_the_deploy_lists_what_only_the_fork_knows() -> None:
    recipe, _report = convert(FORK)
    assert _recipe.problems(recipe, "mine", vllm=CATALOGUE) == []
    (finding,) = _recipe_findings.findings(recipe, CATALOGUE)
    assert finding["id"] == "recipe.fork-only"
    for name in (
        "enable-b12x",
        "compilation-config.modus",
        "kv-cache-dtype=nvfp4_ds_mla",
        "speculative-config.method=dspark",
        "VLLM_USE_B12X",
    ):
        assert name in finding["found"]


@pytest.mark.parametrize("options", [{"version": "0.20.0"}, {"catalogue": None}])
def test_where_it_is_not_known_what_vllm_knows_nothing_is_declared_as_the_fork_s(options: dict[str, Any]) -> None:
    recipe, report = convert(FORK, **options)
    assert not {"fork_arguments", "fork_values", "fork_environment"} & set(recipe)
    assert not [to for to in told(report) if to.startswith("fork_")]


def test_a_recipe_of_the_wrong_shape_declares_nothing() -> None:
    recipe, _report = convert(FORK)
    for wrong in ({"vllm_version": 21}, {"arguments": [FORK]}, {"environment": None}):
        assert _sparkrun_unknown.declarations({**recipe, **wrong}, CATALOGUE, _sparkrun_report.Report()) == {}


def test_what_the_version_knows_is_not_declared() -> None:
    command = "vllm serve {model} -tp 2 --moe-backend b12x --linear-backend auto --speculative-config.method dspark"
    recipe, _report = convert(f"{command} --speculative-config.num_speculative_tokens 2", "0.32.0")
    assert not {"fork_arguments", "fork_values"} & set(recipe)


@pytest.mark.parametrize(
    ("words", "key", "problem"),
    [
        ("--block-size many", "command: --block-size", "arguments.block-size: found 'many', wanted a whole number"),
        ("--kv_cache_dtype", "command: --kv_cache_dtype", "arguments.kv-cache-dtype: found true, wanted text or a number"),
        ("--enforce-eager yes", "command: --enforce-eager", "arguments.enforce-eager: found 'yes', wanted true"),
        ("-cc full", "command: -cc", "arguments.compilation-config: found 'full', wanted a mapping"),
        (
            "-cc.mode 3 -cc.pass_config.a 1 -cc.b@c 1",
            "command: -cc.b@c",
            "arguments.compilation-config.b@c: vLLM 0.21.1, going by 0.21.0, has",
        ),
        ("--async-scheduling --no-async-scheduling", "command: --no-async-scheduling", "are the same option of vLLM"),
    ],
)
def test_what_no_declaration_makes_right_is_refused_with_its_key(words: str, key: str, problem: str) -> None:
    with pytest.raises(SparkrunError) as refused:
        convert(f"vllm serve {{model}} -tp 2 {words}")
    assert f"; {key}: recipe mine: arguments." in str(refused.value) and problem in str(refused.value)
