# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the pings over each link say: nothing comes through, only small packets do, or some are lost."""

from __future__ import annotations

import collections
import re
import typing as t

from ._fabric_case import Case, in_order, state
from ._fabric_links import End, Entry, Link, number
from ._fabric_thresholds import PINGS, Record, figure, limit
from ._fabric_verdict_ids import Verdict, verdict
from ._ping import HEADERS, PLAIN_MTU

_TOO_LONG = re.compile(r"message too long|frag(mentation)? needed", re.IGNORECASE)


class _Way:
    """The pings over a link in one direction: by size, how many were sent and how many came back."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.sizes: dict[int, tuple[float, float]] = {}
        self.errors: list[str] = []

    def take(self, entry: Entry) -> None:
        size = _size(entry)
        sent, received = self.sizes.get(size, (0, 0))
        # Whoever can't even send has tried once.
        self.sizes[size] = (sent + (number(entry.get("sent")) or 1), received + (number(entry.get("received")) or 0))
        if entry.get("error"):
            self.errors.append(" ".join(str(entry["error"]).split()))

    @property
    def through(self) -> int:
        """The largest size of which any came back, -1 if none did."""
        return max((size for size, (_sent, received) in self.sizes.items() if received), default=-1)

    def lost(self) -> list[int]:
        return sorted(size for size, (_sent, received) in self.sizes.items() if not received)

    def total(self, *sizes: int) -> tuple[int, int]:
        counts = [self.sizes[size] for size in sizes or self.sizes]
        return int(sum(sent for sent, _received in counts)), int(sum(received for _sent, received in counts))


def _size(entry: Entry) -> int:
    """What came through in one piece; a packet that may be fragmented says nothing of large ones."""
    size = int(number(entry.get("bytes")) or 0)
    return min(size, PLAIN_MTU - HEADERS) if entry.get("df") is False else size


def judge_pings(case: Case, pings: t.Optional[t.Sequence[Entry]]) -> None:
    """Add a verdict for each link over which pings are lost."""
    ways: dict[Link, _Way] = {}
    sizes: dict[tuple[str, End], set[int]] = collections.defaultdict(set)
    for entry in in_order(pings):
        link, how = case.fabric.link(entry), state(entry, "sent")
        size = _size(entry)
        for role, end in zip(("from", "to"), link.ends):
            sizes[role, end].add(size)
        if how in ("missing", "timeout"):
            case.miss("ping", link.host, f"{link}: {'no end' if how == 'timeout' else entry.get('error') or 'not run'}")
        else:
            ways.setdefault(link, _Way(link)).take(entry)
    _cover(case, sizes)
    by_link = collections.defaultdict(list)
    for way in sorted(ways.values(), key=lambda way: [str(part) for part in way.link]):
        by_link[way.link.key].append(way)
    for both in by_link.values():
        found = _judge(case, both)
        if found:
            case.add(found, both[0].link)


def _cover(case: Case, sizes: t.Mapping[tuple[str, End], set[int]]) -> None:
    """Note each rail from which, or to which, no ping was sent, and each of which none was as large as its MTU."""
    for end in sorted({end for link in case.fabric.links for end in link.ends}):
        host, rail = end
        mtu = case.fabric.mtu(end)
        for role in ("from", "to"):
            largest = max(sizes.get((role, end), ()), default=None)
            if largest is None:
                case.miss("ping", host, f"none {role} {rail}")
            elif mtu and largest + HEADERS < mtu:
                case.miss("ping", host, f"none as large as the MTU ({mtu:g}) {role} {rail}")


def _judge(case: Case, ways: t.Sequence[_Way]) -> t.Optional[Verdict]:
    anything = max(way.through for way in ways)
    told = any(_TOO_LONG.search(error) for way in ways for error in way.errors)
    dead = [way for way in ways if way.through < 0 and (min(way.sizes) <= anything or (anything < 0 and not told))]
    if dead:
        return _unreachable(dead)
    for way in ways:
        too_large = [size for size in way.lost() if size > (anything if way.through < 0 else way.through)]
        if too_large:
            return _mismatch(case, way, too_large)
    holed = [way for way in ways if way.total()[0] > way.total()[1]]
    return _some_lost(holed[0]) if holed else None


def _figures(way: _Way, *sizes: int) -> tuple[Record, Record, str]:
    sent, received = way.total(*sizes)
    unit = f"of {sent} pings"
    return figure(received, unit), limit(sent, unit, PINGS), f"{received} {unit}"


def _said(way: _Way) -> str:
    return f" ({way.errors[0]})" if way.errors else ""


def _unreachable(dead: t.Sequence[_Way]) -> Verdict:
    way = dead[0]
    link = way.link
    value, threshold, text = _figures(way)
    found = f"{text} over {link} came back{_said(way)}{', and none the other way' if len(dead) > 1 else ''}"
    if min(way.sizes) + HEADERS > PLAIN_MTU:
        found += f"; none smaller than {min(way.sizes)} bytes was tried, so the MTU may be the cause"
    return verdict("fabric.unreachable", found, "all of them", value, threshold, link.at)


def _mismatch(case: Case, way: _Way, sizes: t.Sequence[int]) -> Verdict:
    """The node with the smaller MTU is the one to look at; where both have the same it is the one that sent."""
    link = way.link
    value, threshold, text = _figures(way, *sizes)
    mtus = {end: case.fabric.mtu(end) for end in link.ends}
    known = "".join(f"; {host} has MTU {mtu:g}" for (host, _rail), mtu in mtus.items() if mtu is not None)
    (host, rail), (peer, _theirs) = sorted(link.ends, key=lambda end: (mtus[end] is None, mtus[end] or 0, end != link.ends[0]))
    smaller = f", smaller ones did ({way.through} bytes)" if way.through >= 0 else ""
    found = (
        f"{text} of {', '.join(map(str, sizes))} bytes over {link.rail} of {link.host} to {link.peer} came back{_said(way)}{smaller}{known}"
    )
    wanted = f"packets of {sizes[0] + HEADERS} bytes to fit the MTU of both ends, and of a switch between them"
    return verdict("fabric.mtu-mismatch", found, wanted, value, threshold, (host, rail, peer))


def _some_lost(way: _Way) -> Verdict:
    link = way.link
    value, threshold, text = _figures(way)
    return verdict("fabric.pings-lost", f"{text} over {link} came back", "all of them", value, threshold, link.at)
