# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._answer import Probe
from ansible_collections.dgx_spark.vllm.plugins.module_utils._journal import Line
from ansible_collections.dgx_spark.vllm.plugins.module_utils._judgement import Judgement, Look, Memory, Wanted, judge
from ansible_collections.dgx_spark.vllm.plugins.module_utils._sockets import Connection
from ansible_collections.dgx_spark.vllm.plugins.module_utils._unit import parse_container, parse_show

HEAD_IP, WORKER_IP, PORT = "192.168.177.11", "192.168.177.12", 25000
MODEL = {"id": "mini", "max_model_len": 512}
RENDEZVOUS = "distributed_init_method=tcp://192.168.177.11:25000 backend=nccl"
JOINED = "rank 1 in world size 2 is assigned as DP rank 0"
EXITED = '[{"State": {"Status": "exited", "Running": false, "ExitCode": 1}}]'


def unit(**changes: t.Any) -> dict[str, t.Any]:
    return {**parse_show("Id=vllm@mini.service\nLoadState=loaded\nActiveState=active\nSubState=running\nInvocationID=ab\n")[0], **changes}


def look(*texts: str, state: t.Optional[dict[str, t.Any]] = None, **more: t.Any) -> Look:
    return Look(at=100.0, unit=state or unit(), lines=[Line(10.0 + at, text) for at, text in enumerate(texts)], **more)


def head(look_: Look, memory: t.Optional[Memory] = None, phase: str = "token") -> Judgement:
    return judge(Wanted(0, phase, HEAD_IP, PORT, [WORKER_IP]), look_, memory or Memory())


def worker(look_: Look, memory: t.Optional[Memory] = None) -> Judgement:
    return judge(Wanted(1, "nccl", HEAD_IP, PORT), look_, memory or Memory())


def to_worker(state: str = "01") -> Connection:
    return Connection(HEAD_IP, PORT, WORKER_IP, 50000, state)


def to_head(state: str = "01") -> Connection:
    return Connection(WORKER_IP, 50000, HEAD_IP, PORT, state)


def test_a_head_with_a_token_is_ready() -> None:
    found = head(look(JOINED, connections=[to_worker()], probe=Probe(model=MODEL, completion={"text": "x", "tokens": 1})))

    assert (found.state, found.phase, found.evidence) == ("ready", "token", [])


def test_a_head_whose_log_says_that_it_serves_is_not_ready() -> None:
    found = head(look("Application startup complete", connections=[to_worker()], probe=Probe(waiting="no token yet")))

    assert (found.state, found.phase, found.waiting_for) == ("waiting", "api", "no token yet")


def test_the_api_is_ready_only_when_it_answers() -> None:
    line = "Application startup complete"

    assert head(look(line, connections=[to_worker()], probe=Probe(waiting="x")), phase="api").state == "waiting"
    assert head(look(line, connections=[to_worker()], probe=Probe(model=MODEL)), phase="api").state == "ready"


def test_a_worker_is_ready_when_its_groups_are_formed() -> None:
    assert worker(look(JOINED, connections=[to_head()])).state == "ready"
    assert worker(look("Loading weights took 162.01 seconds", connections=[to_head()])).state == "ready"
    assert worker(look(RENDEZVOUS, connections=[to_head()])).state == "waiting"


def test_a_head_says_for_whom_it_waits() -> None:
    assert head(look(RENDEZVOUS, connections=[])).waiting_for == f"the workers at {WORKER_IP} to join"
    assert head(look(RENDEZVOUS, connections=[to_worker()])).waiting_for == "phase token, is at rendezvous"


def test_a_worker_says_for_whom_it_waits() -> None:
    assert worker(look(RENDEZVOUS, connections=[])).waiting_for == f"the head at {HEAD_IP}:{PORT}"


@pytest.mark.parametrize(
    ("active", "sub"), [("failed", "failed"), ("inactive", "dead"), ("activating", "auto-restart"), ("deactivating", "stop-post")]
)
def test_a_unit_that_does_not_run_has_failed_with_its_line(active: str, sub: str) -> None:
    line = "docker: Error response from daemon: unknown or invalid runtime name: nvidia"
    found = worker(look(line, state=unit(active=active, sub=sub, result="exit-code", exit_status=125)))

    assert found.state == "failed"
    assert found.evidence[0] == line
    assert f"vllm@mini.service is {active}" in found.evidence[1]


def test_a_unit_that_is_not_installed_has_failed() -> None:
    found = worker(look(state=unit(loaded=False, active="inactive", invocation="")))

    assert (found.state, found.phase, found.timeline) == ("failed", None, [])


