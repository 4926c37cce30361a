# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe_shape

_WIDTH = 140
# They stand together at the top; each of the others is a paragraph.
_TOP = ("schema", "name", "title", "source", "vllm_version", "nodes", "device")


def recipe_yaml(recipe: t.Mapping[str, t.Any], comments: t.Sequence[str] = ()) -> str:
    """The text of a recipe's file: `comments` at the top, the keys in the order of the schema, what is deeper on one line where it fits."""
    if not isinstance(recipe, t.Mapping):
        raise AnsibleFilterError(f"recipe_yaml: found {type(recipe).__name__}, wanted a recipe")
    order = [key for key in _recipe_shape.RECIPE.keys if key in recipe]
    lines = ["---", *(_comment(str(comment)) for comment in comments)]
    try:
        for key in [*order, *(key for key in recipe if key not in order)]:
            lines += [] if key in _TOP else [""]
            lines += _entry(key, recipe[key], "", key not in _TOP)
    except (TypeError, yaml.YAMLError) as error:
        raise AnsibleFilterError(f"recipe_yaml: {error}; wanted texts, numbers, lists and mappings") from error
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """One line, without characters that YAML refuses or takes for the end of a line."""
    return f"# {''.join(character if character.isprintable() else ' ' for character in text)}".rstrip()


def _entry(key: t.Any, value: t.Any, indent: str, spread: bool) -> t.Iterator[str]:
    """Lines of one key; `spread`: a mapping is on lines of its own even where one would do."""
    name = f"{indent}{_flow(key)}:"
    line = f"{name} {_text(value, bracketed=False) if isinstance(value, str) else _flow(value)}"
    if not isinstance(value, (t.Mapping, list)) or not value or (len(line) <= _WIDTH and not (spread and isinstance(value, t.Mapping))):
        yield line
        return
    yield name
    if isinstance(value, list):
        yield from (f"{indent}  - {_flow(item)}" for item in value)
        return
    for inner_key, inner in value.items():
        yield from _entry(inner_key, inner, f"{indent}  ", False)


def _flow(value: t.Any) -> str:
    """A value on one line."""
    if isinstance(value, t.Mapping):
        return "{" + ", ".join(f"{_flow(name)}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value, bracketed=True)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return yaml.safe_dump(float(value)).splitlines()[0]
    if isinstance(value, int):
        return str(int(value))
    raise TypeError(f"found {type(value).__name__}")


def _text(text: str, bracketed: bool) -> str:
    """A text without quotes where YAML reads the same without, which inside brackets is less often; else in double ones."""
    plain = str(text)
    options: dict[str, t.Any] = {"width": float("inf"), "allow_unicode": True, "default_flow_style": True}
    if yaml.safe_dump([plain] if bracketed else plain, **options).startswith(f"[{plain}]\n" if bracketed else f"{plain}\n"):
        return plain
    return yaml.safe_dump(plain, default_style='"', **options).rstrip("\n")


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"recipe_yaml": recipe_yaml}
