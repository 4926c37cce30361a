# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How many nodes a sparkrun recipe is for, and the model's attention heads, which must be shared out among them."""

from __future__ import annotations

import re
import typing as t

from ._sparkrun_report import Report, SparkrunError, one_line

KEYS = ("min_nodes", "max_nodes", "cluster_only", "solo_only", "mode")
_TENSOR, *_OTHER = SIZES = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")


def nodes(given: t.Mapping[str, t.Any], arguments: dict[str, t.Any], wanted: t.Optional[int], report: Report, missing: list[str]) -> int:
    """The number of nodes; `wanted`: what the user asks for.

    Makes the tensor parallel size in `arguments` fit; `missing` gets what cannot be known.
    """
    low, high = _range(given)
    if high == 1:
        raise SparkrunError("max_nodes (or solo_only, mode): found a recipe for one node only, wanted one for two or more")
    sizes = {option: _size(arguments.get(option, 1), option) for option in SIZES}
    product = sizes[_TENSOR] * sizes[_OTHER[0]] * sizes[_OTHER[1]]
    allowed = f"{low}" if low == high else f"{low} to {high}" if high else f"{low} or more"
    if wanted is None:
        wanted = product if product > 1 else low if low == high else None
        if wanted is None:
            missing.append(f"min_nodes, max_nodes: the recipe is for {allowed} nodes; say for how many it shall be, with -e nodes=2")
            return 0
        if low == high:
            report.kept("min_nodes", "nodes")
        else:
            report.assumed(
                "nodes",
                f"{wanted}, by tensor x pipeline x data parallel size, of {allowed} for which the recipe is; others with -e nodes=N",
            )
    else:
        report.mapped("min_nodes, max_nodes", "nodes", f"{wanted}, as asked for; the recipe is for {allowed}")
    if not max(low, 2) <= wanted <= (high or wanted):
        raise SparkrunError(f"nodes: found {wanted}, wanted {allowed}, and at least 2, because min_nodes and max_nodes say so")
    rest = sizes[_OTHER[0]] * sizes[_OTHER[1]]
    if wanted % rest:
        raise SparkrunError(f"nodes: found {wanted}, wanted a multiple of {rest}, which is the pipeline x data parallel size")
    if wanted != product:
        report.mapped(
            "tensor_parallel",
            f"arguments.{_TENSOR}",
            f"found {sizes[_TENSOR]}; {wanted // rest}, so that each of {wanted} nodes has a rank",
        )
    if wanted != product or _TENSOR not in arguments:
        arguments[_TENSOR] = wanted // rest
    return wanted


def attention_heads(given: t.Mapping[str, t.Any], wanted: t.Optional[int], report: Report, missing: list[str]) -> int:
    """The model's attention heads, which sparkrun does not need; `missing` gets that they are not known."""
    if wanted is not None:
        report.assumed("model.attention_heads", f"{wanted}, as asked for")
        return wanted
    said = given["metadata"].get("num_attention_heads")
    if isinstance(said, int) and not isinstance(said, bool) and said > 0:
        report.kept("metadata.num_attention_heads", "model.attention_heads")
        return said
    missing.append(
        "model.attention_heads: sparkrun does not say it; take num_attention_heads of the model's config.json, with -e attention_heads=64"
    )
    return 0


def _range(given: t.Mapping[str, t.Any]) -> tuple[int, t.Optional[int]]:
    low, high = _count(given, "min_nodes") or 1, _count(given, "max_nodes")
    mode = given.get("mode", "auto")
    if mode not in ("auto", "solo", "cluster"):
        raise SparkrunError(f"mode: found {one_line(mode)!r}, wanted auto, solo or cluster")
    if given.get("solo_only") or mode == "solo":
        low = high = 1
    if given.get("cluster_only") or mode == "cluster":
        low = max(low, 2)
    if high is not None and high < low:
        raise SparkrunError(f"max_nodes: found {high}, wanted {low} or more, which is what the recipe needs")
    return low, high


def _count(given: t.Mapping[str, t.Any], key: str) -> t.Optional[int]:
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,3}", str(value)[:10]):
        raise SparkrunError(f"{key}: found {one_line(value, 40)!r}, wanted a whole number from 1 on")
    return int(value)


def _size(value: t.Any, option: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 9999:
        raise SparkrunError(f"command: --{option}: found {one_line(value, 40)!r}, wanted a whole number from 1 on")
    return value
