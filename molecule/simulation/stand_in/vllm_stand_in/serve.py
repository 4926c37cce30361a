# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of a rank, in the order and with the log lines of the real one."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, NamedTuple, Optional

from . import caches, clock, environment, gloo, log, model, nccl, nccl_library
from .api import Server
from .engine import Head, report_waiting, ringbuffer_interval, serve_as_worker, wedges
from .metrics import Metrics
from .network import Fatal, default_address, listen
from .options import non_default
from .shape import played
from .store import Client
from .store import Server as Store

CACHE_TOKENS = 2493464
CACHE_GIB = 18.08
ANY_ADDRESS = "0.0.0.0"
NO_ADDRESS = (
    "UserWarning: Failed to get the IP address, using 0.0.0.0 by default. "
    "The value can be set by the environment variable VLLM_HOST_IP or HOST_IP."
)


class EngineFailed(Fatal):
    """Ends the start in the engine's process, after this node's worker has come up."""


class Prepared(NamedTuple):
    """What a rank has before it looks for the others."""

    options: argparse.Namespace
    directory: Path
    api: Optional[Server]


def prepare(options: argparse.Namespace, given: dict[str, Any]) -> Prepared:
    """Arguments, environment, API port and model; Fatal ends the rank."""
    front = log.MAIN if options.headless else log.API
    check_arguments(options)
    if not options.headless:
        log.line(front, "api_utils.py:273", f"vLLM API server version {played().version}")
    log.line(front, "api_utils.py:273", f"non-default args: {non_default(given)}")
    environment.check(os.environ, front, options.fail_on_environ_validation)
    api = None if options.headless else Server(options)
    return Prepared(options, find_model(options, front), api)


def announce(options: argparse.Namespace, host_ip: str) -> None:
    """The line by which one sees which addresses this rank goes by."""
    if options.headless:
        place = f"head node address {options.master_addr}:{options.master_port} for torch.distributed process group."
        log.line(log.MAIN, "serve.py:186", f"Launching vLLM (v{played().version}) headless multiproc executor, with {place}")
    else:
        ranks = f"node_rank={options.node_rank}, node_rank_within_dp=0, master_addr={options.master_addr}"
        sizes = f"world_size={options.nnodes}, local_world_size=1"
        text = f"DP group leader: {ranks}, mq_connect_ip={host_ip} (local), {sizes}"
        log.line(log.ENGINE, "multiproc_executor.py:139", text)


def work(prepared: Prepared) -> None:
    """Join the others, load, serve; returns when the server has ended, Fatal ends the rank."""
    options, directory, api = prepared
    rank, world_size = options.node_rank, options.nnodes
    host_ip = os.environ.get("VLLM_HOST_IP") or default_address()
    if host_ip == ANY_ADDRESS:
        log.raw(NO_ADDRESS)
    announce(options, host_ip)
    queue = listen(host_ip)
    store = rendezvous(options)
    group = gloo.Group(store, rank, world_size, host_ip)
    group.check()
    libraries = []
    if world_size > 1:
        pynccl = nccl_library.of_pynccl()
        if rank == 0 and pynccl:
            log.line(log.WORKER, "pynccl.py:111", f"vLLM is using nccl=={pynccl.version}")
        libraries = nccl.start(store, rank, world_size)
    worker = f"{log.WORKER}_TP{rank}"
    load(directory, worker, options)
    if rank > 0 and not options.headless:
        store.gather("loaded", rank, world_size, True)
        raise EngineFailed("AssertionError: collective_rpc should not be called on follower node")
    store.gather("loaded", rank, world_size, True)
    compare_block_sizes(store, options)
    stale = warm_up(options, worker)
    store.gather("warm", rank, world_size, True)
    if api is None:
        serve_as_worker(store, rank)
        return
    head = Head(queue, store, world_size, any(wedges(library.version) for library in libraries))
    api.garbled = stale > 0
    report_cache(options)
    speculative = int((options.speculative_config or {}).get("num_speculative_tokens", 0))
    log.line(log.API, "api_server.py:590", f"Starting vLLM server on http://{options.host or '0.0.0.0'}:{options.port}")
    api.run(head, Metrics(api.names[0], CACHE_TOKENS, options.block_size, speculative))


def check_arguments(options: argparse.Namespace) -> None:
    """What vLLM asserts of a multi-node launch before anything else."""
    world_size = options.tensor_parallel_size * options.pipeline_parallel_size * options.data_parallel_size
    if options.headless and options.api_server_count:
        why = "cannot be used with --headless (no API servers are started in headless mode)."
        raise Fatal(f"ValueError: --api-server-count={options.api_server_count} {why}")
    if options.nnodes > 1 and world_size % options.nnodes:
        raise Fatal(f"AssertionError: world_size={world_size} must be divisible by nnodes={options.nnodes}.")
    if options.nnodes > 1 and options.node_rank >= options.nnodes:
        raise Fatal(f"AssertionError: node_rank={options.node_rank} must be less than nnodes={options.nnodes}.")
    method, methods = (options.speculative_config or {}).get("method"), [*model.METHODS, *played().more_methods(model.METHODS)]
    if method is not None and method not in methods:
        listed = ", ".join(repr(name) for name in methods[:-1]) + f" or {methods[-1]!r}"
        shown = f"[type=literal_error, input_value={method!r}, input_type=str]"
        raise Fatal(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for SpeculativeConfig\n"
            f"method\n  Input should be {listed} {shown}"
        )


