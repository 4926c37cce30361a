# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Commands side by side, each for a limited time; and the same behind the back of the module that started them.

What measures a link needs both of its ends at once, and Ansible has one task at a time: one end is left behind, and asked later.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t

from . import _ports
from ._tool import NOT_FOUND, TIMED_OUT

Words = t.Sequence[str]
Outcome = dict[str, t.Any]
"""``rc`` (as a shell and `timeout` have it for a command that is not there, or had to be ended) and ``output`` (of both kinds, text)."""

LISTEN_SECONDS = 30
_ENDING = 3.0
_PAUSE = 0.05
_LONGEST_OUTPUT = 200_000


class _Running:
    """One command, in a process group of its own, that writes to the file."""

    def __init__(self, words: Words, output: t.IO[bytes]) -> None:
        self.output = output
        self.problem: t.Optional[Outcome] = None
        self.process: t.Optional[subprocess.Popen[bytes]] = None
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=environment
            )
        except FileNotFoundError:
            self.problem = {"rc": NOT_FOUND, "output": f"{words[0]}: command not found"}
        except OSError as error:
            self.problem = {"rc": NOT_FOUND - 1, "output": f"{words[0]}: {error.strerror}"}

    def wait(self, deadline: float) -> Outcome:
        if self.process is None:
            return self.problem or {}
        try:
            rc = self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            rc = TIMED_OUT
        self.end()
        self.output.seek(0)
        # The end says why something failed.
        return {"rc": rc, "output": self.output.read()[-_LONGEST_OUTPUT:].decode("utf-8", "replace")}

    def end(self) -> None:
        """See that nothing is left of it: its children, too, and politely first."""
        process, self.process = self.process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING)


def together(commands: t.Iterable[Words], seconds: float) -> list[Outcome]:
    """Run the commands at the same time, each for at most so many seconds; return their outcomes in the same order."""
    with contextlib.ExitStack() as stack:
        running = []
        for words in commands:
            running.append(_Running(words, stack.enter_context(tempfile.TemporaryFile())))
            stack.callback(running[-1].end)
        deadline = time.monotonic() + seconds
        return [each.wait(deadline) for each in running]


def start(
    folder: str, steps: t.Sequence[t.Sequence[Words]], seconds: float, afterwards: t.Sequence[Words] = (), ports: t.Collection[int] = ()
) -> None:
    """Leave a process behind that runs the steps one after the other, the commands of a step at the same time.

    Each step has so many seconds, and what is left of it then is ended; then, and also if it is told to end, the process runs the commands
    `afterwards`. `folder` must not exist, and is where `collect` finds it. Return when something listens on all TCP `ports`, the
    commands have ended, or LISTEN_SECONDS are over. Raise OSError if the folder can't be made.
    """
    os.makedirs(folder, mode=0o700)
    lock = _lock(folder)
    child = os.fork()
    if child:
        os.close(lock)
        os.waitpid(child, 0)
        _wait_for_ports(folder, ports)
        return
    # Twice, so that nobody has to wait for it; in a session of its own, so that the login's end does not end it.
    os.setsid()
    process = os.fork()
    if process:
        with open(os.path.join(folder, "pid"), "w", encoding="ascii") as file:
            file.write(str(process))
        os._exit(0)
    try:
        _detach()
        signal.signal(signal.SIGTERM, _stop)
        _supervise(folder, steps, seconds, afterwards)
    finally:
        # The lock goes with the process.
        os._exit(0)


def _supervise(folder: str, steps: t.Sequence[t.Sequence[Words]], seconds: float, afterwards: t.Sequence[Words]) -> None:
    found: list[list[Outcome]] = []
    try:
        for commands in steps:
            found.append(together(commands, seconds))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        together(afterwards, LISTEN_SECONDS)
        path = os.path.join(folder, "outcomes")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(found, file)
        os.replace(path + ".new", path)


def _stop(_signal: int, _frame: t.Any) -> None:
    raise SystemExit


def _lock(folder: str) -> int:
    """What the process holds for as long as it lives, and the kernel gives back when it ends in whatever way."""
    lock = os.open(os.path.join(folder, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _detach() -> None:
    """Whoever reads the module's output waits until nobody can write there any more."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.chdir("/")


def collect(folder: str, seconds: float) -> list[list[Outcome]]:
    """Return the outcomes of each step, as soon as all have ended; after so many seconds end what still runs, whose step is left out.

    Nothing is left afterwards, the folder neither. Where nothing was started there are none.
    """
    if not os.path.isdir(folder):
        return []
    try:
        if not _ended(folder, seconds):
            with open(os.path.join(folder, "pid"), encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGTERM)
            _ended(folder, LISTEN_SECONDS + 4 * _ENDING)
        with open(os.path.join(folder, "outcomes"), encoding="utf-8") as file:
            found: list[list[Outcome]] = json.load(file)
        return found
    except (FileNotFoundError, ProcessLookupError):
        return []
    finally:
        shutil.rmtree(folder)


def _ended(folder: str, seconds: float) -> bool:
    """Wait until the process has ended."""
    with open(os.path.join(folder, "lock"), "rb") as lock:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)


def _wait_for_ports(folder: str, ports: t.Collection[int]) -> None:
    deadline = time.monotonic() + LISTEN_SECONDS
    while ports and not _listened(ports) and not _ended(folder, _PAUSE) and time.monotonic() < deadline:
        pass


def _listened(ports: t.Collection[int]) -> bool:
    """Whether something listens on all of them."""
    return set(ports) <= {listener.port for listener in _ports.listeners()}
