# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What of a sparkrun recipe vLLM does not know: declared as the image's own, as far as a recipe can, and else told with its key there."""

from __future__ import annotations

import re
import typing as t

from . import _recipe_declarations, _recipe_shape
from ._recipe_unknown import Unknown
from ._sparkrun_report import Report
from ._vllm_options import Catalogue

_OTHER = "other_environment"


def declarations(recipe: dict[str, t.Any], catalogue: Catalogue, report: Report) -> dict[str, t.Any]:
    """Keys for the recipe that declare what its version of vLLM does not know; none for a recipe whose shape is wrong."""
    if _recipe_shape.problems(recipe):
        return {}
    unknown = _recipe_declarations.missing(recipe, catalogue)
    for one in unknown:
        whose = "read by something in the image" if one.declaration == _OTHER else "its fork's own"
        report.assumed(_place(one), f"{one.reason}; declared as {whose}", report.source_of(one.where))
    return _recipe_declarations.declared(unknown)


def _place(one: Unknown) -> str:
    return f"{one.declaration}: {one.name}" + ("" if one.value is None else f"={one.value}")


def with_sources(problems: t.Iterable[str], prefix: str, report: Report) -> t.Iterator[str]:
    """Problems of our recipe behind the key in sparkrun's that each comes from; `prefix` is what stands before the path in them."""
    for problem in problems:
        path = re.match(r"[^\s:]+", problem[len(prefix) :])
        key = report.source_of(path.group()) if path else ""
        yield f"{key}: {problem}" if key else problem
