# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe's file is read as it looks, or refused in words that name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from ansible.errors import AnsibleLookupError

from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _recipe_file
from tests.unit.plugins.fixtures.recipes import FILES

FILE = FILES[0]
TEXT = FILE.read_text(encoding="utf-8")


def refusal(path: Path) -> list[str]:
    """What is said of the file, each without the file's name, which all must have."""
    with pytest.raises(AnsibleLookupError) as refused:
        recipes.read(str(path))
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"recipe {path}: ") for line in lines), lines
    return [line[len(f"recipe {path}: ") :] for line in lines]


def test_a_recipe_is_read_by_name_and_by_path(tmp_path: Path) -> None:
    copied = tmp_path / FILE.name
    copied.write_text("\ufeff" + TEXT, encoding="utf-8")
    assert recipes.read(FILE.stem) == recipes.read(str(copied)) == yaml.safe_load(TEXT)


def test_anchors_aliases_and_merges_are_plain_yaml(tmp_path: Path) -> None:
    path = tmp_path / FILE.name
    changed = TEXT.replace("capabilities: [IPC_LOCK]", "capabilities: &all [IPC_LOCK]").replace(
        "- {source: /etc/group, target: /etc/group, read_only: true}",
        "- {<<: {source: /a, read_only: true}, source: /etc/group, target: /etc/group}",
    )
    assert changed.count("<<") == 1
    path.write_text(changed)
    assert recipes.read(str(path)) == yaml.safe_load(TEXT)


BAD_TEXT = [
    ("", ["found nothing in it but blanks and comments, wanted a recipe"]),
    ("---\n# later\n", ["found nothing in it but blanks and comments, wanted a recipe"]),
    ("- a", ["the file: found ['a'], wanted a mapping with schema, name"]),
    ("a: [", ["is not YAML: line 1, column 5: while parsing a flow node expected the node content"]),
    ("--- 1\n--- 2\n", ["is not YAML: line 2, column 1: expected a single document in the stream but found another document"]),
    ("a: \x07", ["line 1: found the character 0x0007, which YAML does not take"]),
    (
        "a: 1\nb: {c: 1, d: 2,\n  c: 3}\na: 2",
        ["a: found it in line 1 and again in line 4, wanted it once", "b.c: found it in line 2 and again in line 3"],
    ),
    ("a:\n- {b: 1, 'b': 1}", ["a[0].b: found it in line 2 and again in line 2, wanted it once"]),
    ("a: !!python/object/apply:os.system [x]", ["a: line 1: found the tag '!!python/object/apply:os.system', wanted data without tags"]),
    ("a: !secret b", ["a: line 1: found the tag '!secret', wanted data without tags"]),
    ("a: !!int b", ["a: line 1: found the tag '!!int', wanted data without tags"]),
    ("!!set {a, b}", ["the file: line 1: found the tag '!!set', wanted data without tags"]),
    ("a: 2026-01-02", ["a: line 1: found '2026-01-02', which YAML reads as a date: put it in quotes"]),
    ("a: &a {b: [*a]}", ["a.b[0]: line 1 has an alias of something that it is in itself"]),
    ("a: *b", ["is not YAML: line 1, column 4: found undefined alias 'b'"]),
    ("? [a, b]\n: c", ["the file: line 1: found a list or a mapping as a key, wanted text"]),
    ("<<: 3", ["is not YAML: line 1, column 5: while constructing a mapping expected a mapping or list of mappings for merging"]),
    ("a: {b: no}", ["a.b: line 1: found no, which YAML reads as false: write false, or put it in quotes"]),
    ("on: 1", ["on: line 1: found on, which YAML reads as true: write true, or put it in quotes"]),
    ("a: 0644", ["a: line 1: found 0644, which YAML reads as 420: put it in quotes"]),
    ("a: 10:20", ["a: line 1: found 10:20, which YAML reads as 620: put it in quotes"]),
    ("a: " + "9" * 5000, ["a: line 1: found a number of 5000 characters, wanted text in quotes or a smaller one"]),
    ("[" * 3000, ["found too many levels, one in the other"]),
]


