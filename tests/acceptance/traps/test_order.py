# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 17 and 18: ranks that start and end one without the other, and a line that looks like an error."""

from __future__ import annotations

import json
from typing import Any, Callable

from tests.acceptance.conftest import RECIPE
from tests.acceptance.harness import Playbooks
from tests.acceptance.traps.by_hand import ByHand
from tests.acceptance.traps.evidence import Trap

HI = {"max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
MARKER = "No available shared memory broadcast block found in 60 seconds"


def test_the_way_by_hand_works_as_it_is_taken_for_a_base(ours: Playbooks, by_hand: ByHand) -> None:
    """Otherwise a trap could be red for another reason."""
    by_hand.start_both()
    log = by_hand.serves()
    status, answer = by_hand.ask(HI)
    assert (status, json.loads(answer)["usage"]["completion_tokens"]) == (200, 8)
    assert "via NET/IB/1" in log and "NCCL WARN" not in log


def test_17_a_cluster_is_restarted_whole(
    ours: Playbooks, by_hand: ByHand, nodes: dict[str, Any], ask: Callable[..., dict[str, Any]], serves: Callable[[], dict[str, Any]]
) -> None:
    trap = Trap(17)
    by_hand.start_both()
    by_hand.serves()
    by_hand.run("spark2", "docker restart --time 1 by-hand")
    health = by_hand.run("spark1", "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8001/health")
    status, _answer = by_hand.ask(HI)
    said = f"/health {health}, completion {status}"
    trap.red("docker restart of the worker alone", said, "^/health 200, completion 500$")
    assert by_hand.ends(0) == 0
    by_hand.remove()
    by_hand.start_both(arguments=("--distributed-timeout-seconds", "10"))
    by_hand.serves()
    by_hand.run("spark1", "docker restart --time 1 by-hand")
    alone = by_hand.says(0, "DistStoreError")
    said = f"{alone}\nworker still there: {by_hand.runs(1)}"
    pattern = r"DistStoreError: Timed out after \d+ seconds waiting for clients\. 1/2 clients joined"
    trap.red("docker restart of the head alone, --distributed-timeout-seconds 10", said, pattern, "^worker still there: True$")
    # Ours: the worker's container is killed behind its unit's back; a deployment finds it and restarts all ranks in order.
    nodes["spark2"].check_output(f"docker kill vllm-{RECIPE}")
    run = ours.deploy().succeeded()
    order = [
        event["task"].split(" | ")[-1] for event in run.events if event.get("outcome") == "changed" and "run | St" in event.get("task", "")
    ]
    trap.green(
        "docker kill of the worker, then deploy_dsv4.yml",
        "\n".join([*order, f"{serves()['usage']['completion_tokens']} tokens"]),
        "^8 tokens$",
    )
    wanted = ["Stop the head", "Stop the workers", "Start the workers", "Start the head"]
    assert [task for task in wanted if task in order] == [task for task in dict.fromkeys(order)]
    assert order[-2:] == wanted[-2:]


def test_18_a_busy_minute_is_no_failure(
    ours: Playbooks, by_hand: ByHand, restart: Callable[[], None], journal: Callable[[str], str], serves: Any
) -> None:
    trap = Trap(18)
    by_hand.start_both()
    log = by_hand.serves()
    count = log.count(MARKER)
    trap.red("docker logs of a head that comes up well, searched for the line", f"{log}\n{count} times", MARKER, "^[1-9] times$")
    restart()
    serves()
    text = journal("spark1")
    assert MARKER in text
    run = ours.deploy().succeeded()
    assert run.changed == set()
    table = next(line for event in run.events for line in str(event.get("message") or "").splitlines() if line.startswith("spark1 (head)"))
    trap.green("deploy_dsv4.yml on a cluster whose journal has the line", " ".join(table.split()[:3]), r"^spark1 \(head\) ready$")
