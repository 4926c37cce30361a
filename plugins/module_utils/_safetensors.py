# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The header of a safetensors file: 8 bytes little-endian length, a JSON header of that length, then the tensors, which are not read."""

from __future__ import annotations

import json
import os
import struct
import typing as t

from ._snapshot_problem import Unfit

# The limit of the safetensors library itself.
HEADER_LIMIT = 100_000_000


class Header(t.NamedTuple):
    tensors: dict[str, int]  # name -> bytes
    file_size: int  # what the file's length must be


def read_header(path: str) -> Header:
    """Read the header of a safetensors file and check it against the file's length; raises Unfit or OSError."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise Unfit("size-differs", f"{size} bytes", "at least the 8 bytes of the header's length")
        (length,) = struct.unpack("<Q", prefix)
        if length > HEADER_LIMIT:
            raise Unfit("header-invalid", f"a header of {length} bytes", f"at most {HEADER_LIMIT} bytes, as safetensors allows")
        if size < 8 + length:
            raise Unfit("size-differs", f"{size} bytes", f"at least {8 + length} bytes, where the header ends")
        content = file.read(length)
    try:
        entries = json.loads(content)
        spans = {name: entry["data_offsets"] for name, entry in entries.items() if name != "__metadata__"}
        tensors = {name: int(end) - int(begin) for name, (begin, end) in spans.items()}
        data = max((int(end) for _begin, end in spans.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unfit(
            "header-invalid", f"no header of safetensors ({type(error).__name__})", "names, types and offsets of tensors"
        ) from error
    if any(number < 0 for number in tensors.values()):
        raise Unfit("header-invalid", "a tensor that ends before it begins", "offsets in order")
    if size != 8 + length + data:
        raise Unfit("size-differs", f"{size} bytes", f"{8 + length + data} bytes, as the file's header says")
    return Header(tensors, size)
