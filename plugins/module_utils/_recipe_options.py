# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether vLLM of the recipe's version knows its `arguments`, each option and its value, and what the recipe says only its fork knows."""

from __future__ import annotations

import re
import typing as t

from . import _recipe_values
from ._recipe_unknown import Problem, Unknown
from ._recipe_values import brief
from ._recipe_words import shown, suggestion
from ._vllm_options import Catalogue, Spelling, Vllm, takes_several

# How much a word has to be like one that is meant, 0 to 1: options are long, and many begin alike.
_ALIKE = 0.6


def problems(recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Problem]:
    """What vLLM would refuse of a recipe's arguments.

    Nothing is said of a recipe whose version there are no data of; `_recipe_findings` tells the user so.
    """
    values = recipe.get("fork_values", {})
    no_lists = {str(name): given for name, given in values.items() if not isinstance(given, list)}
    if no_lists:
        return [Problem(f"fork_values.{brief(name)}: found {shown(given)}, wanted a list of values") for name, given in no_lists.items()]
    vllm = catalogue.fitting(recipe["vllm_version"])
    if vllm is None:
        return []
    check = _Check(recipe, vllm, catalogue)
    return [*map(Problem, check.declarations()), *map(Problem, check.twice()), *check.arguments()]


def named(recipe: dict[str, t.Any], vllm: Vllm) -> str:
    """The version as messages call it, with the one whose data are used where that is another."""
    version = brief(str(recipe["vllm_version"]))
    return f"vLLM {version}" if version == vllm.version else f"vLLM {version}, going by {vllm.version},"


class _Check:
    def __init__(self, recipe: dict[str, t.Any], vllm: Vllm, catalogue: Catalogue) -> None:
        self.given = {str(option): value for option, value in recipe["arguments"].items()}
        self.vllm, self.catalogue = vllm, catalogue
        self.version = named(recipe, vllm)
        self.fork = [str(name) for name in recipe.get("fork_arguments", [])]
        self.fork_values = {str(name): values for name, values in recipe.get("fork_values", {}).items()}

    def declarations(self) -> t.Iterator[str]:
        """What is declared as the fork's own although this version has it."""
        for name in self.fork:
            if self.vllm.knows(name):
                yield f"fork_arguments: {self.version} has {name}; take it out, and what is given for it is checked"
        for name, values in self.fork_values.items():
            where = f"fork_values.{brief(name)}"
            known = self.vllm.choices(name)
            if known is None and not self.vllm.knows(name):
                in_fork = f"the values of {brief(name)}, which is in fork_arguments, are not checked"
                reason = in_fork if name in self.fork else f"{self.version} has no such option{self._near(name)}"
                yield f"{where}: {reason}; take it out"
            elif known is None:
                yield f"{where}: {self.version} does not list the values of {name}, so they need not be declared; take it out"
            else:
                for value in values:
                    if str(value) in known:
                        yield f"{where}: {self.version} takes {value!r} itself; take it out"

    def twice(self) -> t.Iterator[str]:
        """The same option in two spellings, of which vLLM takes the last in silence."""
        spelt: dict[str, list[str]] = {}
        for word in self.given:
            found = self._find(word)
            if found:
                spelt.setdefault(found.name, []).append(word)
        for words in spelt.values():
            if len(words) > 1:
                both = " and ".join(map(brief, words))
                yield f"arguments.{brief(words[1])}: {both} are the same option of {self.version} twice; wanted one of them"

    def arguments(self) -> t.Iterator[Problem]:
        for word, value in self.given.items():
            if word in self.fork or word.startswith("-"):
                continue
            spelling = self._find(word)
            where, key = f"arguments.{brief(word)}", word.partition(".")[2]
            if spelling is None:
                yield self._unknown(where, word)
            elif key:
                wanted = f"{spelling.name}: {{{brief(key)}: ...}}"
                yield Problem(f"{where}: found one key of a JSON argument, wanted the argument as a mapping: {wanted}")
            elif not spelling.long:
                yield Problem(f"{where}: found the short form of an option, wanted {spelling.name}")
            elif "_" in word:
                hyphens = brief(word.replace("_", "-"))
                yield Problem(f"{where}: found underscores, wanted {hyphens}, so that it can be overridden by that name")
            else:
                yield from self._value(where, spelling, value)

    def _find(self, word: str) -> t.Optional[Spelling]:
        return self.vllm.find(word.partition(".")[0].replace("_", "-"))

    def _value(self, where: str, spelling: Spelling, value: t.Any) -> t.Iterator[Problem]:
        # Named by the recipe's own check, with what to write instead.
        if value is None or value == "" or value is False:
            return
        name, option = spelling.name, spelling.option
        problem = _recipe_values.problem(option, value)
        if problem:
            yield Problem(f"{where}: {problem}")
            return
        for one in value if isinstance(value, list) and takes_several(option) else [value]:
            yield from self._choice(where, name, option.get("choices"), one)
        keys = option.get("keys")
        if keys is None or not isinstance(value, dict):
            return
        for key, inner in value.items():
            path, place = f"{name}.{key}", f"{where}.{brief(str(key))}"
            if path in self.fork:
                continue
            if key not in keys:
                near = self.catalogue.others(lambda vllm, path=path: vllm.knows(path))  # type: ignore[misc]
                yield _undeclared(place, path, f"{self.version} has no such key{near or suggestion(str(key), keys, _ALIKE)}")
            elif inner is not None:
                yield from self._choice(place, path, keys[key], inner)
        yield from map(Problem, _recipe_values.count_problems(where, name, value))

    def _choice(self, where: str, name: str, choices: t.Optional[list[str]], value: t.Any) -> t.Iterator[Problem]:
        text = str(value)
        if choices is None or text in choices or text in map(str, self.fork_values.get(name, ())):
            return
        near = self.catalogue.others_taking(name, text) or suggestion(text, choices, _ALIKE)
        written = text if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", text) else "..."
        remedy = f"if only the image's fork takes it, declare it: fork_values: {{{name}: [{written}]}}"
        yield Problem(
            f"{where}: found {shown(value)}, wanted one that {self.version} takes{near}: {', '.join(choices)}; {remedy}",
            Unknown("fork_values", name, value, where, f"{self.version} does not take {shown(value)}{near}"),
        )

    def _unknown(self, where: str, word: str) -> Problem:
        if word.startswith("no-") and self.vllm.find(word[3:]):
            return Problem(f"{where}: {self.version} has {word[3:]} without an opposite; leave both out")
        return _undeclared(where, word, f"{self.version} has no such option{self._near(word)}")

    def _near(self, word: str) -> str:
        """Which other version has it, or the nearest that this one has."""
        return self.catalogue.others(lambda vllm: vllm.knows(word) or vllm.find(word) is not None) or suggestion(
            word, self.vllm.words(), _ALIKE
        )


def _undeclared(where: str, name: str, reason: str) -> Problem:
    remedy = f"correct it, or, if only the image's fork of vLLM knows it, add {brief(name)} to fork_arguments"
    return Problem(f"{where}: {reason}; {remedy}", Unknown("fork_arguments", name, None, where, reason))
