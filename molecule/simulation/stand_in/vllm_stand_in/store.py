# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendezvous: rank 0 keeps a key-value store on *:master_port, every rank stays connected to it for life (torch's TCPStore)."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from typing import Any

from .network import Fatal
from .wire import Channel

RETRY_SECONDS = 0.2


class Server:
    """Rank 0's side; a thread for each connection."""

    def __init__(self, port: int) -> None:
        self.values: dict[str, Any] = {}
        self.joined: set[int] = set()
        self.changed = threading.Condition()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind(("0.0.0.0", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            text = (
                "The server socket has failed to listen on any local network address. port: %d, useIpv6: false, code: -98, name: EADDRINUSE"
            )
            raise Fatal(f"torch.distributed.DistNetworkError: {text % port}, message: address already in use") from error
        self.socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connected, _ = self.socket.accept()
            threading.Thread(target=self._serve, args=(Channel(connected),), daemon=True).start()

    def _serve(self, channel: Channel) -> None:
        message = channel.receive()
        while message is not None:
            answer: dict[str, Any] = {}
            with self.changed:
                if message["do"] == "join":
                    self.joined.add(message["rank"])
                elif message["do"] == "set":
                    self.values[message["key"]] = message["value"]
                self.changed.notify_all()
                if message["do"] == "get":
                    self.changed.wait_for(lambda key=message["key"]: key in self.values)  # type: ignore[misc]
                    answer["value"] = self.values[message["key"]]
            try:
                channel.send(answer)
            except OSError:
                return
            message = channel.receive()

    def wait_for_all(self, world_size: int, seconds: int) -> None:
        """DistStoreError if some rank has not joined in time."""
        began = time.monotonic()
        with self.changed:
            self.changed.wait_for(lambda: len(self.joined) >= world_size, seconds)
            joined = len(self.joined)
        if joined < world_size:
            waited = time.monotonic() - began + 1
            text = f"Timed out after {int(waited)} seconds waiting for clients. {joined}/{world_size} clients joined."
            raise Fatal("torch.distributed.DistStoreError: " + text)


class Client:
    """Every rank's side, rank 0's too."""

    def __init__(self, address: str, port: int, rank: int, seconds: int) -> None:
        self.channel = Channel(_connect(address, port, seconds))
        self.lock = threading.Lock()
        self._ask({"do": "join", "rank": rank})

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            answer = self.channel.ask(message)
        if answer is None:
            raise Fatal("torch.distributed.DistNetworkError: failed to recv, got 0 bytes")
        return answer

    def set(self, key: str, value: Any) -> None:
        """Any JSON value."""
        self._ask({"do": "set", "key": key, "value": value})

    def get(self, key: str) -> Any:
        """Waits until some rank has set it."""
        return self._ask({"do": "get", "key": key})["value"]

    def gather(self, key: str, rank: int, world_size: int, value: Any) -> list[Any]:
        """This rank's value and everybody else's, in the order of the ranks."""
        self.set(f"{key}/{rank}", value)
        return [self.get(f"{key}/{other}") for other in range(world_size)]


def _connect(address: str, port: int, seconds: int) -> socket.socket:
    """Until the head listens, or the time is up: which text comes then depends on whether the head's machine answered."""
    deadline = time.monotonic() + seconds
    last = errno.ETIMEDOUT
    while time.monotonic() < deadline:
        try:
            connected = socket.create_connection((address, port), timeout=max(0.1, deadline - time.monotonic()))
            connected.settimeout(None)
            return connected
        except socket.timeout:
            last = errno.ETIMEDOUT
        except socket.gaierror as error:
            raise Fatal(
                f"torch.distributed.DistNetworkError: The IPv4 network addresses of ({address}, {port}) cannot be retrieved: {error}"
            ) from error
        except OSError as error:
            last = error.errno or last
        time.sleep(RETRY_SECONDS)
    where = f"({address}, {port})"
    if last in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        reason = f"The client socket has failed to connect to {address}:{port} (errno: {last} - {os.strerror(last)})."
        raise Fatal(
            f"torch.distributed.DistNetworkError: The client socket has failed to connect to any network address of {where}. {reason}"
        )
    text = f"The client socket has timed out after {seconds * 1000}ms while trying to connect to {where}."
    raise Fatal("torch.distributed.DistNetworkError: " + text)
