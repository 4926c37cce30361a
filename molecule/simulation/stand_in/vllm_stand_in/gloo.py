# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CPU side of a process group: each rank listens on the address of its GLOO_SOCKET_IFNAME, and bytes really move between them."""

from __future__ import annotations

import hashlib
import os
import socket

from .network import Fatal, gloo_interface, interfaces, listen
from .store import Client

MEGABYTE = 1 << 20
SECONDS = 30


def own_address(host_ip: str) -> str:
    """Of GLOO_SOCKET_IFNAME; without it torch takes the address to which the host name resolves, here the node's own."""
    name = os.environ.get("GLOO_SOCKET_IFNAME")
    if name:
        address = gloo_interface(name, interfaces()).address
        assert address is not None
        return address
    return host_ip


def pattern(rank: int) -> bytes:
    """A megabyte that no other rank has."""
    return hashlib.shake_128(b"rank %d" % rank).digest(MEGABYTE)


def exclusive_or(left: bytes, right: bytes) -> bytes:
    """The reduction: exact, and every byte of every rank shows in it."""
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


class Group:
    """Pairs of connections to all other ranks, kept for life."""

    def __init__(self, store: Client, rank: int, world_size: int, host_ip: str) -> None:
        self.rank, self.world_size = rank, world_size
        server = listen(own_address(host_ip))
        addresses = store.gather("gloo", rank, world_size, list(server.getsockname()))
        self.pairs: dict[int, socket.socket] = {}
        for peer in range(rank):
            self.pairs[peer] = self._connect(*addresses[peer])
            self.pairs[peer].sendall(rank.to_bytes(4, "big"))
        server.settimeout(SECONDS)
        while len(self.pairs) < world_size - 1:
            try:
                accepted, _ = server.accept()
            except socket.timeout as error:
                raise Fatal("RuntimeError: Gloo connectFullMesh failed with [gloo/transport/tcp/pair.cc] wait timeout") from error
            accepted.settimeout(SECONDS)
            self.pairs[int.from_bytes(self._receive(accepted, 4), "big")] = accepted
        server.close()

    @staticmethod
    def _connect(address: str, port: int) -> socket.socket:
        try:
            return socket.create_connection((address, port), timeout=SECONDS)
        except OSError as error:
            where = f"[{address}]:{port}"
            raise Fatal(f"RuntimeError: Gloo connectFullMesh failed with [gloo/transport/tcp/pair.cc:150] {where}: {error}") from error

    @staticmethod
    def _receive(pair: socket.socket, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = pair.recv(min(1 << 18, size - len(found)))
            if not part:
                host, port = pair.getpeername()
                raise Fatal(f"RuntimeError: [gloo/transport/tcp/pair.cc:553] Connection closed by peer [{host}]:{port}")
            found += part
        return found

    def all_reduce(self, data: bytes) -> bytes:
        """By way of rank 0; every rank gets the same result."""
        if self.rank != 0:
            self.pairs[0].sendall(data)
            return self._receive(self.pairs[0], len(data))
        total = data
        for peer in range(1, self.world_size):
            total = exclusive_or(total, self._receive(self.pairs[peer], len(data)))
        for peer in range(1, self.world_size):
            self.pairs[peer].sendall(total)
        return total

    def check(self) -> None:
        """A megabyte from each rank, reduced and compared with what must come out."""
        wanted = bytes(MEGABYTE)
        for rank in range(self.world_size):
            wanted = exclusive_or(wanted, pattern(rank))
        if self.all_reduce(pattern(self.rank)) != wanted:
            raise Fatal("RuntimeError: the all-reduce over gloo returned other bytes than were sent")
