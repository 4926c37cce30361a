# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ranks of the stand-in on the loop-back interface, with RDMA devices made of files."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulation import tiny_model
from simulation.access import HERE

SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rdma_tree(root: Path, address: str) -> dict[str, str]:
    """One active device whose RoCE v2 GID of `address` is at index 3, and the variables that show it to the stand-in."""
    port = root / "class/infiniband/rocep1s0f0/ports/1"
    mapped = "0000:0000:0000:0000:0000:ffff:{:02x}{:02x}:{:02x}{:02x}".format(*map(int, address.split(".")))
    entries = [("fe80:" + "0000:" * 6 + "0001", kind) for kind in ("IB/RoCE v1", "RoCE v2")]
    entries += [(mapped, kind) for kind in ("IB/RoCE v1", "RoCE v2")]
    for name in ("gids", "gid_attrs/types", "gid_attrs/ndevs"):
        (port / name).mkdir(parents=True)
    for index, (gid, kind) in enumerate(entries):
        (port / "gids" / str(index)).write_text(gid + "\n")
        (port / "gid_attrs/types" / str(index)).write_text(kind + "\n")
        (port / "gid_attrs/ndevs" / str(index)).write_text("lo\n")
    (port / "gids/4").write_text(":".join(["0000"] * 8) + "\n")
    (port / "state").write_text("4: ACTIVE\n")
    os.symlink("../../devices/0000:01:00.0", root / "class/infiniband/rocep1s0f0/device")
    (root / "uverbs0").touch()
    return {"STAND_IN_SYSFS": str(root), "STAND_IN_DEV": str(root)}


