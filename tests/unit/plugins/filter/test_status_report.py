# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.filter.status_report import FilterModule
from ansible_collections.dgx_spark.vllm.plugins.module_utils._subset import plan_of
from tests.unit.plugins.fixtures.spark import cabled, observed

RAILS = [
    {"device": "rocep1s0f0", "port": 1, "netdev": "enp1s0f0np0", "ipv4": "192.168.177.11", "network": "x", "gid_index": 3, "mtu": 9000},
    {"device": "roceP2p1s0f0", "port": 1, "netdev": "enP2p1s0f0np0", "ipv4": "192.168.178.11", "network": "y", "gid_index": 5, "mtu": 9000},
]
PLAN: dict[str, t.Any] = {
    "topology": "pair",
    "hash": "0123",
    # The order of ranks is not that of names.
    "nodes": {
        "spark1": {"rank": 1, "host_ip": "192.168.177.12", "rails": []},
        "spark2": {"rank": 0, "host_ip": "192.168.177.11", "rails": RAILS},
    },
}
NCCL: dict[str, t.Any] = {
    "version": "2.30.4",
    "versions": ["2.30.4"],
    "network": "IB",
    "hcas": ["rocep1s0f0:1", "roceP2p1s0f0:1"],
    "channels_ib": 32,
    "channels_socket": 0,
    "preload_ignored": False,
}


def node(number: int) -> dict[str, t.Any]:
    launch = {
        "recipe": "mini",
        "rank": number,
        "hash": "aa",
        "launch_hash": f"l{number}",
        "image_key": "0f0f",
        "model": "mini-model",
        "max_model_len": 512,
        "api": None if number else {"address": "127.0.0.1", "port": 8000},
    }
    return {
        "unit": "vllm@mini.service",
        "loaded": True,
        "enabled": True,
        "active": True,
        "unit_state": {"active": "active", "sub": "running", "result": "success", "restarts": 0, "invocation": "ab"},
        "since": "2026-11-22T01:16:13Z",
        "restarts": 0,
        "container": {"exists": True, "running": True, "status": "running", "image": "vllm:0f0f", "labels": {}},
        "launch_hash": f"l{number}",
        "secret_stale": False,
        "live_env": {"NCCL_IB_GID_INDEX": "3"},
        "launch": launch,
        "other_instances": [],
    }


def answer(number: int, state: str = "ready", **more: t.Any) -> dict[str, t.Any]:
    model = None if number or state != "ready" else {"id": "mini-model", "max_model_len": 512}
    completion = {"text": "x", "tokens": 1, "seconds": 0.1} if model else None
    base = {
        "state": state,
        "rank": number,
        "phase": "nccl" if number else "token",
        "timeline": [],
        "evidence": [],
        "unknown_environment": [],
    }
    return {**base, "model": model, "completion": completion, "nccl": copy.deepcopy(NCCL), **more}


class Cluster:
    """A cluster that serves; tests break it."""

    def __init__(self) -> None:
        self.ranks: dict[str, t.Any] = {"spark1": node(1), "spark2": node(0)}
        self.ready: dict[str, t.Any] = {"spark1": answer(1), "spark2": answer(0)}

    def stop(self, host: str, active: str = "inactive", sub: str = "dead") -> None:
        self.ranks[host].update(active=False, launch_hash=None)
        self.ranks[host]["unit_state"].update(active=active, sub=sub)
        self.ranks[host]["container"].update(running=False, status=None)
        line = f"vllm@mini.service is {active}"
        self.ready[host] = answer(self.ready[host]["rank"], "failed", evidence=[{"host": host, "line": line}])

    def report(self) -> dict[str, t.Any]:
        return FilterModule().filters()["status_report"](self.ranks, self.ready, PLAN)

    def state(self) -> str:
        return self.report()["document"]["state"]


