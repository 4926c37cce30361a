# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What vLLM of a recipe's version does not know, as the checks of its arguments and of its environment find it."""

from __future__ import annotations

import typing as t


class Unknown(t.NamedTuple):
    """An option, a value or a variable, and how a recipe says that its image knows it."""

    declaration: str
    """The key of the recipe that would say so: one of `_recipe_declarations.DECLARATIONS`."""
    name: str
    """The option, the key of a JSON argument (`speculative-config.method`), or the variable."""
    value: t.Any
    """The value, for `fork_values`; else None."""
    where: str
    """Path in the recipe of what is unknown."""
    reason: str
    """Who does not know it, and, in brackets, which other version does or what is spelt like it."""


class Problem(t.NamedTuple):
    """A sentence, which begins with the path, and what it says that a recipe could declare, if it does."""

    text: str
    unknown: t.Optional[Unknown] = None
