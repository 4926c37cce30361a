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
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe, _recipe_shape, _sparkrun, _sparkrun_report
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
KEYS = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(WORDS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A sound recipe of which up to three values, at any depth, are replaced, taken away or new, or whose command is cut and glued."""
    recipe = copy.deepcopy(draw(st.sampled_from(SOUND)))
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
@given(mutated(), st.none() | st.integers(1, 9), st.none() | st.integers(1, 99))
def test_a_mutated_recipe_is_refused_or_sound(source: dict[str, Any], nodes: int | None, heads: int | None) -> None:
    try:
        recipe, report = _sparkrun.convert(source, "mine", "theirs.yaml", PATTERN, nodes=nodes, attention_heads=heads)
    except _sparkrun_report.SparkrunError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 5000
        return
    assert _recipe.problems(recipe, "mine") == []
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