def test_a_cluster_that_brings_tokens_serves() -> None:
    document = Cluster().report()["document"]

    assert (document["state"], document["problems"], document["evidence"]) == ("serving", [], [])
    assert (document["recipe"], document["topology"], document["plan_hash"], document["head"]) == ("mini", "pair", "0123", "spark2")
    assert document["api"] == {"address": "127.0.0.1", "port": 8000}
    assert document["model"] == {"id": "mini-model", "max_model_len": 512, "answers": True}
    assert [(entry["host"], entry["rank"]) for entry in document["nodes"]] == [("spark2", 0), ("spark1", 1)]
    json.dumps(document)


def test_a_node_is_described_with_its_rails() -> None:
    head = Cluster().report()["document"]["nodes"][0]

    assert (head["unit"], head["container"], head["image_key"], head["restarts"]) == ("vllm@mini.service", "running", "0f0f", 0)
    assert [(rail["device"], rail["netdev"], rail["ipv4"], rail["gid_index"]) for rail in head["rails"]] == [
        ("rocep1s0f0", "enp1s0f0np0", "192.168.177.11", 3),
        ("roceP2p1s0f0", "enP2p1s0f0np0", "192.168.178.11", 5),
    ]
    assert (head["nccl"]["version"], head["nccl"]["network"]) == ("2.30.4", "IB")


def test_the_screen_tells_the_same() -> None:
    assert Cluster().report()["lines"] == [
        "Cluster: serving",
        "  Recipe: mini, 2 nodes, topology pair",
        "  API: http://127.0.0.1:8000 on spark2",
        "  Model: mini-model, 512 tokens of context",
        "Node spark2 (head, rank 0, 192.168.177.11)",
        "  Unit: vllm@mini.service active (running) since 2026-11-22T01:16:13Z, 0 restarts, starts at boot",
        "  Container: running, image vllm:0f0f, key 0f0f",
        "  Phase: token",
        "  NCCL: 2.30.4 over IB (rocep1s0f0:1, roceP2p1s0f0:1)",
        "  Rail: rocep1s0f0:1  enp1s0f0np0  192.168.177.11  GID 3  MTU 9000",
        "  Rail: roceP2p1s0f0:1  enP2p1s0f0np0  192.168.178.11  GID 5  MTU 9000",
        "Node spark1 (worker, rank 1, 192.168.177.12)",
        "  Unit: vllm@mini.service active (running) since 2026-11-22T01:16:13Z, 0 restarts, starts at boot",
        "  Container: running, image vllm:0f0f, key 0f0f",
        "  Phase: nccl",
        "  NCCL: 2.30.4 over IB (rocep1s0f0:1, roceP2p1s0f0:1)",
    ]


def test_a_cluster_without_a_token_yet_starts() -> None:
    cluster = Cluster()
    cluster.ready["spark2"] = answer(0, "waiting")

    assert cluster.state() == "starting"
    assert "  Model: mini-model, 512 tokens of context (the API does not answer)" in cluster.report()["lines"]


def test_a_cluster_of_stopped_ranks_is_stopped_and_not_failed() -> None:
    cluster = Cluster()
    for host in ("spark1", "spark2"):
        cluster.stop(host)

    assert cluster.state() == "stopped"
    assert cluster.report()["document"]["evidence"] == []


def test_a_rank_that_was_stopped_degrades_the_cluster() -> None:
    cluster = Cluster()
    cluster.stop("spark1")
    cluster.ready["spark2"] = answer(0, "failed", evidence=[{"host": "x", "line": "the worker at 192.168.177.12 is gone"}])

    assert cluster.state() == "degraded"


@pytest.mark.parametrize(("active", "sub"), [("failed", "failed"), ("activating", "auto-restart")])
def test_a_rank_that_died_fails_a_cluster_without_tokens(active: str, sub: str) -> None:
    cluster = Cluster()
    cluster.stop("spark1", active, sub)
    cluster.ready["spark2"] = answer(0, "waiting")

    assert cluster.state() == "failed"
    assert "  spark1: vllm@mini.service is " + active in cluster.report()["lines"]
    cluster.stop("spark2")
    assert cluster.state() == "failed"


