# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Kinds of values that hold others: lists, mappings with known keys, tables by free names. See `_recipe_kinds`."""

from __future__ import annotations

import dataclasses
import typing as t

from ._recipe_kinds import Kind, Text
from ._recipe_words import near, quotes, shown, step


@dataclasses.dataclass(frozen=True)
class List(Kind):
    """A list of `items`, at least `minimum` of them, each but once if `unique`."""

    about: str
    items: Kind
    minimum: int = 0
    unique: bool = False
    python = (list,)

    @property
    def wants(self) -> str:
        return f"a list{', not empty' if self.minimum else ''}"

    def problems(self, value: t.Any, path: str) -> list[str]:
        if not self.takes(value) or len(value) < self.minimum:
            return [f"{path}: found {shown(value)}, wanted {self.wants}"]
        found = [problem for number, item in enumerate(value) for problem in self.items.problems(item, f"{path}[{number}]")]
        if found or not self.unique:
            return found
        # 1 and true are two values, 1 and 1.0 are one, as in JSON Schema.
        keys = [(isinstance(item, bool), item) for item in value]
        repeated = [(number, keys.index(key)) for number, key in enumerate(keys) if keys.index(key) != number]
        return [
            f"{path}[{number}]: found {shown(value[number])} again, as in {path}[{first}]; once is enough" for number, first in repeated
        ]

    def schema(self) -> dict[str, t.Any]:
        more = {**({"minItems": self.minimum} if self.minimum else {}), **({"uniqueItems": True} if self.unique else {})}
        return {**super().schema(), "type": "array", "items": self.items.schema(), **more}


@dataclasses.dataclass(frozen=True)
class Mapping(Kind):
    """A mapping whose `keys` are known; all are required but the `optional`."""

    about: str
    keys: dict[str, Kind]
    optional: tuple[str, ...] = ()
    whole: str = "a recipe"
    python = (dict,)

    @property
    def wants(self) -> str:
        return f"a mapping with {', '.join(key for key in self.keys if key not in self.optional)}"

    def problems(self, value: t.Any, path: str) -> list[str]:
        if not self.takes(value):
            return [f"{path}: found {shown(value)}, wanted {self.wants}"]
        found = []
        for key in value:
            if key not in self.keys:
                found.append(f"{step(path, key)} is not a key of {self.whole}{near(key, self.keys)}; known here: {', '.join(self.keys)}")
        for key, kind in self.keys.items():
            if key in value:
                found += kind.problems(value[key], step(path, key))
            elif key not in self.optional:
                found.append(f"{step(path, key)} is missing, wanted {kind.wants}")
        return found

    def schema(self) -> dict[str, t.Any]:
        return {
            **super().schema(),
            "type": "object",
            "properties": {key: kind.schema() for key, kind in self.keys.items()},
            "required": [key for key in self.keys if key not in self.optional],
            "additionalProperties": False,
        }


@dataclasses.dataclass(frozen=True)
class Table(Kind):
    """A mapping of `values` by any number of names, each of which is a `noun`."""

    about: str
    names: Text
    noun: str
    values: Kind
    python = (dict,)
    wants = "a mapping"

    def problems(self, value: t.Any, path: str) -> list[str]:
        if not self.takes(value):
            return [f"{path}: found {shown(value)}, wanted {self.wants}"]
        found = []
        for name, entry in value.items():
            if not self.names.takes(name) or not self.names.fits(name):
                known = f"; known here: {', '.join(self.names.choices)}" if self.names.choices else quotes(name)
                found.append(f"{step(path, name)} is no {self.noun}{near(name, self.names.choices)}{known}")
            found += self.values.problems(entry, step(path, name))
        return found

    def schema(self) -> dict[str, t.Any]:
        own = {**super().schema(), "type": "object"}
        if self.names.choices:
            return {**own, "properties": {name: self.values.schema() for name in self.names.choices}, "additionalProperties": False}
        return {**own, "propertyNames": {"pattern": f"^({self.names.pattern})$"}, "additionalProperties": self.values.schema()}


@dataclasses.dataclass(frozen=True)
class Either(Kind):
    """One of several kinds, which differ in their types."""

    about: str
    kinds: tuple[Kind, ...]

    def takes(self, value: t.Any) -> bool:
        return any(kind.takes(value) for kind in self.kinds)

    @property
    def wants(self) -> str:
        return " or ".join(kind.wants for kind in self.kinds)

    def problems(self, value: t.Any, path: str) -> list[str]:
        for kind in self.kinds:
            if kind.takes(value):
                return kind.problems(value, path)
        return [f"{path}: found {shown(value)}, wanted {self.wants}"]

    def schema(self) -> dict[str, t.Any]:
        return {**super().schema(), "anyOf": [kind.schema() for kind in self.kinds]}
