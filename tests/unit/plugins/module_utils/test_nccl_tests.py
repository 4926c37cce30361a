# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read in the table of all_reduce_perf, and in the line of JSON of a program of our own."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils._nccl_tests import parse
from tests.unit.plugins.fixtures.fabric import log, output


@pytest.mark.parametrize(
    ("name", "busbw", "seconds"), [("all_reduce_perf_one_rail.txt", 13.89, 0.0386597), ("all_reduce_perf_both_rails.txt", 20.52, 0.0261569)]
)
def test_the_figure_is_that_of_the_largest_size_and_not_the_average(name: str, busbw: float, seconds: float) -> None:
    assert parse(output(name), 0) == {
        "status": "ok",
        "bytes": 536870912,
        "busbw_gbps": busbw,
        "seconds": pytest.approx(seconds),
        "ranks": 2,
        "version": "2.28.3",
        "error": None,
    }


def test_a_time_without_decimals_and_a_check_that_was_left_out_are_read() -> None:
    # A user's report (NVIDIA/dgx-spark-playbooks#25).
    row = " 17179869184    2147483648     float    sum      -1   453650   37.87   18.94    N/A   410049   41.90   20.95    N/A"
    assert (parse(row)["busbw_gbps"], parse(row)["status"]) == (18.94, "ok")


@pytest.mark.parametrize(
    ("old", "new"), [("20.52       0", "20.52       7"), ("20.58       0", "20.58       7"), ("values : 0 OK", "values : 7 FAILED")]
)
def test_wrong_results_are_a_failure_however_fast(old: str, new: str) -> None:
    text = output("all_reduce_perf_both_rails.txt")
    assert old in text
    found = parse(text.replace(old, new), 0)
    assert (found["status"], found["busbw_gbps"]) == ("failed", None)
    assert "wrong results" in found["error"]


def line(**changes: t.Any) -> str:
    return json.dumps({"bytes": 2**30, "seconds": 0.0452, "busbw_gbps": 23.75, **changes})


def test_a_line_of_json_is_read_among_others() -> None:
    found = parse("\n".join([*log("nccl_rdma.log"), line(), "done"]), 0)
    assert (found["status"], found["bytes"], found["busbw_gbps"], found["ranks"], found["version"]) == ("ok", 2**30, 23.75, 2, "2.28.9")


def test_four_ranks_move_half_as_much_again() -> None:
    assert parse(line(ranks=4, seconds=0.0678))["status"] == "ok"
    assert parse(line(ranks=4))["status"] == "failed"


@pytest.mark.parametrize(
    "changes", [{"busbw_gbps": 190.0}, {"busbw_gbps": 2.37}, {"seconds": 0}, {"ranks": 1}, {"busbw_gbps": float("nan")}]
)
def test_a_figure_that_contradicts_its_bytes_and_seconds_is_none(changes: dict[str, t.Any]) -> None:
    found = parse(line(**changes))
    assert (found["status"], found["busbw_gbps"]) == ("failed", None)
    assert "bytes in" in found["error"]


def test_a_failure_says_why_by_the_line_nearest_to_the_cause() -> None:
    cause = "spark1:1:1 [0] NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory"
    found = parse(f"{cause}\nspark1: Test NCCL failure common.cu:1000 'unhandled system error'\n", 3)
    assert (found["status"], found["error"]) == ("failed", cause)


@pytest.mark.parametrize(
    ("text", "returncode", "status"), [("sh: 1: all_reduce_perf: not found", 127, "missing"), ("# nThread 1", 124, "timeout")]
)
def test_one_that_did_not_run_or_did_not_end_says_so(text: str, returncode: int, status: str) -> None:
    assert parse(text, returncode)["status"] == status


@given(
    st.text()
    | st.lists(st.sampled_from([*output("all_reduce_perf_both_rails.txt").splitlines(), line(), "{}", '{"busbw_gbps": []}'])).map("\n".join)
)
def test_any_output_has_a_figure_or_a_reason(text: str) -> None:
    found = parse(text)
    assert (found["busbw_gbps"] is None) == (found["status"] != "ok") == (found["error"] is not None)
