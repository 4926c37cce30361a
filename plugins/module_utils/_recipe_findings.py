# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a user should know of a recipe in which nothing is wrong: what only its image knows, and what could not be checked."""

from __future__ import annotations

import typing as t

from . import _overlay_layers
from ._findings import Finding, finding
from ._vllm_options import Catalogue


def findings(recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Finding]:
    """Findings about a sound recipe, with the user's arguments and variables in it."""
    name, version = recipe["name"], recipe["vllm_version"]
    found = []
    if catalogue.fitting(version) is None:
        found.append(
            finding(
                "recipe.vllm-unknown",
                "warning",
                None,
                f"recipe {name} is for vLLM {version}, whose options are not known here, so its arguments and variables were not checked",
                f"a version of which there is a list: {', '.join(catalogue.versions)}, or a later one of the same minor series",
                "name in vllm_version the release of vLLM that the image's fork was made from",
            )
        )
    only = fork_only(recipe)
    if only:
        found.append(
            finding(
                "recipe.fork-only",
                "warning",
                None,
                f"recipe {name} uses what vLLM {version} does not know: {', '.join(only)}",
                f"an image whose fork of vLLM knows it, as {recipe['image']['name']} does",
                "nothing with that image; with another one take it away",
            )
        )
    return found


def fork_only(recipe: dict[str, t.Any]) -> list[str]:
    """What the recipe uses of that which it declares as its fork's own: options, values (`option=value`) and variables."""
    arguments, values = recipe["arguments"], recipe.get("fork_values", {})
    used = [name for name in recipe.get("fork_arguments", []) if _given(arguments, name) is not None]
    for name, declared in values.items():
        value = _given(arguments, name)
        used += [f"{name}={value}"] if isinstance(declared, list) and str(value) in map(str, declared) else []
    variables = {*recipe["environment"], *_overlay_layers.variables(recipe.get("layers", []))}
    return used + [name for name in recipe.get("fork_environment", []) if name in variables]


def _given(arguments: dict[str, t.Any], name: str) -> t.Any:
    """The value of an option, or of a key of a JSON argument (`speculative-config.method`)."""
    option, key = name.partition(".")[::2]
    value = arguments.get(option)
    return value.get(key) if key and isinstance(value, dict) else None if key else value
