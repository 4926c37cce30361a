# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is done to a recipe, it is refused in words, or all ranks run what it says."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.filter.launch_files import launch_files
from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _launch, _recipe
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures import recipes as given_recipes
from tests.unit.plugins.module_utils.test_launch import API, CACHES, IMAGE, MODEL, plan

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def rendered(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """What each node of a plan for as many nodes as the recipe wants would run; empty if that is more than a plan has, 16."""
    made = plan(*(f"node{rank}" for rank in range(min(recipe["nodes"], 16))))
    api = {**API, "port": recipe["ports"]["api"]}
    try:
        return [_launch.render(recipe, made, host, image=IMAGE, model=MODEL, caches=CACHES, api=api) for host in made["nodes"]]
    except _launch.LaunchError as error:
        assert str(error)
        return []


def check_rendered(launches: list[dict[str, Any]]) -> None:
    assert len({launch["hash"] for launch in launches}) <= 1
    for launch in launches:
        assert json.loads(json.dumps(launch["launch"], allow_nan=False)) == launch["launch"]
        words = [launch["launch"]["entrypoint"], *launch["launch"]["command"], *launch["launch"]["docker_options"]]
        assert all(isinstance(word, str) and word and "\0" not in word for word in words)
        assert shlex.split(shlex.join(words)) == words
        static = launch["static_env"].encode().decode().splitlines()
        assert dict(line.split("=", 1) for line in static) == launch["env"]
        files = launch_files(launch, f"node{launch['launch']['rank']}", {})
        (service,) = yaml.safe_load(files["compose.yaml"])["services"].values()
        assert service["image"] == launch["launch"]["image"] and launch["launch"]["model"] in files["docker-run.sh"]


def check_problems(problems: list[str], start: str) -> None:
    for problem in problems:
        assert problem.startswith(start) and problem.isprintable() and len(problem) < 1500, problem


def check(recipe: dict[str, Any]) -> None:
    name = recipe.get("name")
    found = _recipe.problems(recipe, name if isinstance(name, str) else "x", "PLACE")
    check_problems(found, "recipe PLACE: ")
    # What an image decides of which the recipe says nothing is not the recipe's.
    if not found and {"entrypoint", "command"} <= set(recipe["image"]):
        check_rendered(rendered(recipe))


@MANY
@given(given_recipes.mutated())
def test_a_changed_recipe_is_refused_in_words_or_rendered(recipe: dict[str, Any]) -> None:
    check(recipe)


def test_a_recipe_with_any_odd_value_in_any_place_is_refused_in_words_or_rendered() -> None:
    for changed in given_recipes.with_odd_values(given_recipes.with_every_key(given_recipes.shipped(given_recipes.FILES[0]))):
        check(changed)


@MANY
@given(given_recipes.mutated())
def test_a_file_says_the_same_as_its_data(recipe: dict[str, Any]) -> None:
    name = recipe.get("name")
    name = name if isinstance(name, str) and name.replace("-", "").isalnum() and len(name) < 64 else "x"
    found = _recipe.problems(recipe, name, vllm=CATALOGUE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yml"
        try:
            path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
        except ValueError:  # no file can hold half a character, or a number of thousands of digits
            return
        if found:
            with pytest.raises(recipes.RecipeError) as refused:
                recipes.read(str(path))
            check_problems(refused.value.problems, f"recipe {path}: ")
        else:
            assert _launch.canonical(recipes.read(str(path))) == _launch.canonical(recipe)


LINES = [line for file in given_recipes.FILES for line in file.read_text(encoding="utf-8").splitlines()]
PIECES = st.one_of(
    st.sampled_from(LINES), st.text(max_size=5), st.sampled_from(["&a ", "*a", "<<: *a", "!!int ", "? ", "- ", "  ", "\t", "---", "'"])
)


@MANY
@given(st.sampled_from(given_recipes.FILES), st.data())
def test_a_changed_text_is_refused_in_words_or_rendered(file: Path, data: st.DataObject) -> None:
    text = file.read_text(encoding="utf-8")
    for _change in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 2, 40]))
        text = text[:start] + data.draw(PIECES) + text[end:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file.name
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            recipe = recipes.read(str(path))
        except recipes.RecipeError as error:
            check_problems(error.problems, f"recipe {path}: ")
            return
    check(recipe)
