# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a node has to what it runs, and from what that printed to a judgement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _allreduce, _fabric_measure
from tests.unit.plugins.fixtures.fabric import RAIL, TWIN, Measured, nccl_lines, only, output, pair

ROOT = Path(__file__).parents[4]

RECIPE: dict[str, Any] = yaml.safe_load((ROOT / "recipes" / "dsv4-flash-b12x-1m.yml").read_text())
ON_CPU = {**RECIPE, "device": "cpu"}
IMAGE = "dgx-spark/vllm:0123"
HOSTS = ("spark1", "spark2")
ABSENT = {"rc": 127, "output": "ib_write_bw: command not found"}
PRESENT = {"rc": 1, "output": "Version: 4.5\n"}
KERNEL = [
    {"rc": 0, "output": "7.0.0-1019-nvidia\n"},
    {"rc": 0, "output": "quiet kho=off\n"},
    {"rc": 0, "output": "-- No entries --\ncx7-pcie-hotplug MTKP0001:00: Cable plugin\n"},
]
TORCH = {"rc": 0, "output": "a banner of the image\n" + json.dumps({"nccl": True, "gpus": 1}) + "\n"}
NO_TORCH = {"rc": 1, "output": "Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch'\n"}


def looked(rdma: Any = PRESENT, inside: Any = ABSENT, torch: Any = TORCH) -> dict[str, list[Any]]:
    return {host: [*KERNEL, rdma, inside, torch] for host in HOSTS}


def runs(measured: Measured, recipe: Any = RECIPE, image: str = IMAGE, **options: Any) -> dict[str, Any]:
    given = {"image": dict.fromkeys(HOSTS, image), "gpu": dict.fromkeys(HOSTS, "gpus"), "looked": looked(), "program": "a program"}
    return _fabric_measure.runs(measured["plan"], recipe, **{**given, **options})


def judged(measured: Measured, planned: Any, called: Any, reduced: Any) -> dict[str, Any]:
    return only({**measured, **_fabric_measure.measured(measured["plan"], planned, called, reduced)})


def rank(host: str, busbw: float = 23.5, carried: int = 2**34) -> list[list[dict[str, Any]]]:
    """What a rank of the all-reduce prints, NCCL's part being that of a captured log."""
    lines = nccl_lines([RAIL, TWIN])
    lines.append(json.dumps({"carried": {RAIL: carried, TWIN: 2**34}, "moved": 20 * 2**30}))
    if host == "spark1":
        lines.append(json.dumps({"bytes": 2**30, "seconds": 2**30 / busbw / 1e9, "busbw_gbps": busbw, "ranks": 2}))
    return [[{"rc": 0, "output": "\n".join(lines)}]]


def bandwidths() -> list[Any]:
    both = [{"rc": 0, "output": output(f"ib_write_bw_{name}.txt")} for name in ("rail", "twin")]
    return [both[:1], both[1:], both]


def test_a_healthy_pair_is_measured_whole_and_found_so() -> None:
    measured = pair()
    planned = runs(measured)
    assert len(planned["rounds"]) == 1 and planned["rdma"] == [] and planned["without_allreduce"] == ""
    assert planned["kernel"]["spark2"] == {
        "release": "7.0.0-1019-nvidia",
        "cmdline": "quiet kho=off",
        "lines": ["cx7-pcie-hotplug MTKP0001:00: Cable plugin"],
    }
    found = judged(measured, planned, {"spark1": [bandwidths()]}, {host: rank(host) for host in HOSTS})
    assert (found["id"], found["figure"]["value"]) == ("fabric.healthy", 23.5)


def test_a_rail_that_carries_nothing_is_named() -> None:
    measured = pair()
    found = judged(
        measured,
        runs(measured),
        {"spark1": [bandwidths()]},
        {host: rank(host, 12.5, carried=4096) for host in HOSTS[:1]} | {"spark2": rank("spark2")},
    )
    assert (found["id"], found["host"], found["rail"]) == ("fabric.one-rail", "spark1", RAIL)
    assert "only these carried traffic: roceP2p1s0f0:1" in found["found"]


@pytest.mark.parametrize("rc", [124, 142])
def test_a_rank_that_was_ended_or_ended_itself_came_to_no_end(rc: int) -> None:
    measured = pair()
    found = judged(measured, runs(measured), {"spark1": [bandwidths()]}, {host: [[{"rc": rc, "output": ""}]] for host in HOSTS})
    assert found["id"] == "fabric.test-failed" and "came to no end" in found["found"]


def test_an_all_reduce_of_which_nothing_was_heard_came_to_no_end() -> None:
    measured = pair()
    found = judged(measured, runs(measured), {"spark1": [bandwidths()]}, {})
    assert found["id"] == "fabric.test-failed" and "came to no end" in found["found"]


def test_runs_that_were_cut_short_came_to_no_end() -> None:
    measured = pair()
    part = _fabric_measure.measured(measured["plan"], runs(measured), {"spark1": [bandwidths()[:2]]}, {})
    assert [each["status"] for each in part["rdma"]] == ["ok", "ok", "timeout"]
    assert [each["status"] for each in _fabric_measure.measured(measured["plan"], runs(measured), {}, {})["rdma"]] == ["timeout"] * 3


