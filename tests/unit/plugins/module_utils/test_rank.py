# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._rank import other_instances, parse_env, parse_launch, rank_state
from ansible_collections.dgx_spark.vllm.plugins.module_utils._unit import describe, parse_container, parse_show, runs

SHOW = """Id=vllm@mini.service
LoadState=loaded
UnitFileState=enabled
ActiveState=active
SubState=running
Result=success
NRestarts=2
InvocationID=5f0c0ffee
ExecMainStatus=0
ExecMainStartTimestamp=Sun 2026-11-22 01:16:12 UTC
InactiveExitTimestamp=Sun 2026-11-22 01:16:10 UTC
StateChangeTimestamp=Sun 2026-11-22 01:16:13 UTC
"""
INSPECT = json.dumps(
    [
        {
            "Id": "c0ffee",
            "Image": "sha256:1234",
            "State": {"Status": "running", "Running": True, "ExitCode": 0, "StartedAt": "2026-11-22T01:16:14.123456789Z"},
            "Config": {"Image": "vllm:overlay", "Labels": {"dgx-spark.launch": "abcd"}, "Env": ["VLLM_API_KEY=s3cret"]},
        }
    ]
)


def show(**changes: str) -> str:
    properties = {**dict(line.split("=", 1) for line in SHOW.splitlines()), **changes}
    return "\n".join(f"{name}={value}" for name, value in properties.items()) + "\n"


def test_a_unit_is_read() -> None:
    assert parse_show(SHOW) == [
        {
            "unit": "vllm@mini.service",
            "loaded": True,
            "enabled": True,
            "stale": False,
            "active": "active",
            "sub": "running",
            "result": "success",
            "restarts": 2,
            "invocation": "5f0c0ffee",
            "exit_status": 0,
            "started_at": 1795310172.0,
            "changed_at": 1795310173.0,
        }
    ]


def test_the_start_is_the_units_own_where_no_process_has_started() -> None:
    assert parse_show(show(ExecMainStartTimestamp=""))[0]["started_at"] == 1795310170.0
    assert parse_show(show(ExecMainStartTimestamp="n/a", InactiveExitTimestamp=""))[0]["started_at"] is None


def test_a_restart_counter_that_this_systemd_does_not_have_is_zero() -> None:
    assert parse_show(show(NRestarts="[not set]"))[0]["restarts"] == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"ActiveState": "activating", "SubState": "start"}, True),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, False),
        ({"ActiveState": "deactivating", "SubState": "stop-post"}, False),
        ({"ActiveState": "failed", "SubState": "failed"}, False),
        ({"ActiveState": "inactive", "SubState": "dead"}, False),
    ],
)
def test_a_unit_that_waits_for_another_try_does_not_run(changes: dict[str, str], expected: bool) -> None:
    assert runs(parse_show(show(**changes))[0]) is expected


def test_a_unit_that_died_is_described_with_its_end() -> None:
    unit = parse_show(show(ActiveState="failed", SubState="failed", Result="exit-code", ExecMainStatus="125"))[0]

    assert describe(unit) == (
        "vllm@mini.service is failed (failed; result exit-code, exit status 125; 2 restarts); read journalctl -u vllm@mini.service"
    )


def test_a_unit_that_is_not_there_is_described_as_such() -> None:
    assert "is not installed on this node" in describe(parse_show("Id=vllm@mini.service\nLoadState=not-found\nActiveState=inactive\n")[0])


def test_a_container_is_read_without_its_environment() -> None:
    container = parse_container(INSPECT)

    assert container["running"] and container["started_at"] == "2026-11-22T01:16:14Z"
    assert container["labels"] == {"dgx-spark.launch": "abcd"}
    assert "s3cret" not in json.dumps(container)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[{}]", "Error: No such container: x"])
def test_no_container_is_no_error(text: str) -> None:
    assert parse_container(text)["exists"] is False


def test_a_container_that_never_started_has_no_start() -> None:
    text = json.dumps([{"State": {"Status": "created", "Running": False, "StartedAt": "0001-01-01T00:00:00Z"}}])

    assert parse_container(text)["started_at"] is None


def state(**changes: t.Any) -> dict[str, t.Any]:
    parts: dict[str, t.Any] = {"show": SHOW, "inspect": INSPECT, "launch": '{"launch_hash": "abcd"}', "live_env": "A=1\n"}
    return rank_state(**{"recipe": "mini", "secret_mtime": None, "others": [], "other_recipes": [], **parts, **changes})


def test_a_running_rank_is_active_and_carries_its_hash() -> None:
    found = state()

    assert (found["unit"], found["active"], found["enabled"], found["restarts"]) == ("vllm@mini.service", True, True, 2)
    assert (found["launch_hash"], found["launch"], found["live_env"]) == ("abcd", {"launch_hash": "abcd"}, {"A": "1"})
    assert (found["since"], found["unit_state"]["invocation"]) == ("2026-11-22T01:16:13Z", "5f0c0ffee")


@pytest.mark.parametrize("changes", [{"inspect": ""}, {"show": show(ActiveState="activating")}, {"show": ""}])
def test_a_rank_without_unit_or_container_is_not_active(changes: dict[str, str]) -> None:
    assert state(**changes)["active"] is False


def test_a_node_without_anything_gives_nulls() -> None:
    found = state(show="", inspect="", launch="", live_env="")

    assert found["loaded"] is found["enabled"] is found["active"] is found["secret_stale"] is False
    assert found["unit_state"] is found["restarts"] is found["since"] is found["launch"] is found["launch_hash"] is None
    assert found["container"]["exists"] is False and found["live_env"] == {}


@pytest.mark.parametrize(("mtime", "stale"), [(None, False), (1795310174.0 - 60, False), (1795310174.9, False), (1795310174.0 + 60, True)])
def test_secrets_are_stale_when_they_are_newer_than_the_container(mtime: t.Optional[float], stale: bool) -> None:
    assert state(secret_mtime=mtime)["secret_stale"] is stale


def test_secrets_of_a_rank_that_does_not_run_are_not_stale() -> None:
    assert state(inspect="", secret_mtime=9e9)["secret_stale"] is False


def test_a_launch_file_that_is_broken_is_null() -> None:
    assert parse_launch("{") is None
    assert parse_launch("[1]") is None


def test_an_env_file_is_read_as_docker_reads_it() -> None:
    assert parse_env("# A=0\nA=x=y \n\nBARE\nB='q'\n") == {"A": "x=y ", "B": "'q'"}


def test_other_recipes_that_run_or_are_enabled_are_named() -> None:
    shown = "\n".join(
        show(Id=f"vllm@{name}.service", UnitFileState=enabled, ActiveState=active)
        for name, enabled, active in (
            ("mini", "enabled", "active"),
            ("runs", "disabled", "active"),
            ("enabled", "enabled", "inactive"),
            ("dead", "disabled", "failed"),
        )
    )
    paths = [
        "/etc/systemd/system/multi-user.target.wants/vllm@boots.service",
        "/etc/systemd/system/multi-user.target.wants/vllm@mini.service",
    ]

    assert other_instances("vllm@mini.service", shown, paths) == ["vllm@boots.service", "vllm@enabled.service", "vllm@runs.service"]
    assert other_instances("vllm@mini.service", "", []) == []
