# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a sparkrun recipe says, it is refused with one line, or what comes out is sound and is written and read again the same."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.filter.recipe_yaml import recipe_yaml
from ansible_collections.dgx_spark.vllm.plugins.module_utils import (
    _recipe,
    _recipe_declarations,
    _recipe_shape,
    _sparkrun,
    _sparkrun_report,
)
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures.sparkrun import LEGACY, PATTERN, PLAIN, TEMPLATE, parsed

SOUND = [parsed(text) for text in (TEMPLATE, LEGACY, PLAIN)]
WORDS = [
    *(
        "--a",
        "-tp",
        "{model}",
        "{x}",
        "2",
        "-1",
        "'",
        '"',
        "{",
        "}",
        "{{",
        "}}",
        "$X",
        ";",
        "&&",
        "|",
        " ",
        "\n",
        "\\\n",
        "#",
        "=",
        ".",
        "+",
    ),
    *("[1]", "export A=$B", "vllm serve", "x/y", "y: 1", "- x", """'{"a": {}}'"""),
    *("VLLM_USE_X", "VLLM_LOGGING_LEVEL", "NCLL_X"),
]
# Words of a command: what some vLLM knows, what none knows, and what none takes.
FORK = [
    *("--kv-cache-dtype fp8", "--kv-cache-dtype fp9", "--max-modl-len 1", "--no-max-model-len", "--block-size x", "--block-size"),
    *("--enforce-eager", "--enforce-eager no", "--enable-x.y 1", "--Enable-X", "-cc.mode 3", "-cc.modus 3", "-cc.a@b 3", "-cc {}"),
    *("""--speculative-config '{"method": "mpt", "metod": true}'""", """--speculative-config '{"method": true}'""", "--engram-config {}"),
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(WORDS)
    | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
)
VERSIONS = st.none() | st.sampled_from([*CATALOGUE.versions, "0.21.1", "0.20.0", "main"])
# Most of them fit, so that many a recipe is only as unsound as its mutations make it.
NODES = st.sampled_from([None, None, None, 2, 2, 1, 3, 9])
HEADS = st.sampled_from([64, 64, 64, 64, 64, None, 7, 99])
KEYS = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(WORDS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A sound recipe with more options, of which up to three values, at any depth, are replaced, taken away, new, or cut and glued."""
    recipe = copy.deepcopy(draw(st.sampled_from(SOUND)))
    if "command" in recipe:
        serve = recipe["command"].partition("\necho ")[0].strip().rstrip("\\")
        recipe["command"] = " ".join([serve, *draw(st.lists(st.sampled_from(FORK), max_size=2))])
    for _ in range(draw(st.integers(1, 3))):
        place: Any = recipe
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            deeper = isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans())
            if deeper:
                place = place[key]
                continue
            change = draw(st.sampled_from(["replace", "remove", "add", "cut"]))
            if change == "remove":
                del place[key]
            elif change == "add" and isinstance(place, dict):
                place[draw(KEYS)] = draw(VALUES)
            elif change == "cut" and isinstance(place[key], str) and place[key]:
                at = draw(st.integers(0, len(place[key])))
                place[key] = place[key][:at] + draw(st.sampled_from(WORDS)) + place[key][at + draw(st.integers(0, 5)) :]
            else:
                place[key] = draw(VALUES)
            break
    return recipe


@settings(max_examples=200, deadline=None)
@given(mutated(), NODES, HEADS, VERSIONS)
def test_a_mutated_recipe_is_refused_or_sound(source: dict[str, Any], nodes: int | None, heads: int | None, version: str | None) -> None:
    try:
        recipe, report = _sparkrun.convert(
            source, "mine", "theirs.yaml", PATTERN, nodes=nodes, attention_heads=heads, vllm_version=version, catalogue=CATALOGUE
        )
    except _sparkrun_report.SparkrunError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 5000
        return
    assert _recipe.problems(recipe, "mine", vllm=CATALOGUE) == []
    declared = {key: recipe[key] for key in _recipe_declarations.DECLARATIONS if key in recipe}
    undeclared = {key: value for key, value in recipe.items() if key not in declared}
    assert declared == _recipe_declarations.declared(_recipe_declarations.missing(undeclared, CATALOGUE))
    text = recipe_yaml(recipe, _sparkrun_report.comments(report))
    assert yaml.safe_load(text) == recipe
    assert recipe_yaml(yaml.safe_load(text), _sparkrun_report.comments(report)) == text


RECIPES = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


@settings(max_examples=150, deadline=None)
@given(RECIPES, st.lists(st.text(max_size=30), max_size=3))
def test_what_is_written_is_read_again_the_same(recipe: dict[str, Any], comments: list[str]) -> None:
    text = recipe_yaml(recipe, comments)
    assert repr(yaml.safe_load(text) or {}) == repr(dict(sorted(recipe.items(), key=position)))


def position(item: tuple[str, Any]) -> int:
    order = list(_recipe_shape.RECIPE.keys)
    return order.index(item[0]) if item[0] in order else len(order)
