# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever becomes of options and variables of a sound recipe: problems or none, each with its place, and never a traceback."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe_declarations, _recipe_findings, _recipe_options, _recipe_shape
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

RECIPES = [yaml.safe_load(path.read_text()) for path in sorted((Path(__file__).parents[4] / "recipes").glob("*.yml"))]
ALL = [CATALOGUE.of(version) for version in CATALOGUE.versions]
WORDS = sorted({word for vllm in ALL for word in vllm.words()})
VARIABLES = sorted({name for vllm in ALL for name in vllm.environment})
KEYS = sorted({key for vllm in ALL for option in vllm.options.values() for key in option.get("keys", ())})
CHOICES = sorted({choice for vllm in ALL for option in vllm.options.values() for choice in option.get("choices", ())})

misspelt = st.builds(
    lambda word, at, put: word[:at] + put + word[at + 1 :], st.sampled_from(WORDS), st.integers(0, 30), st.text(max_size=2)
)
long = st.sampled_from(["x" * 5000, "VLLM_" + "X" * 5000, "a\nb", "speculative-config." + "x" * 5000])
words = (
    st.sampled_from(WORDS)
    | misspelt
    | long
    | st.text(max_size=8)
    | st.sampled_from(["tp", "max_model_len", "speculative-config.method", "."])
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*CHOICES, '{"a": 1}', "[1]", "None", "1m"])
)
keys = st.sampled_from(KEYS) | long | st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6)
names = st.sampled_from(VARIABLES) | long | st.from_regex(r"\A(VLLM|NCCL|NCLL|X)?_?[A-Z_]{0,12}\Z")
versions = st.sampled_from([*CATALOGUE.versions, "0.21.1", "0.20.0", "v20260613.dev297+ga93b9098b"]) | st.text(max_size=12)
changes = st.fixed_dictionaries(
    {},
    optional={
        "vllm_version": versions,
        "arguments": st.dictionaries(words, values, max_size=5),
        "environment": st.dictionaries(names, st.text(max_size=5), max_size=4),
        "fork_arguments": st.lists(words, max_size=4),
        "fork_values": st.dictionaries(words, st.lists(scalars, max_size=3) | scalars, max_size=3),
        "fork_environment": st.lists(names, max_size=4),
        "other_environment": st.lists(names, max_size=4),
    },
)


def changed(recipe: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The recipe with arguments and variables added to its own, and the rest in place of them."""
    mutated = {**copy.deepcopy(recipe), **change}
    for key in ("arguments", "environment"):
        mutated[key] = {**recipe[key], **change.get(key, {})}
    return mutated


@settings(max_examples=300, deadline=None)
@given(recipe=st.sampled_from(RECIPES), change=changes)
def test_every_change_is_answered_with_problems_or_none(recipe: dict[str, Any], change: dict[str, Any]) -> None:
    mutated = changed(recipe, change)
    before = copy.deepcopy(mutated)
    places = ("arguments.", "environment.", "fork_arguments: ", "fork_values.", "fork_environment: ", "other_environment: ")
    for problem in _recipe_declarations.problems(mutated, CATALOGUE):
        assert problem.text.startswith(places) and problem.text.isprintable() and len(problem.text) < 1500
    assert repr(mutated) == repr(before), "what is checked must not be changed"


@settings(max_examples=100, deadline=None)
@given(recipe=st.sampled_from(RECIPES), change=changes)
def test_what_is_declared_of_a_sound_recipe_is_told_or_not(recipe: dict[str, Any], change: dict[str, Any]) -> None:
    mutated = changed(recipe, change)
    if not _recipe_declarations.problems(mutated, CATALOGUE):
        assert all(finding["id"].startswith("recipe.") for finding in _recipe_findings.findings(mutated, CATALOGUE))


@settings(max_examples=200, deadline=None)
@given(recipe=st.sampled_from(RECIPES), change=changes)
def test_what_is_missing_is_each_declaration_that_helps_and_no_other(recipe: dict[str, Any], change: dict[str, Any]) -> None:
    mutated = changed(recipe, change)
    missing = _recipe_declarations.missing(mutated, CATALOGUE)
    declared = _recipe_declarations.declaring(mutated, _recipe_declarations.declared(missing))
    before, after = (_recipe_declarations.problems(one, CATALOGUE) for one in (mutated, declared))
    # What is left is left at its place, if with another reason: the values of an option that is declared are not checked.
    left = [problem.text.split(": ")[0] for problem in before if problem.unknown not in missing]
    assert [problem.text.split(": ")[0] for problem in after] == left
    assert _recipe_declarations.missing(declared, CATALOGUE) == []
    for key, entries in _recipe_declarations.declared(missing).items():
        assert _recipe_shape.RECIPE.keys[key].problems(entries, key) == []


@settings(max_examples=100, deadline=None)
@given(vllm=st.sampled_from(ALL), data=st.data())
def test_a_value_that_is_listed_is_taken_and_another_is_not(vllm: Any, data: Any) -> None:
    listed = [(name, option["choices"]) for name, option in vllm.options.items() if "choices" in option]
    name, choices = data.draw(st.sampled_from(listed))
    value = data.draw(st.sampled_from(choices))
    recipe = {"vllm_version": vllm.version, "arguments": {name: value}}
    assert _recipe_options.problems(recipe, CATALOGUE) == []
    assert len(_recipe_options.problems({**recipe, "arguments": {name: f"{value}-not"}}, CATALOGUE)) == 1