@pytest.mark.parametrize(
    ("options", "rdma", "allreduce"),
    [
        (
            {"looked": looked(ABSENT, torch=NO_TORCH)},
            "ib_write_bw is neither on spark1 and spark2 nor in the image",
            "No module named 'torch'",
        ),
        ({"recipe": ON_CPU, "looked": looked(ABSENT)}, "ib_write_bw is neither", "computes on the CPU"),
        ({"image": "", "looked": {host: [*KERNEL, ABSENT] for host in HOSTS}}, "ib_write_bw is neither", "no image"),
        ({"reason": "the cluster serves"}, "the cluster serves", "the cluster serves"),
        ({"looked": {}}, "ib_write_bw is neither", "the node was not looked at"),
        (
            {"looked": {**looked(ABSENT), "spark2": [*KERNEL, ABSENT, ABSENT, NO_TORCH]}},
            "ib_write_bw is neither",
            "spark2: no PyTorch in the image",
        ),
    ],
)
def test_what_can_not_be_measured_is_named_and_never_healthy(options: Any, rdma: str, allreduce: str) -> None:
    measured = pair()
    planned = runs(measured, **options)
    assert planned["rounds"] == [] and planned["allreduce"] == {}
    document = _fabric_measure.measured(measured["plan"], planned, {}, {})
    assert {each["status"] for each in document["rdma"]} == {"missing"} and all(rdma in each["error"] for each in document["rdma"])
    assert document["allreduce"]["status"] == "missing" and allreduce in document["allreduce"]["error"]


def test_the_ranks_run_as_the_recipe_says_and_never_with_more_than_a_node_bears() -> None:
    measured = pair()
    words = {host: options["steps"][0][0] for host, options in runs(measured)["allreduce"].items()}
    for number, host in enumerate(HOSTS):
        text = " ".join(words[host])
        for part in ("--network host", "--gpus all", "--device /dev/infiniband", "--env NCCL_DEBUG=INFO", f"--entrypoint sh {IMAGE} -lc"):
            assert part in text
        assert "--env NCCL_IB_HCA==rocep1s0f0:1,roceP2p1s0f0:1" in text and "--env NCCL_IB_GID_INDEX --env" in text
        assert "--env VLLM_USE_B12X_MOE" not in text and "LD_PRELOAD=/opt/dgx-spark/nccl/libnccl.so.2" in text
        place = [str(number), "2", "192.168.100.1", "25000", str(2**30), "300", RAIL, TWIN]
        assert words[host][-len(place) - 2 :] == ["-c", "a program", *place]
    changed = runs(
        measured, environment={"NCCL_NVLS_ENABLE": None, "NCCL_ALGO": "Ring", "VLLM_USE_B12X_MOE": "0", "NCCL_IB_GID_INDEX": "4"}
    )["allreduce"]
    given = [
        word.split("=")[0]
        for before, word in zip(changed["spark1"]["steps"][0][0], changed["spark1"]["steps"][0][0][1:])
        if before == "--env"
    ]
    assert len(set(given)) == len(given), "a name without a value would take away the one with it"
    text = " ".join(changed["spark1"]["steps"][0][0])
    assert "--env NCCL_ALGO=Ring" in text and "NVLS" not in text and "B12X" not in text
    with pytest.raises(_allreduce.AllreduceError, match="at most 4000000000"):
        runs(measured, size=4_000_000_004)


@pytest.mark.parametrize(
    ("outcome", "wanted"),
    [
        (TORCH, ""),
        ({"rc": 0, "output": '{"nccl": false, "gpus": 1}'}, "PyTorch in the image has no NCCL"),
        ({"rc": 0, "output": '{"nccl": true, "gpus": 0}'}, "no GPU in the container"),
        ({"rc": 125, "output": ""}, "no PyTorch in the image (status 125)"),
        ({"rc": 1, "output": "[1]\nImportError: libtorch_cuda.so\n"}, "no PyTorch in the image (ImportError: libtorch_cuda.so)"),
    ],
)
def test_what_an_all_reduce_lacks(outcome: Any, wanted: str) -> None:
    assert _allreduce.lacks(outcome) == wanted


def test_the_image_is_looked_into_only_where_there_is_one_and_nccl_is_used() -> None:
    def programs(*given: Any) -> list[str]:
        return [" ".join(words) for words in _fabric_measure.look(*given)]

    assert [words.split()[0] for words in programs(RECIPE, "", None)] == ["uname", "cat", "journalctl", "ib_write_bw"]
    assert "--gpus all" in programs(RECIPE, IMAGE, "gpus")[-1] and "import json, torch" in programs(RECIPE, IMAGE, "gpus")[-1]
    assert programs(ON_CPU, IMAGE, None)[-1].endswith(f"--entrypoint ib_write_bw {IMAGE} --version")


def test_the_all_reduce_gets_of_the_images_variables_what_the_ranks_get() -> None:
    baked = {"spark1": {"NCCL_IB_TIMEOUT": "3", "UCX_TLS": "tcp", "PATH": "/bin", "NCCL_DEBUG": "WARN"}}
    plain, without = runs(pair())["allreduce"], runs(pair(), baked=baked)["allreduce"]
    words = {host: options["steps"][0][0] for host, options in without.items()}
    taken = {words["spark1"][place + 1] for place, word in enumerate(words["spark1"]) if word == "--env"}
    assert {"NCCL_IB_TIMEOUT", "UCX_TLS"} <= taken and "PATH" not in taken and "NCCL_DEBUG" not in taken
    assert words["spark2"] == plain["spark2"]["steps"][0][0]
