# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils._evidence import CAUSE, ERROR, PEER, WRAPPER, is_fatal, select, weight
from ansible_collections.dgx_spark.vllm.plugins.module_utils._journal import Line
from ansible_collections.dgx_spark.vllm.plugins.module_utils._readiness import highest, timeline

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
CASES = yaml.safe_load((LOGS / "expected.yml").read_text(encoding="utf-8"))


def lines_of(case: dict[str, t.Any]) -> list[str]:
    return case["lines"] if "lines" in case else (LOGS / case["log"]).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("name") or case["log"])
def test_evidence_is_the_line_that_names_the_cause(case: dict[str, t.Any]) -> None:
    found = select(lines_of(case), last_resort=False)

    assert len(found) == len(case["evidence"]), found
    for line, piece in zip(found, case["evidence"]):
        assert piece in line


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("name") or case["log"])
def test_only_a_log_of_a_failed_start_is_fatal(case: dict[str, t.Any]) -> None:
    assert any(map(is_fatal, lines_of(case))) is case["fatal"]


@pytest.mark.parametrize("case", [case for case in CASES if "phase" in case], ids=lambda case: case.get("name") or case["log"])
def test_the_highest_phase_is_read_from_the_log(case: dict[str, t.Any]) -> None:
    assert highest(timeline([Line(0.0, text) for text in lines_of(case)])) == case["phase"]


def test_every_extract_is_in_the_table() -> None:
    assert {path.name for path in LOGS.glob("*.log")} == {case["log"] for case in CASES if "log" in case}


def test_a_wrapper_is_evidence_where_nothing_better_is_there() -> None:
    line = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore': 1}"

    assert select(["Traceback (most recent call last):", line]) == [line]


def test_the_last_plain_line_is_the_last_resort() -> None:
    lines = ["python3: can't open file '/usr/local/lib/dgx-spark/launch.py'", '  File "x.py", line 1', "nanobind: leaked 4 instances!"]

    assert select(lines) == lines[:1]
    assert select(lines, last_resort=False) == []


def test_nothing_gives_no_evidence() -> None:
    assert select([]) == []


def test_evidence_is_limited_in_number_and_length() -> None:
    found = select([f"ValueError: {number} {'x' * 2000}" for number in range(9)])

    assert len(found) == 3
    assert all(len(line) <= 600 for line in found)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("RuntimeError: ifa != nullptr. Unable to find address for: enP7s7", CAUSE),
        ("RuntimeError: [pair.cc:553] Connection closed by peer [192.168.177.12]:65261", PEER),
        ("the head is gone: no connection to 192.168.177.11:25000 any more; restart all ranks", PEER),
        ("ImportError: libcudart.so.13: cannot open shared object file", ERROR),
        ("RuntimeError: Worker failed with error 'Connection closed by peer'", WRAPPER),
        ("INFO:     Application startup complete.", None),
        ("/usr/lib/x.py:254: UserWarning: resource_tracker: There appear to be 1 leaked semaphore objects", None),
    ],
)
def test_lines_weigh_by_their_distance_from_the_cause(line: str, expected: t.Optional[int]) -> None:
    assert weight(line) == expected


def test_secrets_do_not_leave_in_evidence() -> None:
    found = select(
        ["ValueError: bad request for key sesame-open with 'api_key': ['sesame-open'] and HF_TOKEN=abc"], secrets=["sesame-open"]
    )

    assert found == ["ValueError: bad request for key ******** with 'api_key': ******** and HF_TOKEN=********"]
