# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What RDMA says of each rail, and of both rails of a cable at once."""

from __future__ import annotations

import re
import typing as t

from . import _fabric_thresholds as known
from . import _perftest
from ._fabric_case import FAILS, NO_PATH, SLOWS, Case, in_order, lines_of, state
from ._fabric_causes import causes
from ._fabric_links import Entry, Link, name, number
from ._fabric_state import gid_verdict, memory_verdict
from ._fabric_thresholds import Band, figure, limit
from ._fabric_verdict_ids import Verdict, verdict
from ._rails import FULL_RATE_GBPS

_PLUGGED = re.compile(r"cx7-pcie-hotplug .*Cable plugin")


def _failed(entry: Entry, link: Link, healthy: Band, lines: t.Sequence[str]) -> Verdict:
    """The verdict on a measurement that gave no figure, for no cause that has a name."""
    said = entry.get("error") or _perftest.parse("\n".join(lines))["error"]
    how = "came to no end" if state(entry, "gbps") == "timeout" else f"failed: {said}"
    found, nothing = f"ib_write_bw over {link} {how}", figure(None, healthy.unit)
    return verdict("fabric.test-failed", found, at_least(healthy), nothing, healthy.edge(), link.at)


def at_least(band: Band) -> str:
    """What a figure has to reach."""
    return f"{band.low:g} {band.unit} or more"


def judge_rdma(case: Case, rdma: t.Optional[t.Sequence[Entry]]) -> None:
    """Add the verdicts of RDMA over single rails, then over both rails of a cable at once."""
    entries = in_order(rdma)
    single = [entry for entry in entries if len(_devices(entry)) < 2]
    links = [case.fabric.link(entry, next(iter(_devices(entry)), None)) for entry in single]
    found = [_single(case, entry, link) for entry, link in zip(single, links)]
    case.worst((one, [link]) for one, link in zip(found, links) if one)
    covered = {end for link in links for end in link.ends}
    for host, rail in sorted({end for link in case.fabric.links if not case.reasons(link) & FAILS for end in link.ends} - covered):
        case.miss("rdma", host, f"nothing over {rail}")
    _judge_both(case, [entry for entry in entries if len(_devices(entry)) > 1])


def _devices(entry: Entry) -> list[str]:
    devices = entry.get("devices")
    return [str(device) for device in devices] if isinstance(devices, (list, tuple)) else [entry["device"]] if entry.get("device") else []


def _gave_no_figure(case: Case, entry: Entry, link: Link, healthy: Band) -> t.Optional[Verdict]:
    lines = lines_of(entry.get("output"))
    named = causes(lines)
    memory = next((cause for cause in named if cause.kind == "memory"), None)
    if memory:
        return memory_verdict(case, memory, link.at)
    if case.reasons(link) & (NO_PATH | {"fabric.wrong-gid"}):
        return None
    gid = next(iter(named), None)
    return gid_verdict(gid, link.at, _other_index(case, entry, link)) if gid else _failed(entry, link, healthy, lines)


def _other_index(case: Case, entry: Entry, link: Link) -> str:
    """That another GID index was used than the planned one, or an empty text."""
    rail, used = case.fabric.rail(link.host, link.rail), entry.get("gid_index")
    planned = rail["gid_index"] if rail else None
    return "" if None in (used, planned) or used == planned else f"; index {used} was used, and {planned} is planned"


def _missing(case: Case, entry: Entry, part: str, link: Link) -> bool:
    if state(entry, "gbps") == "missing":
        case.miss(part, link.host, f"{link}: {entry.get('error') or 'not run'}")
        return True
    return False