def test_a_systemd_that_does_not_answer_is_waited_for() -> None:
    found = worker(look(state=unit(loaded=False, active="unknown")))

    assert (found.state, found.waiting_for) == ("waiting", "systemctl to answer on this node")


def test_restarts_of_before_are_no_failure_and_new_ones_are() -> None:
    memory = Memory()

    assert worker(look(RENDEZVOUS, state=unit(restarts=3)), memory).state == "waiting"
    cause = "zmq.error.ZMQError: Cannot assign requested address (addr='tcp://192.168.177.77:0')"
    found = worker(look(state=unit(restarts=4), previous=[Line(1.0, cause)]), memory)
    assert found.state == "failed"
    assert found.evidence[0] == cause
    assert "4 restarts, 3 known" in found.evidence[1]


def test_restarts_count_from_what_the_caller_knows() -> None:
    assert worker(look(state=unit(restarts=1)), Memory(restarts=0)).state == "failed"
    assert worker(look(state=unit(restarts=1)), Memory(restarts=1)).state == "waiting"


def test_a_mismatch_of_nccl_is_a_failure_although_nothing_exits() -> None:
    line = "bootstrap.cc:335 NCCL WARN Bootstrap Root : mismatch in info from procs, nranks 2 vs 2, nroots 1 vs 1"
    found = head(look(RENDEZVOUS, "NCCL version 2.30.4+cuda13.2", line, connections=[to_worker()]))

    assert (found.state, found.phase, found.evidence, found.settled) == ("failed", "rendezvous", [line], False)


def test_a_busy_peer_is_not_a_failure() -> None:
    line = "No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging"

    assert worker(look(RENDEZVOUS, line, connections=[to_head()])).state == "waiting"


def test_a_container_that_has_exited_is_a_failure() -> None:
    found = worker(look("ValueError: no", container=parse_container(EXITED)))

    assert found.state == "failed"
    assert found.evidence == ["ValueError: no", "the container has exited (exit code 1) while vllm@mini.service is active"]


def test_a_container_that_is_not_there_yet_is_waited_for() -> None:
    assert worker(look(container=parse_container(""))).state == "waiting"


def test_a_worker_that_has_left_fails_the_head() -> None:
    memory = Memory()

    assert head(look(RENDEZVOUS, connections=[to_worker()]), memory).state == "waiting"
    found = head(look(RENDEZVOUS, connections=[to_worker("08")]), memory)
    assert found.state == "failed"
    assert found.evidence == [f"the worker at {WORKER_IP} is gone: it is no longer connected to port {PORT}; restart all ranks"]


def test_a_worker_that_left_before_the_first_look_fails_the_head_too() -> None:
    assert head(look(JOINED, connections=[])).state == "failed"


def test_a_head_that_answers_without_its_worker_is_not_ready() -> None:
    assert head(look(JOINED, connections=[], probe=Probe(model=MODEL, completion={"text": "x", "tokens": 1}))).state == "failed"


@pytest.mark.parametrize("connections", [[], [to_head("08")]])
def test_a_worker_whose_head_is_gone_has_failed(connections: list[Connection]) -> None:
    found = worker(look(JOINED, connections=connections))

    assert found.state == "failed"
    assert found.evidence == [f"the head is gone: no connection to {HEAD_IP}:{PORT} any more; restart all ranks"]


def test_a_worker_that_has_seen_its_head_notices_its_end_in_the_rendezvous() -> None:
    memory = Memory()

    assert worker(look(RENDEZVOUS, connections=[to_head()]), memory).state == "waiting"
    assert worker(look(RENDEZVOUS, connections=[]), memory).state == "failed"


def test_connections_that_were_not_read_say_nothing() -> None:
    assert worker(look(JOINED)).state == "ready"


def test_what_is_wrong_with_the_api_is_evidence_after_the_log() -> None:
    cause = "RuntimeError: [pair.cc:553] Connection closed by peer [192.168.177.12]:65261"
    found = head(look(JOINED, cause, connections=[to_worker()], probe=Probe(problem="/health answers 503: the engine is dead")))

    assert found.state == "failed"
    assert found.evidence == [cause, "/health answers 503: the engine is dead"]


def test_the_key_does_not_leave_in_evidence() -> None:
    wanted = Wanted(1, "nccl", secrets=["s3cret"])
    found = judge(wanted, look("ValueError: s3cret", state=unit(active="failed")), Memory())

    assert "s3cret" not in "".join(found.evidence)
