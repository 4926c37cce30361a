# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._journal import Line
from ansible_collections.dgx_spark.vllm.plugins.module_utils._nccl_log import nccl_report
from ansible_collections.dgx_spark.vllm.plugins.module_utils._readiness import (
    PHASES,
    PROOFS,
    START_PATTERN,
    epoch,
    final_phase,
    highest,
    iso,
    reached,
    timeline,
    unknown_environment,
)

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"


def read(name: str) -> list[Line]:
    return [Line(float(at), text) for at, text in enumerate((LOGS / name).read_text(encoding="utf-8").splitlines())]


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("Launching vLLM (v0.32.0) headless multiproc executor, with head node address 192.168.177.11:25000 for torch", "rendezvous"),
        ("world_size=2 rank=1 local_rank=0 distributed_init_method=tcp://192.168.177.11:25000 backend=nccl", "rendezvous"),
        ("spark1:5:5 [0] NCCL INFO ncclCommInitRankConfig comm 0xc1 rank 0 nranks 2 commId 0xe6 - Init COMPLETE", "nccl"),
        ("spark1:5:5 [0] NCCL INFO ncclCommInitRankConfig comm 0xc1 rank 0 nranks 2 commId 0xe6 - Init START", None),
        ("NCCL version 2.30.4+cuda13.2", None),
        ("Loading safetensors checkpoint shards:  98% Completed | 45/46", None),
        ("Loading safetensors checkpoint shards: 100% Completed | 46/46", "weights"),
        ("(Worker_TP1 pid=1) INFO 11-22 01:21:26 [default_loader.py:501] Loading weights took 162.01 seconds", "weights"),
        ("(Worker_TP0 pid=511) 2026-09-02 11:57:03,500 - INFO - flashinfer.jit: [Autotuner]: Autotuning process starts ...", "compile"),
        ("INFO [kernel_warmup.py:260] Using FlashInfer autotune cache file: /root/.cache/x.json", "compile"),
        ("compiling mhc_pre_big_fuse_tilelang", "compile"),
        ("(Worker_TP0 pid=1) INFO 05-13 01:24:30 [gpu_worker.py:462] Available KV cache memory: 21.28 GiB", "kv_cache"),
        ("INFO [kv_cache_utils.py:2327] CPU KV cache size: 2,097,152 tokens, Maximum concurrency", "kv_cache"),
        ("INFO [core.py:402] init engine (profile, create kv cache, warmup model) took 0.87 s", "graphs"),
        ("INFO:     Application startup complete.", "api"),
        ('INFO:     127.0.0.1:1 - "GET /health HTTP/1.1" 200 OK', None),
        ('INFO:     127.0.0.1:1 - "POST /v1/completions HTTP/1.1" 200 OK', None),
    ],
)
def test_a_line_proves_its_phase(line: str, phase: t.Optional[str]) -> None:
    assert highest(timeline([Line(0.0, line)])) == phase


def test_phases_are_dated_from_the_start_of_the_unit() -> None:
    lines = [Line(1030.25, "distributed_init_method=tcp://h:1 backend=nccl"), Line(1100.0, "Loading weights took 60 seconds")]

    assert timeline(lines, started_at=1012.0) == [
        {"phase": "started", "at": "1970-01-01T00:16:52Z", "seconds": 0.0},
        {"phase": "rendezvous", "at": "1970-01-01T00:17:10Z", "seconds": 18.2},
        {"phase": "weights", "at": "1970-01-01T00:18:20Z", "seconds": 88.0},
    ]


def test_phases_are_in_the_order_of_the_ladder_even_if_they_come_otherwise() -> None:
    lines = [Line(1.0, "GPU KV cache size: 1,919,636 tokens"), Line(2.0, "torch.compile took 41 s"), Line(3.0, "torch.compile took 2 s")]
    steps = timeline(lines, 0.0)

    assert [(step["phase"], step["seconds"]) for step in steps] == [("started", 0.0), ("compile", 2.0), ("kv_cache", 1.0)]
    assert highest(steps) == "kv_cache"


def test_the_earlier_of_line_and_mark_counts() -> None:
    steps = timeline([Line(5.0, "Application startup complete")], 0.0, {"api": 9.0, "token": 10.0})

    assert [(step["phase"], step["seconds"]) for step in steps] == [("started", 0.0), ("api", 5.0), ("token", 10.0)]


def test_without_a_start_seconds_are_null() -> None:
    assert timeline([Line(5.0, "Application startup complete")])[0]["seconds"] is None


