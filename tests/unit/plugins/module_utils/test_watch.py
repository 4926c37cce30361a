# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _watch
from ansible_collections.dgx_spark.vllm.plugins.module_utils._answer import Answer
from ansible_collections.dgx_spark.vllm.plugins.module_utils._judgement import Wanted

START = 1795310172.0
JOINED = "rank 1 in world size 2 is assigned as DP rank 0"
BANNER = "NCCL version 2.30.4+cuda13.2"
FAILED = "(Worker pid=5) ERROR 11-22 01:17:03 [multiproc_executor.py:953] WorkerProc failed to start."
CAUSE = "(Worker pid=5) ERROR 11-22 01:17:03 [multiproc_executor.py:953] zmq.error.ZMQError: Cannot assign requested address"


class Node:
    """A node whose log grows with every look, and whose clock runs when one sleeps or asks."""

    def __init__(self, *log: t.Sequence[str], answers: t.Optional[dict[str, Answer]] = None, **unit: str) -> None:
        self.log, self.answers, self.time = log, answers or {}, 0.0
        self.unit = {"ActiveState": "active", "SubState": "running", "InvocationID": "ab", "LoadState": "loaded", "NRestarts": "0", **unit}
        self.commands: list[list[str]] = []
        self.looks = 0

    def run(self, argv: list[str], seconds: float) -> str:
        assert seconds <= _watch.COMMAND_SECONDS
        self.commands.append(argv)
        if argv[0] == "systemctl":
            self.looks += 1
            stamp = "ExecMainStartTimestamp=Sun 2026-11-22 01:16:12 UTC"
            return "\n".join([f"{name}={value}" for name, value in {"Id": argv[-1], **self.unit}.items()] + [stamp])
        if argv[0] == "journalctl":
            return "\n".join(
                self.record(at, text) for at, text in enumerate(self.log[min(self.looks, len(self.log)) - 1] if self.log else [])
            )
        return ""

    @staticmethod
    def record(at: int, text: str) -> str:
        stamp = str(int((START + at) * 1e6))
        return json.dumps({"__CURSOR": str(at), "__REALTIME_TIMESTAMP": stamp, "MESSAGE": text, "_SYSTEMD_INVOCATION_ID": "ab"})

    def fetch(self, method: str, path: str, body: t.Optional[str], seconds: float) -> Answer:
        self.time += 0.5
        assert seconds > 0
        return self.answers.get(path, Answer(0, error="connection refused"))

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def watch(self, rank: int = 1, phase: str = "nccl", seconds: float = 15, **more: t.Any) -> dict[str, t.Any]:
        hands = _watch.Hands(self.run, lambda path: "", self.fetch, lambda: self.time, lambda: START + 100 + self.time, self.sleep)
        restarts = more.pop("restarts", None)
        target = _watch.Target("vllm@mini.service", "vllm-mini", Wanted(rank, phase), ask_api=phase == "token", **more)
        return _watch.Watch(target, hands, seconds, restarts).watch()


SERVING = {
    "/health": Answer(200),
    "/v1/models": Answer(200, '{"data": [{"id": "mini", "max_model_len": 512}]}'),
    "/v1/chat/completions": Answer(200, '{"choices": [{"message": {"content": "ready"}}], "usage": {"completion_tokens": 2}}'),
}


def test_it_returns_as_soon_as_the_phase_is_reached() -> None:
    node = Node([], ["distributed_init_method=tcp://h:1"], ["distributed_init_method=tcp://h:1", JOINED, BANNER])
    result = node.watch()

    assert (result["state"], result["phase"], node.looks, node.time) == ("ready", "nccl", 3, 2.0)
    assert result["timeline"][-1] == {"phase": "nccl", "at": "2026-11-22T01:16:13Z", "seconds": 1.0}


@pytest.mark.parametrize("seconds", [1, 2, 15])
def test_it_does_not_take_longer_than_it_may(seconds: int) -> None:
    node = Node([])

    assert node.watch(seconds=seconds)["state"] == "waiting"
    assert node.time <= seconds


def test_a_failure_is_looked_at_once_more_until_its_lines_are_complete() -> None:
    node = Node([FAILED], [FAILED, "Traceback (most recent call last):", CAUSE])
    result = node.watch()

    assert (result["state"], result["evidence"], node.looks) == ("failed", [CAUSE], 2)


def test_a_unit_that_is_down_is_reported_at_once() -> None:
    node = Node([CAUSE], ActiveState="activating", SubState="auto-restart")

    assert node.watch()["evidence"][0] == CAUSE
    assert node.looks == 1


