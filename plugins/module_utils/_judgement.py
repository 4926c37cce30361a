# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""One look at a rank, judged: is it still on its way, ready, or has it failed, and what says so."""

from __future__ import annotations

import dataclasses
import typing as t

from ._answer import Probe
from ._evidence import is_fatal, select
from ._journal import Line
from ._readiness import highest, reached, timeline
from ._sockets import Connection, head_link, joined_peers, lost_peers
from ._unit import UNKNOWN, describe, runs


@dataclasses.dataclass
class Wanted:
    """What a rank is to reach, and with whom. `peers`: addresses of the workers, on the head; `master_*`: the rendezvous."""

    rank: int
    phase: str
    master_addr: t.Optional[str] = None
    master_port: t.Optional[int] = None
    peers: t.Sequence[str] = ()
    secrets: t.Sequence[str] = ()


@dataclasses.dataclass
class Look:
    """What was found at one moment, `at` in seconds since the epoch.

    `unit` as `_unit.parse_show` gives it; `lines` of this run of the unit; `previous` of the run before it, if systemd restarted the unit;
    `container` as `_unit.parse_container` gives it, or null (not asked); `connections`, or null; `probe` of the API, or null (not asked).
    """

    at: float
    unit: dict[str, t.Any]
    lines: t.Sequence[Line] = ()
    previous: t.Sequence[Line] = ()
    container: t.Optional[dict[str, t.Any]] = None
    connections: t.Optional[t.Sequence[Connection]] = None
    probe: t.Optional[Probe] = None


@dataclasses.dataclass
class Memory:
    """What earlier looks found: restarts known of, the peers that were connected, whether the link to the head was up."""

    restarts: t.Optional[int] = None
    peers: set[str] = dataclasses.field(default_factory=set)
    linked: bool = False


@dataclasses.dataclass
class Judgement:
    """`state`: `waiting`, `ready` or `failed`; `phase`: the highest one reached, or null; `evidence`: lines; `waiting_for`: a text, or ''.

    `settled` is false where the log speaks of a failure while the process is still there: more of it may be on its way.
    """

    state: str
    phase: t.Optional[str]
    timeline: list[dict[str, t.Any]]
    evidence: list[str]
    waiting_for: str = ""
    settled: bool = True


def judge(wanted: Wanted, look: Look, memory: Memory) -> Judgement:
    """Judge one look and note in `memory` what the next one has to know."""
    marks = {}
    if look.probe and look.probe.model:
        marks["api"] = look.at
    if look.probe and look.probe.completion:
        marks["token"] = look.at
    steps = timeline(look.lines, look.unit["started_at"] if look.unit["invocation"] else None, marks)
    phase = highest(steps)
    evidence, settled = _failure(wanted, look, memory, phase)
    if evidence:
        return Judgement("failed", phase, steps, evidence, settled=settled)
    if reached(phase, wanted.phase) and _api_agrees(wanted, look):
        return Judgement("ready", phase, steps, [])
    return Judgement("waiting", phase, steps, [], _waiting_for(wanted, look, phase))


def _api_agrees(wanted: Wanted, look: Look) -> bool:
    # A line says that the API came up once; only an answer says that it is there, and serves this model.
    return wanted.phase != "api" or bool(look.probe and look.probe.model)


def _failure(wanted: Wanted, look: Look, memory: Memory, phase: t.Optional[str]) -> tuple[list[str], bool]:
    texts = [line.text for line in look.lines]
    unit = look.unit
    if unit["active"] == UNKNOWN:
        return [], True
    if not unit["loaded"]:
        return [describe(unit)], True
    known = unit["restarts"] if memory.restarts is None else memory.restarts
    memory.restarts = known
    if not runs(unit):
        return [*select(texts, secrets=wanted.secrets), describe(unit)], True
    if unit["restarts"] > known:
        cause = select([line.text for line in look.previous], secrets=wanted.secrets)
        died = f"{unit['unit']} died and systemd restarted it ({unit['restarts']} restarts, {known} known); restart all ranks"
        return [*cause, died], True
    if any(map(is_fatal, texts)):
        return select(texts, secrets=wanted.secrets), False
    if look.container and look.container["exists"] and look.container["status"] in ("exited", "dead"):
        ended = f"the container has exited (exit code {look.container['exit_code']}) while {unit['unit']} is {unit['active']}"
        return [*select(texts, secrets=wanted.secrets), ended], False
    gone = _gone(wanted, look, memory, phase)
    if gone:
        return [*gone, *select(texts, secrets=wanted.secrets, last_resort=False)], True
    if look.probe and look.probe.problem:
        return [*select(texts, secrets=wanted.secrets, last_resort=False), look.probe.problem], True
    return [], True


def _gone(wanted: Wanted, look: Look, memory: Memory, phase: t.Optional[str]) -> list[str]:
    """Sentences on ranks whose connection to the rendezvous has been there and is not any more."""
    if look.connections is None or wanted.master_port is None:
        return []
    # Whoever is above the rendezvous has been connected, even if no look saw it.
    joined = reached(phase, "nccl")
    if wanted.rank == 0:
        now = joined_peers(look.connections, wanted.master_port)
        lost = lost_peers(wanted.peers, memory.peers, now, joined)
        memory.peers |= now
        return [f"the worker at {peer} is gone: it is no longer connected to port {wanted.master_port}; restart all ranks" for peer in lost]
    if wanted.master_addr is None:
        return []
    link = head_link(look.connections, wanted.master_addr, wanted.master_port)
    lost_link = link == "closed" or (link == "none" and (joined or memory.linked))
    memory.linked |= link == "up"
    if not lost_link:
        return []
    return [f"the head is gone: no connection to {wanted.master_addr}:{wanted.master_port} any more; restart all ranks"]


def _waiting_for(wanted: Wanted, look: Look, phase: t.Optional[str]) -> str:
    if look.unit["active"] == UNKNOWN:
        return "systemctl to answer on this node"
    if look.probe and look.probe.waiting and reached(phase, "api"):
        return look.probe.waiting
    if look.connections is not None and wanted.master_port is not None and not reached(phase, "nccl"):
        if wanted.rank == 0:
            now = joined_peers(look.connections, wanted.master_port)
            missing = [peer for peer in wanted.peers if peer not in now]
            if missing and len(now) < len(wanted.peers):
                return f"the workers at {', '.join(missing)} to join"
        elif wanted.master_addr and head_link(look.connections, wanted.master_addr, wanted.master_port) == "none":
            return f"the head at {wanted.master_addr}:{wanted.master_port}"
    return f"phase {wanted.phase}, is at {phase or 'nothing'}"
