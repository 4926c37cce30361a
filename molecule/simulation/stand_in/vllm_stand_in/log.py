# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines as vLLM's logger writes them, one process name after the other though they are threads here."""

from __future__ import annotations

import os
import sys
import threading
import time

_lock = threading.Lock()
API, ENGINE, WORKER, MAIN = "APIServer", "EngineCore", "Worker", "MainProcess"
_PIDS = {API: 0, MAIN: 0, ENGINE: 394, WORKER: 513}


def pid_of(process: str) -> int:
    """The real thing has a process for each; the numbers only have to differ."""
    return os.getpid() + _PIDS[process.split("_")[0]]


def raw(text: str) -> None:
    """A line without a prefix."""
    with _lock:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def line(process: str, where: str, text: str, level: str = "INFO") -> None:
    """`(EngineCore pid=395) INFO 07-12 02:33:32 [core.py:99] text`; every line of the text gets the prefix."""
    prefix = f"({process} pid={pid_of(process)}) {level} {time.strftime('%m-%d %H:%M:%S')} [{where}] "
    raw("\n".join(prefix + part for part in text.splitlines() or [""]))


def named(process: str, text: str) -> None:
    """What a process prints without the logger: `(EngineCore pid=395) Process EngineCore:`."""
    raw("\n".join(f"({process} pid={pid_of(process)}) {part}" for part in text.splitlines()))
