# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One JSON object a line over a socket: how the ranks of the stand-in talk where the real ones use torch's store and ZMQ."""

from __future__ import annotations

import json
import socket
from typing import Any, Optional


class Channel:
    """A connected socket.  It is never closed by this side: a worker whose head is gone keeps it, in CLOSE-WAIT, as the real one."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.pending = b""

    def send(self, message: dict[str, Any]) -> None:
        """Raises OSError once the other side has reset the connection."""
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Optional[dict[str, Any]]:
        """The next message, None at the end of the stream; raises socket.timeout if one is set."""
        while b"\n" not in self.pending:
            try:
                part = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not part:
                return None
            self.pending += part
        text, self.pending = self.pending.split(b"\n", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def ask(self, message: dict[str, Any]) -> Optional[dict[str, Any]]:
        """Send, then wait for the answer; None when the connection is lost."""
        try:
            self.send(message)
        except OSError:
            return None
        return self.receive()
