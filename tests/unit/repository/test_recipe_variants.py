# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants that a recipe names at its head are sound, and reach all ranks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _launch, _recipe
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.module_utils.test_launch import API, CACHES, IMAGE, MODEL, plan

ROOT = Path(__file__).parents[3]
VARIANT = re.compile(r"^#.*?\bserve_extra_(arguments|environment): (\{.*\})", re.MULTILINE)


def variants() -> list[Any]:
    """(file, what of the user, its value) for each."""
    found = []
    for path in sorted((ROOT / "recipes").glob("*.yml")):
        for kind, text in VARIANT.findall(path.read_text(encoding="utf-8")):
            found.append(pytest.param(path, kind, yaml.safe_load(text), id=f"{path.stem} {text}"))
    return found


def test_there_are_some() -> None:
    assert {parameters.values[0].stem for parameters in variants()} >= {"dsv4-flash-dspark", "dsv4-flash-jasl-tp4-ep"}


@pytest.mark.parametrize(("path", "kind", "value"), variants())
def test_a_variant_is_sound_and_reaches_every_rank(path: Path, kind: str, value: dict[str, Any]) -> None:
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    changed = _recipe.override(recipe, **{kind: value})
    assert changed != recipe and _recipe.override_problems(changed, vllm=CATALOGUE) == []
    made = plan(*(f"node{rank}" for rank in range(recipe["nodes"])))
    parts: dict[str, Any] = {"image": IMAGE, "model": MODEL, "caches": CACHES, "api": API, "vllm": CATALOGUE}
    for host in made["nodes"]:
        plain = _launch.render(recipe, made, host, **parts)
        varied = _launch.render(recipe, made, host, **{**parts, f"extra_{kind}": value})
        assert varied["hash"] != plain["hash"]
        words, given = varied["argv_common"], value if kind == "arguments" else {}
        for option, wanted in given.items():
            shown = [] if wanted is True else [_launch.arguments_to_argv({option: wanted})[1]]
            place = words.index(f"--{option}") if wanted is not None else None
            assert place is None or words[place + 1 : place + 1 + len(shown)] == shown
            assert wanted is not None or f"--{option}" not in words
        assert all(varied["env"].get(name) == text for name, text in (value if kind == "environment" else {}).items())