def test_a_token_makes_the_head_ready() -> None:
    result = Node([JOINED], answers=SERVING).watch(0, "token")

    assert (result["state"], result["phase"], result["model"]) == ("ready", "token", {"id": "mini", "max_model_len": 512})
    assert result["completion"] == {"text": "ready", "tokens": 2, "seconds": 0.5}
    assert result["timeline"][-1]["phase"] == "token"


def test_what_is_printed_while_the_api_is_asked_counts() -> None:
    class Busy(Node):
        """A head that comes up, and prints what its NCCL is, while it is asked for a token."""

        def fetch(self, method: str, path: str, body: t.Optional[str], seconds: float) -> Answer:
            self.log = ([JOINED, BANNER],)
            return super().fetch(method, path, body, seconds)

    node = Busy([JOINED], answers=SERVING)
    result = node.watch(0, "token")

    assert (result["state"], result["nccl"]["version"], node.looks) == ("ready", "2.30.4", 1)


def test_a_journal_that_lags_behind_the_api_is_read_once_more() -> None:
    node = Node([JOINED], [JOINED, BANNER], answers=SERVING)
    result = node.watch(0, "token")

    assert (result["state"], result["nccl"]["version"], node.looks) == ("ready", "2.30.4", 2)


def test_a_rank_without_nccl_is_ready_all_the_same() -> None:
    node = Node([JOINED], answers=SERVING)

    assert (node.watch(0, "token")["state"], node.looks) == ("ready", 2)


def test_a_head_that_refuses_connections_is_waited_for() -> None:
    result = Node(["Application startup complete"]).watch(0, "token")

    assert (result["state"], result["completion"]) == ("waiting", None)
    assert "connection refused" in result["waiting_for"]


def test_a_unit_that_does_not_run_is_not_asked() -> None:
    result = Node([], answers=SERVING, ActiveState="inactive", SubState="dead").watch(0, "token")

    assert (result["state"], result["model"]) == ("failed", None)


def test_only_this_run_of_the_unit_is_read_and_only_so_much() -> None:
    node = Node([JOINED])
    node.watch(since=START + 0.5)
    command = next(argv for argv in node.commands if argv[0] == "journalctl")

    assert {"--unit=vllm@mini.service", "_SYSTEMD_INVOCATION_ID=ab", "--lines=5000", "--since=@1795310172", "--all"} <= set(command)


def test_a_unit_that_was_never_started_has_no_journal_to_read() -> None:
    node = Node([], ActiveState="inactive", SubState="dead", InvocationID="")
    node.watch()

    assert not any(argv[0] == "journalctl" for argv in node.commands)


def test_the_start_of_a_long_log_is_fetched_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watch, "JOURNAL_LINES", 2)
    node = Node()

    def run(argv: list[str], seconds: float) -> str:
        node.commands.append(argv)
        if argv[0] == "systemctl":
            return Node.run(node, argv, seconds)
        if any(word.startswith("--grep=") for word in argv):
            return node.record(1, JOINED)
        return "\n".join(node.record(at, "Engine 000: Running: 0 reqs") for at in (8, 9)) if argv[0] == "journalctl" else ""

    hands = _watch.Hands(run, lambda path: "", node.fetch, lambda: node.time, lambda: START, node.sleep)
    target = _watch.Target("vllm@mini.service", "vllm-mini", Wanted(1, "nccl"))

    assert _watch.Watch(target, hands, 1).watch()["state"] == "ready"


def test_the_run_before_a_restart_is_read_for_its_cause() -> None:
    node = Node([JOINED], NRestarts="1")
    result = node.watch(restarts=0)

    assert result["state"] == "failed"
    assert "--lines=2000" in [word for argv in node.commands for word in argv]


def test_connections_are_read_from_the_given_root() -> None:
    paths: list[str] = []
    node = Node([JOINED])

    def read(path: str) -> str:
        paths.append(path)
        return ""

    hands = _watch.Hands(node.run, read, node.fetch, lambda: node.time, lambda: START, node.sleep)
    target = _watch.Target("vllm@mini.service", "vllm-mini", Wanted(1, "nccl", "192.168.177.11", 25000), proc_root="/p")

    assert _watch.Watch(target, hands, 1).watch()["state"] == "failed"
    assert paths == ["/p/net/tcp", "/p/net/tcp6"]


def test_what_the_rank_printed_is_reported() -> None:
    result = Node(["Unknown vLLM environment variable detected: VLLM_X", "NCCL version 2.30.4+cuda13.2"]).watch(seconds=1)

    assert (result["unknown_environment"], result["nccl"]["version"]) == (["VLLM_X"], "2.30.4")
    assert result["unit_state"] == {"active": "active", "sub": "running", "result": "", "restarts": 0, "invocation": "ab"}
