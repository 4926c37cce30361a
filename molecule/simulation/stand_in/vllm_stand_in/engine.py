# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ranks at work: rank 0 sends each step to every worker and waits for its answer, over what plays vLLM's message queues."""

from __future__ import annotations

import os
import socket
import threading
import time

from . import clock, log
from .network import Fatal
from .store import Client
from .wire import Channel

MARKER = (
    "No available shared memory broadcast block found in %d seconds. This typically happens when some processes are hanging or doing "
    "some time-consuming work (e.g. compilation, weight/kv cache quantization)."
)


# "The first long generation (anything producing > 500 tokens of reasoning trace)" is where 2.28.9 wedges.
WEDGE_TOKENS = 500
CURED_IN = (2, 30, 4)


def ringbuffer_interval() -> float:
    """After how many seconds vLLM says that it is still waiting."""
    return float(os.environ.get("VLLM_RINGBUFFER_WARNING_INTERVAL") or 60)


def report_waiting(process: str) -> None:
    """What vLLM says when a peer has not answered for a minute, be it busy or wedged."""
    log.line(process, "shm_broadcast.py:681", MARKER % ringbuffer_interval())


def wedges(version: str) -> bool:
    """Whether this NCCL wedges in a long generation."""
    return tuple(int(part) for part in version.split(".")) < CURED_IN


class EngineDead(Exception):
    """As vLLM's EngineDeadError: the engine will not come back, the server ends."""


class Head:
    """Rank 0: listens on VLLM_HOST_IP, where each worker has connected."""

    def __init__(self, server: socket.socket, store: Client, world_size: int, wedges: bool = False) -> None:
        store.set("queue", list(server.getsockname()))
        self.wedges = wedges
        self.workers: dict[int, Channel] = {}
        self.lock = threading.Lock()
        self.dead = False
        while len(self.workers) < world_size - 1:
            accepted, _ = server.accept()
            channel = Channel(accepted)
            hello = channel.receive()
            if hello:
                self.workers[hello["rank"]] = channel

    def step(self, generated: int = 0) -> None:
        """One step of the model on every rank; EngineDead if a worker is gone or silent for too long.

        `generated` is the number of tokens that the request has already: NCCL 2.28.9 wedges in long generations.
        """
        method = "sample_tokens" if self.wedges and generated >= WEDGE_TOKENS else "execute_model"
        with self.lock:
            if self.dead:
                raise EngineDead("EngineCore encountered an issue. See stack trace (above) for the root cause.")
            for channel in self.workers.values():
                try:
                    self._ask(channel, method)
                except Fatal as error:
                    self.dead = True
                    log.line(log.WORKER + "_TP0", "multiproc_executor.py:962", "WorkerProc hit an exception.", "ERROR")
                    log.line(log.WORKER + "_TP0", "multiproc_executor.py:962", str(error), "ERROR")
                    log.line(log.ENGINE, "core.py:1142", "EngineCore encountered a fatal error.", "ERROR")
                    log.line(log.ENGINE, "core.py:1142", str(error), "ERROR")
                    raise EngineDead("EngineCore encountered an issue. See stack trace (above) for the root cause.") from error

    def _ask(self, channel: Channel, method: str) -> None:
        wanted = float(os.environ.get("VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS") or 300)
        limit = clock.patience(wanted)
        # As many markers before the end as there would be on a Spark.
        interval = limit * ringbuffer_interval() / wanted
        host, port = channel.socket.getpeername()
        closed = f"RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [{host}]:{port}"
        waiting_since = time.monotonic()
        try:
            channel.send({"do": method})
        except OSError as error:
            raise Fatal(closed) from error
        while True:
            left = limit - (time.monotonic() - waiting_since)
            channel.socket.settimeout(max(0.01, min(interval, left)))
            try:
                answer = channel.receive()
            except socket.timeout:
                if time.monotonic() - waiting_since >= limit:
                    raise Fatal(f"TimeoutError: RPC call to {method} timed out.") from None
                report_waiting(log.ENGINE)
                continue
            if answer is None:
                raise Fatal(closed)
            return


def serve_as_worker(store: Client, rank: int) -> None:
    """Rank > 0, for ever.  Once the head is gone it does nothing any more, says nothing, and keeps its connections."""
    address, port = store.get("queue")
    while True:
        try:
            channel = Channel(socket.create_connection((address, port), timeout=10))
            break
        except OSError:  # ZMQ tries again and says nothing, as with a head that announced 0.0.0.0
            time.sleep(0.5)
    channel.socket.settimeout(None)
    channel.send({"rank": rank})
    message = channel.receive()
    # In `sample_tokens` a rank is stuck inside NCCL: it neither answers nor notices that the head has gone.
    while message is not None and message["do"] == "execute_model":
        try:
            channel.send({"done": True})
        except OSError:
            break
        message = channel.receive()
    while True:
        time.sleep(3600)
