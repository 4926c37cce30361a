# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who measures with whom: every rail is measured, no node twice at a time, and both ends are told the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_runs
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.fabric import RAIL, TWIN, Measured, only, output, pair, ring, switch
from tests.unit.plugins.fixtures.spark import observed, spark

IMAGE = "dgx-spark/vllm:0123"


def rounds(planned: Any, tool: Any = _fabric_runs.HOST) -> list[dict[str, Any]]:
    return _fabric_runs.rounds(planned, dict.fromkeys(planned["nodes"], tool), 5, 18515)


def test_a_pair_measures_each_rail_and_then_both() -> None:
    (only_one,) = rounds(pair()["plan"])
    client, server = only_one["clients"]["spark1"], only_one["servers"]["spark2"]
    assert [[" ".join(words) for words in step] for step in client["steps"]] == [
        ["ib_write_bw -d rocep1s0f0 -i 1 -x 3 -p 18515 -D 5 -F --report_gbits 192.168.100.2"],
        ["ib_write_bw -d roceP2p1s0f0 -i 1 -x 3 -p 18516 -D 5 -F --report_gbits 192.168.101.2"],
        [
            "ib_write_bw -d rocep1s0f0 -i 1 -x 3 -p 18517 -D 5 -F --report_gbits 192.168.100.2",
            "ib_write_bw -d roceP2p1s0f0 -i 1 -x 3 -p 18518 -D 5 -F --report_gbits 192.168.101.2",
        ],
    ]
    called = [words[:-1] for step in client["steps"] for words in step]
    assert server["steps"] == [called] and server["ports"] == [18515, 18516, 18517, 18518]
    assert server["seconds"] > 3 * client["seconds"] and client["afterwards"] == []
    ends = {"from": "spark1", "to": "spark2", "gid_index": 3}
    assert client["runs"] == [{**ends, "device": RAIL}, {**ends, "device": TWIN}, {**ends, "devices": [RAIL, TWIN]}]


def test_in_a_container_it_has_what_it_needs_and_is_removed() -> None:
    (only_one,) = rounds(pair()["plan"], IMAGE)
    words = only_one["clients"]["spark1"]["steps"][0][0]
    assert words[:2] == ["docker", "run"] and words[words.index("--entrypoint") + 1 : words.index("-d")] == ["ib_write_bw", IMAGE]
    for option in (["--network", "host"], ["--device", "/dev/infiniband"], ["--cap-add", "IPC_LOCK"], ["--ulimit", "memlock=-1:-1"]):
        assert option[1] == words[words.index(option[0]) + 1]
    assert words[words.index("--name") + 1] == "dgx-spark-rdma-18515"
    for end in (only_one["clients"]["spark1"], only_one["servers"]["spark2"]):
        assert end["afterwards"][0] == ["docker", "rm", "--force", "dgx-spark-rdma-18515"] and len(end["afterwards"]) == 4


@pytest.mark.parametrize(("make", "wanted"), [(pair, 1), (ring, 3), (switch, 2)])
def test_there_are_as_many_rounds_as_it_takes(make: Callable[[], Measured], wanted: int) -> None:
    assert len(rounds(make()["plan"])) == wanted


@pytest.mark.parametrize("nodes", range(2, 10))
def test_every_rail_is_measured_and_no_node_twice_at_a_time(nodes: int) -> None:
    planned = plan({f"spark{number}": observed(spark(number)) for number in range(1, nodes + 1)})
    assert planned["topology"] == ("pair" if nodes == 2 else "switch")
    measured = set()
    for each in rounds(planned):
        ends = {**each["clients"], **each["servers"]}
        assert len(ends) == len(each["clients"]) + len(each["servers"]) == 2 * len(each["clients"])
        for host, end in ends.items():
            measured |= {(host, words[words.index("-d") + 1]) for step in end["steps"] for words in step}
    assert measured == {(host, rail["device"]) for host, node in planned["nodes"].items() for rail in node["rails"]}
    assert len(rounds(planned)) == 1 + nodes % 2


def test_whom_the_tool_is_missing_at_measures_nothing_and_that_is_said() -> None:
    measured = pair()
    tools = {"spark1": _fabric_runs.HOST, "spark2": None}
    assert _fabric_runs.rounds(measured["plan"], tools, 5, 18515) == []
    measured["rdma"] = _fabric_runs.missing(measured["plan"], tools)
    assert len(measured["rdma"]) == 3 and {each["error"] for each in measured["rdma"]} == {
        "ib_write_bw is neither on spark2 nor in the image"
    }
    assert _fabric_runs.missing(measured["plan"], dict.fromkeys(tools, IMAGE)) == []
    assert {each["error"] for each in _fabric_runs.missing(measured["plan"], {}, "the cluster serves")} == {"the cluster serves"}


def test_what_the_client_printed_is_what_a_judgement_takes() -> None:
    measured = pair()
    (only_one,) = rounds(measured["plan"])
    both = [{"rc": 0, "output": output(f"ib_write_bw_{name}.txt")} for name in ("rail", "twin")]
    measured["rdma"] = _fabric_runs.entries(only_one["clients"]["spark1"]["runs"], [both[:1], both[1:], both])
    assert [each["gbps"] for each in measured["rdma"]] == [92.57, 97.28, 189.85]
    assert only(measured)["id"] == "fabric.healthy"


def test_a_run_that_failed_or_never_ended_has_no_figure_and_says_why() -> None:
    (only_one,) = rounds(pair()["plan"])
    good = {"rc": 0, "output": output("ib_write_bw_rail.txt")}
    bad = {"rc": 1, "output": "Couldn't connect to 192.168.100.2:18515\n"}
    found = _fabric_runs.entries(only_one["clients"]["spark1"]["runs"], [[{"rc": 124, "output": ""}], [good, bad]])
    assert [(each["status"], each["gbps"], each["error"]) for each in found] == [
        ("timeout", None, "no output"),
        ("failed", None, "Couldn't connect to 192.168.100.2:18515"),
        ("timeout", None, "not ended"),
    ]


@pytest.mark.parametrize(
    ("outcomes", "wanted"),
    [
        ([{"rc": 1, "output": "Version: 4.5\n"}, {"rc": 127, "output": ""}], "host"),
        ([{"rc": 127, "output": "ib_write_bw: command not found"}, {"rc": 1, "output": "Version: 6.20\n"}], IMAGE),
        ([{"rc": 127, "output": "ib_write_bw: command not found"}, {"rc": 125, "output": "docker: Error response from daemon"}], None),
        ([{"rc": 127, "output": ""}], None),
        ([], None),
    ],
)
def test_where_the_tool_is(outcomes: list[dict[str, Any]], wanted: Any) -> None:
    assert _fabric_runs.available(outcomes, IMAGE) == wanted


def test_it_is_looked_for_in_an_image_only_if_there_is_one() -> None:
    assert _fabric_runs.look("") == [["ib_write_bw", "--version"]]
    assert _fabric_runs.look(IMAGE)[1][-4:] == ["--entrypoint", "ib_write_bw", IMAGE, "--version"]
