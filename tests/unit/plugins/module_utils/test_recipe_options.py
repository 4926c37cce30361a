# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of recipes are held to the options of the real parser of their version, and what only a fork knows is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe, _recipe_declarations, _recipe_options
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

ROOT = Path(__file__).parents[4]
RECIPES = [*sorted((ROOT / "recipes").glob("*.yml")), ROOT / "molecule" / "simulation" / "real_vllm" / "tiny-cpu.yml"]
SOUND = yaml.safe_load((ROOT / "recipes" / "dsv4-flash-b12x-1m.yml").read_text())
MTP = {"method": "mtp", "num_speculative_tokens": 2}


def problems(arguments: dict[str, Any], **change: Any) -> list[str]:
    """What is said of arguments, on vLLM 0.21.0 unless the change says otherwise."""
    found = _recipe_options.problems({"vllm_version": "0.21.0", "arguments": arguments, **change}, CATALOGUE)
    return [problem.text for problem in found]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_this_repository_are_sound(path: Path) -> None:
    assert CATALOGUE.fitting(yaml.safe_load(path.read_text())["vllm_version"]) is not None
    assert _recipe.problems(yaml.safe_load(path.read_text()), path.stem, vllm=CATALOGUE) == []


MISTAKES = [
    ("moe-backnd", "auto", "moe-backnd: vLLM 0.21.0 has no such option (did you mean moe-backend?); correct it, or"),
    ("moe-backnd", "auto", "add moe-backnd to fork_arguments"),
    ("diffusion-config", {}, "has no such option (vLLM 0.24.0 and later have it)"),
    ("no-headless", True, "vLLM 0.21.0 has headless without an opposite"),
    ("no-max-model-len", True, "vLLM 0.21.0 has max-model-len without an opposite"),
    ("tp", 2, "tp: found the short form of an option, wanted tensor-parallel-size"),
    ("max_model_len", 4096, "max_model_len: found underscores, wanted max-model-len"),
    ("kv-cache-dtype", "fp9", "kv-cache-dtype: found 'fp9', wanted one that vLLM 0.21.0 takes (did you mean fp8?): auto, bfloat16, "),
    ("kv-cache-dtype", "nvfp4_ds_mla", "takes (vLLM 0.30.0 and later have it): auto"),
    ("kv-cache-dtype", "nvfp4_ds_mla", "declare it: fork_values: {kv-cache-dtype: [nvfp4_ds_mla]}"),
    ("kv-cache-dtype", "fp\n8" * 99, "fork_values: {kv-cache-dtype: [...]}"),
    ("trust-remote-code", "yes", "trust-remote-code: found 'yes', wanted true, for the option takes no value"),
    ("no-enable-prefix-caching", 1, "found 1, wanted true"),
    ("headless", {"a": 1}, "found {'a': 1}, wanted true"),
    ("block-size", True, "block-size: found true, wanted a whole number, for the option takes a value"),
    ("kv-cache-dtype", True, "kv-cache-dtype: found true, wanted text or a number"),
    ("block-size", "many", "block-size: found 'many', wanted a whole number"),
    ("block-size", 25.6, "block-size: found 25.6, wanted a whole number"),
    ("block-size", "8k", "block-size: found '8k', wanted a whole number"),
    ("block-size", [256], "block-size: found [256], wanted a whole number"),
    ("max-model-len", "1 million", "max-model-len: found '1 million', wanted a whole number, such as 8192 or 8k, or auto"),
    ("max-num-batched-tokens", "auto", "max-num-batched-tokens: found 'auto', wanted a whole number, such as 8192 or 8k"),
    ("gpu-memory-utilization", "most", "gpu-memory-utilization: found 'most', wanted a number"),
    ("tokenizer-mode", {"mode": "auto"}, "tokenizer-mode: found {'mode': 'auto'}, wanted text or a number"),
    ("load-format", "--x", "load-format: found '--x', wanted text or a number that does not begin with a dash"),
    ("cudagraph-capture-sizes", [], "cudagraph-capture-sizes: found an empty list, wanted in it a whole number, once or more often"),
    ("cudagraph-capture-sizes", [1, "two"], "cudagraph-capture-sizes: found 'two' as item 1 of the list, wanted a whole number"),
    ("cudagraph-capture-sizes", [1, True], "cudagraph-capture-sizes: found true as item 1 of the list, wanted a whole number"),
    ("cudagraph-capture-sizes", [[1], 2], "cudagraph-capture-sizes: found [1] as item 0 of the list, wanted a whole number"),
    ("ignore-patterns", ["a", None], "ignore-patterns: found null as item 1 of the list, wanted text"),
    ("ignore-patterns", ["a", "--port"], "ignore-patterns: found '--port' as item 1 of the list, wanted text"),
    ("collect-detailed-traces", ["model", "al"], "collect-detailed-traces: found 'al', wanted one that vLLM 0.21.0 takes"),
    ("lora-modules", ["a=b", '{"name": "c"}'], 'lora-modules: found \'{"name": "c"}\' as item 1 of the list, wanted a mapping or text'),
    ("compilation-config", '{"mode": 3}', "compilation-config: found JSON as text: '{\"mode\": 3}', wanted it in YAML"),
    ("compilation-config", "{mode: 3}", "found JSON as text"),
    ("allowed-origins", '["https://example.org"]', "found JSON as text"),
    ("cudagraph-capture-sizes", True, "cudagraph-capture-sizes: found true, wanted a whole number, for the option takes a value"),
    ("hf-overrides", '{"a": 1}', "hf-overrides: found JSON as text"),
    ("hf-overrides", ["a"], "hf-overrides: found ['a'], wanted a mapping or text"),
    ("compilation-config", "full", "compilation-config: found 'full', wanted a mapping"),
    ("compilation-config", 3, "compilation-config: found 3, wanted a mapping"),
    ("compilation-config", [3], "compilation-config: found [3], wanted a mapping"),
    (
        "compilation-config",
        {"cudagraph_mod": "FULL"},
        "compilation-config.cudagraph_mod: vLLM 0.21.0 has no such key (did you mean cudagraph_mode?)",
    ),
    ("default-chat-template-kwargs.thinking", True, "wanted the argument as a mapping: default-chat-template-kwargs: {thinking: ...}"),
    ("speculative-config", {**MTP, "methd": "mtp"}, "speculative-config.methd: vLLM 0.21.0 has no such key (did you mean method?)"),
    ("speculative-config", {**MTP, "methd": "mtp"}, "add speculative-config.methd to fork_arguments"),
    ("speculative-config", {**MTP, "kv_cache_dtype": "fp8"}, "speculative-config.kv_cache_dtype: vLLM 0.21.0 has no such key (vLLM 0."),
    ("speculative-config", {**MTP, "method": "dspark"}, "speculative-config.method: found 'dspark'"),
    ("speculative-config", {**MTP, "method": "dspark"}, "(vLLM 0.25.0 and later have it)"),
    ("speculative-config", {**MTP, "draft_sample_method": "probabilistic"}, "found 'probabilistic', wanted one that vLLM 0.21.0 takes"),
    ("speculative-config", {**MTP, "draft_sample_method": "probabilistic"}, "(vLLM 0.22.0 and later have it): greedy, gumbel;"),
    ("speculative-config", {**MTP, "num_speculative_tokens": 0}, "num_speculative_tokens: found 0, wanted a whole number from 1 on"),
    ("speculative-config", {**MTP, "num_speculative_tokens": True}, "num_speculative_tokens: found true, wanted a whole number from 1 on"),
    ("speculative-config", {**MTP, "num_speculative_tokens": "2"}, "num_speculative_tokens: found '2', wanted a whole number from 1 on"),
]


