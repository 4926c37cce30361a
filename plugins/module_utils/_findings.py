# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What was found wrong, in one shape: where, what was found, what was wanted, what to do."""

from __future__ import annotations

import difflib
import re
import typing as t

SEVERITIES = ("error", "warning", "info")
"""``error`` stops, ``warning`` costs something, ``info`` is worth knowing. Listed worst first."""

_ID = re.compile(r"[a-z0-9-]+(\.[a-z0-9]+(-[a-z0-9]+)*)+")

Finding = dict[str, t.Any]
"""``id`` (stable, ``area.kebab-case``), ``severity``, ``host`` (text or None for the whole cluster), ``found``, ``wanted``, ``remedy``."""


class Meaning(t.NamedTuple):
    """What the documentation says of an id: its severity, when it is reported and what to do, each of the two one clause."""

    severity: str
    when: str
    remedy: str


def finding(identifier: str, severity: str, host: t.Optional[str], found: str, wanted: str, remedy: str) -> Finding:
    """Return one finding. Raise ValueError for an id or a severity that no reader could rely on, or an empty text."""
    if not _ID.fullmatch(identifier):
        raise ValueError(f"finding id {identifier!r}: wanted area.kebab-case")
    if severity not in SEVERITIES:
        raise ValueError(f"finding {identifier}: severity {severity!r}, wanted one of {', '.join(SEVERITIES)}")
    for name, value in (("found", found), ("wanted", wanted), ("remedy", remedy)):
        if not value:
            raise ValueError(f"finding {identifier}: {name} is empty")
    return {"id": identifier, "severity": severity, "host": host, "found": found, "wanted": wanted, "remedy": remedy}


def errors(findings: t.Iterable[Finding]) -> list[Finding]:
    """Return the findings that stop a deployment."""
    return [entry for entry in findings if entry["severity"] == "error"]


def text(finding: Finding) -> str:
    """Return one finding as one line: ``error rail.none spark2: found …; wanted …; remedy: …``."""
    where = finding["host"] or "cluster"
    parts = (
        f"{finding['severity']} {finding['id']} {where}: found {finding['found']}",
        f"wanted {finding['wanted']}",
        f"remedy: {finding['remedy']}",
    )
    return " ".join("; ".join(parts).split())


def texts(findings: t.Iterable[Finding]) -> list[str]:
    """Return one line per finding, the worst first, otherwise in the order given."""
    return [text(entry) for entry in sorted(findings, key=lambda entry: SEVERITIES.index(entry["severity"]))]


def did_you_mean(word: str, known: t.Iterable[str], cutoff: float = 0.5) -> str:
    """Return `did you mean X?` for the known word nearest to `word`, or an empty text where none is near enough (`cutoff`, 0 to 1)."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""
