# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The file of a recipe: text, and YAML that says what it seems to say.

PyYAML keeps the last of two equal keys in silence, and reads some words otherwise than people and editors do (`yes`, `0644`, `10:20`).
Here the file is looked at before PyYAML makes values of it, while each word is still there with its line.
"""

from __future__ import annotations

import os
import typing as t

import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils._recipe_words import shown, step

# A recipe has some kilobytes and a few hundred values; aliases can make much of little.
LARGEST = 2**20
MOST_VALUES = 20_000
_LONGEST_NUMBER = 100
_TAG = "tag:yaml.org,2002:"
_PLAIN = tuple(_TAG + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map", "merge"))


class FileError(ValueError):
    """The file holds no data that could be a recipe; `problems` are sentences without the file's name."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


def load(path: str) -> t.Any:
    """The data in the file. Raises FileError with all that is wrong with it as a file and as YAML."""
    content = text(path)
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None or (node.tag == f"{_TAG}null" and not node.value):
            raise FileError("found nothing in it but blanks and comments, wanted a recipe")
        walk = _Walk(loader)
        walk.visit(node, "", ())
        if walk.problems:
            raise FileError(*walk.problems)
        return loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        line = content.count("\n", 0, error.position) + 1
        raise FileError(f"line {line}: found the character {error.character:#06x}, which YAML does not take") from error
    except yaml.YAMLError as error:
        raise FileError(f"is not YAML: {_complaint(error)}") from error
    except RecursionError as error:
        raise FileError("found too many levels, one in the other") from error


def text(path: str) -> str:
    """The text in the file. Raises FileError if it is no file, or more than a recipe has."""
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "something that is no file" if os.path.exists(path) else "no file there"
        raise FileError(f"found {kind}, wanted a YAML file")
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror}; give your user the right to read it") from error
    if len(content) > LARGEST:
        raise FileError(f"found more than {LARGEST} bytes, wanted a recipe")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(f"line {line}: found the byte 0x{content[error.start]:02x}, wanted text in UTF-8") from error


def _complaint(error: yaml.YAMLError) -> str:
    """What PyYAML says, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {' '.join(filter(None, [error.context, error.problem]))}"
    return " ".join(str(error).split())


def bounded(node: t.Optional[yaml.Node]) -> None:
    """Raise FileError if a document has more values than a recipe, with what its aliases stand for, or is in itself."""
    _count(node, 0, ())


def _count(node: t.Optional[yaml.Node], seen: int, above: tuple[int, ...]) -> int:
    if id(node) in above:
        raise FileError("found an alias of something that it is in itself")
    if seen >= MOST_VALUES:
        raise FileError(f"found more than {MOST_VALUES} values, aliases counted as what they stand for; wanted a recipe")
    below = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else []
    for part in node.value if isinstance(node, yaml.SequenceNode) else below:
        seen = _count(part, seen, (*above, id(node)))
    return seen + 1


class _Walk:
    """Looks at each node of a document, through aliases too."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.problems: list[str] = []
        self._loader = loader
        self._seen: set[int] = set()
        self._visits = 0

    def visit(self, node: yaml.Node, path: str, above: tuple[int, ...]) -> None:
        """Note what is wrong with the node at `path` and below; `above` are the nodes that it is in."""
        self._visits += 1
        if id(node) in above:
            raise FileError(f"{path}: line {_line(node)} has an alias of something that it is in itself")
        if self._visits > MOST_VALUES:
            raise FileError(f"found more than {MOST_VALUES} values, aliases counted as what they stand for; wanted a recipe")
        first = id(node) not in self._seen
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            if first:
                self._keys(node, path)
            for key, value in node.value:
                self.visit(value, step(path, key.value if isinstance(key, yaml.ScalarNode) else "?"), (*above, id(node)))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.visit(item, f"{path}[{number}]", (*above, id(node)))
        if first:
            self._note(node, path or "the file", self._tag_problem(node) or self._word_problem(node))

    def _note(self, node: yaml.Node, path: str, problem: t.Optional[str]) -> None:
        if problem:
            self.problems.append(f"{path}: line {_line(node)}: {problem}")

    def _keys(self, mapping: yaml.MappingNode, path: str) -> None:
        lines: dict[tuple[str, str], int] = {}
        for key, _value in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key, path or "the file", "found a list or a mapping as a key, wanted text")
                continue
            place = step(path, key.value)
            self._note(key, place, self._tag_problem(key) or self._word_problem(key))
            name = (key.tag, key.value)
            if name in lines:
                self.problems.append(f"{place}: found it in line {lines[name]} and again in line {_line(key)}, wanted it once")
            lines.setdefault(name, _line(key))

    def _tag_problem(self, node: yaml.Node) -> t.Optional[str]:
        if node.tag == f"{_TAG}timestamp":
            return f"found {shown(node.value)}, which YAML reads as a date: put it in quotes"
        odd = node.tag not in _PLAIN
        if isinstance(node, yaml.ScalarNode) and node.tag != f"{_TAG}str":
            # A tag in the file may say what the word is not.
            odd = odd or self._loader.resolve(yaml.ScalarNode, node.value, (True, False)) != node.tag
        elif isinstance(node, yaml.CollectionNode):
            odd = node.tag != _TAG + ("map" if isinstance(node, yaml.MappingNode) else "seq")
        return f"found the tag {shown(node.tag.replace(_TAG, '!!'))}, wanted data without tags" if odd else None

    def _word_problem(self, node: yaml.Node) -> t.Optional[str]:
        """What is wrong with a word that YAML reads otherwise than it looks."""
        if not isinstance(node, yaml.ScalarNode):
            return None
        word, kind = node.value, node.tag.replace(_TAG, "")
        if kind == "bool" and word.lower() not in ("true", "false"):
            meant = self._loader.construct_object(node)
            return f"found {word}, which YAML reads as {shown(meant)}: write {shown(meant)}, or put it in quotes"
        if kind in ("int", "float") and len(word) > _LONGEST_NUMBER:
            return f"found a number of {len(word)} characters, wanted text in quotes or a smaller one"
        digits = word.lstrip("+-")
        octal = kind == "int" and digits[:1] == "0" and digits.isdigit() and len(digits) > 1
        if octal or (kind in ("int", "float") and ":" in word):
            return f"found {word}, which YAML reads as {shown(self._loader.construct_object(node))}: put it in quotes"
        return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
