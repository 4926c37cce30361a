# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ranks at work: rank 0 sends each step to every worker and waits for its answer, over what plays vLLM's message queues."""

from __future__ import annotations

import os
import socket
import threading
import time

from . import log
from .network import Fatal
from .store import Client
from .wire import Channel

MARKER = (
    "No available shared memory broadcast block found in %d seconds. This typically happens when some processes are hanging or doing "
    "some time-consuming work (e.g. compilation, weight/kv cache quantization)."
)


class EngineDead(Exception):
    """As vLLM's EngineDeadError: the engine will not come back, the server ends."""


class Head:
    """Rank 0: listens on VLLM_HOST_IP, where each worker has connected."""

    def __init__(self, server: socket.socket, store: Client, world_size: int) -> None:
        store.set("queue", list(server.getsockname()))
        self.workers: dict[int, Channel] = {}
        self.lock = threading.Lock()
        self.dead = False
        while len(self.workers) < world_size - 1:
            accepted, _ = server.accept()
            channel = Channel(accepted)
            hello = channel.receive()
            if hello:
                self.workers[hello["rank"]] = channel

    def step(self) -> None:
        """One step of the model on every rank; EngineDead if a worker is gone or silent for too long."""
        with self.lock:
            if self.dead:
                raise EngineDead("EngineCore encountered an issue. See stack trace (above) for the root cause.")
            for rank, channel in self.workers.items():
                try:
                    self._ask(rank, channel)
                except Fatal as error:
                    self.dead = True
                    log.line(log.WORKER + "_TP0", "multiproc_executor.py:953", "WorkerProc hit an exception.", "ERROR")
                    log.line(log.WORKER + "_TP0", "multiproc_executor.py:953", str(error), "ERROR")
                    log.line(log.ENGINE, "core.py:1132", "EngineCore encountered a fatal error.", "ERROR")
                    log.line(log.ENGINE, "core.py:1132", str(error), "ERROR")
                    raise EngineDead("EngineCore encountered an issue. See stack trace (above) for the root cause.") from error

    def _ask(self, rank: int, channel: Channel) -> None:
        limit = float(os.environ.get("VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS") or 300)
        interval = float(os.environ.get("VLLM_RINGBUFFER_WARNING_INTERVAL") or 60)
        host, port = channel.socket.getpeername()
        closed = f"RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [{host}]:{port}"
        waiting_since = time.monotonic()
        try:
            channel.send({"do": "step"})
        except OSError as error:
            raise Fatal(closed) from error
        while True:
            left = limit - (time.monotonic() - waiting_since)
            channel.socket.settimeout(max(0.01, min(interval, left)))
            try:
                answer = channel.receive()
            except socket.timeout:
                if time.monotonic() - waiting_since >= limit:
                    raise Fatal("TimeoutError: RPC call to execute_model timed out.") from None
                log.line(log.ENGINE, "shm_broadcast.py:681", MARKER % interval)
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
    while channel.receive() is not None:
        try:
            channel.send({"done": True})
        except OSError:
            break
    while True:
        time.sleep(3600)
