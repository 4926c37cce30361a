# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What an all-reduce between nodes prints: the table of nccl-tests' all_reduce_perf, or one line of JSON of a program of our own."""

from __future__ import annotations

import json
import re
import typing as t

from ._evidence import select
from ._tool import TIMED_OUT, absent

_PREFIX = r"^(?:\[[\d,]+\]<std\w+>:)?\s*"  # of mpirun --tag-output
# Size, count, type, operation, root; time (us), algbw, busbw (GB/s), wrong results; all four once more for in-place.
_FIGURES = r"\s+(\d+(?:\.\d+)?)\s+[\d.]+\s+(\d+(?:\.\d+)?)\s+(\d+|N/A)"
_ROW = re.compile(rf"{_PREFIX}(\d+)\s+\d+\s+[a-z]\w*\s+[a-z]+\s+-?\d+{_FIGURES}(?:{_FIGURES})?")
_RANK = re.compile(r"#\s+Rank\s+\d+ Group\s+\d+ Pid\s+\d+ on ")
_VERSION = re.compile(r"NCCL version (\d+\.\d+\.\d+)")
_WRONG = re.compile(r"# Out of bounds values : \d+ FAILED")

_TOLERANCE = 0.1
"""By how much a program's own figure may differ from what its bytes and seconds make: both are rounded."""


def parse(output: str, returncode: t.Optional[int] = None) -> dict[str, t.Any]:
    """Return what an all-reduce printed (standard output and error together), and how it ended.

    The JSON is an object with `bytes`, `seconds` (for one all-reduce), `busbw_gbps` (GB/s, 10^9 bytes) and `ranks` (else 2).

    `status` (``ok``, ``missing``: the program is not there, ``timeout``, ``failed``), `bytes` and `busbw_gbps` (GB/s, of the largest size,
    out of place; nccl-tests' own average over all sizes says nothing of the fabric), `seconds`, `ranks`, `version` (of NCCL, as the banner
    has it), `error`. Wrong results, and a figure that contradicts its own bytes and seconds, are ``failed``. What was not printed is None.
    """
    lines = output.splitlines()
    found = _json(lines) or _table(lines)
    version = _VERSION.search(output)
    error = found.pop("wrong", None)
    if found["busbw_gbps"] is None or error:
        found["busbw_gbps"] = None
        error = error or next(iter(select(lines, 1)), "no output")
    return {"status": _status(output, returncode, error), **found, "version": version.group(1) if version else None, "error": error}


def _status(output: str, returncode: t.Optional[int], error: t.Optional[str]) -> str:
    if not error:
        return "ok"
    if absent(output, returncode, r"\w+_perf"):
        return "missing"
    return "timeout" if returncode == TIMED_OUT else "failed"


def _table(lines: t.Sequence[str]) -> dict[str, t.Any]:
    rows = [match.groups() for match in map(_ROW.search, lines) if match]
    ranks = sum(1 for line in lines if _RANK.search(line))
    found: dict[str, t.Any] = {"bytes": None, "busbw_gbps": None, "seconds": None, "ranks": ranks or None}
    if rows:
        size, microseconds, busbw, *_others = max(rows, key=lambda row: int(row[0]))
        found.update(bytes=int(size), busbw_gbps=float(busbw), seconds=float(microseconds) / 1e6)
    wrong = sum(int(count) for row in rows for count in (row[3], row[6]) if count and count.isdecimal())
    if wrong or any(map(_WRONG.search, lines)):
        found["wrong"] = f"{wrong or 'some'} wrong results in the all-reduce"
    return found


def _json(lines: t.Sequence[str]) -> t.Optional[dict[str, t.Any]]:
    """The last object with a figure in it; a program prints other things too."""
    for line in reversed(lines):
        if "busbw_gbps" not in line:
            continue
        try:
            said = json.loads(line)
            found = {"bytes": int(said["bytes"]), "busbw_gbps": float(said["busbw_gbps"]), "seconds": float(said["seconds"])}
            found["ranks"] = int(said.get("ranks", 2))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
        return {**found, **_contradiction(**found)}
    return None


def _contradiction(bytes: float, busbw_gbps: float, seconds: float, ranks: float) -> dict[str, str]:  # noqa: A002
    """An all-reduce moves 2 (n - 1) / n of its bytes over every link: that makes the bandwidth of the bus."""
    made = bytes / seconds / 1e9 * 2 * (ranks - 1) / ranks if seconds > 0 and ranks > 1 else 0.0
    if made > 0 and abs(busbw_gbps - made) <= _TOLERANCE * made:
        return {}
    return {"wrong": f"busbw_gbps {busbw_gbps:g}, while {bytes:g} bytes in {seconds:g} s between {ranks:g} ranks make {made:g} GB/s"}
