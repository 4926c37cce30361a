# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that is one rank of the all-reduce, two of them at a time, with a PyTorch that is played."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = (ROOT / "roles" / "validate" / "files" / "all_reduce.py").read_text()
SIZE = 2**28


def ranks(folder: Path, played: str, seconds: int = 60) -> list[subprocess.CompletedProcess[str]]:
    shutil.copy(ROOT / "tests" / "acceptance" / "played" / "played_torch.py", folder / "torch.py")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"PYTHONPATH": str(folder), "NCCL_IB_HCA": "=rocep1s0f0:1", "NCCL_SOCKET_IFNAME": "=lo", "NCCL_PLAYED_BUSBW": played}
    words = [[sys.executable, "-c", PROGRAM, str(rank), "2", "127.0.0.1", str(port), str(SIZE), str(seconds), "none0:1"] for rank in (0, 1)]
    running = [subprocess.Popen(each, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for each in words]
    return [subprocess.CompletedProcess(each.args, each.wait(60), each.communicate()[0]) for each in running]


def test_the_first_rank_says_how_fast_it_was_and_each_what_its_devices_carried(tmp_path: Path) -> None:
    first, second = ranks(tmp_path, "23.5")
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    found = json.loads(first.stdout.splitlines()[-1])
    assert found["busbw_gbps"] == pytest.approx(23.5) and (found["bytes"], found["ranks"]) == (SIZE, 2)
    # A device without counters, as here, is not known to carry nothing.
    assert json.loads(second.stdout.splitlines()[-1]) == {"carried": {}, "moved": 20 * SIZE}


def test_whatever_it_waits_for_it_ends_in_time(tmp_path: Path) -> None:
    assert {each.returncode for each in ranks(tmp_path, "hang", seconds=1)} == {-14}
