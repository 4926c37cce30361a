# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How a rail is pinged; what ping prints at its end, and why it could not begin (iputils; busybox says nearly the same)."""

from __future__ import annotations

import re
import typing as t

from ._tool import TIMED_OUT, absent, last_line

HEADERS = 28
"""Bytes that IPv4 and ICMP add to what `ping -s` is given."""

PLAIN_MTU = 1500
_SMALL = 56
# Nobody but root may send faster.
_INTERVAL = 0.2
_SLACK = 5.0

_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received(?:, \+(\d+) duplicates)?(?:, \+(\d+) errors)?")
# `ping: local error: message too long, mtu=1500` of this node, `From 10.0.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1500)` of a router.
_MTU = re.compile(r"mtu ?= ?(\d+)")
# A warning loses nothing.
_ERROR = re.compile(r"^\S*ping\d?: (?!Warning).*|^From \S+ icmp_seq=\d+ .*(?:needed|[Uu]nreachable|exceeded|[Pp]rohibited).*", re.MULTILINE)


def sizes(mtu: t.Optional[int]) -> list[int]:
    """What to send over a rail of that MTU (bytes, as for ``ping -s``): what passes everywhere, and what fills it."""
    return sorted({_SMALL, max(_SMALL, (mtu or PLAIN_MTU) - HEADERS)})


def words(interface: str, target: str, size: int, count: int, wait: int) -> list[str]:
    """The command that sends `count` packets that must not be fragmented, and waits so many seconds for the last answer."""
    return ["ping", "-n", "-M", "do", "-i", str(_INTERVAL), "-c", str(count), "-W", str(wait), "-s", str(size), "-I", interface, target]


def seconds(count: int, wait: int) -> float:
    """How long that may take; whoever is not through then hangs."""
    return count * _INTERVAL + wait + _SLACK


def parse(output: str, returncode: t.Optional[int] = None) -> dict[str, t.Any]:
    """Return what one run of ping printed (standard output and error together).

    `status` (``ok``: it came to its end, whatever was lost; ``missing``: ping is not there; ``timeout``; ``failed``: it could not begin),
    `sent`, `received`, `duplicates`, `errors` (numbers, None where it did not come to its end), `mtu` (what it was told that fits, or
    None), `error` (the first line that says why packets were lost, or None: with `-q` ping often does not say).
    """
    summary, told, error = _SUMMARY.search(output), _MTU.search(output), _ERROR.search(output)
    said = error.group(0).strip() if error else None
    found: dict[str, t.Any] = {"sent": None, "received": None, "duplicates": None, "errors": None}
    if summary:
        found = {key: int(number or 0) for key, number in zip(found, summary.groups())}
        status = "ok"
    elif absent(output, returncode, r"ping\d?"):
        status = "missing"
    else:
        status = "timeout" if returncode == TIMED_OUT else "failed"
        said = said or last_line(output)
    return {"status": status, **found, "mtu": int(told.group(1)) if told else None, "error": said}