@pytest.mark.parametrize(("option", "value", "text"), MISTAKES)
def test_what_vllm_would_refuse_is_one_problem_with_its_path(option: str, value: Any, text: str) -> None:
    (problem,) = problems({option: value})
    assert problem.isprintable() and len(problem) < 1000
    assert text in problem and problem.startswith(f"arguments.{option}")


TAKEN = [
    ("max-model-len", 1000000),
    ("max-model-len", "1m"),
    ("max-model-len", "25.6k"),
    ("max-model-len", "auto"),
    ("max-model-len", -1),
    ("block-size", "256"),
    ("block-size", "None"),
    ("gpu-memory-utilization", 0.82),
    ("gpu-memory-utilization", 1),
    ("gpu-memory-utilization", "0.82"),
    ("no-enable-prefix-caching", True),
    ("enforce-eager", True),
    ("hf-token", True),
    ("tokenizer-mode", "deepseek_v4"),
    ("cudagraph-capture-sizes", 8),
    ("cudagraph-capture-sizes", [1, 2, "4"]),
    ("ignore-patterns", ["*.bin", "original/*"]),
    ("collect-detailed-traces", ["model", "worker"]),
    ("lora-modules", ["a=b", {"name": "c", "path": "d"}]),
    ("allowed-origins", ["https://example.org"]),
    ("lora-modules", {"name": "a", "path": "b"}),
    ("chat-template", "- {{ messages }}"),
    ("hf-overrides", "module.function"),
    ("compilation-config", {"cudagraph_mode": "FULL_AND_PIECEWISE", "custom_ops": ["all"], "pass_config": {"anything": 1}}),
    ("default-chat-template-kwargs", {"thinking": True, "whatever": "the template takes"}),
    ("speculative-config", {**MTP, "method": "deepseek_mtp"}),
    ("speculative-config", {"method": None, "model": "x/y", "num_speculative_tokens": 1}),
    ("speculative-config", {**MTP, "draft_sample_method": "gumbel"}),
]


