# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What ib_write_bw, ib_send_bw and ib_read_bw of perftest print: the bandwidth, over which GID, or why there is none."""

from __future__ import annotations

import re
import statistics
import typing as t

from ._tool import TIMED_OUT, absent, last_line

_HEADER = re.compile(r"#bytes .*BW average\[(Gb|MB|MiB)/sec\]")
# Bytes, iterations, peak, average, and more.
_ROW = re.compile(r"^\s*(\d+)\s+\d+\s+(\d+(?:\.\d+)?)\s+(\d+(?:\.\d+)?)(?:\s|$)")
# Gb/s by --report_gbits; without it perftest says MB (newer: MiB) and means 1024 * 1024 bytes (format_factor in perftest_resources.c).
_GBPS = {"Gb": 1.0, "MB": 8 * 1024**2 / 1e9, "MiB": 8 * 1024**2 / 1e9}

_FIELDS = {
    "device": re.compile(r"\bDevice\s*:\s*(\S+)"),
    "mtu": re.compile(r"^\s*Mtu\s*:\s*(\d+)\[B\]", re.MULTILINE),
    "gid_index": re.compile(r"^\s*GID index\s*:\s*(\d+)", re.MULTILINE),
}
# `GID: 00:…:00:255:255:192:168:200:13`, each byte in decimal; the local one first.
_GID = re.compile(r"^\s*GID:\s*(\d+(?::\d+){15})\s*$", re.MULTILINE)
_MAPPED = [0] * 10 + [255, 255]

# The nearest to the cause first; the others only say that something came before them.
_ERRORS = tuple(
    re.compile(pattern)
    for pattern in (
        r"Failed status \d+|transport retry counter exceeded",
        r"Failed to modify QP",
        r"Couldn't allocate MR|Couldn't create CQ|Failed to create CQs",
        r"IB device \S+ not found|No IB devices found|Did not detect devices|Unable to find the Infiniband/RoCE device",
        r"Requested mtu is higher than active mtu|Found Incompatibility issue with GID types",
        r"Couldn't connect to \S+|Couldn't listen to port",
        r"Unable to open file descriptor|Unable to (?:init|set up) (?:the )?socket connection",
        r"Couldn't read remote address|Failed to exchange data|Unable to Connect the HCA's",
        r"Completion with error|Failed to complete run_iter_bw|Error occurred while running|Parser function exited with Error",
    )
)


def parse(output: str, returncode: t.Optional[int] = None) -> dict[str, t.Any]:
    """Return what one end of a perftest printed (standard output and error together), and how it ended.

    `status` (``ok``, ``missing``: the tool is not there, ``timeout``, ``failed``), `gbps` (Gb/s, the average; of several sizes that of the
    largest, of several lines of one size their median; None if not ``ok``), `bytes` (of that size), `device`, `mtu` (of RDMA, in bytes),
    `gid_index`, `local_ipv4`, `remote_ipv4` (of the GIDs, None where they map none), `error` (the line that says why, or None). What was
    not printed is None. `returncode` is not needed, but it alone tells a tool that was ended from one that failed without a word.
    """
    rows = _rows(output.splitlines())
    error = _error(output.splitlines())
    largest = max((size for size, _average in rows), default=None)
    gids = [_ipv4(gid) for gid in _GID.findall(output)]
    found: dict[str, t.Any] = {
        "status": _status(output, returncode, bool(rows), error),
        "gbps": statistics.median(average for size, average in rows if size == largest) if rows else None,
        "bytes": largest,
        "local_ipv4": gids[0] if gids else None,
        "remote_ipv4": gids[1] if len(gids) > 1 else None,
        "error": error,
    }
    for key, pattern in _FIELDS.items():
        match = pattern.search(output)
        found[key] = match and (match.group(1) if key == "device" else int(match.group(1)))
    if found["status"] != "ok":
        found.update(gbps=None, error=error or last_line(output))
    return found


def _rows(lines: t.Iterable[str]) -> list[tuple[int, float]]:
    """Size and average in Gb/s of each line of the table."""
    found, factor = [], None
    for line in lines:
        header, row = _HEADER.search(line), _ROW.search(line)
        if header:
            factor = _GBPS[header.group(1)]
        elif row and factor is not None:
            found.append((int(row.group(1)), float(row.group(3)) * factor))
    return found


def _error(lines: t.Sequence[str]) -> t.Optional[str]:
    return next((line.strip() for pattern in _ERRORS for line in lines if pattern.search(line)), None)


def _status(output: str, returncode: t.Optional[int], rows: bool, error: t.Optional[str]) -> str:
    if absent(output, returncode, r"ib_\w+"):
        return "missing"
    if error:
        return "failed"
    if rows:
        return "ok"
    return "timeout" if returncode == TIMED_OUT else "failed"


def _ipv4(gid: str) -> t.Optional[str]:
    octets = [int(octet) for octet in gid.split(":")]
    return ".".join(map(str, octets[12:])) if octets[:12] == _MAPPED else None
