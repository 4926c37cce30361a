# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Lines of NCCL and of perftest that name why RDMA failed: a wrong GID, or memory that may not be pinned."""

from __future__ import annotations

import re
import typing as t

GID_ERRORS = {
    61: "the node's own GID at that index is empty",
    22: "the other node's GID is empty",
    110: "there is no path to the other node's GID",
    12: "the other node's GID does not answer",
}
"""Errors of `ibv_modify_qp` (errno), and the completion error IBV_WC_RETRY_EXC_ERR (12), which comes after a start that looked well."""

_ERRNO = {"No data available": 61, "Invalid argument": 22, "Connection timed out": 110}
# NCCL: `Call to ibv_modify_qp failed with 61 No data available, on dev rocep1s0f0:1,`, before 2.21 `failed with error Invalid argument`.
_MODIFY = re.compile(r"Call to ibv_modify_qp failed with (?:error )?(\d+)? ?([A-Z][a-z ]+)?")
# NCCL, new and old, and perftest: `Failed status 12: wr_id 0 syndrom 0x81`.
_RETRY = re.compile(
    r"IBV_WC_RETRY_EXC_ERR|Got completion from peer \S+ with (?:status=|error )12\b|Failed status 12\b|transport retry counter exceeded"
)
# perftest: `Failed to modify QP 297 to RTR`, without an errno.
_RTR = re.compile(r"Failed to modify QP \S+ to RTR")
_MEMORY = re.compile(r"Call to ibv_reg_mr\w* failed(?: with error Cannot allocate memory|\s*$)|Couldn't allocate MR\b")
_DEVICE = re.compile(r"on dev ([\w.-]+(?::\d+)?)|\bhca ([\w.-]+)")
# The rest of a message that NCCL breaks over two lines.
_CONTINUATION = re.compile(r"^\s+(curr state|local GID|localGid|opcode=)")


class Cause(t.NamedTuple):
    """`kind`: ``gid`` or ``memory``; `code`: a key of GID_ERRORS or None; `device`: ``rocep1s0f0:1``, ``rocep1s0f0`` or None."""

    kind: str
    line: str
    code: t.Optional[int] = None
    device: t.Optional[str] = None


def causes(lines: t.Iterable[str]) -> list[Cause]:
    """Return what the lines name, each cause of a device once, in their order."""
    found: dict[tuple[t.Any, ...], Cause] = {}
    for line in joined(lines):
        cause = _cause(line)
        if cause:
            found.setdefault((cause.kind, cause.device), cause)
    return list(found.values())


def joined(lines: t.Iterable[str]) -> list[str]:
    """The lines, continuations put behind what they continue, runs of blanks made one."""
    found: list[str] = []
    for line in lines:
        if found and _CONTINUATION.search(line):
            found[-1] += " " + line
        else:
            found.append(line)
    return [" ".join(line.split()) for line in found]


def _cause(line: str) -> t.Optional[Cause]:
    named = _DEVICE.search(line)
    device = (named.group(1) or named.group(2)) if named else None
    if _MEMORY.search(line):
        return Cause("memory", line, None, device)
    modify = _MODIFY.search(line)
    if modify:
        number, text = modify.groups()
        code = int(number) if number else _ERRNO.get((text or "").strip())
        return Cause("gid", line, code, device) if code in GID_ERRORS else None
    if _RETRY.search(line):
        return Cause("gid", line, 12, device)
    return Cause("gid", line, None, device) if _RTR.search(line) else None
