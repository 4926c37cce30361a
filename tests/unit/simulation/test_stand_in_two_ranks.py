# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ranks of the stand-in, and what they do to each other."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.simulation.pair import Pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    processes = Pair(tmp_path)
    yield processes
    processes.kill()


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
    assert ready.hangs(1)
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


def test_second_rank_must_be_headless_and_the_head_never_hears_of_it(pair: Pair) -> None:
    pair.start(0)
    pair.launch(1, [], {}, headless=False)
    assert pair.ends(1) == 1
    log = pair.log(1)
    assert log.index("Loading weights took") < log.index("AssertionError: collective_rpc should not be called on follower node")
    assert "[core.py:1140] EngineCore failed to start." in log
    assert pair.hangs(0) and "Application startup complete" not in pair.log(0)


def test_block_sizes_that_differ_are_the_one_difference_noticed(pair: Pair) -> None:
    pair.start(0, "--block-size", "256", "--max-model-len", "512")
    pair.start(1, "--block-size", "128", "--max-model-len", "256")
    assert pair.ends(0) == 1
    assert "AssertionError: The KV cache specs for the same layer are different across workers" in pair.log(0)
