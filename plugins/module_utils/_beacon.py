# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A process that says on every rail that it is there, and notes whom it hears: which ports are on one wire, whatever their addresses.

Frames are plain Ethernet, broadcast, of the EtherType that IEEE 802 leaves to local experiments. Neither addresses nor a firewall of IP
packets have a part in it.
"""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import struct
import time
import typing as t

ETHERTYPE = 0x88B5
INTERVAL = 0.1
"""Seconds between two frames of an interface."""

_MAGIC = b"dgx_spark.vllm fabric probe\0"
_BROADCAST = b"\xff" * 6
_SHORTEST = 60
"""Bytes of the shortest Ethernet frame, without its check sum."""

STATE, FINISH = b"state", b"finish"
_CREDENTIALS = struct.Struct("3i")


def frame(mac: bytes, token: str) -> bytes:
    """Return the frame that an interface with this MAC address (6 bytes) sends; `token` is that of one probing of one cluster."""
    return (_BROADCAST + mac + struct.pack("!H", ETHERTYPE) + _MAGIC + token.encode()).ljust(_SHORTEST, b"\0")


def sender(received: bytes, token: str) -> t.Optional[str]:
    """Return the MAC address (``4c:bb:47:02:00:10``) that a frame came from; None where it is not of this probing."""
    header, body = received[:14], received[14:]
    if header[12:] != struct.pack("!H", ETHERTYPE) or body.rstrip(b"\0") != _MAGIC + token.encode():
        return None
    return header[6:12].hex(":")


def address(token: str) -> str:
    """Return the name, in the abstract namespace, of the socket on which the process answers."""
    return f"\0dgx-spark-fabric-probe-{token}"


class Station:
    """One process's sockets. Raise OSError if one can't be opened; an interface that fails later is `lost`, with the kernel's reason."""

    def __init__(self, interfaces: t.Iterable[str], token: str) -> None:
        self.token = token
        self.heard: dict[str, set[str]] = {}
        self.lost: dict[str, str] = {}
        self._sockets: dict[str, socket.socket] = {}
        for name in interfaces:
            self.heard[name] = set()
            # From the first moment on only this EtherType: the socket sees nothing of other traffic.
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETHERTYPE))
            self._sockets[name] = packets
            try:
                packets.bind((name, ETHERTYPE))
            except OSError as error:
                raise OSError(error.errno, error.strerror, name) from error
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.bind(address(token))
        self._control.listen()

    def run(self, seconds: float) -> None:
        """Send, listen and answer until told to finish, `seconds` at most."""
        until, due = time.monotonic() + seconds, 0.0
        while time.monotonic() < until:
            if time.monotonic() >= due:
                due = time.monotonic() + INTERVAL
                for name in list(self._sockets):
                    self._send(name)
            waiting = [*self._sockets.values(), self._control]
            ready = select.select(waiting, [], [], max(0.0, due - time.monotonic()))[0]
            for name, packets in list(self._sockets.items()):
                if packets in ready:
                    self._receive(name, packets)
            if self._control in ready and self._answer():
                return

    def _send(self, name: str) -> None:
        packets = self._sockets[name]
        try:
            packets.send(frame(packets.getsockname()[4], self.token))
        except OSError as error:
            self._fail(name, error)

    def _receive(self, name: str, packets: socket.socket) -> None:
        try:
            mac = sender(packets.recv(2048), self.token)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(name, error)
            return
        if mac:
            self.heard[name].add(mac)

    def _fail(self, name: str, error: OSError) -> None:
        # A full queue passes, the socket's and the device's; what has gone or is down is not what was asked for.
        if not isinstance(error, BlockingIOError) and error.errno != errno.ENOBUFS:
            self._sockets.pop(name).close()
            self.lost[name] = error.strerror or str(error)

    def _answer(self) -> bool:
        """Answer one question; tell whether it was the last."""
        connection = self._control.accept()[0]
        with connection:
            connection.settimeout(1)
            try:
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                if _CREDENTIALS.unpack(credentials)[1] != os.geteuid():
                    return False
                question = connection.recv(16)
                heard = {name: sorted(macs) for name, macs in self.heard.items()}
                connection.send(json.dumps({"heard": heard, "lost": self.lost}).encode())
            except OSError:
                return False
        return question == FINISH


def ask(token: str, question: bytes) -> dict[str, t.Any]:
    """Ask the process of this node: `heard` (MAC addresses by interface) and `lost` (why, by interface). Raise OSError if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(10)
        connection.connect(address(token))
        connection.send(question)
        answer = connection.recv(1 << 20)
    if not answer:
        raise OSError(errno.EACCES, "it belongs to another user")
    found: dict[str, t.Any] = json.loads(answer)
    return found


def collect(token: str, quiet: float, longest: float) -> dict[str, t.Any]:
    """Wait until nothing new has been heard for `quiet` seconds, `longest` at most; end the process and return what `ask` does."""
    until = time.monotonic() + longest
    found, since = ask(token, STATE), time.monotonic()
    while time.monotonic() < min(until, since + quiet):
        time.sleep(INTERVAL)
        latest = ask(token, STATE)
        if latest != found:
            found, since = latest, time.monotonic()
    return ask(token, FINISH)