def test_a_wrong_nccl_fails_a_cluster_that_starts_and_degrades_one_that_serves() -> None:
    cluster = Cluster()
    cluster.ready["spark1"]["nccl"]["network"] = "Socket"

    assert cluster.state() == "degraded"
    cluster.ready["spark2"] = answer(0, "waiting")
    assert cluster.state() == "failed"


def test_a_worker_whose_old_lines_are_gone_does_not_degrade_a_cluster_that_serves() -> None:
    cluster = Cluster()
    cluster.ready["spark1"] = answer(1, "waiting")

    assert cluster.state() == "serving"


@pytest.mark.parametrize(
    ("change", "piece"),
    [
        ({"launch_hash": "old"}, "spark1: what runs is not what launch.json says"),
        ({"secret_stale": True}, "spark1: secret.env is newer than the container"),
        ({"other_instances": ["vllm@other.service"]}, "spark1: vllm@other.service runs or is enabled too"),
        ({"launch": {"hash": "bb", "launch_hash": "l1"}}, "the ranks are configured differently (spark2 aa, spark1 bb)"),
    ],
)
def test_what_is_wrong_with_a_rank_degrades_the_cluster(change: dict[str, t.Any], piece: str) -> None:
    cluster = Cluster()
    cluster.ranks["spark1"].update(change)
    document = cluster.report()["document"]

    assert document["state"] == "degraded"
    assert any(piece in problem for problem in document["problems"]), document["problems"]


def test_a_node_that_does_not_answer_is_unknown() -> None:
    cluster = Cluster()
    cluster.ranks["spark1"] = {"unreachable": True}
    cluster.ready.pop("spark1")
    document = cluster.report()["document"]

    assert document["state"] == "degraded"
    assert document["nodes"][1]["unit_state"] == "unknown"
    assert "spark1: no answer, so its rank is unknown" in document["problems"]


def test_a_group_on_which_nothing_was_deployed_is_stopped() -> None:
    empty = {"unit": "vllm@mini.service", "loaded": False, "enabled": False, "active": False, "unit_state": None, "since": None}
    empty |= {"restarts": None, "container": {"status": None}, "launch_hash": None, "secret_stale": False, "live_env": {}, "launch": None}
    report = FilterModule().filters()["status_report"]({"spark1": {**empty, "other_instances": []}}, {}, {})

    assert report["document"]["state"] == "stopped"
    assert report["lines"][1] == "  Recipe: none, 1 nodes, topology unknown"
    assert report["lines"][3:5] == ["  Model: not known", "Node spark1 (no rank, no address)"]


SPARE = {
    **PLAN,
    "spares": ["spark3"],
    "findings": [{"id": "plan.spare", "severity": "info", "host": "spark3", "found": "no rank: 2 of 3 hosts get one"}],
}
NOTHING = {
    **{"unit": "vllm@mini.service", "loaded": False, "enabled": False, "active": False, "since": None, "restarts": None},
    **{"unit_state": {"active": "inactive", "sub": "dead", "restarts": 0}, "container": {"status": None, "running": False}},
    **{"launch_hash": None, "secret_stale": False, "live_env": {}, "launch": None, "other_instances": []},
}


class WithSpare(Cluster):
    """The same with a third node, without a rank."""

    def __init__(self, third: t.Any = NOTHING) -> None:
        super().__init__()
        self.ranks["spark3"] = copy.deepcopy(third)
        self.plan: dict[str, t.Any] = copy.deepcopy(SPARE)

    def report(self, **given: t.Any) -> dict[str, t.Any]:
        return FilterModule().filters()["status_report"](self.ranks, self.ready, self.plan, **given)


