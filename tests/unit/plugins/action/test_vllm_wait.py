"""The ranks are waited for side by side: one that fails ends the wait of all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.dgx_spark.vllm.plugins.action import vllm_wait


class Task:
    _uuid = "task"

    def __init__(self, **arguments: Any) -> None:
        self.args = arguments


class Display:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, line: str) -> None:
        self.lines.append(line)


def rank(monkeypatch: pytest.MonkeyPatch, folder: Path, answers: list[dict[str, Any]], **arguments: Any) -> Any:
    """The action of one rank whose node gives these answers, one a call, the last one for ever."""
    monkeypatch.setattr(vllm_wait.C, "DEFAULT_LOCAL_TMP", str(folder))
    monkeypatch.setattr(vllm_wait, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(vllm_wait.ActionBase, "run", lambda *_: {})
    action: Any = vllm_wait.ActionModule.__new__(vllm_wait.ActionModule)
    action._task = Task(**{"ranks": ["ada", "bob"], "wait": 1, "unit": "u", **arguments})
    action._display = Display()
    action.calls = []

    def execute(module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert module_name == "dgx_spark.vllm.vllm_ready"
        action.calls.append(module_args)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    action._execute_module = execute
    return action


def run(action: Any, host: str = "ada") -> dict[str, Any]:
    return action.run(None, {"inventory_hostname": host})


def test_the_wait_ends_when_all_are_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    action = rank(monkeypatch, tmp_path, [{"state": "waiting", "phase": "nccl"}, {"state": "ready", "phase": "token"}])
    vllm_wait.Board("task").write("bob", "ready")
    assert run(action)["state"] == "ready"
    assert len(action.calls) == 2


def test_another_rank_that_failed_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    action = rank(monkeypatch, tmp_path, [{"state": "waiting", "phase": "started"}], wait=60)
    vllm_wait.Board("task").write("bob", "failed")
    started = time.monotonic()
    assert run(action)["state"] == "waiting"
    assert len(action.calls) == 1 and time.monotonic() - started < 30


def test_a_rank_tells_the_others_when_it_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run(rank(monkeypatch, tmp_path, [{"state": "failed", "phase": "started"}]))
    assert vllm_wait.Board("task").states(["ada", "bob"]) == ["failed", None]


def test_a_module_that_could_not_run_counts_as_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(rank(monkeypatch, tmp_path, [{"failed": True, "msg": "no python"}]))["msg"] == "no python"
    assert vllm_wait.Board("task").states(["ada"]) == ["failed"]


def test_the_wait_ends_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    action = rank(monkeypatch, tmp_path, [{"state": "waiting", "phase": "weights"}], wait=0)
    assert run(action)["state"] == "waiting"


def test_no_call_is_longer_than_15_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    action = rank(monkeypatch, tmp_path, [{"state": "failed"}], wait=3600)
    run(action)
    assert action.calls[0]["timeout"] == 15 and "ranks" not in action.calls[0] and "wait" not in action.calls[0]


def test_each_phase_is_shown_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    step = {"state": "waiting", "phase": "weights", "timeline": [{"phase": "weights", "seconds": 84.2, "at": ""}]}
    action = rank(monkeypatch, tmp_path, [step, dict(step), {"state": "failed", "phase": "weights", "timeline": step["timeline"]}])
    run(action)
    assert action._display.lines == ["  ada: weights after 84 s"]


@pytest.mark.parametrize("ranks", [None, "ada", ["bob"]])
def test_a_list_without_this_host_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ranks: Any) -> None:
    with pytest.raises(AnsibleActionFail, match="ada among them"):
        run(rank(monkeypatch, tmp_path, [{"state": "ready"}], ranks=ranks))