def find_model(options: argparse.Namespace, front: str) -> Path:
    """Resolve it, and check that its heads can be shared out."""
    directory = model.resolve(options.model_tag, options.revision, os.environ)
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE") and str(directory) != options.model_tag:
        text = f"HF_HUB_OFFLINE is True, replace model_id [{options.model_tag}] to model_path [{directory}]"
        log.line(front, "arg_utils.py:772", text)
    config = model.config(directory)
    log.line(front, "model.py:619", "Resolved architecture: {}".format(config["architectures"][0]))
    log.line(front, "model.py:1752", f"Using max model len {options.max_model_len}")
    heads, shares = config["num_attention_heads"], options.tensor_parallel_size
    if heads % shares:
        raise Fatal(f"ValueError: Total number of attention heads ({heads}) must be divisible by tensor parallel size ({shares}).")
    return directory


def rendezvous(options: argparse.Namespace) -> Client:
    """All ranks have joined when it returns."""
    rank, world_size = options.node_rank, options.nnodes
    seconds = options.distributed_timeout_seconds or 600
    place = (world_size, rank, options.master_addr, options.master_port)
    text = "world_size=%d rank=%d local_rank=0 distributed_init_method=tcp://%s:%d backend=nccl"
    log.line(log.WORKER, "parallel_state.py:1410", text % place)
    server = Store(options.master_port) if rank == 0 else None
    client = Client(options.master_addr, options.master_port, rank, seconds)
    if server:
        server.wait_for_all(world_size, seconds)
    return client


def compare_block_sizes(store: Client, options: argparse.Namespace) -> None:
    """The one difference between the ranks' arguments that vLLM notices."""
    sizes = store.gather("block_size", options.node_rank, options.nnodes, options.block_size)
    if len(set(sizes)) > 1 and options.node_rank == 0:
        raise EngineFailed("AssertionError: The KV cache specs for the same layer are different across workers. This is not supported yet.")


def load(directory: Path, worker: str, options: argparse.Namespace) -> None:
    """Every shard, every byte; then the layers of the draft, which have other names in DSpark's weights than `mtp` looks for."""
    log.line(worker, "gpu_model_runner.py:4857", f"Starting to load model {directory}...")
    shards = model.shard_files(directory)
    total = len(shards)
    for done, path in enumerate(shards):
        log.raw(f"Loading safetensors checkpoint shards: {100 * done // total:3d}% Completed | {done}/{total}")
        try:
            clock.work(clock.SHARD)
            model.load_shard(path)
        except OSError as error:
            raise Fatal(f"FileNotFoundError: No such file or directory: {path}") from error
    log.raw(f"Loading safetensors checkpoint shards: 100% Completed | {total}/{total}")
    log.line(worker, "default_loader.py:384", "Loading weights took 0.01 seconds")
    if (options.speculative_config or {}).get("method") in model.MTP_METHODS:
        model.load_mtp(directory)


def warm_up(options: argparse.Namespace, worker: str) -> int:
    """Compile, tune, capture; then the cache of keys and values is sized.  How many kernels of another build were taken for this one's."""
    try:
        built = caches.compile_all(caches.directories(os.environ, vars(options), options.node_rank), os.environ.get("STAND_IN_BUILD", ""))
    except OSError as error:
        raise Fatal(f"{type(error).__name__}: {error}") from error
    log.raw(f"stand-in: compiled {built.compiled} kernels, reused {built.reused}")
    if options.enable_flashinfer_autotune:  # vLLM before 0.24 keeps the result in memory only: it costs its time at each start
        log.line(worker, "autotuner.py:829", "flashinfer.jit: [Autotuner]: Autotuning process starts ...")
        clock.work(clock.AUTOTUNE)
        log.line(worker, "autotuner.py:861", "flashinfer.jit: [Autotuner]: Autotuning process ends")
    if options.kv_cache_memory_bytes:
        text = "Initial free memory 111.01 GiB, reserved %.2f GiB memory for KV Cache as specified by kv_cache_memory_bytes config"
        log.line(worker, "gpu_worker.py:490", text % (options.kv_cache_memory_bytes / 2**30))
    else:
        log.line(worker, "gpu_worker.py:462", f"Available KV cache memory: {CACHE_GIB:.2f} GiB")
    capture_graphs(options, worker)
    return built.stale


def capture_graphs(options: argparse.Namespace, worker: str) -> None:
    """Minutes in which no rank answers, of which the head says once a minute what a wedged one would make it say."""
    left = clock.GRAPHS
    while left > 0:
        step = min(left, ringbuffer_interval())
        clock.work(step)
        left -= step
        if left > 0 and not options.headless:
            report_waiting(log.ENGINE)
    log.line(worker, "gpu_model_runner.py:5950", f"Graph capturing finished in {clock.GRAPHS:.0f} secs, took 0.42 GiB")


def report_cache(options: argparse.Namespace) -> None:
    """The lines by which one sees how many requests fit."""
    log.line(log.ENGINE, "kv_cache_utils.py:1710", f"GPU KV cache size: {CACHE_TOKENS:,} tokens")
    times = CACHE_TOKENS / options.max_model_len
    text = f"Maximum concurrency for {options.max_model_len:,} tokens per request: {times:.2f}x"
    log.line(log.ENGINE, "kv_cache_utils.py:1711", text)
    log.line(log.ENGINE, "core.py:283", "init engine (profile, create kv cache, warmup model) took 1.00 seconds")
