# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter import sparkrun_recipe as plugin
from ansible_collections.dgx_spark.vllm.plugins.filter.recipe_yaml import FilterModule as Writer
from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures.sparkrun import PATTERN, PLAIN, TEMPLATE, parsed

sparkrun_recipe = plugin.FilterModule().filters()["sparkrun_recipe"]
recipe_yaml = Writer().filters()["recipe_yaml"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.yaml"
    path.write_text(TEMPLATE)
    return path


def test_a_file_becomes_a_recipe_with_its_report(source: Path) -> None:
    made = sparkrun_recipe(str(source), "mine", attention_heads="64", nodes=None)
    assert made["recipe"]["source"] == "sparkrun recipe theirs.yaml"
    assert made["recipe"]["title"] == "A big model, on two nodes"
    assert len(made["table"]) == len(made["report"]) + 1
    assert made["comments"][0] == "A big model, on two nodes."
    assert made["comments"][2] == "Converted from the sparkrun recipe theirs.yaml by dgx_spark.vllm 0.1.0."


def test_the_version_is_that_of_the_installed_collection(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / f"{plugin.PATTERN}.yml").write_text(yaml.safe_dump(PATTERN))
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": "9.8.7"}}))
    monkeypatch.setattr(recipes, "RECIPES", str(tmp_path / "recipes"))
    assert "dgx_spark.vllm 9.8.7." in sparkrun_recipe(str(source), "mine", attention_heads=64)["comments"][2]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "-e attention_heads="),
        ({"attention_heads": "many"}, "attention_heads: found 'many', wanted a whole number"),
        ({"attention_heads": 0}, "attention_heads: found 0, wanted a whole number"),
        ({"attention_heads": True}, "attention_heads: found True, wanted a whole number"),
        ({"attention_heads": 64, "image": " "}, "image: found no text"),
        ({"heads": 64}, "heads: no option of the import, wanted attention_heads"),
    ],
)
def test_an_option_that_does_not_fit_is_named(source: Path, options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        sparkrun_recipe(str(source), "mine", **options)
    assert str(refused.value).startswith(f"{source}: ") and wanted in str(refused.value)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"a: [", "the file is not YAML: "),
        (b"a: !!python/object:os.system {}", "the file is not YAML: "),
        (b"a: 2026-13-45", "the file is not YAML: "),
        (b"a: " + b"9" * 5000, "the file is not YAML: "),
        (b"model: 0x" + b"f" * 5000, "the file is not YAML: found a number with too many digits"),
        (b"[" * 3000, "the file is not YAML: "),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
            b"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d]\n",
            "found more than 20000 values",
        ),
        (b"a: &a [*a]", "found an alias of something that it is in itself"),
        (b" " * 2000000, "found more than 1048576 bytes"),
        (b"a: \xff", "line 1: found the byte 0xff, wanted text in UTF-8"),
        (b"- model", "found list, wanted a sparkrun recipe"),
        (b"", "found NoneType, wanted a sparkrun recipe"),
        (b"services: {}", "found services, wanted a sparkrun recipe"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(source: Path, content: bytes, wanted: str) -> None:
    source.write_bytes(content)
    with pytest.raises(AnsibleFilterError) as refused:
        sparkrun_recipe(str(source), "mine", attention_heads=64)
    assert str(refused.value).startswith(f"{source}: {wanted}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "wanted"), [("/nowhere/x.yaml", "no file there"), ("/", "a folder"), ("/dev/null", "something that is no file")]
)
def test_a_file_that_cannot_be_read_is_named(path: str, wanted: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"{path}: found {wanted}, wanted a YAML file"):
        sparkrun_recipe(path, "mine", attention_heads=64)


def test_what_is_wrong_may_be_told_instead(tmp_path: Path) -> None:
    text = f"{tmp_path}: found a folder, wanted a YAML file"
    assert sparkrun_recipe(str(tmp_path), "mine", tell_error=True) == {"error": text}


def test_the_text_is_in_the_style_of_our_recipes(tmp_path: Path) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(PLAIN)
    made = sparkrun_recipe(str(path), "mine", attention_heads=16)
    text = recipe_yaml(made["recipe"], made["comments"])
    assert text.startswith("---\n# mine.\n#\n# Converted from")
    assert yaml.safe_load(text) == made["recipe"]
    for line in (
        "schema: 1\nname: mine\ntitle: mine\n",
        "\n\nimage:\n  name: registry.example/vllm:latest\n  entrypoint: [vllm]\n  command: [serve]\n\n",
        '\n  ulimits: {memlock: "-1:-1", stack: "67108864"}\n',
        '\n  HF_HUB_OFFLINE: "1"\n',
        "\n  trust-remote-code: true\n",
    ):
        assert line in text, text
    assert max(map(len, text.splitlines())) <= 142


def test_what_only_the_image_knows_is_declared_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(yaml.safe_dump(parsed(PLAIN, env={"VLLM_USE_B12X_MOE": "1"})))
    made = sparkrun_recipe(str(path), "mine", attention_heads=16)
    text = recipe_yaml(made["recipe"], made["comments"])
    assert "\nfork_environment: [VLLM_USE_B12X_MOE]\n" in text
    assert (
        "\n# - env.VLLM_USE_B12X_MOE -> fork_environment: VLLM_USE_B12X_MOE: vLLM 0.25.0 does not know it; declared as its fork's own\n"
        in text
    )
    assert _recipe.problems(yaml.safe_load(text), "mine", vllm=CATALOGUE) == []


def test_the_recipes_of_the_collection_are_written_as_they_are() -> None:
    assert yaml.safe_load(recipe_yaml(PATTERN)) == PATTERN
    assert list(yaml.safe_load(recipe_yaml(dict(reversed(PATTERN.items()))))) == list(PATTERN)


@pytest.mark.parametrize("recipe", [None, [], "text", {"name": object()}, {"name": b"x"}])
def test_what_cannot_be_written_is_named(recipe: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"recipe_yaml: .*wanted"):
        recipe_yaml(recipe)
