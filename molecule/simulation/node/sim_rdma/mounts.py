# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(2), and planting new names into directories of sysfs."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

READ_ONLY, NOSUID, NODEV, NOEXEC = 0x1, 0x2, 0x4, 0x8
REMOUNT, BIND, PRIVATE = 0x20, 0x1000, 0x40000
DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """As mount(2); raises OSError."""
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind} on {target}: {os.strerror(number)}")


def bind(source: str, target: str) -> None:
    """mount --bind."""
    mount(source, target, "none", BIND)


def unmount(target: str) -> None:
    """umount --lazy; that nothing is mounted there is no error."""
    _libc.umount2(target.encode(), DETACH)


def replant(directory: str, new: Iterable[str], scratch: str) -> None:
    """Give `directory`, a directory of sysfs, new sub-directories.

    sysfs takes no mkdir, and overlayfs over a whole class serves stale handles once devices come and go.  So a tmpfs
    takes its place that holds bind mounts of the old entries, which stay live.
    """
    os.makedirs(scratch, exist_ok=True)
    bind(directory, scratch)
    mount("none", scratch, "none", PRIVATE)  # else the tmpfs would show up here as well
    mount("sim-sysfs", directory, "tmpfs", NOSUID | NODEV | NOEXEC, "mode=755")
    for name in os.listdir(scratch):
        old, planted = os.path.join(scratch, name), os.path.join(directory, name)
        if os.path.islink(old):
            os.symlink(os.readlink(old), planted)
        elif os.path.isdir(old):
            os.mkdir(planted)
            bind(old, planted)
    for name in new:
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    unmount(scratch)


def seal(directory: str) -> None:
    """Read-only, as sysfs is in a container."""
    mount("none", directory, "none", BIND | REMOUNT | READ_ONLY)
