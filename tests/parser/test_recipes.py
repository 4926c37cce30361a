# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM's own parser, of the version that a recipe is held to, takes the command line of each rank. `make test-parser` runs this."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _launch, _recipe
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests import scripts

ROOT = Path(__file__).parents[2]
RECIPES = [*sorted((ROOT / "recipes").glob("*.yml")), ROOT / "molecule" / "simulation" / "real_vllm" / "tiny-cpu.yml"]
FOLDER = Path(os.environ.get("VLLM_OPTIONS_FOLDER", ROOT / ".sim" / "vllm-options"))
MODEL = {"argument": "/models/x", "revision": "c0ffee", "environment": {}, "mounts": [], "link_targets": [], "read_only": True}
# What the real parser and our check must both refuse of vLLM 0.21.0, and both take.
REFUSED: list[dict[str, Any]] = [
    {"moe-backnd": "auto"},
    {"kv-cache-dtype": "nvfp4_ds_mla"},
    {"block-size": "many"},
    {"block-size": "8k"},
    {"max-model-len": "1 million"},
    {"no-headless": True},
    {"gpu-memory-utilization": "most"},
    {"compilation-config": "full"},
    {"compilation-config": {"cudagraph_mod": "FULL"}},
    {"tp": 2},
    {"cudagraph-capture-sizes": [1, "two"]},
    {"collect-detailed-traces": ["model", "al"]},
]
TAKEN: list[dict[str, Any]] = [
    {"max-model-len": "25.6k"},
    {"max-model-len": "auto"},
    {"no-enable-prefix-caching": True},
    {"hf-overrides": {"a": 1}},
    {"lora-modules": {"name": "a", "path": "b"}, "enable-lora": True},
    {"lora-modules": ["a=b", {"name": "c", "path": "d"}], "enable-lora": True},
    {"cudagraph-capture-sizes": [1, 2, 4]},
    {"collect-detailed-traces": ["model", "worker"], "otlp-traces-endpoint": "http://127.0.0.1:4317"},
    {"compilation-config": {"cudagraph_mode": "FULL_AND_PIECEWISE", "custom_ops": ["all"]}},
    {"speculative-config": {"method": "deepseek_mtp", "num_speculative_tokens": 2}},
]

vllm_options = scripts.load("vllm_options")


def refusals(version: str, lines: list[list[str]]) -> list[Any]:
    """What the real parser says to each command line; null where it takes it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return list(vllm_options.ask_parser(version, FOLDER.resolve(), "parse", lines))


def upstream(recipe: dict[str, Any]) -> dict[str, Any]:
    """The recipe without what it says only its image's fork takes."""
    values = {**dict.fromkeys(recipe.get("fork_arguments", [])), **recipe.get("fork_values", {})}
    arguments = dict(recipe["arguments"])
    for name in values:
        option, _, key = name.partition(".")
        if key and isinstance(arguments.get(option), dict):
            arguments[option] = {inner: value for inner, value in arguments[option].items() if inner != key}
        elif not key:
            arguments.pop(option, None)
    return {**recipe, "arguments": arguments}


def command_lines(recipe: dict[str, Any]) -> list[list[str]]:
    """What stands behind `vllm serve` on each rank."""
    names = [f"node{rank}" for rank in range(recipe["nodes"])]
    nodes = {
        name: {"rank": rank, "host_ip": f"10.0.0.{rank}", "socket_ifname": "eth0", "rails": [], "env": {}, "env_unset": []}
        for rank, name in enumerate(names)
    }
    plan = {"topology": "switch", "master_addr": "10.0.0.0", "hash": "plan", "nodes": nodes}
    parts: dict[str, Any] = {
        "image": {"reference": "image", "key": "key"},
        "model": MODEL,
        "caches": {"mounts": [], "environment": {}},
        "api": {"address": "127.0.0.1", "port": 8000},
    }
    lines = []
    for name in names:
        made = _launch.render(recipe, plan, name, **parts)
        words = [*made["argv_common"], *made["argv_rank"]]
        lines.append(words[words.index(MODEL["argument"]) :])
    return lines


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_parser_of_its_version_takes_the_command_line_of_each_rank(path: Path) -> None:
    recipe = yaml.safe_load(path.read_text())
    assert _recipe.problems(recipe, path.stem, vllm=CATALOGUE) == []
    fitting = CATALOGUE.fitting(recipe["vllm_version"])
    assert fitting is not None
    lines = command_lines(upstream(recipe))
    assert refusals(fitting.version, lines) == [None] * recipe["nodes"], lines


def test_the_parser_and_the_check_agree() -> None:
    base = {"vllm_version": "0.21.0", "nodes": 1, "model": {"attention_heads": 8}, "environment": {"NCCL_DEBUG": "INFO"}}
    vllm = CATALOGUE.of("0.21.0")
    said = refusals("0.21.0", [["/models/x", *_launch.arguments_to_argv(arguments, vllm)] for arguments in (*REFUSED, *TAKEN)])
    checked = [_recipe.override_problems({**base, "arguments": arguments}, vllm=CATALOGUE) for arguments in (*REFUSED, *TAKEN)]
    assert (
        [bool(refusal) for refusal in said] == [bool(problems) for problems in checked] == [True] * len(REFUSED) + [False] * len(TAKEN)
    ), said
