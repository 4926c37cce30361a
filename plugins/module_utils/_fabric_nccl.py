# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What an all-reduce of NCCL says of a fabric: over what it ran, over how many rails, and how fast."""

from __future__ import annotations

import typing as t

from . import _fabric_thresholds as known
from ._evidence import select
from ._fabric_case import FAILS, NO_PATH, SLOWS, Case, lines_of, state
from ._fabric_causes import causes
from ._fabric_links import Entry, Link, name, number
from ._fabric_rdma import at_least, plugged
from ._fabric_state import gid_verdict, memory_verdict
from ._fabric_thresholds import Band, Record, figure, limit
from ._fabric_verdict_ids import Verdict, verdict
from ._journal import Line
from ._nccl_log import nccl_report


class _Run:
    """An all-reduce with what the logs of its ranks say, by host; a log that is not by host is that of no known host."""

    def __init__(self, case: Case, entry: Entry) -> None:
        nodes = entry.get("nodes")
        self.hosts = [str(node) for node in nodes] if isinstance(nodes, (list, tuple)) else case.fabric.hosts
        lines = entry.get("lines")
        logs = {str(host): lines_of(log) for host, log in lines.items()} if isinstance(lines, t.Mapping) else {"": lines_of(lines)}
        self.lines = {host: logs[host] for host in sorted(logs) if logs[host]}
        self.reports = {host: nccl_report([Line(0.0, line) for line in log]) for host, log in self.lines.items()}
        self.transport = _transport(entry, self.reports)
        self.using = _by_host(entry.get("using"), self.hosts) or {host: r["hcas"] for host, r in self.reports.items() if host and r["hcas"]}
        self.carrying = _by_host(entry.get("carrying"), self.hosts)
        self.busbw, self.bytes = number(entry.get("busbw_gbps")), number(entry.get("bytes"))
        versions = {report["version"] for report in self.reports.values()} - {None}
        self.version = f", NCCL {' and '.join(sorted(versions))}" if versions else ""


def _transport(entry: Entry, reports: t.Mapping[str, Record]) -> t.Optional[str]:
    """``Socket`` if anybody says so: the ranks of one communicator have one transport."""
    said = {report["network"] for report in reports.values()} - {None} | ({str(entry["transport"])} if entry.get("transport") else set())
    if "Socket" in said or any(report["channels_socket"] for report in reports.values()):
        return "Socket"
    return next(iter(sorted(said)), "IB" if any(report["channels_ib"] for report in reports.values()) else None)


def _by_host(value: t.Any, hosts: t.Sequence[str]) -> dict[str, list[str]]:
    """A list is that of the first host."""
    if isinstance(value, t.Mapping):
        return {str(host): [str(each) for each in listed] for host, listed in sorted(value.items()) if isinstance(listed, (list, tuple))}
    return {hosts[0]: [str(each) for each in value]} if isinstance(value, (list, tuple)) and value and hosts else {}


def judge_allreduce(case: Case, entry: t.Optional[Entry]) -> None:
    """Add the verdicts of an all-reduce; what a rail is to blame for already is not told again."""
    how = state(entry, "busbw_gbps") if entry else "missing"
    if entry is None or how == "missing":
        case.miss("allreduce", None, str((entry or {}).get("error") or "not run"))
        return
    run = _Run(case, entry)
    for host in case.fabric.hosts:
        if host not in run.hosts:
            case.miss("allreduce", host, f"ran between {', '.join(run.hosts)} only")
    before = len(case.verdicts)
    _judge_transport(case, run)
    _judge_causes(case, run)
    _judge_rails(case, run)
    told = len(case.verdicts) > before
    if run.busbw is not None and how == "ok":
        case.measured("allreduce", None, run.busbw, known.BUSBW)
        _judge_figure(case, run, run.busbw, told or bool(case.reasons() & SLOWS) or _slow_rails(case, run.busbw))
    elif not told and not case.reasons() & FAILS:
        case.add(_failed(entry, run, how))


def _failed(entry: Entry, run: _Run, how: str) -> Verdict:
    said = select([line for log in run.lines.values() for line in log], 1) or [str(entry.get("error") or "no figure")]
    found = f"the all-reduce between {', '.join(run.hosts)} {'came to no end' if how == 'timeout' else 'failed'}: {said[0]}"
    return verdict("fabric.test-failed", found, at_least(known.BUSBW), figure(None, "GB/s"), known.BUSBW.edge())


def _judge_transport(case: Case, run: _Run) -> None:
    if run.transport != "Socket":
        return
    hosts = [host for host, report in run.reports.items() if host and (report["network"] == "Socket" or report["channels_socket"])]
    why = next((line for log in run.lines.values() for line in log if "NET/IB : No device found" in line), "")
    where, said = f" on {', '.join(hosts)}" if hosts else "", f": {why.strip()}" if why else ""
    at = (hosts[0] if len(hosts) == 1 else None, None, None)
    found, wanted = f"NCCL runs over sockets{where}{said}{run.version}", "NCCL's line Using network IB, which is RDMA"
    case.add(verdict("fabric.sockets", found, wanted, figure(run.busbw, "GB/s"), known.BUSBW.edge(), at))


def _judge_causes(case: Case, run: _Run) -> None:
    for host, log in run.lines.items():
        for cause in causes(log):
            rail = case.fabric.rail(host, cause.device)
            named = name(rail) if rail else cause.device
            if cause.kind == "memory":
                case.add(memory_verdict(case, cause, (host or None, named, None)))
            elif not _gid_explained(case, host, named):
                case.add(gid_verdict(cause, (host or None, named, None)))


