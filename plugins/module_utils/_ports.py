# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which TCP ports of this machine are listened at, by which program, after the kernel's tables."""

from __future__ import annotations

import contextlib
import glob
import ipaddress
import os
import struct
import typing as t

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
# net/tcp_states.h: TCP_LISTEN.
_LISTEN = "0A"


class Listener(t.NamedTuple):
    """One socket: `address` as text, `port`, `inode`, by which the processes that have it name it."""

    address: str
    port: int
    inode: str


def listeners(tables: t.Sequence[str] = TABLES) -> list[Listener]:
    """All sockets that listen; a table that is not there has none, as on a machine without IPv6."""
    found = []
    for table in tables:
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as file:
            for fields in map(str.split, file):
                if len(fields) > 9 and fields[3] == _LISTEN:
                    address, port = fields[1].rsplit(":", 1)
                    found.append(Listener(_address(address), int(port, 16), fields[9]))
    return found


def _address(text: str) -> str:
    """The kernel prints each 32 bits of an address as a number of this machine, which is a little-endian one."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"<{len(words)}I", *words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def in_the_way(found: t.Iterable[Listener], port: int, address: str) -> list[Listener]:
    """Those because of which nobody else could listen at `address` and `port`."""
    wanted = ipaddress.ip_address(address)
    there = [(listener, ipaddress.ip_address(listener.address)) for listener in found if listener.port == port]
    return [listener for listener, one in there if one == wanted or one.is_unspecified or wanted.is_unspecified]


def process(inode: str, proc: str = "/proc") -> t.Optional[str]:
    """Folder in /proc of a process that has the socket; None if it is not to be seen."""
    for path in glob.iglob(os.path.join(proc, "[0-9]*", "fd", "*")):
        with contextlib.suppress(OSError):
            if os.readlink(path) == f"socket:[{inode}]":
                return os.path.dirname(os.path.dirname(path))
    return None


def program(folder: str) -> str:
    """Name and id of the process with that folder, such as `python3 (pid 4711)`."""
    return f"{_text(folder, 'comm')} (pid {os.path.basename(folder)})"


def is_in_container(folder: str, ids: t.Iterable[str]) -> bool:
    """Whether the process with that folder runs in one of the containers, whose whole ids the names of control groups have in them."""
    groups = _text(folder, "cgroup")
    return any(container in groups for container in ids)


def _text(folder: str, name: str) -> str:
    with contextlib.suppress(OSError), open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return ""
