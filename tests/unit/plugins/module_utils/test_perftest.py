# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bandwidth and failures in outputs of perftest; the captured ones are in fixtures/measurements."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils._perftest import parse
from tests.unit.plugins.fixtures.fabric import output

TABLE = " #bytes     #iterations    BW peak[{unit}/sec]    BW average[{unit}/sec]   MsgRate[Mpps]\n"


@pytest.mark.parametrize(
    ("name", "gbps", "device", "mtu", "local", "remote"),
    [
        ("ib_write_bw_rail.txt", 92.57, "rocep1s0f0", 1024, "192.168.200.13", "192.168.200.12"),
        ("ib_write_bw_twin.txt", 97.28, "roceP2p1s0f0", 1024, "192.168.201.13", "192.168.201.12"),
        ("ib_send_bw.txt", 0.070390, "rocep1s0f0", 4096, "192.168.100.1", "192.168.100.2"),
        ("ib_write_bw_duration.txt", 0.093586, "rocep1s0f0", 4096, "192.168.100.1", "192.168.100.2"),
    ],
)
def test_the_average_is_read_with_what_it_was_measured_over(name: str, gbps: float, device: str, mtu: int, local: str, remote: str) -> None:
    assert parse(output(name), 0) == {
        "status": "ok",
        "gbps": gbps,
        "bytes": 65536,
        "device": device,
        "mtu": mtu,
        "gid_index": 3,
        "local_ipv4": local,
        "remote_ipv4": remote,
        "error": None,
    }


@pytest.mark.parametrize("unit", ["MB", "MiB"])
def test_without_report_gbits_a_megabyte_has_1048576_bytes(unit: str) -> None:
    row = f" 65536      5000             11030.78            11030.45{chr(9)}{chr(9)}     0.176487\n"  # a user's report
    assert parse(TABLE.format(unit=unit) + row)["gbps"] == pytest.approx(92.53, abs=0.01)


def test_of_several_sizes_the_largest_counts_and_of_several_lines_the_median() -> None:
    rows = " 2          5000           0.042350            0.042185            2.636533\n 65536 900 0.00 13.0 0.1\n" * 2
    found = parse(TABLE.format(unit="Gb") + rows + " 65536 900 0.00 92.0 0.1\n")
    assert (found["gbps"], found["bytes"]) == (13.0, 65536)


def test_a_run_that_was_ended_after_it_had_measured_counts() -> None:
    assert parse(output("ib_write_bw_rail.txt"), 124)["status"] == "ok"


# Messages of perftest 4.5; that of the completion is a user's report (zrlio/softiwarp#27).
FAILURES = [
    (
        " Completion with error at client\n Failed status 12: wr_id 0 syndrom 0x81\nscnt=128, ccnt=0\n",
        "Failed status 12: wr_id 0 syndrom 0x81",
    ),
    ("Failed to modify QP 297 to RTR\n Unable to Connect the HCA's through the link\n", "Failed to modify QP 297 to RTR"),
    ("Couldn't allocate MR\nfailed to create mr\nFailed to create MR\n Couldn't create IB resources\n", "Couldn't allocate MR"),
    ("Couldn't connect to 192.168.100.2:18515\n Unable to init the socket connection\n", "Couldn't connect to 192.168.100.2:18515"),
    ("IB device rocep1s0f9 not found\n Unable to find the Infiniband/RoCE device\n", "IB device rocep1s0f9 not found"),
    (output("ib_write_bw_no_device.txt"), "Did not detect devices"),
]


@pytest.mark.parametrize(("text", "error"), FAILURES, ids=[error for _text, error in FAILURES])
def test_a_failure_has_no_figure_and_the_line_that_says_why(text: str, error: str) -> None:
    found = parse(text, 1)
    assert (found["status"], found["gbps"], found["error"]) == ("failed", None, error)


def test_a_failure_after_some_lines_of_the_table_has_no_figure() -> None:
    found = parse(output("ib_write_bw_rail.txt") + FAILURES[0][0])
    assert (found["status"], found["gbps"]) == ("failed", None)


@pytest.mark.parametrize(
    ("text", "returncode"),
    [
        ("bash: line 1: ib_write_bw: command not found", None),
        ("sh: 1: ib_write_bw: not found", None),
        ("[Errno 2] No such file or directory: b'ib_write_bw'", None),
        ("bash: /usr/bin/ib_write_bw: No such file or directory", None),
        ("", 127),
    ],
)
def test_a_tool_that_is_not_there_is_missing(text: str, returncode: t.Optional[int]) -> None:
    assert parse(text, returncode)["status"] == "missing"


def test_a_device_that_is_not_there_is_no_missing_tool() -> None:
    assert parse("IB device ib_0 not found")["status"] == "failed"


def test_one_that_had_to_be_ended_without_a_figure_timed_out() -> None:
    assert parse("************************************\n* Waiting for client to connect... *\n", 124)["status"] == "timeout"


def test_a_warning_is_no_failure() -> None:
    warning = "Conflicting CPU frequency values detected: 1846.550000 != 2596.396000. CPU Frequency is not max.\n"
    assert parse(TABLE.format(unit="Gb") + warning + " 65536 5000 92.6 92.57 0.17\n", 0)["status"] == "ok"


def test_a_link_local_gid_maps_no_address() -> None:
    assert parse(" GID: 254:128:00:00:00:00:00:00:16:171:141:255:254:144:127:217\n")["local_ipv4"] is None


@given(st.text() | st.lists(st.sampled_from([*output("ib_write_bw_rail.txt").splitlines(), FAILURES[0][0], "x"])).map("\n".join))
def test_any_output_has_a_figure_or_a_reason(text: str) -> None:
    found = parse(text)
    assert (found["gbps"] is None) == (found["status"] != "ok") == (found["error"] is not None)
