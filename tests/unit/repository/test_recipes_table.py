# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/recipes.md says of each recipe what the recipe says, and is what `hacking/recipes` makes of its data."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from tests import scripts

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
RECIPES = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "recipes").glob("*.yml"))}
NOT_HERE = re.compile("left out|planned|by the role ")
# Keys of a recipe whose values are shown in a way of their own.
OTHER_KEYS = re.compile(r"(image|model|container)\.|layers$")


def rows(name: str) -> dict[str, dict[str, str]]:
    """The rows of a recipe's table by setting: each is a mapping of the columns' titles to what is in their cells."""
    section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines() if line.startswith("|")]
    titles, _, *body = lines
    assert {len(line) for line in lines} == {len(titles)}, "a row has more or fewer cells than the table"
    found = [dict(zip(titles, line)) for line in body if not line[0].startswith("**")]
    assert len({row["Setting"] for row in found}) == len(found), "a setting has two rows"
    return {row["Setting"].strip("`"): row for row in found}


def settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """Arguments, variables, and the other settings with one value, as the table names them."""
    model, ports, container = recipe["model"], recipe["ports"], recipe["container"]
    return {
        **{f"--{name}": value for name, value in recipe["arguments"].items()},
        **recipe["environment"],
        "vllm_version": recipe["vllm_version"],
        "nodes": recipe["nodes"],
        "image.name": recipe["image"]["name"],
        "nccl.version": recipe["nccl"]["version"],
        "nccl.source": recipe["nccl"]["source"],
        "model.repo": model["repo"],
        "model.served_name": model["served_name"],
        "ports.api": ports["api"],
        "ports.master": ports["master"],
        "container.ipc": container["ipc"],
        "container.stop_seconds": container["stop_seconds"],
    }


def read(cell: str) -> Any:
    """The value that a cell shows."""
    text = cell.strip("`")
    return True if cell == "yes" else json.loads(text) if text.startswith("{") else text


def test_the_page_is_made_of_its_data() -> None:
    made = subprocess.run([sys.executable, ROOT / "hacking" / "recipes"], check=True, capture_output=True)
    assert made.stdout.decode() == PAGE, "run hacking/recipes --write"


@pytest.mark.parametrize("name", RECIPES)
def test_each_setting_of_a_recipe_has_a_row_with_its_value(name: str) -> None:
    table, wanted = rows(name), settings(RECIPES[name])
    assert sorted(set(wanted) - set(table)) == [], "no row"
    shown = {setting: read(table[setting]["Here"]) for setting in wanted}
    assert shown == {setting: value if isinstance(value, (dict, bool)) else str(value) for setting, value in wanted.items()}


@pytest.mark.parametrize("name", RECIPES)
def test_a_row_of_a_setting_that_the_recipe_lacks_says_what_becomes_of_it(name: str) -> None:
    said = settings(RECIPES[name])
    lacking = {setting: row["Here"] for setting, row in rows(name).items() if setting not in said and not OTHER_KEYS.match(setting)}
    assert len(lacking) > 10
    assert {setting: here for setting, here in lacking.items() if not NOT_HERE.match(here)} == {}


@pytest.mark.parametrize("name", RECIPES)
def test_no_cell_is_left_empty_but_that_of_the_reason(name: str) -> None:
    assert [(setting, title) for setting, row in rows(name).items() for title, cell in row.items() if not cell and title != "Why"] == []


@pytest.fixture(scope="module")
def script() -> Any:
    return scripts.load("recipes")


def new_argument(recipe: dict[str, Any], _: dict[str, Any]) -> None:
    recipe["arguments"]["seed"] = 1


def new_variable(recipe: dict[str, Any], _: dict[str, Any]) -> None:
    recipe["environment"]["NCCL_IB_TIMEOUT"] = "22"


def argument_taken_away(recipe: dict[str, Any], _: dict[str, Any]) -> None:
    del recipe["arguments"]["block-size"]


def planned_row_taken_away(_: dict[str, Any], given: dict[str, Any]) -> None:
    del given["NCCL_CROSS_NIC"]


def misspelt(_: dict[str, Any], given: dict[str, Any]) -> None:
    given["--max-modellen"] = given["--max-model-len"]


def left_out_that_is_there(_: dict[str, Any], given: dict[str, Any]) -> None:
    given["--block-size"] = {"values": "=", "here": "left out: it is not"}


def without_a_reason(recipe: dict[str, Any], given: dict[str, Any]) -> None:
    argument_taken_away(recipe, given)
    given["--block-size"] = {"values": "`256`", "here": "not needed"}


def source_without_a_text(_: dict[str, Any], given: dict[str, Any]) -> None:
    given["--block-size"] = ["="]


def test_a_source_is_the_same_only_as_long_as_the_recipe_has_its_value(script: Any) -> None:
    name = "dsv4-flash-jasl-tp2"
    recipe = copy.deepcopy(RECIPES[name])
    compared, upstream = script.read(script.FOLDER / f"{name}.yml"), script.read(script.FOLDER / "upstream.yml")

    def cells(setting: str) -> list[str]:
        cells: list[str] = next(row[1:3] for row in script.rows(recipe, compared, upstream) if row[0] == f"`{setting}`")
        return cells

    assert cells("--block-size") == ["same", "`256`"] and cells("--tool-call-parser") == ["same, head only", "`deepseek_v4`"]
    recipe["arguments"].update({"block-size": 64, "tool-call-parser": "deepseek_v4_1"})
    assert cells("--block-size") == ["`256`", "`64`"]
    assert cells("--tool-call-parser") == ["`deepseek_v4`, head only", "`deepseek_v4_1`"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (new_argument, "found no --seed in settings"),
        (new_variable, "found no NCCL_IB_TIMEOUT in settings"),
        (argument_taken_away, "--block-size: found nothing and no such setting in the recipe"),
        (planned_row_taken_away, "found no NCCL_CROSS_NIC in settings"),
        (misspelt, "found --max-modellen in settings, wanted names of docs/recipes/upstream.yml"),
        (left_out_that_is_there, "--block-size: found here: left out: it is not, wanted none"),
        (without_a_reason, "--block-size: found not needed and no such setting in the recipe"),
        (source_without_a_text, "--block-size: found 1 texts, wanted one for each of Compose file, Other write-up"),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
def test_data_that_do_not_fit_the_recipe_are_named(
    script: Any, change: Callable[[dict[str, Any], dict[str, Any]], None], wanted: str
) -> None:
    name = "dsv4-flash-b12x-1m"
    recipe = copy.deepcopy(RECIPES[name])
    compared, upstream = script.read(script.FOLDER / f"{name}.yml"), script.read(script.FOLDER / "upstream.yml")
    assert script.rows(recipe, compared, upstream)
    change(recipe, compared["settings"])
    with pytest.raises(script.Mistake) as caught:
        script.rows(recipe, compared, upstream)
    assert wanted in str(caught.value)


def test_a_mistake_names_its_file(script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("recipes", "docs/recipes"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "FOLDER", tmp_path / "docs" / "recipes")
    own = tmp_path / "docs" / "recipes" / "dsv4-flash-0731.yml"
    own.write_text(own.read_text(encoding="utf-8").replace("  NCCL_DEBUG:", "  NCCL_BUG:"), encoding="utf-8")
    with pytest.raises(script.Mistake, match=r"^docs/recipes/dsv4-flash-0731\.yml: found no NCCL_DEBUG in settings"):
        script.page()
    own.unlink()
    with pytest.raises(script.Mistake, match=r"^docs/recipes/dsv4-flash-0731\.yml: found no such file"):
        script.page()
