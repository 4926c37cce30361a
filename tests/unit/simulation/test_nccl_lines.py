# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stand-in prints as NCCL stands in the logs of the real NCCL, in the same order: those in nccl_logs/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.simulation.pair import Pair

LOGS = Path(__file__).with_name("nccl_logs")
NEW = {"STAND_IN_NCCL": "2.30.4+cuda13.2"}
# What differs from one machine to the next.
MACHINE = (
    (r"^\S+:\d+:\d+ \[\d+\] ", "HOST [0] "),
    (r"^\[[\d -]+:\d\d:\d\d\] \S+:\d+:\d+ \[\d+\]", "TIME HOST [0]"),
    (r"0x[0-9a-f]+", "0x"),
    (r"busId \w+", "busId"),
    (r"(cudaDev|nvmlDev) \d+", r"\1"),
    (r"\w+:\d+\.\d+\.\d+\.\d+<0>", "INTERFACE"),
    (r"(\d)\[\d\]", r"\1[]"),
    (r"NCCL_IB_HCA set to .*", "NCCL_IB_HCA set to NAMES"),
    (r"NCCL_SOCKET_IFNAME set to .*", "NCCL_SOCKET_IFNAME set to NAMES"),
    (r"rocep1s0f0:1/RoCE( \[1\]roceP2p1s0f0:1/RoCE)?", "HCAS"),
    (r"NET/IB/\d", "NET/IB/N"),
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    processes = Pair(tmp_path)
    yield processes
    processes.kill()


def nccl_lines(log: str, host: str = "") -> list[str]:
    """The lines of NCCL, of one host where the log is of several, without what is the machine's own."""
    found = []
    for line in log.splitlines():
        if ("NCCL INFO " in line or "NCCL WARN " in line or line.startswith("NCCL version")) and line.startswith(host):
            for pattern, name in MACHINE:
                line = re.sub(pattern, name, line)
            found.append(line)
    return found


def strangers(played: list[str], real: list[str]) -> list[str]:
    """Lines that the real log does not have after the ones before them."""
    rest = iter(real)
    return [line for line in played if line not in rest]


# The first runs had no NCCL_IB_HCA, none but the one over RDMA had NCCL_SOCKET_IFNAME, and the log of that one is abridged.
SOCKETS, HCA, ABRIDGED = "NCCL_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME|NCCL_IB_HCA", r"Bootstrap: Using|\[send\]|Connected all rings"
ABSENT = {"NCCL_IB_HCA": "=mlx5_9"}
CASES = [
    ("info-2.28.0.log", "", 0, ABSENT, HCA),
    ("hca-nosuch.0.log", "", 0, ABSENT, SOCKETS),
    ("info-2.30.4-preload.1.log", "", 1, {**ABSENT, **NEW}, HCA),
    ("warn-2.30.4-preload.0.log", "", 0, {"NCCL_DEBUG": "WARN", **NEW}, SOCKETS),
    ("warn-2.30.4-preload.1.log", "", 1, {"NCCL_DEBUG": "WARN", **NEW}, SOCKETS),
    ("unset-2.28.0.log", "", 0, {"NCCL_DEBUG": ""}, SOCKETS),
    ("rdma-2.28.9.log", "spark-fb97", 0, {}, ABRIDGED),
]


@pytest.mark.parametrize(("name", "host", "rank", "environ", "unseen"), CASES, ids=[case[0] for case in CASES])
def test_each_line_stands_in_the_real_log(pair: Pair, name: str, host: str, rank: int, environ: dict[str, str], unseen: str) -> None:
    for number in (0, 1):
        pair.start(number, **environ)
    pair.wait_for(0, "Application startup complete")
    real = nccl_lines((LOGS / name).read_text(), host)
    played = [line for line in nccl_lines(pair.log(rank)) if not re.search(unseen, line)]
    assert strangers(played, real) == []
    assert bool(played) == bool(real)


def test_unequal_versions_hang_with_the_real_line_on_the_first_rank_alone(pair: Pair) -> None:
    pair.start(0, NCCL_DEBUG="WARN", **NEW)
    pair.start(1, NCCL_DEBUG="WARN")
    pair.wait_for(0, "mismatch in info from procs")
    assert pair.hangs(0, 1)
    real = nccl_lines((LOGS / "mismatch.0.log").read_text())
    assert nccl_lines(pair.log(0)) == real and len(real) == 2
    assert nccl_lines(pair.log(1)) == []
