# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read in outputs of ping; the captured ones are in fixtures/measurements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils._ping import parse
from tests.unit.plugins.fixtures.fabric import output


@pytest.mark.parametrize(
    ("name", "received", "errors", "mtu", "error"),
    [
        ("ping_jumbo.txt", 3, 0, None, None),
        ("ping_small.txt", 3, 0, None, None),
        ("ping_jumbo_lost.txt", 0, 0, None, None),
        ("ping_too_long.txt", 0, 3, 1500, "ping: local error: message too long, mtu=1500"),
    ],
)
def test_the_summary_counts(name: str, received: int, errors: int, mtu: int, error: str) -> None:
    found = parse(output(name))
    assert (found["status"], found["sent"], found["received"], found["errors"], found["mtu"], found["error"]) == (
        "ok",
        3,
        received,
        errors,
        mtu,
        error,
    )


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("ping_no_route.txt", "ping: connect: Network is unreachable"),
        ("ping_no_interface.txt", "ping: SO_BINDTODEVICE nosuch0: No such device"),
    ],
)
def test_one_that_could_not_begin_has_failed_and_says_why(name: str, error: str) -> None:
    found = parse(output(name), 2)
    assert (found["status"], found["sent"], found["error"]) == ("failed", None, error)


def test_what_a_router_says_of_the_mtu_is_read() -> None:
    line = "From 192.168.100.1 icmp_seq=1 Frag needed and DF set (mtu = 1500)\n"
    found = parse(line + "--- x ping statistics ---\n3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2ms\n")
    assert (found["mtu"], found["errors"], found["error"]) == (1500, 3, line.strip())


def test_duplicates_and_busybox_are_read() -> None:
    found = parse("3 packets transmitted, 3 packets received, 0% packet loss")
    assert (found["sent"], found["received"], found["duplicates"]) == (3, 3, 0)
    assert parse("3 packets transmitted, 3 received, +2 duplicates, 0% packet loss, time 2ms")["duplicates"] == 2


@pytest.mark.parametrize("text", ["sh: 1: ping: not found", "bash: line 1: ping: command not found", "No such file or directory: b'ping'"])
def test_a_ping_that_is_not_there_is_missing(text: str) -> None:
    assert parse(text)["status"] == "missing"


def test_one_that_had_to_be_ended_timed_out() -> None:
    assert parse("PING 192.168.100.2 (192.168.100.2) 56(84) bytes of data.", 124)["status"] == "timeout"


@given(st.text())
def test_any_output_has_counts_or_a_reason(text: str) -> None:
    found = parse(text)
    assert (found["sent"] is not None) == (found["status"] == "ok")
    assert found["status"] == "ok" or found["error"]
