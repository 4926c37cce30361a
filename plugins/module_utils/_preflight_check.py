# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One thing that was looked at on a node or between nodes: a line of the table, and a finding where it is not as wanted."""

from __future__ import annotations

import typing as t

from ._findings import Finding, finding
from ._preflight_ids import IDS

GIB = 1024**3
# What the module host_info returned.
Host = dict[str, t.Any]
ALL = "all"


class Check(t.NamedTuple):
    """One line of the table; `id` is empty where all is well, `remedy` where the id says enough."""

    host: str
    name: str
    found: str
    wanted: str
    id: str = ""
    remedy: str = ""

    @property
    def severity(self) -> str:
        return IDS[self.id].severity if self.id else "ok"


def finding_of(check: Check) -> Finding:
    """The finding of a check that has an id."""
    host = check.host if check.host != ALL else None
    return finding(check.id, check.severity, host, check.found, check.wanted, check.remedy or IDS[check.id].remedy)


def table(rows: t.Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of text with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
