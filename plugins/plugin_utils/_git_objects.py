# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a commit holds, proven: every object on the way from the commit's id to a file's content is hashed and compared with its id.

So nothing that is damaged, cut short or put there by somebody else is ever taken for what the commit's id names.
"""

from __future__ import annotations

import hashlib
import subprocess
import types
import typing as t

from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _git

# Everything else is small: a commit, a folder's list of names.
_LIMIT_BYTES = 64 * 1024 * 1024


class DamagedError(RuntimeError):
    """The repository lacks an object that it should have, or has another one in its place."""


class TooLargeError(RuntimeError):
    """An object is larger than was allowed."""


class Entry(t.NamedTuple):
    """One name in a folder: its mode in git's octal digits and the id of its object."""

    mode: str
    identity: str

    @property
    def kind(self) -> str:
        """`folder`, `link`, `submodule` or `file`."""
        return {"4": "folder", "12": "link", "16": "submodule"}.get(self.mode[:-4], "file")


class Objects:
    """The objects of a bare repository, by one `git cat-file`. A context manager."""

    def __init__(self, repository: str) -> None:
        self._process = _git.start(repository, "cat-file", "--batch", errors=subprocess.DEVNULL)
        self._folders: dict[str, dict[str, Entry]] = {}

    def __enter__(self) -> Objects:
        return self

    def __exit__(
        self,
        kind: t.Optional[type[BaseException]],
        error: t.Optional[BaseException],
        traceback: t.Optional[types.TracebackType],
    ) -> None:
        _git.stop(self._process)

    def kind(self, identity: str) -> str:
        """`commit`, `tag`, `tree` or `blob`."""
        try:
            return self._read(identity, _LIMIT_BYTES)[0]
        except TooLargeError:
            return "blob"

    def top(self, commit: str) -> Entry:
        """The folder that a commit is of."""
        kind, content = self._read(commit, _LIMIT_BYTES)
        words = content.split(b"\n", 1)[0].split(b" ")
        if kind != "commit" or len(words) != 2 or words[0] != b"tree":
            raise DamagedError(f"{commit} is no commit")
        return Entry("40000", words[1].decode("ascii", "replace"))

    def folder(self, entry: Entry) -> dict[str, Entry]:
        """What a folder holds, by name."""
        if entry.identity not in self._folders:
            self._folders[entry.identity] = dict(_entries(self._of_kind(entry.identity, "tree", _LIMIT_BYTES)))
        return self._folders[entry.identity]

    def content(self, entry: Entry, limit: int) -> bytes:
        """The content of a file, or where a link points; raises TooLargeError if it has more than `limit` bytes."""
        return self._of_kind(entry.identity, "blob", limit)

    def _of_kind(self, identity: str, wanted: str, limit: int) -> bytes:
        kind, content = self._read(identity, limit)
        if kind != wanted:
            raise DamagedError(f"{identity} is a {kind}, wanted a {wanted}")
        return content

    def _read(self, identity: str, limit: int) -> tuple[str, bytes]:
        requests, answers = (t.cast("t.IO[bytes]", pipe) for pipe in (self._process.stdin, self._process.stdout))
        try:
            requests.write(f"{identity}\n".encode())
            requests.flush()
        except BrokenPipeError:
            raise DamagedError(f"git ended before object {identity}") from None
        words = answers.readline().decode("utf-8", "replace").split()
        if len(words) != 3 or not words[2].isdigit():
            raise DamagedError(f"object {identity} is missing")
        size = int(words[2])
        if size > limit:
            raise TooLargeError(str(size))
        content = answers.read(size + 1)[:size]
        # What git is built on, and no secret: a name for content.
        if hashlib.sha1(f"{words[1]} {size}\0".encode() + content, usedforsecurity=False).hexdigest() != identity:
            raise DamagedError(f"object {identity} is damaged")
        return words[1], content


def _entries(content: bytes) -> t.Iterator[tuple[str, Entry]]:
    """The entries of a tree object: mode, space, name, zero byte, id."""
    place = 0
    while place < len(content):
        end = content.find(b"\0", place)
        mode, _space, name = content[place:end].partition(b" ")
        identity = content[end + 1 : end + 21]
        # git itself makes no such names; with one of them a file would go where nobody has said.
        unsafe = name in (b"", b".", b"..") or b"/" in name
        if end < 0 or not mode.isdigit() or unsafe or len(identity) != 20:
            raise DamagedError("a folder's list of names can't be read")
        yield name.decode("utf-8", "surrogateescape"), Entry(mode.decode("ascii"), identity.hex())
        place = end + 21
