# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the RDMA devices of this node from sysfs, and tries whether two rails reach each other."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import mmap
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from .nccl_choice import Gid, Port

ZERO = ipaddress.IPv6Address(0)
SECONDS = 5


def read(path: Path) -> Optional[str]:
    """None where the kernel refuses, as for the attributes of an unused entry."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def gid_table(port: Path) -> list[Gid]:
    """All entries, the unused ones too: NCCL counts them."""
    table = []
    for index in range(len(os.listdir(port / "gids"))):
        address = ipaddress.IPv6Address(read(port / "gids" / str(index)) or "::")
        if address == ZERO:
            table.append(Gid(address, None))
            continue
        kind = read(port / "gid_attrs" / "types" / str(index)) or ""
        table.append(Gid(address, 2 if kind == "RoCE v2" else 1, read(port / "gid_attrs" / "ndevs" / str(index))))
    return table


def active_ports(environ: Mapping[str, str]) -> list[Port]:
    """None without /dev/infiniband: verbs cannot open what the container was not given."""
    if not any(Path(environ.get("STAND_IN_DEV", "/dev/infiniband")).glob("uverbs*")):
        return []
    found = []
    for device in sorted(Path(environ.get("STAND_IN_SYSFS", "/sys"), "class", "infiniband").glob("*")):
        pci_address = os.path.basename(os.readlink(device / "device"))
        for port in sorted((device / "ports").glob("*")):
            if (read(port / "state") or "").endswith("ACTIVE"):
                found.append(Port(device.name, int(port.name), pci_address, gid_table(port)))
    return found


def bind_to(channel: socket.socket, netdev: Optional[str]) -> None:
    """To one half of the cable, where the container may; a queue pair has no other way out either."""
    if netdev:
        with contextlib.suppress(PermissionError):
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, netdev.encode())


def listen_on(gid: Gid) -> Optional[socket.socket]:
    """On the rail's own address; None if the GID is of no IPv4 of this node."""
    if gid.ipv4 is None:
        return None
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server.bind((str(gid.ipv4), 0))
    except OSError:
        server.close()
        return None
    server.listen(8)
    return server


def reaches(gid: Gid, address: str, port: int) -> bool:
    """From this rail's address and interface to the peer's listener."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as channel:
        channel.settimeout(SECONDS)
        try:
            bind_to(channel, gid.netdev)
            channel.bind((str(gid.ipv4), 0))
            channel.connect((address, port))
        except OSError:
            return False
    return True


def can_lock(size: int) -> bool:
    """Whether this process may lock so much memory, by really doing it: RLIMIT_MEMLOCK counts, unless CAP_IPC_LOCK is in force."""
    libc = ctypes.CDLL(None, use_errno=True)
    with mmap.mmap(-1, size) as memory:
        view = ctypes.c_char.from_buffer(memory)
        locked = libc.mlock(ctypes.byref(view), ctypes.c_size_t(size)) == 0
        if locked:
            libc.munlock(ctypes.byref(view), ctypes.c_size_t(size))
        del view  # it keeps the mapping from being closed
    return bool(locked)
