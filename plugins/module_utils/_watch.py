# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Watch one rank for some seconds: look, judge, look again, until there is something to say or the time is up.

How to run a command, read a file and ask the API is handed in, so that nothing here touches the machine by itself.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from . import _answer, _journal, _sockets, _unit
from ._judgement import Judgement, Look, Memory, Wanted, judge
from ._nccl_log import nccl_report
from ._readiness import START_PATTERN, unknown_environment

# Enough for any start; what a rank prints while it serves is read from its end.
JOURNAL_LINES = 5000
POLL_SECONDS = 1.0
COMMAND_SECONDS = 5.0
REQUEST_SECONDS = 5.0


@dataclasses.dataclass
class Hands:
    """What touches the machine.

    `run(argv, seconds)` returns the standard output, empty where the command fails, is missing or takes longer.
    `read(path)` returns a file's text, empty where it can't be read. `fetch(method, path, body, seconds)` asks the API.
    """

    run: t.Callable[[list[str], float], str]
    read: t.Callable[[str], str]
    fetch: t.Callable[[str, str, t.Optional[str], float], _answer.Answer]
    clock: t.Callable[[], float] = time.monotonic
    now: t.Callable[[], float] = time.time
    sleep: t.Callable[[float], None] = time.sleep


@dataclasses.dataclass
class Target:
    """Which rank to look at. `since`: seconds since the epoch, or null; `ask_api`: whether there is an API to ask."""

    unit: str
    container: str
    wanted: Wanted
    model: t.Optional[str] = None
    max_model_len: t.Optional[int] = None
    ask_api: bool = False
    since: t.Optional[float] = None
    proc_root: str = "/proc"


class Watch:
    """Looks at one rank through `hands` until it is ready, has failed, or `seconds` are over."""

    def __init__(self, target: Target, hands: Hands, seconds: float, restarts: t.Optional[int] = None) -> None:
        self.target = target
        self.hands = hands
        self.memory = Memory(restarts=restarts)
        self.end = hands.clock() + seconds
        self.completion_seconds = 0.0

    def watch(self) -> dict[str, t.Any]:
        """The result of the last look; RETURN of the module vllm_ready says what is in it, `evidence` being bare lines here."""
        doubted = False
        while True:
            look = self.look()
            judgement = judge(self.target.wanted, look, self.memory)
            # The lines of a failure come in a burst, and on a busy node the journal may be later than the API: one more look tells.
            incomplete = not judgement.settled if judgement.state == "failed" else nccl_report(look.lines)["version"] is None
            doubt = incomplete and not doubted
            final = judgement.state != "waiting" and not doubt
            if final or self.left() <= POLL_SECONDS:
                return self._result(look, judgement)
            doubted = doubt and judgement.state != "waiting"
            self.hands.sleep(POLL_SECONDS)

    def left(self) -> float:
        """Seconds that remain of this call."""
        return max(0.0, self.end - self.hands.clock())

    def look(self) -> Look:
        """Everything that can be seen of the rank now."""
        unit = self._unit()
        look = Look(self.hands.now(), unit)
        if self.memory.restarts is not None and unit["restarts"] > self.memory.restarts:
            entries = self._journal(["--lines=2000"], unit)
            look.previous = _journal.lines(_journal.previous_run(entries, unit["invocation"]))
        inspected = self._run(["docker", "inspect", "--type", "container", self.target.container])
        look.container = _unit.parse_container(inspected)
        if self.target.wanted.master_port is not None:
            texts = [self.hands.read(f"{self.target.proc_root}/net/{name}") for name in ("tcp", "tcp6")]
            look.connections = [connection for text in texts for connection in _sockets.parse_proc_net(text)]
        if self.target.ask_api and _unit.runs(unit):
            wants_token = self.target.wanted.phase == "token"
            look.probe = _answer.probe(self._fetch, self.target.model, self.target.max_model_len, wants_token)
        # Last, because a rank may come up while its API is asked: what it printed until then belongs to what was found.
        look.lines = self._lines(unit)
        return look

    def _unit(self) -> dict[str, t.Any]:
        text = self._run(["systemctl", "show", "--property=" + ",".join(_unit.PROPERTIES), self.target.unit])
        return (_unit.parse_show(text) or _unit.parse_show(f"Id={self.target.unit}"))[0]

    def _lines(self, unit: dict[str, t.Any]) -> list[_journal.Line]:
        if not unit["invocation"]:
            return []
        this_run = [f"--lines={JOURNAL_LINES}", f"_SYSTEMD_INVOCATION_ID={unit['invocation']}"]
        entries = self._journal(this_run, unit)
        if len(entries) >= JOURNAL_LINES:
            entries = _journal.merge(self._journal([*this_run, f"--grep={START_PATTERN}"], unit), entries)
        return _journal.lines(entries)

    def _journal(self, words: list[str], unit: dict[str, t.Any]) -> list[_journal.Entry]:
        since = [] if self.target.since is None else [f"--since=@{int(self.target.since)}"]
        fields = "--output-fields=MESSAGE,_SYSTEMD_INVOCATION_ID"
        options = ["--quiet", "--no-pager", "--all", "--output=json", fields, f"--unit={self.target.unit}", *since]
        return _journal.parse_journal(self._run(["journalctl", *options, *words]))

    def _run(self, argv: list[str]) -> str:
        return self.hands.run(argv, max(1.0, min(COMMAND_SECONDS, self.left())))

    def _fetch(self, method: str, path: str, body: t.Optional[str]) -> _answer.Answer:
        # A first completion compiles kernels, so it gets all the time there is.
        seconds = self.left() if method == "POST" else min(REQUEST_SECONDS, self.left())
        if seconds <= 0:
            return _answer.Answer(0, error="this call's time is up")
        started = self.hands.clock()
        answer = self.hands.fetch(method, path, body, seconds)
        self.completion_seconds = self.hands.clock() - started
        return answer

    def _result(self, look: Look, judgement: Judgement) -> dict[str, t.Any]:
        probe = look.probe or _answer.Probe()
        completion = None
        if probe.completion:
            completion = {
                "text": probe.completion["text"][:200],
                "tokens": probe.completion["tokens"],
                "seconds": round(self.completion_seconds, 2),
            }
        return {
            "state": judgement.state,
            "phase": judgement.phase,
            "wanted_phase": self.target.wanted.phase,
            "rank": self.target.wanted.rank,
            "waiting_for": judgement.waiting_for,
            "timeline": judgement.timeline,
            "evidence": judgement.evidence,
            "nccl": nccl_report(look.lines),
            "model": probe.model,
            "completion": completion,
            "unit_state": {key: look.unit[key] for key in ("active", "sub", "result", "restarts", "invocation")},
            "unknown_environment": unknown_environment(look.lines),
        }