def test_a_spare_is_shown_as_one_and_takes_nothing_from_a_cluster_that_serves() -> None:
    found = WithSpare().report()
    document = found["document"]

    assert (document["state"], document["problems"]) == ("serving", [])
    assert [entry["host"] for entry in document["nodes"]] == ["spark2", "spark1"]
    assert document["spares"] == [{"host": "spark3", "answers": True, "reason": "no rank: 2 of 3 hosts get one"}]
    assert found["lines"][1] == "  Recipe: mini, 2 nodes, 1 spare, topology pair"
    assert found["lines"][-1] == "Spare spark3: no rank: 2 of 3 hosts get one"


@pytest.mark.parametrize("third", [{"unreachable": True}, {"failed": True}, None])
def test_a_spare_that_does_not_answer_is_told_and_is_no_problem(third: t.Any) -> None:
    found = WithSpare(third).report()

    assert (found["document"]["state"], found["document"]["problems"]) == ("serving", [])
    assert found["lines"][-1] == "Spare spark3 (no answer): no rank: 2 of 3 hosts get one"


def test_a_rank_on_what_would_be_a_spare_now_is_a_problem() -> None:
    cluster = WithSpare(node(1))
    document = cluster.report()["document"]

    assert (document["state"], document["spares"]) == ("degraded", [])
    assert "spark3: has a rank, and would be a spare now (no rank: 2 of 3 hosts get one); deploy again" in document["problems"]


def test_a_plan_that_moves_a_rank_is_told_until_it_is_deployed() -> None:
    cluster = WithSpare()
    cluster.plan["nodes"] = {"spark2": PLAN["nodes"]["spark2"], "spark3": PLAN["nodes"]["spark1"]}
    passed = {"id": "plan.passed-over", "severity": "warning", "host": "spark1", "found": "no rank, and spark3 in its place"}
    cluster.plan |= {"spares": ["spark1"], "findings": [passed]}
    document = cluster.report()["document"]

    assert document["state"] == "degraded"
    assert [entry["host"] for entry in document["nodes"]] == ["spark2", "spark3", "spark1"]
    assert document["problems"] == [
        "spark1: has a rank, and would be a spare now (no rank, and spark3 in its place); deploy again",
        "spark3: would get a rank now, and has none; deploy again",
    ]
    cluster.plan["findings"].append({"id": "plan.no-choice", "severity": "error", "host": None, "found": "x"})
    assert cluster.report()["document"]["problems"] == [], "nothing is decided where there is no plan"


SWITCH = {host: observed(cabled(number, {0: ("10.0.0", "10.0.1")})) for number, host in enumerate(("spark2", "spark1", "spark3"), 1)}


def without_an_answer(host: str, third: t.Any = NOTHING) -> WithSpare:
    """The cluster, with the plan that is made of what the other hosts report."""
    cluster = WithSpare(third)
    cluster.ranks[host] = {"unreachable": True}
    cluster.ready.pop(host, None)
    cluster.plan = plan_of({**SWITCH, host: {"unreachable": True}}, nodes=2)
    return cluster


def test_a_rank_on_a_host_that_does_not_answer_is_unknown_and_no_deployment_is_advised() -> None:
    cluster = without_an_answer("spark1")
    assert (list(cluster.plan["nodes"]), cluster.plan["spares"]) == (["spark2", "spark3"], ["spark1"])
    document = cluster.report()["document"]

    assert document["state"] == "degraded"
    assert [(entry["host"], entry["rank"]) for entry in document["nodes"]] == [("spark2", 0), ("spark1", None)]
    assert document["problems"] == ["spark1: no answer, so its rank is unknown"]
    assert document["spares"] == [{"host": "spark3", "answers": True, "reason": "no rank is installed"}]


