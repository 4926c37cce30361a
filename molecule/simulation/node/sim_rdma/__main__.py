# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the tree until systemd says stop; tell it when everything is planted (Type=notify)."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import Any

from .fuse import Mounted
from .hardware import functions
from .mounts import unmount
from .netlink import LiveTables
from .planting import plant
from .tree import Tree

ROOT = "/run/sim-sysfs/fuse"


def notify_ready() -> None:
    """sd_notify(READY=1)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect("\0" + address[1:] if address[0] == "@" else address)
            channel.send(b"READY=1")


def stop(*_: Any) -> None:
    """Nothing of the tree stays behind."""
    for where in ("/sys/class/infiniband", ROOT):
        unmount(where)
    os._exit(0)


def main() -> None:
    """Mount, plant in a thread (planting reads the tree, so it needs the answers of the main one), serve."""
    ours = functions()
    live = LiveTables(ours)
    os.makedirs(ROOT, exist_ok=True)
    mounted = Mounted(Tree(ours, live, ROOT), ROOT, live.catch_up)
    signal.signal(signal.SIGTERM, stop)

    def plant_then_notify() -> None:
        try:
            plant(ours, ROOT)
            notify_ready()
        except OSError as error:
            print(f"sim-rdma: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    threading.Thread(target=plant_then_notify, daemon=True).start()
    mounted.serve()


main()
