# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The TCP connections of the rendezvous, from /proc/net/tcp and /proc/net/tcp6.

Every rank keeps a connection to `master_addr:master_port` for its whole life (torch's TCPStore). It is the only trace by which a worker
can tell that the head has died, and the earliest by which the head can tell that a worker has: vLLM says nothing until the next request.
"""

from __future__ import annotations

import socket
import struct
import sys
import typing as t

ESTABLISHED, CLOSE_WAIT = "01", "08"


class Connection(t.NamedTuple):
    """One TCP socket. Addresses are text, those of IPv4 inside IPv6 in their IPv4 form; `state` is the kernel's two hex digits."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    state: str


def parse_proc_net(text: str, byteorder: str = sys.byteorder) -> list[Connection]:
    """The sockets in the text of /proc/net/tcp or /proc/net/tcp6; lines that are none (the heading) are skipped."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        try:
            local, local_port = fields[1].split(":")
            remote, remote_port = fields[2].split(":")
            ends = _address(local, byteorder), int(local_port, 16), _address(remote, byteorder), int(remote_port, 16)
            found.append(Connection(*ends, fields[3]))
        except (IndexError, ValueError, struct.error):
            continue
    return found


def _address(digits: str, byteorder: str) -> str:
    # The kernel prints each 32-bit word in the order of the machine.
    words = struct.unpack(f"{'<' if byteorder == 'little' else '>'}{len(digits) // 8}I", bytes.fromhex(digits))
    packed = struct.pack(f">{len(words)}I", *words)
    if len(packed) == 16 and packed.startswith(b"\0" * 10 + b"\xff\xff"):
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def joined_peers(connections: t.Iterable[Connection], master_port: int) -> set[str]:
    """Addresses of other nodes with an established connection to the rendezvous port of this node."""
    return {
        connection.remote
        for connection in connections
        if connection.state == ESTABLISHED
        and connection.local_port == master_port
        and connection.remote != connection.local
        and not connection.remote.startswith("127.")
    }


def lost_peers(peers: t.Sequence[str], before: t.Collection[str], now: t.Collection[str], all_joined: bool) -> list[str]:
    """Which of `peers` (the workers' addresses) are no longer connected.

    `before`: the peers seen connected earlier. `all_joined`: the log shows that the head has passed the rendezvous, so each was there.
    A worker may come from another of its addresses than the plan's: as long as there are as many connections as peers, none is lost.
    """
    if len(set(now)) >= len(set(peers)):
        return []
    return [peer for peer in peers if peer not in now and (all_joined or peer in before)]


def head_link(connections: t.Iterable[Connection], master_addr: str, master_port: int) -> str:
    """A worker's link to the rendezvous: `up`, `closed` (the head has closed its end, the worker has not noticed), or `none`."""
    states = {link.state for link in connections if (link.remote, link.remote_port) == (master_addr, master_port)}
    if ESTABLISHED in states:
        return "up"
    return "closed" if CLOSE_WAIT in states else "none"