@pytest.mark.parametrize(("option", "value"), TAKEN)
def test_what_vllm_takes_is_no_problem(option: str, value: Any) -> None:
    assert problems({option: value}) == []


@pytest.mark.parametrize("value", [None, "", False])
def test_no_value_is_named_by_the_recipe_s_own_check_only(value: Any) -> None:
    assert problems({"block-size": value, "trust-remote-code": value}) == []


@pytest.mark.parametrize(
    ("version", "option", "value", "sound"),
    [
        ("0.21.0", "speculative-config", {**MTP, "draft_sample_method": "gumbel"}, True),
        ("0.22.0", "speculative-config", {**MTP, "draft_sample_method": "gumbel"}, False),
        ("0.22.0", "speculative-config", {**MTP, "draft_sample_method": "probabilistic"}, True),
        ("0.24.0", "speculative-config", {**MTP, "method": "dspark"}, False),
        ("0.25.0", "speculative-config", {**MTP, "method": "dspark"}, True),
        ("0.28.0", "moe-backend", "b12x", False),
        ("0.29.0", "moe-backend", "b12x", True),
        ("0.33.0", "disable-prefix-caching", True, True),
        ("0.32.0", "disable-prefix-caching", True, False),
    ],
)
def test_what_differs_between_versions(version: str, option: str, value: Any, sound: bool) -> None:
    assert (problems({option: value}, vllm_version=version) == []) is sound


@pytest.mark.parametrize("second", ["tensor_parallel_size", "tp", "enable-x", "no-enable-prefix-caching", "speculative-config.method"])
def test_the_same_option_in_two_spellings_is_a_problem(second: str) -> None:
    first = {"tensor-parallel-size": 2, "enable-prefix-caching": True, "speculative-config": MTP}
    found = [problem for problem in problems({**first, second: True}) if "the same option" in problem]
    assert len(found) == (second != "enable-x")
    assert all(problem.startswith(f"arguments.{second}: ") for problem in found)


def test_two_spellings_of_an_override_are_a_problem() -> None:
    merged = _recipe.override(SOUND, {"max-num-seqs": 4, "max_num_seqs": 5})
    (problem,) = _recipe.override_problems(merged, vllm=CATALOGUE)
    assert problem.startswith("arguments.max_num_seqs is no name of an option, wanted it with hyphens")
    assert _recipe.override_problems(_recipe.override(SOUND, {"max_num_seqs": 5}), vllm=CATALOGUE) == []


@pytest.mark.parametrize(
    ("arguments", "declared"),
    [
        ({"enable-b12x": "any"}, {"fork_arguments": ["enable-b12x"]}),
        ({"kv-cache-dtype": "nvfp4_ds_mla"}, {"fork_values": {"kv-cache-dtype": ["nvfp4_ds_mla"]}}),
        ({"speculative-config": {**MTP, "method": "dspark"}}, {"fork_values": {"speculative-config.method": ["dspark"]}}),
        ({"speculative-config": {**MTP, "block": 5}}, {"fork_arguments": ["speculative-config.block"]}),
        ({}, {"fork_arguments": ["enable-b12x"], "fork_values": {"kv-cache-dtype": ["nvfp4_ds_mla"]}}),
    ],
)
def test_what_only_a_fork_knows_is_allowed_where_it_is_declared(arguments: dict[str, Any], declared: dict[str, Any]) -> None:
    assert problems(arguments, **declared) == []
    assert bool(problems(arguments)) is bool(arguments)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"fork_arguments": ["block-size"]}, "fork_arguments: vLLM 0.21.0 has block-size; take it out"),
        ({"fork_arguments": ["speculative-config.method"]}, "fork_arguments: vLLM 0.21.0 has speculative-config.method; take it out"),
        ({"fork_values": {"kv-cache-dtype": ["fp8"]}}, "fork_values.kv-cache-dtype: vLLM 0.21.0 takes 'fp8' itself; take it out"),
        (
            {"fork_values": {"kv-cache-dtyp": ["fp9"]}},
            "fork_values.kv-cache-dtyp: vLLM 0.21.0 has no such option (did you mean kv-cache-dtype?)",
        ),
        ({"fork_values": {"tokenizer-mode": ["x"]}}, "fork_values.tokenizer-mode: vLLM 0.21.0 does not list the values of tokenizer-mode"),
        ({"fork_values": {"kv-cache-dtype": "fp9"}}, "fork_values.kv-cache-dtype: found 'fp9', wanted a list of values"),
        (
            {"fork_arguments": ["x"], "fork_values": {"x": ["y"]}},
            "fork_values.x: the values of x, which is in fork_arguments, are not checked",
        ),
    ],
)
def test_a_wrong_declaration_is_a_problem(declared: dict[str, Any], text: str) -> None:
    (problem,) = problems({}, **declared)
    assert problem.startswith(text)


