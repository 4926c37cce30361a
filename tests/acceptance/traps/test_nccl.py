# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 6, 7 and 8: which NCCL runs."""

from __future__ import annotations

import json
from typing import Any, Callable

from tests.acceptance.harness import Playbooks
from tests.acceptance.traps.by_hand import ByHand
from tests.acceptance.traps.evidence import Trap

LONG = {"model": "deepseek-v4-flash", "max_tokens": 1000, "ignore_eos": True, "messages": [{"role": "user", "content": "a long story"}]}
NCCL = "/opt/dgx-spark/nccl/libnccl.so.2"
DEBIAN = "/usr/lib/aarch64-linux-gnu/libnccl.so.2.30.4"


def test_6_long_generations_end(
    ours: Playbooks, by_hand: ByHand, ask: Callable[..., dict[str, Any]], journal: Callable[[str], str]
) -> None:
    trap = Trap(6)
    by_hand.start_both()
    by_hand.serves()
    status, answer = by_hand.ask(LONG)
    assert status == 500, answer
    log = by_hand.says(0, "EngineDeadError")
    trap.red(
        "docker run, and a completion of 1000 tokens",
        log + f"\nHTTP {status}\nworker still there: {by_hand.runs(1)}",
        "NCCL version 2.28.9",
        r"shm_broadcast.py:\d+\] No available shared memory broadcast block found in 60 seconds",
        "TimeoutError: RPC call to sample_tokens timed out",
        "EngineDeadError",
        "^HTTP 500$",
        "^worker still there: True$",
    )
    found = ask(body=LONG)
    tokens = json.loads(found["body"])["usage"]["completion_tokens"]
    said = f"HTTP {found['status']}, {tokens} tokens\n{journal('spark1')}"
    trap.green("the same completion from our cluster", said, "^HTTP 200, 1000 tokens$", r"NCCL version 2\.30\.4\+cuda13\.2")


def test_7_the_preload_is_there(ours: Playbooks, by_hand: ByHand, journal: Callable[[str], str]) -> None:
    trap = Trap(7)
    by_hand.start_both(environment={"LD_PRELOAD": DEBIAN})
    log = by_hand.serves()
    trap.red(f"docker run -e LD_PRELOAD={DEBIAN}", log, "from LD_PRELOAD cannot be preloaded .*: ignored", r"NCCL version 2\.28\.9")
    for host in ("spark1", "spark2"):
        text = journal(host)
        assert "cannot be preloaded" not in text
        trap.green(f"journalctl --unit vllm@dsv4-flash-b12x-1m on {host}", text, r"NCCL INFO NCCL version 2\.30\.4\+cuda13\.2$")


def test_8_one_process_runs_one_nccl(
    ours: Playbooks,
    by_hand: ByHand,
    inspect: Callable[[str], dict[str, Any]],
    environment: Callable[[str], str],
    journal: Callable[[str], str],
) -> None:
    trap = Trap(8)
    by_hand.start_both(environment={"LD_PRELOAD": NCCL}, image=inspect("spark1")["Config"]["Image"])
    log = by_hand.serves()
    trap.red(
        "docker run -e LD_PRELOAD=(2.30.4), VLLM_NCCL_SO_PATH as the image has it",
        log,
        r"vLLM is using nccl==2\.28\.9",
        r"NCCL version 2\.30\.4",
    )
    trap.green("environment of the head's process", environment("spark1"), f"^LD_PRELOAD={NCCL}$", f"^VLLM_NCCL_SO_PATH={NCCL}$")
    text = journal("spark1")
    trap.green("journalctl --unit vllm@dsv4-flash-b12x-1m on spark1", text, r"vLLM is using nccl==2\.30\.4")
    assert "2.28.9" not in text