def _single(case: Case, entry: Entry, link: Link) -> t.Optional[Verdict]:
    value, healthy = number(entry.get("gbps")), known.RAIL
    if _missing(case, entry, "rdma", link):
        return None
    if value is None or state(entry, "gbps") != "ok":
        return _gave_no_figure(case, entry, link, healthy)
    case.measured("rdma", link, value, healthy)
    if value > known.PCIE_GBPS:
        return impossible(value, healthy, known.PCIE_GBPS, link)
    rate = case.fabric.rate_of(link)
    limited = rate is not None and rate < FULL_RATE_GBPS and known.HOT_PLUG.low <= value <= rate
    if value >= healthy.low or limited or case.reasons(link) & NO_PATH:
        return None
    if known.HOT_PLUG.holds(value):
        link_is = "whose rate is not known" if rate is None else f"whose link is up at {rate:g} Gb/s"
        found = f"{value:g} Gb/s over {link}, {link_is}{plugged(case, link.host, link.peer)}"
        return _of_rail("fabric.hot-plug", found, value, link, known.HOT_PLUG)
    return _of_rail("fabric.slow", f"{value:g} Gb/s over {link}, slower than measured elsewhere", value, link)


def _of_rail(identifier: str, found: str, value: float, link: Link, band: t.Optional[Band] = None) -> Verdict:
    healthy = known.RAIL
    return verdict(identifier, found, at_least(healthy), figure(value, "Gb/s"), healthy.edge(), link.at, band)


def plugged(case: Case, *hosts: str) -> str:
    """What the kernels of these hosts say of cables that were plugged in while they ran, or an empty text."""
    found = []
    for host in hosts:
        lines = [line for line in lines_of((case.kernel.get(host) or {}).get("lines")) if _PLUGGED.search(line)]
        found += [f"; the kernel of {host} says: {lines[-1].strip()}"] if lines else []
    return "".join(found)


def impossible(value: float, healthy: Band, ceiling: float, link: Link) -> Verdict:
    """The verdict on a figure that the hardware can't give, so that something else was measured."""
    found = f"{value:g} {healthy.unit} over {link}, more than there can be: something else was measured"
    threshold = limit(ceiling, healthy.unit, known.PCIE_SOURCE)
    return verdict("fabric.test-failed", found, f"at most {ceiling:g} {healthy.unit}", figure(value, healthy.unit), threshold, link.at)


def _judge_both(case: Case, entries: t.Sequence[Entry]) -> None:
    several = [[case.fabric.link(entry, device) for device in _devices(entry)] for entry in entries]
    found = [_both(case, entry, links) for entry, links in zip(entries, several)]
    case.worst((one, links) for one, links in zip(found, several) if one)
    covered = {host for links in several for link in links for host in (link.host, link.peer)}
    failing = {host for link in case.fabric.links if case.reasons(link) & FAILS for host in (link.host, link.peer)}
    for host, names in pairs_of_rails(case).items():
        if host not in covered | failing:
            case.miss("both rails", host, f"nothing over {names}")


def pairs_of_rails(case: Case) -> dict[str, str]:
    """The hosts that have more than one link with another one, with the names of their rails."""
    pairs = [(link.host, link.peer) for link in case.fabric.links]
    hosts = {host for pair in pairs if pairs.count(pair) > 1 for host in pair}
    return {host: ", ".join(map(name, case.fabric.rails[host])) for host in case.fabric.hosts if host in hosts}


def _both(case: Case, entry: Entry, links: t.Sequence[Link]) -> t.Optional[Verdict]:
    value, healthy = number(entry.get("gbps")), known.BOTH_RAILS
    both = Link(links[0].host, ", ".join(str(link.rail) for link in links), links[0].peer, None)
    if _missing(case, entry, "both rails", both):
        return None
    reasons = case.reasons(*links)
    if value is None or state(entry, "gbps") != "ok":
        return None if reasons & FAILS else _gave_no_figure(case, entry, both, healthy)
    case.measured("both rails", both, value, healthy)
    if value > 2 * known.PCIE_GBPS:
        return impossible(value, healthy, 2 * known.PCIE_GBPS, both)
    if value >= healthy.low or reasons & (FAILS | SLOWS | {"fabric.slow"}):
        return None
    one = known.RAIL.holds(value)
    found = f"{value:g} Gb/s over {both.rail} at once to {both.peer}, {'as much as over one' if one else 'slower than measured elsewhere'}"
    identifier = "fabric.one-rail" if one else "fabric.slow"
    wanted, band = at_least(healthy), known.RAIL if one else None
    return verdict(identifier, found, wanted, figure(value, "Gb/s"), healthy.edge(), both.at, band)