def test_a_rank_that_was_on_the_third_host_is_unknown_too_while_it_does_not_answer() -> None:
    cluster = without_an_answer("spark3")
    cluster.ranks["spark1"] = copy.deepcopy(NOTHING)
    document = cluster.report()["document"]

    assert (document["state"], document["problems"]) == ("degraded", ["spark3: no answer, so its rank is unknown"])
    assert [entry["host"] for entry in document["nodes"]] == ["spark2", "spark3"]


def test_a_host_without_an_answer_is_a_spare_if_all_ranks_are_found_elsewhere() -> None:
    cluster = without_an_answer("spark1", node(1))
    cluster.ready["spark3"] = answer(1)
    document = cluster.report()["document"]

    assert (document["state"], document["problems"]) == ("serving", [])
    assert [entry["host"] for entry in document["nodes"]] == ["spark2", "spark3"]
    assert [(entry["host"], entry["answers"]) for entry in document["spares"]] == [("spark1", False)]


def test_no_deployment_is_advised_where_only_the_devices_of_a_rank_are_not_told() -> None:
    cluster = WithSpare()
    cluster.plan = plan_of({**SWITCH, "spark1": {"failed": True}}, nodes=2)
    document = cluster.report()["document"]

    assert (document["state"], document["problems"]) == ("serving", [])
    assert [entry["host"] for entry in document["nodes"]] == ["spark2", "spark1"]


def test_a_rank_for_whose_place_no_reason_is_seen_is_no_problem() -> None:
    cluster = WithSpare(node(1))
    cluster.ready["spark3"] = answer(1)
    cluster.ranks["spark1"], cluster.ready["spark1"] = copy.deepcopy(NOTHING), None
    cluster.plan = plan_of(SWITCH, nodes=2)
    assert cluster.plan["spares"] == ["spark3"]
    document = cluster.report()["document"]

    assert (document["state"], document["problems"]) == ("serving", [])
    assert [(entry["host"], entry["rank"]) for entry in document["nodes"]] == [("spark2", 0), ("spark3", 1)]
    assert [(entry["host"], entry["reason"]) for entry in document["spares"]] == [
        ("spark1", "no rank, and spark3 in its place since a deployment")
    ]
    (told,) = document["warnings"]
    assert told.startswith("spark3: has a rank that spark1 would get now, unless a deployment finds")


def test_a_rank_is_shown_as_what_it_is_where_the_plan_would_number_it_otherwise() -> None:
    cluster = WithSpare(node(1))
    cluster.ready["spark3"] = answer(1)
    cluster.ranks["spark2"], cluster.ready["spark2"] = copy.deepcopy(NOTHING), None
    cluster.ranks["spark1"], cluster.ready["spark1"] = node(0), answer(0)
    cluster.plan = plan_of(SWITCH, nodes=2)
    document = cluster.report()["document"]

    assert (document["state"], document["head"], cluster.plan["nodes"]["spark1"]["rank"]) == ("serving", "spark1", 1)
    assert [(entry["host"], entry["rank"]) for entry in document["nodes"]] == [("spark1", 0), ("spark3", 1)]


def test_the_head_is_where_rank_0_is_installed() -> None:
    cluster = WithSpare()
    cluster.plan["nodes"] = {host: {**one, "rank": 1 - one["rank"]} for host, one in PLAN["nodes"].items()}

    assert cluster.report()["document"]["head"] == "spark2"
    assert cluster.report(head="spark1")["document"]["head"] == "spark1"
    for host in cluster.ranks:
        cluster.ranks[host] = copy.deepcopy(NOTHING)
    assert (cluster.report()["document"]["head"], cluster.state()) == ("spark1", "stopped")


def test_clients_are_told_how_thinking_is_turned_off() -> None:
    cluster = Cluster()
    cluster.ranks["spark2"]["launch"]["reasoning"] = {"parser": "deepseek_v4", "thinking": True}
    found = cluster.report()

    assert len(found["document"]["clients"]) == 3
    assert found["lines"][4].startswith('  Clients: the model thinks unless a request says "chat_template_kwargs": {"thinking": false}')
