# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a recipe declares that only its image knows, and what it would have to."""

from __future__ import annotations

import typing as t

from . import _recipe_environment, _recipe_options, _recipe_shape
from ._recipe_unknown import Problem, Unknown
from ._vllm_options import Catalogue

DECLARATIONS = ("fork_arguments", "fork_values", "fork_environment", "other_environment")
"""Keys of a recipe that say what vLLM of its version does not know: lists of names, and {option: [values]}."""


def problems(recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Problem]:
    """What is wrong with the arguments, the variables and the declarations of a recipe of the right shape, going by what vLLM knows."""
    return _recipe_options.problems(recipe, catalogue) + _recipe_environment.problems(recipe, catalogue)


def layer_problems(layers: list[dict[str, t.Any]], where: str, recipe: dict[str, t.Any], catalogue: Catalogue) -> list[str]:
    """What is wrong with the variables of a user's layers over the image of a recipe, one sentence each; `where` names the list."""
    return [problem.text for problem in _recipe_environment.layer_problems(layers, where, recipe, catalogue)]


def missing(recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Unknown]:
    """What a recipe of the right shape would have to declare.

    That is no more than vLLM of its version does not know, and less where a recipe can't say it: an option with a capital letter, or a
    value that is true, false or a list.
    """
    unknown = [problem.unknown for problem in problems(recipe, catalogue) if problem.unknown is not None]
    return [one for one in unknown if not isinstance(one.value, bool) and not _shape_problems(declared([one]))]


def declared(unknown: t.Iterable[Unknown]) -> dict[str, t.Any]:
    """The keys of a recipe (see DECLARATIONS) that declare what is unknown."""
    found: dict[str, t.Any] = {}
    for one in unknown:
        if one.declaration == "fork_values":
            found.setdefault(one.declaration, {}).setdefault(one.name, []).append(one.value)
        else:
            found.setdefault(one.declaration, []).append(one.name)
    return found


def declaring(recipe: dict[str, t.Any], declared: t.Any) -> dict[str, t.Any]:
    """The recipe with a user's declarations (see DECLARATIONS) after its own; what is no declaration declares nothing."""
    more: dict[str, t.Any] = {}
    for key, entries in declared.items() if isinstance(declared, dict) else ():
        own = recipe.get(key)
        if key == "fork_values" and isinstance(entries, dict):
            lists = {name: values if isinstance(values, list) else [values] for name, values in entries.items()}
            more[key] = {**(own or {}), **{name: [*(own or {}).get(name, ()), *values] for name, values in lists.items()}}
        elif key in DECLARATIONS and key != "fork_values" and isinstance(entries, list):
            more[key] = [*(own or ()), *entries]
    return {**recipe, **more}


def _shape_problems(declarations: dict[str, t.Any]) -> list[str]:
    return [problem for key, entries in declarations.items() for problem in _recipe_shape.RECIPE.keys[key].problems(entries, key)]