def test_the_version_whose_options_are_used_is_named_beside_the_recipe_s_own() -> None:
    (problem,) = problems({"blok-size": 1}, vllm_version="0.21.1rc1.dev339")
    assert "vLLM 0.21.1rc1.dev339, going by 0.21.0, has no such option" in problem


def test_nothing_is_said_where_there_are_no_data_of_the_version() -> None:
    assert problems({"blok-size": 1}, vllm_version="v20260613.dev297+ga93b9098b", fork_arguments=["block-size"]) == []


@pytest.mark.parametrize(
    ("arguments", "environment", "declared"),
    [
        ({"enable-b12x": "any"}, {}, {"fork_arguments": ["enable-b12x"]}),
        ({"kv-cache-dtype": "fp9"}, {}, {"fork_values": {"kv-cache-dtype": ["fp9"]}}),
        ({"kv-cache-dtype": "fp9"}, {}, {"fork_values": {"kv-cache-dtype": "fp9"}}),
        ({}, {"VLLM_B12X_MORE": "1"}, {"fork_environment": ["VLLM_B12X_MORE"]}),
        ({}, {"DSPARK_SLOT_CLAMP": "1"}, {"other_environment": ["DSPARK_SLOT_CLAMP"]}),
    ],
)
def test_a_user_declares_what_the_image_knows_of_an_override(arguments: Any, environment: Any, declared: Any) -> None:
    assert _recipe.override_problems(_recipe.override(SOUND, arguments, environment, declared), vllm=CATALOGUE) == []
    assert len(_recipe.override_problems(_recipe.override(SOUND, arguments, environment), vllm=CATALOGUE)) == 1


def test_declarations_of_a_user_stand_after_the_recipe_s_own() -> None:
    own = {**SOUND, "fork_values": {"a": [1]}}
    merged = _recipe_declarations.declaring(own, {"fork_values": {"a": [2], "b": [3]}, "fork_environment": ["VLLM_X"]})
    assert merged["fork_values"] == {"a": [1, 2], "b": [3]} and merged["fork_environment"] == ["VLLM_USE_B12X_MOE", "VLLM_X"]
    assert own["fork_values"] == {"a": [1]}


@pytest.mark.parametrize("declared", [None, {}, "text", [1], {"fork_arguments": "x"}, {"fork_values": ["x"]}, {"image": {}}])
def test_what_is_no_declaration_declares_nothing(declared: Any) -> None:
    assert _recipe_declarations.declaring(SOUND, declared) == SOUND


class Whole(int):
    pass


class Text(str):
    pass


class Mapping(dict):
    pass


class Sequence(list):
    pass


def tagged(value: Any) -> Any:
    """The value as Ansible hands it to a plugin: in subclasses of Python's types, which know where it was written."""
    if isinstance(value, dict):
        return Mapping({Text(key): tagged(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return Sequence([tagged(inner) for inner in value])
    return value if isinstance(value, (bool, float)) or value is None else Text(value) if isinstance(value, str) else Whole(value)


@pytest.mark.parametrize(("option", "value"), TAKEN)
def test_values_as_ansible_tags_them_are_taken_too(option: str, value: Any) -> None:
    assert problems(tagged({option: value})) == []


@pytest.mark.parametrize(("option", "value", "text"), MISTAKES)
def test_mistakes_as_ansible_tags_them_read_the_same(option: str, value: Any, text: str) -> None:
    assert problems(tagged({option: value})) == problems({option: value})