def test_a_later_phase_implies_the_earlier_ones() -> None:
    assert reached("weights", "nccl")
    assert reached("nccl", "nccl")
    assert not reached("rendezvous", "nccl")
    assert not reached(None, "started")


def test_the_head_has_to_bring_a_token_and_a_worker_its_groups() -> None:
    assert (final_phase(0), final_phase(1), final_phase(3)) == ("token", "nccl", "nccl")


def test_every_phase_but_the_first_and_the_last_has_a_proof() -> None:
    assert ["started", *PROOFS, "token"] == list(PHASES)
    assert all(pattern in START_PATTERN for pattern in PROOFS.values())


def test_unknown_variables_are_named_once() -> None:
    text = "(APIServer pid=57) WARNING 07-12 02:33:24 [envs.py:2041] Unknown vLLM environment variable detected: "
    lines = [Line(0.0, text + name) for name in ("VLLM_TRITON_MLA_SPARSE", "VLLM_BUILD_URL", "VLLM_TRITON_MLA_SPARSE")]

    assert unknown_environment(lines) == ["VLLM_TRITON_MLA_SPARSE", "VLLM_BUILD_URL"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T01:16:21Z", 1795310181.0),
        ("2026-11-22T01:16:21", 1795310181.0),
        ("2026-11-22T02:16:21+01:00", 1795310181.0),
        ("2026-11-22T01:16:21.123456789Z", 1795310181.123456),
        ("2026-11-22T01:16:21.5Z", 1795310181.5),
        ("@1795310181", 1795310181.0),
        ("1795310181.5", 1795310181.5),
    ],
)
def test_times_are_read_as_docker_and_people_write_them(text: str, expected: float) -> None:
    assert epoch(text) == pytest.approx(expected)
    assert iso(expected) == "2026-11-22T01:16:21Z"


@pytest.mark.parametrize("text", ["", "yesterday", "12:00", "@"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        epoch(text)


@pytest.mark.parametrize(
    ("line", "version", "cuda"),
    [
        ("NCCL version 2.28.3+cuda13.0", "2.28.3", "13.0"),
        ("spark1:23940:23940 [0] NCCL INFO NCCL version 2.28.9+cuda13.0", "2.28.9", "13.0"),
        ("(Worker pid=514) INFO 07-12 02:33:38 [pynccl.py:113] vLLM is using nccl==2.28.9", "2.28.9", None),
        ("[0] NCCL INFO NCCL version 2.30.7+cuda13.2", "2.30.7", "13.2"),
        ("NCCL INFO NCCL git version HEAD 747384637", None, None),
    ],
)
def test_the_banner_is_read_in_all_its_shapes(line: str, version: t.Optional[str], cuda: t.Optional[str]) -> None:
    report = nccl_report([Line(0.0, line)])

    assert (report["version"], report["cuda"]) == (version, cuda)


def test_two_rails_over_rdma() -> None:
    assert nccl_report(read("nccl_rdma.log")) == {
        "version": "2.28.9",
        "cuda": "13.0",
        "versions": ["2.28.9"],
        "network": "IB",
        "hcas": ["rocep1s0f0:1", "roceP2p1s0f0:1"],
        "oob": "enp1s0f0np0:192.168.177.11",
        "channels_ib": 2,
        "channels_socket": 0,
        "preload_ignored": False,
    }


def test_an_hca_list_that_matches_nothing_is_seen_as_sockets() -> None:
    report = nccl_report(read("nccl_sockets.log"))

    assert (report["network"], report["hcas"], report["oob"]) == ("Socket", [], "eth0:192.0.2.2")
    assert (report["channels_ib"], report["channels_socket"]) == (0, 4)


def test_the_preloaded_version_is_the_banner_of_the_worker() -> None:
    assert nccl_report(read("nccl_preloaded_worker.log"))["version"] == "2.30.4"


def test_two_versions_in_one_process_are_both_named() -> None:
    lines = [Line(0.0, "[pynccl.py:113] vLLM is using nccl==2.30.4"), Line(1.0, "NCCL version 2.28.9+cuda13.0")]

    report = nccl_report(lines)
    assert (report["version"], report["versions"]) == ("2.28.9", ["2.28.9", "2.30.4"])


@pytest.mark.parametrize(("path", "ignored"), [("/opt/dgx-spark/nccl/libnccl.so.2", True), ("/usr/lib/libtcmalloc.so.4", False)])
def test_only_a_libnccl_that_is_not_preloaded_matters(path: str, ignored: bool) -> None:
    line = f"ERROR: ld.so: object '{path}' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored."

    assert nccl_report([Line(0.0, line)])["preload_ignored"] is ignored
