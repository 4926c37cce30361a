# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The two things that a model cannot be served without: its config.json and its weights as safetensors."""

from __future__ import annotations

import json
import os
import posixpath
import typing as t

from ._safetensors import Header, read_header
from ._snapshot_problem import Problem, Unfit, dangling

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"


def config(root: str, problems: list[Problem]) -> dict[str, t.Any]:
    """config.json, empty if it cannot be had; what is wrong with it is added to `problems`."""
    try:
        return _json_object(root, "config.json")
    except Unfit as unfit:
        problems.append(Problem("config.json", unfit.kind, unfit.found, unfit.wanted))
        return {}


def draft(config: t.Mapping[str, t.Any]) -> t.Optional[str]:
    """Which draft the weights bring: `dspark`, `mtp` or None.

    DSpark's weights have `num_nextn_predict_layers` too, and under other names than the loader of `mtp` looks for (a KeyError in mtp.py).
    """
    if config.get("dspark_target_layer_ids"):
        return "dspark"
    return "mtp" if (integer(config.get("num_nextn_predict_layers")) or 0) > 0 else None


def weights(root: str, problems: list[Problem]) -> tuple[int, int]:
    """Number of weight files that are wanted, and bytes of those that are there and whole; what is wrong is added to `problems`."""
    if not os.path.lexists(os.path.join(root, INDEX)):
        if not os.path.lexists(os.path.join(root, SINGLE)):
            problems.append(Problem(INDEX, "file-missing", f"neither {INDEX} nor {SINGLE}", "weights as safetensors"))
            return 0, 0
        header = _shard(root, SINGLE, problems)
        return 1, header.file_size if header else 0
    try:
        index = _json_object(root, INDEX)
        weight_map, total = _shape_of_index(index)
    except Unfit as unfit:
        problems.append(Problem(INDEX, unfit.kind, unfit.found, unfit.wanted))
        return 0, 0
    wanted: dict[str, set[str]] = {}
    for tensor, shard in weight_map.items():
        wanted.setdefault(shard, set()).add(tensor)
    headers = {shard: _shard(root, shard, problems) for shard in sorted(wanted)}
    whole = {shard: header for shard, header in headers.items() if header is not None}
    for shard, header in whole.items():
        lacking = sorted(wanted[shard] - set(header.tensors))
        if lacking:
            problems.append(
                Problem(
                    shard, "tensor-missing", f"{len(lacking)} tensors missing, {lacking[0]} among them", f"{len(wanted[shard])} tensors"
                )
            )
    sizes = _possible_totals(whole, wanted)
    if total is not None and len(whole) == len(wanted) and total not in sizes:
        problems.append(
            Problem(
                INDEX, "total-differs", f"{sizes[0]} bytes of tensors in {len(whole)} files", f"{total} bytes, as metadata.total_size says"
            )
        )
    return len(wanted), sum(header.file_size for header in whole.values())


def _possible_totals(whole: dict[str, Header], wanted: dict[str, set[str]]) -> list[int]:
    """What publishers' tools write as total_size: all tensors, those of the index, or the files with their headers."""
    everything = sum(sum(header.tensors.values()) for header in whole.values())
    indexed = sum(size for shard, header in whole.items() for tensor, size in header.tensors.items() if tensor in wanted[shard])
    return [everything, indexed, sum(header.file_size for header in whole.values())]


def _shape_of_index(index: dict[str, t.Any]) -> tuple[dict[str, str], t.Optional[int]]:
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise Unfit("json-invalid", "no weight_map", "weight_map: the file of each tensor")
    for shard in set(map(str, weight_map.values())):
        if posixpath.isabs(shard) or ".." in shard.split("/"):
            raise Unfit("json-invalid", f"weight_map leads to {shard}", "files below the model's directory")
    metadata = index.get("metadata")
    total = integer(metadata.get("total_size")) if isinstance(metadata, dict) else None
    return {tensor: str(shard) for tensor, shard in weight_map.items()}, total


def _shard(root: str, name: str, problems: list[Problem]) -> t.Optional[Header]:
    path = os.path.join(root, name)
    try:
        return read_header(path)
    except FileNotFoundError:
        problems.append(
            dangling(name, path) if os.path.islink(path) else Problem(name, "file-missing", "nothing", "a weight file of the index")
        )
    except OSError as error:
        problems.append(Problem(name, "unreadable", str(error.strerror), "a file that can be read"))
    except Unfit as unfit:
        problems.append(Problem(name, unfit.kind, unfit.found, unfit.wanted))
    return None


def _json_object(root: str, name: str) -> dict[str, t.Any]:
    path = os.path.join(root, name)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        if os.path.islink(path):
            problem = dangling(name, path)
            raise Unfit(problem.kind, problem.found, problem.wanted) from None
        raise Unfit("file-missing", "nothing", f"{name} in {root}") from None
    except OSError as error:
        raise Unfit("unreadable", str(error.strerror), "a file that can be read") from error
    except (ValueError, RecursionError) as error:
        raise Unfit("json-invalid", f"not JSON ({error})", "a JSON object") from error
    if not isinstance(content, dict):
        raise Unfit("json-invalid", type(content).__name__, "a JSON object")
    return content


def integer(value: t.Any) -> t.Optional[int]:
    """The value if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
