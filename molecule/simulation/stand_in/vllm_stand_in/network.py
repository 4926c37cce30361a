# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces and addresses of this network namespace, and the two grammars in which they are named."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

SIOCGIFADDR, SIOCGIFFLAGS = 0x8915, 0x8913
IFF_UP, IFF_RUNNING = 0x1, 0x40
PREFIX_OF_DEFAULTS = ("docker", "lo", "virbr")


class Fatal(Exception):
    """Ends this rank; the text is what the real program's last line says."""


@dataclass(frozen=True)
class Interface:
    """One network interface with its first IPv4, None if it has none."""

    name: str
    address: Optional[str]
    running: bool


def interfaces() -> list[Interface]:
    """In the kernel's order."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            flags = struct.unpack_from("H", fcntl.ioctl(channel, SIOCGIFFLAGS, request), 16)[0]
            try:
                address: Optional[str] = socket.inet_ntoa(fcntl.ioctl(channel, SIOCGIFADDR, request)[20:24])
            except OSError:
                address = None
            found.append(Interface(name, address, bool(flags & IFF_UP and flags & IFF_RUNNING)))
    return found


def gloo_interface(value: str, known: Sequence[Interface]) -> Interface:
    """GLOO_SOCKET_IFNAME: exact names, comma separated, each of which must exist and have an address; the first is used."""
    by_name = {interface.name: interface for interface in known}
    for name in value.split(","):
        if name not in by_name or by_name[name].address is None:
            place = "/pytorch/third_party/gloo/gloo/transport/tcp/device.cc:84"
            raise Fatal(f"RuntimeError: [enforce fail at {place}] ifa != nullptr. Unable to find address for: {name}")
    return by_name[value.split(",")[0]]


def nccl_interface(value: Optional[str], known: Sequence[Interface]) -> Optional[Interface]:
    """NCCL_SOCKET_IFNAME: a list of prefixes, `=` for exact names, `^` for all but these; None if nothing matches.

    Without it: ib* first, then what is neither docker, lo nor virbr, then docker, then lo.
    """
    usable = [interface for interface in known if interface.running and interface.address]
    if value:
        words = value
        excluding = words.startswith("^")
        exact = words.lstrip("^").startswith("=")
        names = [name for name in words.lstrip("^").lstrip("=").split(",") if name]

        def named(interface: Interface) -> bool:
            return any(interface.name == name if exact else interface.name.startswith(name) for name in names)

        return next((interface for interface in usable if named(interface) != excluding), None)
    for wanted in (("ib",), None, ("docker",), ("lo",)):
        for interface in usable:
            if interface.name.startswith(wanted) if wanted else not interface.name.startswith(PREFIX_OF_DEFAULTS):
                return interface
    return None


def default_address() -> str:
    """vLLM's get_ip() without VLLM_HOST_IP: the source address of the default route, else 0.0.0.0."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 80))
            return str(probe.getsockname()[0])
        except OSError:
            return "0.0.0.0"


def listen(address: str, backlog: int = 100) -> socket.socket:
    """On a port of the kernel's choice; the ZMQ error if the address is not this node's."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server.bind((address, 0))
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise Fatal(f"zmq.error.ZMQError: Cannot assign requested address (addr='tcp://{address}:0')") from error
        raise Fatal(f"zmq.error.ZMQError: Invalid argument (addr='tcp://{address}:0')") from error
    server.listen(backlog)
    return server
