# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's FUSE protocol for a small read-only tree, spoken on /dev/fuse without a library (include/uapi/linux/fuse.h)."""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import Callable, Protocol

from .mounts import NODEV, NOEXEC, NOSUID, READ_ONLY, mount
from .tree import Link, Node, Path

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, DESTROY, BATCH_FORGET = 26, 27, 28, 29, 36, 38, 42
UNANSWERED = (FORGET, BATCH_FORGET, INTERRUPT)
HEADER = 40  # struct fuse_in_header
DIRECT_IO = 1  # FOPEN_DIRECT_IO: the page cache never answers for us


class Shown(Protocol):
    """What can be mounted."""

    def look_up(self, path: Path) -> Node: ...


class Mounted:
    """One FUSE mount; `before` runs ahead of each answer."""

    def __init__(self, tree: Shown, where: str, before: Callable[[], None]) -> None:
        self.tree, self.before = tree, before
        self.numbers: dict[Path, int] = {(): 1}
        self.paths: dict[int, Path] = {1: ()}
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.fd},rootmode=40555,user_id=0,group_id=0,allow_other"
        mount("sim-rdma", where, "fuse", READ_ONLY | NOSUID | NODEV | NOEXEC, options)
        self.answers: dict[int, Callable[[int, Path, bytes], None]] = {
            LOOKUP: self._look_up,
            GETATTR: self._get_attributes,
            READLINK: self._read_link,
            OPEN: self._open,
            OPENDIR: lambda unique, path, body: self._reply(unique, struct.pack("=QII", 0, 0, 0)),
            READ: self._read,
            READDIR: self._read_directory,
            RELEASE: lambda unique, path, body: self._reply(unique),
            RELEASEDIR: lambda unique, path, body: self._reply(unique),
            STATFS: lambda unique, path, body: self._reply(unique, struct.pack("=QQQQQIIII24x", 0, 0, 0, 0, 0, 4096, 255, 0, 0)),
        }

    def serve(self) -> None:
        """Answer until it is unmounted."""
        while True:
            try:
                request = os.read(self.fd, 1 << 17)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # ENODEV: unmounted
            _, operation, unique, number = struct.unpack_from("=IIQQ", request)
            if operation == DESTROY:
                self._reply(unique)
                return
            if operation not in UNANSWERED:
                self._answer(operation, unique, number, request[HEADER:])

    def _answer(self, operation: int, unique: int, number: int, body: bytes) -> None:
        if operation == INIT:
            minor = struct.unpack_from("=II", body)[1]
            self._reply(unique, struct.pack("=IIIIHHIIHHI28x", 7, min(minor, 31), 65536, 0, 12, 9, 65536, 1, 0, 0, 0))
            return
        self.before()
        path = self.paths.get(number)
        if path is None:
            self._reply(unique, error=errno.ESTALE)
        elif operation not in self.answers:
            self._reply(unique, error=errno.ENOSYS)
        else:
            self.answers[operation](unique, path, body)

    def _reply(self, unique: int, data: bytes = b"", error: int = 0) -> None:
        try:
            os.write(self.fd, struct.pack("=IiQ", 16 + len(data), -error, unique) + data)
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # the request was interrupted meanwhile
                raise

    def _number(self, path: Path) -> int:
        if path not in self.numbers:
            self.numbers[path] = len(self.numbers) + 1
            self.paths[self.numbers[path]] = path
        return self.numbers[path]

    def _attributes(self, path: Path, node: Node) -> bytes:
        if isinstance(node, list):
            mode, size = stat.S_IFDIR | 0o755, 0
        elif isinstance(node, Link):
            mode, size = stat.S_IFLNK | 0o777, len(node.target)
        else:
            mode, size = stat.S_IFREG | 0o444, 4096
        return struct.pack("=QQQQQQIIIIIIIIII", self._number(path), size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _look_up(self, unique: int, path: Path, body: bytes) -> None:
        child = (*path, os.fsdecode(body.split(b"\0", 1)[0]))
        node = self.tree.look_up(child)
        if node is None:
            self._reply(unique, error=errno.ENOENT)
        else:
            self._reply(unique, struct.pack("=QQQQII", self._number(child), 0, 0, 0, 0, 0) + self._attributes(child, node))

    def _get_attributes(self, unique: int, path: Path, body: bytes) -> None:
        node = self.tree.look_up(path)
        if node is None:
            self._reply(unique, error=errno.ENOENT)
        else:
            self._reply(unique, struct.pack("=QII", 0, 0, 0) + self._attributes(path, node))

    def _read_link(self, unique: int, path: Path, body: bytes) -> None:
        node = self.tree.look_up(path)
        if isinstance(node, Link):
            self._reply(unique, node.target.encode())
        else:
            self._reply(unique, error=errno.EINVAL)

    def _open(self, unique: int, path: Path, body: bytes) -> None:
        if struct.unpack_from("=I", body)[0] & os.O_ACCMODE:
            self._reply(unique, error=errno.EACCES)
        else:
            self._reply(unique, struct.pack("=QII", 0, DIRECT_IO, 0))

    def _read(self, unique: int, path: Path, body: bytes) -> None:
        _, offset, size = struct.unpack_from("=QQI", body)
        node = self.tree.look_up(path)
        if isinstance(node, str):
            self._reply(unique, node.encode()[offset : offset + size])
        else:
            self._reply(unique, error=node if isinstance(node, int) else errno.ENODEV)

    def _read_directory(self, unique: int, path: Path, body: bytes) -> None:
        _, offset, size = struct.unpack_from("=QQI", body)
        node = self.tree.look_up(path)
        names = [".", "..", *(node if isinstance(node, list) else [])]
        out = b""
        for at, name in enumerate(map(os.fsencode, names)):
            if at < offset:
                continue
            entry = struct.pack("=QQII", 1, at + 1, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        self._reply(unique, out)
