# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels, drivers and logs of a node, one at a time; the node that is well is that of test_preflight."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _preflight
from tests.unit.plugins.module_utils.test_preflight import GIB, RANK, changed, node

BAD = "7.0.0-1019-nvidia"
KHO = {"disabled": False, "scratch_bytes": int(9.3 * GIB)}
QUIET = {"gpu_memory_refused": 0, "xids": [], "pcie_fatal": []}


def judge(change: dict[str, t.Any], **wanted: t.Any) -> dict[str, t.Any]:
    return _preflight.judge({"spark1": changed(node(1), change)}, _preflight.Wanted(**wanted))


def severities(change: dict[str, t.Any], **wanted: t.Any) -> list[tuple[str, str]]:
    return [(finding["id"], finding["severity"]) for finding in judge(change, **wanted)["findings"]]


@pytest.mark.parametrize(
    ("change", "wanted", "expected"),
    [
        ({"kernel": BAD}, {}, [("host.kernel-kho", "warning")]),
        ({"kernel": BAD, "kernel_handover": KHO}, {}, [("host.kernel-kho", "warning")]),
        # Not measurable once movable pages have filled the area.
        ({"kernel": BAD, "kernel_handover.scratch_bytes": None}, {}, [("host.kernel-kho", "warning")]),
        ({"kernel": "7.0.0-31-generic"}, {}, [("host.kernel-kho", "warning")]),
        ({"kernel": "7.0.0-30-generic"}, {}, []),
        ({"kernel": "7.0.0-310-generic"}, {}, []),
        ({"kernel": "6.17.0-1032-nvidia"}, {}, []),
        ({"kernel": BAD, "kernel_handover.disabled": True}, {}, []),
        ({"kernel": BAD, "kernel_handover.disabled": None}, {}, []),
        ({"kernel": BAD, "architecture": "x86_64"}, {}, []),
        ({"kernel": BAD}, {"check_infiniband": False}, []),
        ({"kernel": BAD}, {"check_gpu": False}, []),
        ({"kernel": "7.0.0-1020-nvidia", "kernel_handover": KHO}, {}, [("host.kernel-scratch", "warning")]),
        ({"kernel": "7.0.0-1020-nvidia", "kernel_handover.scratch_bytes": GIB - 1}, {}, []),
        ({"kernel": "7.0.0-1020-nvidia", "kernel_handover": {**KHO, "disabled": True}}, {}, []),
        ({"kernel_handover": KHO, "architecture": "x86_64"}, {}, []),
    ],
)
def test_kernel_is_told_that_keeps_rdma_from_registering_memory(
    change: dict[str, t.Any], wanted: dict[str, t.Any], expected: list[tuple[str, str]]
) -> None:
    assert severities(change, **wanted) == expected


def test_such_a_kernel_is_told_with_both_ways_out() -> None:
    (finding,) = judge({"kernel": BAD})["findings"]
    assert (finding["host"], finding["found"]) == ("spark1", "7.0.0-1019-nvidia without kho=off")
    assert "kho=off" in finding["remedy"] and "6.17.0-1032-nvidia" in finding["remedy"]


@pytest.mark.parametrize(("driver", "expected"), [("580.159.03", [("host.driver-reported-slow", "info")]), ("580.142", [])])
def test_driver_that_one_user_found_slow_is_told_and_no_more(driver: str, expected: list[tuple[str, str]]) -> None:
    assert severities({"gpu.driver": driver}) == expected
    assert severities({"gpu.driver": driver}, check_gpu=False) == []


REFUSED = ("host.gpu-memory-refused", "warning")
XID = ("host.gpu-xid", "info")
FATAL = ("host.pcie-fatal", "warning")


@pytest.mark.parametrize(
    ("log", "wanted", "expected"),
    [
        (None, {}, []),
        (QUIET, {}, []),
        ({**QUIET, "gpu_memory_refused": 3}, {}, [REFUSED]),
        ({**QUIET, "gpu_memory_refused": 3}, {"check_gpu": False}, []),
        ({**QUIET, "xids": [79]}, {}, [XID]),
        ({**QUIET, "xids": [79]}, {"check_gpu": False}, []),
        ({**QUIET, "pcie_fatal": ["0000:00:00.0"]}, {}, [FATAL]),
        ({**QUIET, "pcie_fatal": ["0000:00:00.0"]}, {"check_infiniband": False}, []),
        ({"gpu_memory_refused": 1, "xids": [79], "pcie_fatal": ["0000:00:00.0"]}, {}, [REFUSED, XID, FATAL]),
    ],
)
def test_what_the_kernel_logged_is_told(
    log: t.Optional[dict[str, t.Any]], wanted: dict[str, t.Any], expected: list[tuple[str, str]]
) -> None:
    assert severities({"kernel_log": log}, **wanted) == expected


def test_rank_that_runs_has_started_in_spite_of_refused_memory() -> None:
    serving = {"kernel_log": {"gpu_memory_refused": 2, "xids": [79], "pcie_fatal": []}, "docker.containers": [RANK]}
    assert severities(serving, rank_container=RANK) == [XID]
    assert severities(serving, rank_container="vllm-other") == [REFUSED, XID]
    memory, xid = [row for row in judge(serving, rank_container=RANK)["rows"] if "gpu in the log" in row]
    assert "NV_ERR_NO_MEMORY" in memory and memory.endswith("ok")
    assert "Xid 79" in xid and xid.endswith("info")


@pytest.mark.parametrize(("times", "words"), [(1, "NV_ERR_NO_MEMORY 1 time in this boot"), (23, "NV_ERR_NO_MEMORY 23 times in this boot")])
def test_log_is_told_with_number_and_name(times: int, words: str) -> None:
    log = {"gpu_memory_refused": times, "xids": [79, 119], "pcie_fatal": ["0000:00:00.0", "0002:00:00.0"]}
    memory, xid, pcie = judge({"kernel_log": log})["findings"]
    assert memory["found"] == words
    assert xid["found"] == "Xid 79, 119 in this boot"
    assert pcie["found"] == "fatal errors of 0000:00:00.0, 0002:00:00.0 in this boot"


def test_contested_findings_are_told_with_both_views() -> None:
    memory, earlyoom = judge({"earlyoom": True, "kernel_log.gpu_memory_refused": 1})["findings"]
    assert "some install it" in earlyoom["remedy"] and "others disable it" in earlyoom["remedy"]
    assert "hard resets" in memory["remedy"] and "went well" in memory["remedy"]


def test_what_could_not_be_observed_has_no_line_in_the_table() -> None:
    unknown = {"kernel_log": None, "earlyoom": None, "kernel_handover": {"disabled": None, "scratch_bytes": None}}
    names = ("gpu in the log", "pcie in the log", "earlyoom", "kernel")
    lines = "\n".join(judge({})["rows"])
    assert [name for name in names if f"spark1  {name}" not in lines] == []
    lines = "\n".join(judge(unknown)["rows"])
    assert [name for name in names if f"spark1  {name}" in lines] == []