def _gid_explained(case: Case, host: str, rail: t.Optional[str]) -> bool:
    """Whether a link of that rail, or of any rail where the line names none, is to blame already."""
    links = [link for link in case.fabric.links if not rail or (host, rail) in link.ends]
    reasons = case.reasons(*links) if links else case.reasons()
    return bool(reasons & (NO_PATH | {"fabric.wrong-gid"}))


def _judge_rails(case: Case, run: _Run) -> None:
    """The rails that NCCL lists, or that carried anything, against those of the plan, one verdict for a node."""
    for host, rails in case.fabric.rails.items():
        wanted = [name(rail) for rail in rails]
        for listed, verb in ((run.using.get(host), "NCCL uses"), (run.carrying.get(host), "only these carried traffic:")):
            if not listed:
                continue
            missing = [name(rail) for rail in rails if name(rail) not in listed and rail["device"] not in listed]
            if missing and run.transport != "Socket":
                speed = "" if run.busbw is None else f", {run.busbw:g} GB/s"
                found = f"{verb} {', '.join(listed)}, not {', '.join(missing)}{speed}"
                counted = figure(len(wanted) - len(missing), "rails")
                threshold = limit(len(wanted), "rails", known.RAILS["source"])
                case.add(verdict("fabric.one-rail", found, ", ".join(wanted), counted, threshold, (host, ", ".join(missing), None)))
                break


def _slow_rails(case: Case, value: float) -> bool:
    """Whether rails that are slow for no known reason are slow enough to explain a figure: NCCL gets more than half of what they carry."""
    slow = [found for found in case.verdicts if found["id"] == "fabric.slow"]
    return any(found["figure"]["value"] * (1 if "," in str(found["rail"]) else 2) / 8 <= 2 * value for found in slow)


def _judge_figure(case: Case, run: _Run, value: float, told: bool) -> None:
    if value > 2 * known.PCIE_GBPS / 8:
        found = f"{value:g} GB/s in an all-reduce, more than there can be: something else was measured, or Gb/s were taken for GB/s"
        ceiling = limit(2 * known.PCIE_GBPS / 8, "GB/s", known.PCIE_SOURCE)
        case.add(verdict("fabric.test-failed", found, f"at most {ceiling['value']:g} GB/s", figure(value, "GB/s"), ceiling))
        return
    one_rail = any(found["id"] == "fabric.one-rail" for found in case.verdicts)
    if told or value >= known.BUSBW.low or (one_rail and value >= known.BUSBW_ONE_RAIL.low):
        return
    if run.bytes is not None and run.bytes < known.SMALLEST_ALLREDUCE["value"]:
        source = known.SMALLEST_ALLREDUCE["source"]
        case.miss("allreduce", None, f"{value:g} GB/s with {run.bytes:g} bytes, too few to be compared ({source})")
        return
    case.add(_by_figure(case, run, value))


def _by_figure(case: Case, run: _Run, value: float) -> Verdict:
    """Names by the figure alone, where nothing else tells: each only if the figure is in its band, and RDMA is known to be used."""
    found, rdma = f"{value:g} GB/s in an all-reduce between {', '.join(run.hosts)}{run.version}", run.transport == "IB"
    if known.BUSBW_ONE_RAIL.holds(value) and not _all_carry(case, run):
        return _figured("fabric.one-rail", f"{found}: as much as over one rail", value, known.BUSBW_ONE_RAIL)
    if known.BUSBW_STALE.holds(value) and rdma:
        unsure = "; RDMA was not measured, and two rails of a cable plugged in live give as much" if case.missed("rdma") else ""
        preload = "; libnccl could not be preloaded" if any(report["preload_ignored"] for report in run.reports.values()) else ""
        return _figured("fabric.stale-nccl", found + preload + unsure, value, known.BUSBW_STALE)
    if known.BUSBW_HOT_PLUG.holds(value) and rdma and case.missed("rdma"):
        return _figured("fabric.hot-plug", found + plugged(case, *run.hosts), value, known.BUSBW_HOT_PLUG)
    over = f" over {run.transport}" if run.transport else "; whether over RDMA is not known"
    return _figured("fabric.slow", f"{found}{over}, slower than measured elsewhere", value)


def _all_carry(case: Case, run: _Run) -> bool:
    """Whether every planned rail is known to have carried traffic."""
    return bool(run.carrying) and all(host in run.carrying for host in case.fabric.hosts)


def _figured(identifier: str, found: str, value: float, band: t.Optional[Band] = None) -> Verdict:
    healthy = known.BUSBW
    return verdict(identifier, found, at_least(healthy), figure(value, healthy.unit), healthy.edge(), band=band)


def judge_planned_rails(case: Case) -> None:
    """Add a verdict for each two neighbours that the plan gives one rail only."""
    pairs: dict[tuple[str, str], list[Link]] = {}
    for link in case.fabric.links:
        pairs.setdefault((link.host, link.peer), []).append(link)
    for links in pairs.values():
        if len(links) == 1:
            link = links[0]
            found = f"the plan has one rail between {link.host} and {link.peer} ({link.rail} and {link.peer_rail})"
            wanted = "both functions of the port, each in a network of its own"
            case.add(verdict("fabric.one-rail", found, wanted, figure(1, "rails"), known.RAILS, link.at))
