# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the GID tables current from rtnetlink.  Pending messages are consumed before each answer, so a read after
`ip address add` always sees the new table."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence

from .gid_table import GidTable
from .hardware import Function

RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR = 16, 17, 20, 21
IFA_ADDRESS, IFA_LOCAL = 1, 2
GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
ADDRESS_HEADER, ATTRIBUTES_AT = 16, 24  # struct nlmsghdr; nlmsghdr and ifaddrmsg


def align(size: int) -> int:
    """Netlink pads to four bytes."""
    return (size + 3) & ~3


def address_of(message: bytes) -> bytes:
    """IFA_LOCAL of an address message, else IFA_ADDRESS; empty if it has none."""
    found, at = b"", ATTRIBUTES_AT
    while at + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if size < 4:
            break
        if kind == IFA_LOCAL or (kind == IFA_ADDRESS and not found):
            found = message[at + 4 : at + size]
        at += align(size)
    return found


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and whole text of each message in one datagram."""
    at = 0
    while at + ADDRESS_HEADER <= len(data):
        size, kind = struct.unpack_from("=IH", data, at)
        yield kind, data[at : at + size]
        at += max(align(size), ADDRESS_HEADER)


class LiveTables:
    """The GID table of every function, by RDMA device."""

    def __init__(self, functions: Sequence[Function]) -> None:
        self.functions = functions
        self.tables = {function.device: GidTable() for function in functions}
        self.by_index: dict[int, str] = {}
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((0, GROUPS))
        self.socket.setblocking(False)
        self.rescan()

    def rescan(self) -> None:
        """Default GIDs, then IPv4 in the order of the interfaces, then IPv6: what a driver that has just come up does."""
        self.read_links()
        by_netdev = {function.netdev: function.device for function in self.functions}
        present: dict[str, list[bytes]] = {function.device: [] for function in self.functions}
        for family, flag in ((socket.AF_INET, "-4"), (socket.AF_INET6, "-6")):
            listing = subprocess.run(["ip", "-o", flag, "address"], capture_output=True, text=True, check=True).stdout
            for _, netdev, _, prefix, *_ in map(str.split, listing.splitlines()):
                if netdev in by_netdev:
                    present[by_netdev[netdev]].append(socket.inet_pton(family, prefix.split("/")[0]))
        for device, table in self.tables.items():
            table.keep_only(present[device])

    def read_links(self) -> None:
        """A port appeared, changed its MAC or went."""
        self.by_index.clear()
        for function in self.functions:
            try:
                with open(f"/sys/class/net/{function.netdev}/address") as text:
                    self.tables[function.device].set_default(text.read().strip())
                self.by_index[socket.if_nametoindex(function.netdev)] = function.device
            except OSError:
                self.tables[function.device].clear()

    def catch_up(self) -> None:
        """Consume whatever the kernel has sent since the last answer."""
        while True:
            try:
                data = self.socket.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.rescan()  # messages were lost
                continue
            for kind, message in messages(data):
                self.apply(kind, message)

    def apply(self, kind: int, message: bytes) -> None:
        """One rtnetlink message."""
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            self.read_links()
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            device = self.by_index.get(struct.unpack_from("=I", message, ADDRESS_HEADER + 4)[0])
            address = address_of(message)
            if device is not None and address:
                table = self.tables[device]
                (table.add if kind == RTM_NEWADDR else table.remove)(address)
