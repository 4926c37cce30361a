# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node as root: who on the wire answers ARP for an address?  Standard library only.

    who_answers.py INTERFACE OWN_ADDRESS ADDRESS FENCE

Prints the MAC addresses that answer for ADDRESS, as a JSON list.  FENCE is another address on the same wire: it is asked for after ADDRESS,
and once it has been answered for, whoever has it has had its chance to answer for ADDRESS too.  No clock decides.
"""

from __future__ import annotations

import json
import socket
import struct
import sys

ARP, REQUEST, REPLY = 0x0806, 1, 2
HEADER = struct.pack("!HHBB", 1, 0x0800, 6, 4)  # Ethernet, IPv4
ROUNDS = 5
LOST_SECONDS = 10  # then no answer will come, and that is an error


def ask(wire: socket.socket, mac: bytes, own: bytes, address: bytes) -> None:
    """Send one request to everybody."""
    request = HEADER + struct.pack("!H", REQUEST) + mac + own + bytes(6) + address
    wire.send(b"\xff" * 6 + mac + struct.pack("!H", ARP) + request)


def answer(wire: socket.socket) -> tuple[bytes, str]:
    """Address and MAC address of the next answer."""
    while True:
        frame = wire.recv(2048)
        if frame[14:20] == HEADER and frame[20:22] == struct.pack("!H", REPLY):
            return frame[28:32], frame[22:28].hex(":")


def main(interface: str, *addresses: str) -> list[str]:
    own, wanted, fence = map(socket.inet_aton, addresses)
    answers: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as wire:
        wire.bind((interface, ARP))
        wire.settimeout(LOST_SECONDS)
        mac = wire.getsockname()[4]
        for _ in range(ROUNDS):
            ask(wire, mac, own, wanted)
            ask(wire, mac, own, fence)
            address = b""
            while address != fence:
                address, answered = answer(wire)
                answers |= {answered} if address == wanted else set()
    return sorted(answers)


print(json.dumps(main(*sys.argv[1:])))
