# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published JSON Schema says what the check of recipes says, and never more."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe
from tests.unit.plugins.fixtures.recipes import FILES, ROOT, SOUND, Place, mutated, replaced, shipped, with_every_key, with_odd_values
from tests.unit.plugins.module_utils.test_recipe import SHAPES

FILE = ROOT / "recipes" / "schema.json"
SCHEMA = json.loads(FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_made_of_the_shape() -> None:
    made = subprocess.run([sys.executable, str(ROOT / "hacking" / "recipe_schema")], capture_output=True, text=True, check=True).stdout
    assert made == FILE.read_text(encoding="utf-8"), "run hacking/recipe_schema --write"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def mappings(schema: Any) -> Iterator[dict[str, Any]]:
    """The schemas in a schema that are of mappings with known keys."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for part in schema.values():
            yield from mappings(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from mappings(part)


def test_no_mapping_takes_keys_that_it_does_not_know_and_every_key_is_described() -> None:
    found = list(mappings(SCHEMA))
    assert len(found) > 10
    for mapping in found:
        assert mapping["additionalProperties"] is False
        names = [name for name, part in mapping["properties"].items() if not part.get("description")]
        # The limits and the architectures are described with the mapping that they are in.
        assert not names or (mapping["description"] and "required" not in mapping), names


@pytest.mark.parametrize("recipe", SOUND, ids=lambda recipe: recipe["name"])
def test_sound_recipes_are_valid(recipe: dict[str, Any]) -> None:
    VALIDATOR.validate(recipe)


@pytest.mark.parametrize(("path", "value", "text"), SHAPES)
def test_a_mistake_in_the_shape_is_one_of_the_schema_too(path: Place, value: Any, text: str) -> None:
    assert not VALIDATOR.is_valid(replaced(shipped(FILES[0]), path, value)), text


def check_agreement(recipe: dict[str, Any]) -> None:
    name = recipe.get("name")
    if not _recipe.problems(recipe, name if isinstance(name, str) else "x"):
        VALIDATOR.validate(recipe)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(mutated())
def test_the_schema_refuses_nothing_that_the_check_takes(recipe: dict[str, Any]) -> None:
    check_agreement(recipe)


def test_the_schema_refuses_no_odd_value_that_the_check_takes() -> None:
    for changed in with_odd_values(with_every_key(shipped(FILES[-1]))):
        check_agreement(changed)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_editors_find_the_schema_from_each_recipe(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named and (file.parent / named[1]).resolve() == FILE


def test_every_key_is_in_the_readme() -> None:
    page = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    missing = [key for mapping in mappings(SCHEMA) for key in mapping["properties"] if not re.search(rf"\b{key}(`|:|\.)", page)]
    assert set(missing) <= set(SCHEMA["properties"]["container"]["properties"]["ulimits"]["properties"]) | {"aarch64", "x86_64"}
