# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What has been found of a fabric so far: verdicts, figures, what is missing, and which links have an explanation already."""

from __future__ import annotations

import collections
import json
import typing as t

from ._fabric_links import Entry, Fabric, Link
from ._fabric_thresholds import BOTH_RAILS, BUSBW, LINK, PINGS, RAIL, RAILS, Band, figure, limit
from ._fabric_verdict_ids import ORDER, Verdict, verdict

STATES = ("ok", "missing", "timeout", "failed")
"""How a measurement ended: with an answer, without its tool, never, or otherwise."""

PARTS = {
    "plan": RAILS,
    "observations": LINK,
    "ping": limit(None, "pings", PINGS),
    "rdma": RAIL.edge(),
    "both rails": BOTH_RAILS.edge(),
    "allreduce": BUSBW.edge(),
}
"""What can be missing, with the threshold that it would have been held to."""


NO_PATH = frozenset({"fabric.unreachable", "fabric.mtu-mismatch"})
"""What on a link explains all that RDMA does over it."""

FAILS = NO_PATH | {"fabric.wrong-gid", "fabric.memory-refused", "fabric.test-failed"}
"""What on a link explains that RDMA over it fails."""

SLOWS = NO_PATH | {"fabric.wrong-gid", "fabric.hot-plug", "fabric.link-rate"}
"""What on a link explains that RDMA over it is slow, however slow."""


class Case:
    """One judgement while it is being made."""

    def __init__(self, fabric: Fabric, kernel: t.Mapping[str, t.Any]) -> None:
        self.fabric, self.kernel = fabric, kernel
        self.verdicts: list[Verdict] = []
        self.figures: list[dict[str, t.Any]] = []
        self.blamed: dict[frozenset[t.Any], set[str]] = collections.defaultdict(set)
        self._missing: dict[str, set[tuple[str, str]]] = collections.defaultdict(set)

    def add(self, found: Verdict, *links: Link) -> None:
        """Take in a verdict, and blame it for whatever else is wrong with these links. Memory is refused once on a node, on every rail."""
        if found["id"] != "fabric.memory-refused" or not self.has(found["id"], found["host"]):
            self.verdicts.append(found)
        for link in links:
            self.blamed[link.key].add(found["id"])

    def worst(self, candidates: t.Iterable[tuple[Verdict, t.Sequence[Link]]]) -> None:
        """Take in the worst verdict on the same links: those that were measured both ways have one."""
        groups: dict[frozenset[t.Any], list[tuple[Verdict, t.Sequence[Link]]]] = collections.defaultdict(list)
        for found, links in candidates:
            groups[frozenset(link.key for link in links)].append((found, links))
        for group in groups.values():
            found, links = min(group, key=lambda one: _badness(one[0]))
            self.add(found, *links)

    def reasons(self, *links: Link) -> set[str]:
        """The ids that these links, or all where none is given, are blamed with."""
        return set().union(*(self.blamed.get(link.key, ()) for link in links) if links else self.blamed.values())

    def has(self, identifier: str, host: t.Optional[str]) -> bool:
        return any(found["id"] == identifier and found["host"] == host for found in self.verdicts)

    def miss(self, part: str, host: t.Optional[str], text: str) -> None:
        """Note that a part (one of PARTS) was not measured: on which host, or None, and why."""
        self._missing[part].add((host or "", text))

    def missed(self, part: str) -> bool:
        return part in self._missing

    def measured(self, what: str, link: t.Optional[Link], value: float, healthy: Band) -> None:
        """Note a figure for the table, whatever is thought of it."""
        host, rail, peer = link.at if link else (None, None, None)
        place = {"what": what, "host": host, "rail": rail, "peer": peer}
        self.figures.append({**place, **figure(value, healthy.unit), "elsewhere": healthy.record()})

    def not_measured(self) -> list[Verdict]:
        """One verdict for each part that is missing, with all that is missing of it."""
        found = []
        for part, threshold in PARTS.items():
            entries = sorted(self._missing.get(part, ()))
            hosts = {host for host, _text in entries}
            if entries:
                texts = "; ".join(f"{host}: {text}" if host and len(hosts) > 1 else text for host, text in entries)
                host = next(iter(hosts)) or None if len(hosts) == 1 else None
                nothing = figure(None, threshold["unit"])
                found.append(verdict("fabric.not-measured", f"{part}: {texts}", _WANTED[part], nothing, threshold, (host, None, None)))
        return found


def _badness(found: Verdict) -> tuple[t.Any, ...]:
    return ORDER[found["id"]], found["figure"]["value"] or 0, str(found["host"]), found["found"]


_WANTED = {
    "plan": "a plan with rails, without which nobody knows what has to be measured",
    "observations": "what roce_info reports of every node, for the rates of links and the GIDs",
    "ping": "pings as large as the MTU and small ones, with DF, from and to every rail",
    "rdma": "ib_write_bw over every rail",
    "both rails": "ib_write_bw over both rails of a cable at once, from or to every node",
    "allreduce": "an all-reduce of NCCL between all nodes, of 256 MiB or more, with the log of every rank",
}


def state(entry: Entry, figure_key: str) -> str:
    """How a measurement ended, one of STATES, from its `status`, else from whether it has a figure or an error."""
    said = entry.get("status")
    if said is None:
        return "ok" if entry.get(figure_key) is not None else "failed" if entry.get("error") or entry.get("output") else "missing"
    return said if said in STATES else "failed"


def in_order(entries: t.Optional[t.Iterable[Entry]]) -> list[Entry]:
    """The entries in an order that does not depend on how they were given."""
    return sorted(entries or (), key=lambda entry: json.dumps(entry, sort_keys=True, default=str))


def lines_of(text: t.Any) -> list[str]:
    """Lines of a text or of a list of them."""
    if isinstance(text, str):
        return text.splitlines()
    return [str(line) for line in text] if isinstance(text, (list, tuple)) else []
