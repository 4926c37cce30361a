"""Runs the playbooks as a user does, with ansible-playbook and over ssh, and remembers what every task did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "inventories" / "sim_two_spark"
BIN = Path(sys.executable).parent


def wait_for(what: str, question: Callable[[], Any], seconds: float = 120, pause: float = 1) -> Any:
    """The first true answer to `question`; an AssertionError that says `what` was waited for when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} s for {what}")


@dataclass
class Run:
    """One finished run of a playbook."""

    code: int
    output: str
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def changed(self) -> set[tuple[str, str]]:
        """(host, task) of everything that reported a change."""
        return {(event["host"], event["task"]) for event in self.events if event.get("outcome") == "changed"}

    @property
    def failures(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("outcome") in ("failed", "unreachable")]

    def succeeded(self) -> Run:
        assert self.code == 0, self.output[-6000:]
        return self


class Playbooks:
    """Runs playbooks of the collection against the simulated nodes. `prefix`: words before the command."""

    def __init__(self, folder: Path, inventory: Path = INVENTORY, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        self.inventory = inventory
        self.prefix = prefix
        self.runs = 0

    def _start(self, playbook: str, *words: str, inventory: Optional[Path] = None) -> tuple[subprocess.Popen[bytes], Path, Path]:
        self.runs += 1
        record, log = self.folder / f"{self.runs}.jsonl", self.folder / f"{self.runs}.log"
        record.touch()
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_FORCE_COLOR": "0",
            "RECORD_FILE": str(record),
        }
        command = [*self.prefix, str(BIN / "ansible-playbook"), playbook, "-i", str(inventory or self.inventory), *words]
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        return process, record, log

    def run(self, playbook: str, *words: str, inventory: Optional[Path] = None) -> Run:
        process, record, log = self._start(playbook, *words, inventory=inventory)
        code = process.wait(timeout=1200)
        return Run(code, log.read_text(errors="replace"), [json.loads(line) for line in record.read_text().splitlines()])

    def deploy(self, *words: str, inventory: Optional[Path] = None) -> Run:
        return self.run("deploy_dsv4.yml", *words, inventory=inventory)

    def run_until(self, seen: Callable[[dict[str, Any]], bool], playbook: str = "deploy_dsv4.yml", *words: str) -> int:
        """Kill the whole controller, without a chance to clean up, as soon as an event is `seen`; return the events until then."""
        process, record, _log = self._start(playbook, *words)

        def reached() -> bool:
            return any(seen(json.loads(line)) for line in record.read_text().splitlines()) or process.poll() is not None

        wait_for("the event to kill the controller at", reached, 600, 0.05)
        assert process.poll() is None, "the run ended before the event"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return len(record.read_text().splitlines())
