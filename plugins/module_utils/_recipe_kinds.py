# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Kinds of values: text, whole numbers, arguments of vLLM. Each checks a value, and each is written as JSON Schema from the same words.

A check knows at least as much as the schema: what the schema refuses, the check refuses too.
"""

from __future__ import annotations

import abc
import dataclasses
import re
import typing as t

from ._recipe_words import WHOLE_LIMIT, json_problems, line, no_quotes, one_of, quotes, shown, suggestion


class Kind(abc.ABC):
    """What a value may be; `about` describes it in one sentence."""

    about: str
    python: tuple[type, ...]

    def takes(self, value: t.Any) -> bool:
        """Whether the value has the type; all else is left to `problems`."""
        return isinstance(value, self.python) and not isinstance(value, bool)

    @property
    @abc.abstractmethod
    def wants(self) -> str:
        """What a right value is, after `wanted` in a message."""

    @abc.abstractmethod
    def problems(self, value: t.Any, path: str) -> list[str]:
        """What is wrong with the value at `path`, one sentence each."""

    def schema(self) -> dict[str, t.Any]:
        """JSON Schema, draft 2020-12."""
        return {"description": self.about} if self.about else {}


@dataclasses.dataclass(frozen=True)
class Text(Kind):
    """Text of one line that matches the whole `pattern` (which Python and ECMAScript read alike), or is one of `choices`."""

    about: str
    wanted: str = ""
    pattern: str = r"[^\x00-\x1f]+"
    choices: tuple[str, ...] = ()
    python = (str,)

    @property
    def wants(self) -> str:
        return self.wanted or (one_of(self.choices) if self.choices else "text of one line")

    def fits(self, value: str) -> bool:
        if self.choices:
            return value in self.choices
        return bool(line(value) and re.fullmatch(self.pattern, value))

    def problems(self, value: t.Any, path: str) -> list[str]:
        if not self.takes(value):
            return [f"{path}: found {shown(value)}, wanted {self.wants}{'' if 'quotes' in self.wants else quotes(value)}"]
        if not self.fits(value):
            return [f"{path}: found {shown(value)}, wanted {self.wants}{suggestion(value, self.choices)}"]
        return []

    def schema(self) -> dict[str, t.Any]:
        return {
            **super().schema(),
            "type": "string",
            **({"enum": list(self.choices)} if self.choices else {"pattern": f"^({self.pattern})$"}),
        }


@dataclasses.dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `minimum` to `maximum`, both included."""

    about: str
    minimum: int
    maximum: t.Optional[int] = None
    python = (int,)

    @property
    def wants(self) -> str:
        if self.maximum == self.minimum:
            return str(self.minimum)
        return f"a whole number from {self.minimum} {'on' if self.maximum is None else f'to {self.maximum}'}"

    def problems(self, value: t.Any, path: str) -> list[str]:
        if self.takes(value) and self.minimum <= value <= (WHOLE_LIMIT if self.maximum is None else self.maximum):
            return []
        return [f"{path}: found {shown(value)}, wanted {self.wants}{no_quotes(value)}"]

    def schema(self) -> dict[str, t.Any]:
        limits = {"minimum": self.minimum} if self.maximum is None else {"minimum": self.minimum, "maximum": self.maximum}
        return {**super().schema(), **({"const": self.minimum} if self.maximum == self.minimum else {"type": "integer", **limits})}


@dataclasses.dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    about: str
    python = (bool,)
    wants = "true or false"

    def takes(self, value: t.Any) -> bool:
        return isinstance(value, bool)

    def problems(self, value: t.Any, path: str) -> list[str]:
        return [] if self.takes(value) else [f"{path}: found {shown(value)}, wanted {self.wants}, without quotes"]

    def schema(self) -> dict[str, t.Any]:
        return {**super().schema(), "type": "boolean"}


@dataclasses.dataclass(frozen=True)
class Argument(Kind):
    """The value of an option of vLLM: what a word of a command line, or JSON in one if `nested`, can say.

    An option that is null, false or empty is one that is not given, or its opposite; the check of all arguments says so.
    """

    about: str
    nested: bool = True
    python = (str, int, float, bool, list, dict)

    @property
    def wants(self) -> str:
        return "text, a number, true" + (", a list or a mapping" if self.nested else " or false")

    def problems(self, value: t.Any, path: str) -> list[str]:
        if not self.nested and (value is None or value == "" or isinstance(value, (list, dict))):
            return [f"{path}: found {shown(value)}, wanted {self.wants}"]
        return json_problems(value, path)

    def schema(self) -> dict[str, t.Any]:
        if not self.nested:
            return {**super().schema(), "type": ["string", "number", "boolean"], "minLength": 1}
        types = [{"const": True}, {"type": "number"}, {"type": "string", "minLength": 1}, {"type": "array"}, {"type": "object"}]
        return {**super().schema(), "anyOf": types}
