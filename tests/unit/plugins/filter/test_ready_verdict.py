# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.filter.ready_verdict import FilterModule
from ansible_collections.dgx_spark.vllm.plugins.module_utils._readiness import PHASES

NCCL: dict[str, t.Any] = {
    "version": "2.30.4",
    "cuda": "13.2",
    "versions": ["2.30.4"],
    "network": "IB",
    "hcas": ["rocep1s0f0:1"],
    "oob": None,
    "channels_ib": 4,
    "channels_socket": 0,
    "preload_ignored": False,
}
SILENT = {**NCCL, "version": None, "versions": [], "network": None}
TOKEN = {"text": "ready", "tokens": 2, "seconds": 0.4}


def rank(number: int, state: str = "ready", nccl: t.Optional[dict[str, t.Any]] = None, **more: t.Any) -> dict[str, t.Any]:
    phase = {"ready": "nccl" if number else "token"}.get(state, "rendezvous")
    timeline = [{"phase": "started", "at": "2026-11-22T01:16:12Z", "seconds": 0.0}, {"phase": phase, "at": "x", "seconds": 18.4}]
    completion = TOKEN if state == "ready" and number == 0 else None
    base = {"state": state, "rank": number, "phase": phase, "timeline": timeline, "evidence": [], "completion": completion}
    return {**base, "nccl": {**NCCL, **(nccl or {})}, "unknown_environment": [], **more}


def evidence(host: str, *lines: str) -> list[dict[str, str]]:
    return [{"host": host, "line": line} for line in lines]


def judge(spark1: t.Any, spark2: t.Any, **options: t.Any) -> dict[str, t.Any]:
    return FilterModule().filters()["ready_verdict"]({"spark1": spark1, "spark2": spark2}, head="spark1", **options)


def test_a_cluster_is_ready_when_a_token_came_and_every_rank_is_there() -> None:
    verdict = judge(rank(0), rank(1), wanted_nccl="2.30.4")

    assert (verdict["state"], verdict["problems"], verdict["evidence"], verdict["warnings"]) == ("ready", [], [], [])
    assert set(verdict["nccl"]) == {"spark1", "spark2"}


@pytest.mark.parametrize(
    ("spark1", "spark2"),
    [
        (rank(0, "waiting"), rank(1)),
        (rank(0), rank(1, "waiting")),
        (rank(0), None),
        (rank(0), {"skipped": True, "changed": False}),
        (rank(0, completion=None), rank(1)),
        (None, None),
        ({}, {}),
    ],
)
def test_a_cluster_is_waited_for_until_all_are_ready_and_a_token_came(spark1: t.Any, spark2: t.Any) -> None:
    assert judge(spark1, spark2)["state"] == "waiting"


def test_a_worker_that_failed_fails_the_cluster_with_its_evidence() -> None:
    line = "RuntimeError: ifa != nullptr. Unable to find address for: enP7s7"
    verdict = judge(rank(0, "waiting"), rank(1, "failed", evidence=evidence("node2.example.org", line)))

    assert (verdict["state"], verdict["evidence"]) == ("failed", [{"host": "spark2", "line": line}])


def test_the_cause_comes_before_what_followed_from_it() -> None:
    lost = "RuntimeError: [pair.cc:553] Connection closed by peer [192.168.177.12]:65261"
    cause = "NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory"
    found = judge(rank(0, "failed", evidence=evidence("a", "something", lost)), rank(1, "failed", evidence=evidence("b", cause)))[
        "evidence"
    ]

    assert [item["line"] for item in found] == [cause, lost, "something"]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ({"unreachable": True, "msg": "Failed to connect to the host via ssh"}, "Failed to connect to the host via ssh"),
        ({"failed": True, "msg": "timeout is 99"}, "timeout is 99"),
        ({"unreachable": True}, "the node can not be reached"),
    ],
)
def test_a_node_that_can_not_be_asked_fails_the_cluster(result: dict[str, t.Any], line: str) -> None:
    verdict = judge(rank(0), result)

    assert (verdict["state"], verdict["evidence"]) == ("failed", [{"host": "spark2", "line": line}])