class Pair:
    """The two processes, their logs and the API's port."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path, self.api, self.master = tmp_path, free_port(), free_port()
        tiny_model.write(tmp_path / "hf")
        self.ranks: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, rank: int, *words: str, **environ: str) -> None:
        argv = ["serve", tiny_model.REPOSITORY, "--tensor-parallel-size", "2", "--nnodes", "2", "--node-rank", str(rank)]
        argv += ["--master-addr", "127.0.0.1", "--master-port", str(self.master), "--served-model-name", "tiny"]
        argv += ["--headless"] if rank else ["--host", "127.0.0.1", "--port", str(self.api)]
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(HERE.parent),
            "HOME": str(self.tmp_path / f"home{rank}"),
            "TMPDIR": str(self.tmp_path / f"tmp{rank}"),
            "HF_HOME": str(self.tmp_path / "hf"),
            "HF_HUB_OFFLINE": "1",
            "VLLM_HOST_IP": "127.0.0.1",
            "GLOO_SOCKET_IFNAME": "lo",
            "NCCL_SOCKET_IFNAME": "=lo",
            "NCCL_DEBUG": "INFO",
            "STAND_IN_COMPILE_SECONDS": "0",
            **rdma_tree(self.tmp_path / f"sys{rank}", f"127.0.1.{rank + 1}"),
            **environ,
        }
        with self.log_path(rank).open("wb") as log:
            command = [sys.executable, "-m", "simulation.stand_in.vllm_stand_in", *argv, *words]
            self.ranks[rank] = subprocess.Popen(command, env=variables, stdout=log, stderr=log)

    def log_path(self, rank: int) -> Path:
        return self.tmp_path / f"rank{rank}.log"

    def log(self, rank: int) -> str:
        return self.log_path(rank).read_text()

    def wait_for(self, rank: int, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.log(rank):
            assert time.monotonic() < deadline, f"rank {rank} never said {text!r}:\n{self.log(rank)}"
            time.sleep(0.05)

    def ends(self, rank: int) -> int:
        return self.ranks[rank].wait(SECONDS)

    def ask(self, path: str, body: Any = None, key: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=SECONDS)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    processes = Pair(tmp_path)
    yield processes
    for process in processes.ranks.values():
        process.kill()
        process.wait()


@pytest.fixture
def ready(pair: Pair) -> Pair:
    pair.start(1, VLLM_API_KEY="k")
    pair.start(0, VLLM_API_KEY="k")
    pair.wait_for(0, "Application startup complete")
    return pair


def test_pair_serves_over_its_rails_until_the_worker_dies(ready: Pair) -> None:
    for rank in (0, 1):
        log = ready.log(rank)
        assert "NCCL INFO NCCL version 2.28.9+cuda13.0" in log
        assert "NET/IB : Using [0]rocep1s0f0:1/RoCE [RO]; OOB lo:127.0.0.1<0>" in log
        assert f"stand-in: rank {rank} device rocep1s0f0 gid_index 3 " in log
        assert re.search(r"Channel 00/0 : \d\[0\] -> \d\[0\] \[send\] via NET/IB/0", log)
        assert "100% Completed | 4/4" in log
        assert "stand-in: compiled 40 kernels, reused 0" in log
    assert ready.ask("/health")[0] == 200
    assert ready.ask("/v1/models")[0] == 401
    status, models = ready.ask("/v1/models", key="k")
    assert (status, json.loads(models)["data"][0]["id"]) == (200, "tiny")
    status, answer = ready.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}, "k")
    assert (status, json.loads(answer)["usage"]["completion_tokens"]) == (200, 3)
    status, events = ready.ask("/v1/completions", {"prompt": "hi", "max_tokens": 2, "stream": True}, "k")
    assert (status, events.endswith(b"data: [DONE]\n\n"), events.count(b"data: ")) == (200, True, 4)
    assert b'vllm:generation_tokens_total{engine="0",model_name="tiny"} 5.0' in ready.ask("/metrics")[1]

    ready.ranks[1].kill()
    ready.ends(1)
    assert ready.ask("/health")[0] == 200, "the head does not notice"
    assert ready.ask("/v1/completions", {"prompt": "hi"}, "k")[0] == 500
    assert ready.ends(0) == 0
    assert "EngineDeadError" in ready.log(0)


def test_worker_outlives_its_head_in_silence_and_ends_on_sigterm(ready: Pair) -> None:
    before = ready.log(1)
    ready.ranks[0].send_signal(signal.SIGTERM)
    assert ready.ends(0) == 0
    time.sleep(0.5)
    assert ready.ranks[1].poll() is None
    assert ready.log(1) == before
    ready.ranks[1].send_signal(signal.SIGTERM)
    assert ready.ends(1) == 0


@pytest.mark.parametrize(("index", "head", "worker"), [("4", "61 No data available", "22 Invalid argument"), ("1", "110", "110")])
def test_wrong_gid_on_the_head_ends_both_ranks(pair: Pair, index: str, head: str, worker: str) -> None:
    pair.start(0, NCCL_IB_GID_INDEX=index)
    pair.start(1)
    assert (pair.ends(0), pair.ends(1)) == (1, 1)
    assert f"Call to ibv_modify_qp failed with {head}" in pair.log(0)
    assert f"Call to ibv_modify_qp failed with {worker}" in pair.log(1)


def test_without_a_matching_device_nccl_falls_back_unless_told_not_to(pair: Pair) -> None:
    pair.start(0, NCCL_IB_HCA="=mlx5_9")
    pair.start(1, NCCL_IB_HCA="=mlx5_9")
    pair.wait_for(0, "Application startup complete")
    assert "NET/IB : No device found." in pair.log(0)
    assert "via NET/Socket/0" in pair.log(1)
    assert "via NET/IB" not in pair.log(0)


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"NCCL_IB_HCA": "=mlx5_9", "NCCL_NET": "IB"}, "Failed to initialize any NET plugin"),
        ({"NCCL_SOCKET_IFNAME": "=nosuch0"}, "Bootstrap : no socket interface found"),
        ({"GLOO_SOCKET_IFNAME": "enP7s7"}, "ifa != nullptr. Unable to find address for: enP7s7"),
        ({"VLLM_HOST_IP": "192.0.2.77"}, "zmq.error.ZMQError: Cannot assign requested address (addr='tcp://192.0.2.77:0')"),
    ],
)
def test_wrong_setting_ends_a_rank_with_the_real_text(pair: Pair, environ: dict[str, str], text: str) -> None:
    pair.start(0, **environ)
    pair.start(1, **environ)
    assert (pair.ends(0), pair.ends(1)) == (1, 1)
    assert text in pair.log(0)


def test_head_alone_and_worker_alone_give_up_after_their_time(pair: Pair) -> None:
    pair.start(0, "--distributed-timeout-seconds", "1")
    assert pair.ends(0) == 1
    assert "DistStoreError: Timed out after 2 seconds waiting for clients. 1/2 clients joined." in pair.log(0)
    pair.start(1, "--distributed-timeout-seconds", "1")
    assert pair.ends(1) == 1
    assert f"The client socket has timed out after 1000ms while trying to connect to (127.0.0.1, {pair.master})." in pair.log(1)


def test_second_rank_must_be_headless(pair: Pair) -> None:
    pair.start(0, "--node-rank", "1")
    assert pair.ends(0) == 1
    assert "AssertionError: collective_rpc should not be called on follower node" in pair.log(0)


def test_block_sizes_that_differ_are_the_one_difference_noticed(pair: Pair) -> None:
    pair.start(0, "--block-size", "256", "--max-model-len", "512")
    pair.start(1, "--block-size", "128", "--max-model-len", "256")
    assert pair.ends(0) == 1
    assert "AssertionError: The KV cache specs for the same layer are different across workers" in pair.log(0)