@pytest.mark.parametrize(("text", "wanted"), BAD_TEXT, ids=[text[:20] for text, _wanted in BAD_TEXT])
def test_text_that_says_something_else_than_it_seems_is_refused(tmp_path: Path, text: str, wanted: list[str]) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(text)
    found = refusal(path)
    assert len(found) == len(wanted) and all(a.startswith(b) for a, b in zip(found, wanted)), found


def test_few_aliases_of_much_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    path = tmp_path / "mine.yml"
    path.write_text("\n".join(lines))
    assert refusal(path) == [f"found more than {_recipe_file.MOST_VALUES} values, aliases counted as what they stand for; wanted a recipe"]


def folder(path: Path) -> None:
    path.mkdir()


def latin(path: Path) -> None:
    path.write_bytes(b"a: 1\nb: \xff\n")


def large(path: Path) -> None:
    path.write_bytes(b"#" * (_recipe_file.LARGEST + 1))


def nothing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (nothing, "found no file there, wanted a YAML file"),
        (folder, "found a folder, wanted a YAML file"),
        (latin, "line 2: found the byte 0xff, wanted text in UTF-8"),
        (large, "found more than 1048576 bytes, wanted a recipe"),
    ],
)
def test_a_file_that_can_not_be_a_recipe_is_named(tmp_path: Path, made: Any, wanted: str) -> None:
    made(tmp_path / "mine.yml")
    assert refusal(tmp_path / "mine.yml") == [wanted]


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may be run by root, who may read all."""
    path = tmp_path / "mine.yml"
    path.write_text(TEXT)

    def refuse(*_words: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_recipe_file, "open", refuse, raising=False)
    assert refusal(path) == ["cannot be read: Permission denied; give your user the right to read it"]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("dsv4-flash-b12x-2m", "no recipe 'dsv4-flash-b12x-2m' (did you mean dsv4-flash-b12x-1m?); the recipes are: "),
        ("/home/ada/mine.yaml", "no recipe '/home/ada/mine.yaml'; a path ends in .yml; the recipes are: "),
        ("../recipes/dsv4-flash-b12x-1m", "a path ends in .yml"),
        ("", "no recipe ''; the recipes are: "),
        (3, "no recipe 3, wanted the name of a recipe or the path of one in quotes"),
        (None, "no recipe null, wanted the name of a recipe"),
    ],
)
def test_a_recipe_that_is_not_there_is_answered_with_those_that_are(term: Any, text: str) -> None:
    with pytest.raises(AnsibleLookupError) as refused:
        recipes.read(term)
    assert text in str(refused.value)


def test_a_mistake_in_a_shipped_recipe_is_named_with_the_recipes_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pair.yml").write_text(TEXT)
    monkeypatch.setattr(recipes, "RECIPES", str(tmp_path))
    with pytest.raises(AnsibleLookupError, match=r"^recipe pair: name: found .*, wanted 'pair', the name of its file$"):
        recipes.read("pair")


def test_a_recipe_is_judged_once_and_again_when_its_file_has_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = Mock(wraps=_recipe_file.load)
    monkeypatch.setattr(_recipe_file, "load", load)
    path = tmp_path / FILE.name
    path.write_text(TEXT)
    first = recipes.read(str(path))
    first["arguments"].clear()
    assert recipes.read(str(path)) == yaml.safe_load(TEXT)
    assert load.call_count == 1
    path.write_text(TEXT.replace("schema: 1", "schema: 22"))
    assert any(line.startswith("schema: found 22") for line in refusal(path))
    path.unlink()
    assert refusal(path) == ["found no file there, wanted a YAML file"]
    path.write_text(TEXT)
    assert recipes.read(str(path)) == yaml.safe_load(TEXT)


def test_a_recipe_that_is_wrong_is_told_every_time(tmp_path: Path) -> None:
    path = tmp_path / FILE.name
    path.write_text("- a")
    assert refusal(path) == refusal(path)


def test_a_path_that_can_be_none_is_no_file() -> None:
    assert refusal(Path("a\0.yml")) == ["found no file there, wanted a YAML file"]