@pytest.mark.parametrize(
    ("head", "worker", "piece"),
    [
        ({}, {"version": "2.28.9"}, "different versions of NCCL (spark1 2.30.4, spark2 2.28.9)"),
        ({"version": "2.28.9"}, {"version": "2.28.9"}, "spark1: NCCL 2.28.9 runs, wanted 2.30.4"),
        ({}, {"network": "Socket"}, "spark2: NCCL uses network Socket, wanted IB"),
        ({}, {"preload_ignored": True}, "spark2: libnccl could not be preloaded"),
        ({"versions": ["2.30.4", "2.28.9"]}, {}, "spark1: one process runs NCCL 2.30.4 and 2.28.9"),
        ({}, SILENT, "spark2: no NCCL banner, so version 2.30.4 is not proven"),
    ],
)
def test_what_is_wrong_with_nccl_fails_a_cluster_that_answers(head: dict[str, t.Any], worker: dict[str, t.Any], piece: str) -> None:
    verdict = judge(rank(0, nccl=head), rank(1, nccl=worker), wanted_nccl="2.30.4")

    assert verdict["state"] == "failed"
    assert any(piece in problem for problem in verdict["problems"]), verdict["problems"]


def test_unequal_versions_fail_a_cluster_that_still_waits() -> None:
    assert judge(rank(0, "waiting"), rank(1, "waiting", {"version": "2.28.9"}))["state"] == "failed"


def test_a_banner_that_is_still_to_come_is_waited_for() -> None:
    assert judge(rank(0, "waiting", SILENT), rank(1, "waiting", SILENT), wanted_nccl="2.30.4")["state"] == "waiting"


def test_sockets_are_right_where_nothing_else_is_wanted() -> None:
    sockets = {"network": "Socket"}

    assert judge(rank(0, nccl=sockets), rank(1, nccl=sockets), wanted_network=None)["state"] == "ready"
    assert judge(rank(0, nccl=SILENT), rank(1, nccl=SILENT))["state"] == "ready"


def test_a_single_node_has_no_network_to_get_wrong() -> None:
    verdict = FilterModule().filters()["ready_verdict"]({"spark1": rank(0, nccl={"network": "Socket"})}, "spark1", wanted_nccl="2.30.4")

    assert verdict["state"] == "ready"


def test_variables_that_vllm_does_not_know_are_reported_and_no_failure() -> None:
    verdict = judge(rank(0, unknown_environment=["VLLM_X", "VLLM_Y"]), rank(1))

    assert verdict["state"] == "ready"
    assert verdict["warnings"] == ["spark1: this vLLM does not know VLLM_X, VLLM_Y and ignores it"]


def test_the_table_shows_how_far_each_rank_came() -> None:
    lines = judge(rank(0, "waiting"), None)["lines"]

    assert lines[0].split() == ["host", "state", *PHASES]
    assert lines[1].split() == ["spark1", "(head)", "waiting", "0", "s", "18", "s", *["-"] * 7]
    assert lines[2].split() == ["spark2", "waiting", *["-"] * 9]


@pytest.mark.parametrize(
    ("used", "fits"), [(["a:1", "b:1"], True), (["b:1", "a:1"], True), (["a:1"], False), (["a:1", "b:1", "c:1"], False), ([], True)]
)
def test_nccl_has_to_use_the_planned_devices_no_more_and_no_fewer(used: list[str], fits: bool) -> None:
    wanted = {"spark1": ["rocep1s0f0:1"], "spark2": ["a:1", "b:1"]}
    verdict = judge(rank(0), rank(1, nccl={"hcas": used}), wanted_hcas=wanted)

    assert verdict["state"] == ("ready" if fits else "failed")
    assert verdict["problems"] == (
        [] if fits else [f"spark2: NCCL uses {', '.join(used)}, wanted a:1, b:1; check the ports' state, then deploy again"]
    )
