"""Starting and stopping one rank: what is done, what is only predicted, and what is said when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import rank
from tests.unit.plugins.modules.module_runner import run_module

UNIT = "vllm@r.service"


def show(active: str = "inactive", enabled: str = "", loaded: str = "loaded", stale: str = "no") -> str:
    return f"Id={UNIT}\nLoadState={loaded}\nUnitFileState={enabled}\nActiveState={active}\nSubState=dead\nNeedDaemonReload={stale}\n"


def run(arguments: dict[str, Any], before: str, check: bool = False, fail: str = "") -> tuple[dict[str, Any], list[str]]:
    """The result of the module on a node where systemctl shows `before`, and the systemctl commands that change something."""
    steps: list[str] = []

    def systemctl(words: list[str]) -> tuple[int, str, str]:
        if words[1] == "show":
            return 0, before, ""
        steps.append(words[1])
        return (1, "", fail) if fail.startswith(words[1]) else (0, "", "")

    return run_module(rank, {"recipe": "r", **arguments}, systemctl, binaries=("systemctl",), check=check), steps


CASES = [
    ({"state": "started"}, show("inactive"), ["reset-failed", "start"]),
    ({"state": "started"}, show("failed"), ["reset-failed", "start"]),
    ({"state": "started"}, show("active"), []),
    ({"state": "started"}, show("activating"), []),
    ({"state": "stopped"}, show("active"), ["stop", "reset-failed"]),
    ({"state": "stopped"}, show("activating"), ["stop", "reset-failed"]),
    ({"state": "stopped"}, show("failed"), ["stop", "reset-failed"]),
    ({"state": "stopped"}, show("inactive"), []),
    ({"state": "stopped"}, show("inactive", loaded="not-found"), []),
    ({"enabled": True}, show(enabled="disabled"), ["enable"]),
    ({"enabled": True}, show(enabled="enabled"), []),
    ({"enabled": False, "state": "stopped"}, show("active", "enabled"), ["disable", "stop", "reset-failed"]),
    ({"enabled": True, "state": "started"}, show("inactive", loaded="not-found"), ["enable", "reset-failed", "start"]),
    ({"state": "started"}, show("inactive", stale="yes"), ["daemon-reload", "reset-failed", "start"]),
    ({"state": "started"}, show("active", stale="yes"), []),
]


@pytest.mark.parametrize(("arguments", "before", "steps"), CASES)
def test_only_what_is_needed_is_done(arguments: dict[str, Any], before: str, steps: list[str]) -> None:
    result, done = run(arguments, before)
    assert done == steps
    assert result["changed"] is bool(steps)
    assert result["unit"] == UNIT


@pytest.mark.parametrize(("arguments", "before", "steps"), CASES)
def test_check_mode_predicts_the_same_and_does_nothing(arguments: dict[str, Any], before: str, steps: list[str]) -> None:
    result, done = run(arguments, before, check=True)
    assert done == []
    assert result["changed"] is bool(steps)


def test_a_start_that_fails_says_where_to_look() -> None:
    result, _done = run({"state": "started"}, show("inactive"), fail="start does not work")
    assert result["failed"] is True
    assert "start does not work" in result["msg"] and f"journalctl -u {UNIT}" in result["msg"]


def test_a_unit_that_systemd_has_dropped_has_nothing_to_forget() -> None:
    result, done = run({"state": "stopped"}, show("active"), fail=f"reset-failed: Unit {UNIT} not loaded.")
    assert done == ["stop", "reset-failed"]
    assert result["failed"] is False and result["changed"] is True


def test_another_failure_to_forget_is_told() -> None:
    result, _done = run({"state": "stopped"}, show("active"), fail="reset-failed: Access denied")
    assert result["failed"] is True
