# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`vllm serve MODEL ...`, and `vllm --version`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from . import log
from .network import Fatal
from .options import USAGE, parse
from .serve import EngineFailed, prepare, work
from .shape import played

WORKER_FAILED = "Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause."
ENGINE_FAILED = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}"


def stop_at_once(*_: Any) -> None:
    """The head's SIGTERM."""
    os._exit(0)


def stop_after_a_while(*_: Any) -> None:
    """A worker's: it gives its children a moment."""
    threading.Timer(1.0, os._exit, (0,)).start()


def main(words: list[str]) -> int:
    """The exit status."""
    if words[:1] in (["--version"], ["-v"]):
        log.raw(played().version)
        return 0
    if words[:1] != ["serve"]:
        print(USAGE, file=sys.stderr)
        if words:
            choices = "'chat', 'complete', 'serve', 'launch', 'bench', 'collect-env', 'run-batch'"
            print(f"vllm: error: argument subparser: invalid choice: {words[0]!r} (choose from {choices})", file=sys.stderr)
        return 2
    options, given = parse(words[1:])
    slow = options.headless and options.node_rank > 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop_after_a_while if slow else stop_at_once)
    try:
        prepared = prepare(options, given)
    except Fatal as error:
        log.raw(f"Traceback (most recent call last):\n{error}")
        return 1
    try:
        work(prepared)
    except EngineFailed as error:
        report_engine(str(error))
        return 1
    except Fatal as error:
        failed = f"WorkerProc failed to start.\nTraceback (most recent call last):\n{error}"
        log.line(log.WORKER, "multiproc_executor.py:870", failed, "ERROR")
        if options.headless:
            log.raw(f"Traceback (most recent call last):\n{WORKER_FAILED}")
        else:
            report_engine(WORKER_FAILED)
        return 1
    return 0


def report_engine(last_line: str) -> None:
    """What the engine's process says of its end, twice, and what the API's says of it."""
    log.line(log.ENGINE, "core.py:1140", f"EngineCore failed to start.\nTraceback (most recent call last):\n{last_line}", "ERROR")
    log.named(log.ENGINE, f"Process EngineCore:\nTraceback (most recent call last):\n{last_line}")
    log.named(log.API, f"Traceback (most recent call last):\n{ENGINE_FAILED}")


code = main(sys.argv[1:])
sys.stdout.flush()
os._exit(code)  # threads that wait on sockets do not hold the exit up
