# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The files of a commit that a layer brings: chosen ones, or all below a folder."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git import GitError
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git_objects import Entry, Objects, TooLargeError

# Each becomes a layer of the image; docker takes some 125, of which the base has its own.
MOST_FILES = 100
# What is read at once. Weights and wheels are not what a patch is made of.
MOST_BYTES = 32 * 1024 * 1024
_MOST_LINKS = 40
_LINK_BYTES = 4096
_LFS = b"version https://git-lfs.github.com/spec/"


class File(t.NamedTuple):
    """A file of a commit: `path` below the layer's folder, `mode` that it gets in the image."""

    path: str
    mode: str
    content: bytes


def files(objects: Objects, commit: str, folder: str, chosen: t.Optional[t.Sequence[str]]) -> list[File]:
    """The `chosen` files (paths below `folder`), or all below it, in the order of their folders and names; raises GitError."""
    tree = _Tree(objects, commit)
    where, top = tree.find(folder, "folder")
    part = "folder" if folder else "git"
    if top.kind != "folder":
        raise GitError("folder", f"found {folder}, a {top.kind} in commit {commit}, wanted a folder; choose files with files")
    if chosen is None:
        wanted = {path: (f"{folder}/{path}".lstrip("/"), entry, part) for path, entry in tree.below(where, top, part)}
    else:
        wanted = {}
        for number, path in enumerate(chosen):
            inside = f"{folder}/{path}".lstrip("/")
            wanted[path] = (inside, tree.find(inside, f"files[{number}]")[1], f"files[{number}]")
    _check_number(len(wanted), part if chosen is None else "files", commit)
    return _read(objects, commit, wanted)


def _read(objects: Objects, commit: str, wanted: dict[str, tuple[str, Entry, str]]) -> list[File]:
    found = []
    left = MOST_BYTES
    for path, (inside, entry, part) in sorted(wanted.items(), key=lambda item: posixpath.split(item[0])):
        if entry.kind != "file":
            raise GitError(part, f"found {inside}, a {entry.kind} in commit {commit}, wanted a file; {_REMEDIES[entry.kind]}")
        try:
            content = objects.content(entry, left)
        except TooLargeError:
            raise GitError(
                part,
                f"with {inside} the files of commit {commit} have more than {MOST_BYTES // 1024**2} MiB, wanted less, because each node is "
                "given and keeps them; choose fewer with files, and bring a large file as a layer of its own (file)",
            ) from None
        if content.startswith(_LFS):
            raise GitError(
                part,
                f"{inside} is in Git LFS: commit {commit} has only a note of it, wanted the content itself; fetch it and bring it as a "
                "layer of its own (file)",
            )
        left -= len(content)
        found.append(File(path, "0755" if int(entry.mode, 8) & 0o100 else "0644", content))
    return found


_REMEDIES = {
    "folder": "name the files in it, or bring it with folder",
    "submodule": "its files are in another repository: choose files without it, and bring those by another layer",
}


def _check_number(number: int, part: str, commit: str) -> None:
    if number == 0:
        raise GitError(part, f"found no file there in commit {commit}, wanted at least one")
    if number > MOST_FILES:
        raise GitError(
            part,
            f"found more than {MOST_FILES} files in commit {commit}, wanted fewer, because each becomes a layer of the image, of which "
            "docker takes some 125 in all; choose a folder or files",
        )


class _Tree:
    """The folders of a commit. `part` names what the layer asked by, for errors."""

    def __init__(self, objects: Objects, commit: str) -> None:
        self._objects = objects
        self._commit = commit
        self._top = objects.top(commit)

    def find(self, path: str, part: str) -> tuple[list[str], Entry]:
        """Where a path leads, through all links: names from the top, and what is there. It is a file, a folder or a submodule."""
        ahead = path.split("/") if path else []
        behind: list[tuple[str, Entry]] = []
        links = 0
        while ahead:
            name = ahead.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                if not behind:
                    raise self._bad_link(path, part, "leads out of the repository")
                behind.pop()
                continue
            here = behind[-1][1] if behind else self._top
            entry = self._objects.folder(here).get(name) if here.kind == "folder" else None
            if entry is None:
                if links:
                    raise self._bad_link(path, part, "leads to nothing")
                raise self._absent(path, part, here, name)
            if entry.kind != "link":
                behind.append((name, entry))
                continue
            links += 1
            target = self._link(entry, path, part)
            if target.startswith("/"):
                raise self._bad_link(path, part, "leads out of the repository")
            if links > _MOST_LINKS:
                raise self._bad_link(path, part, "leads in a circle")
            ahead = target.split("/") + ahead
        return [name for name, _tree in behind], behind[-1][1] if behind else self._top

    def below(self, where: list[str], top: Entry, part: str) -> t.Iterator[tuple[str, Entry]]:
        """All that is not a folder, with its path below `top`, which is at `where`; a link as what it leads to."""
        waiting = [("", top)]
        number = 0
        while waiting:
            above, folder = waiting.pop()
            for name, entry in self._objects.folder(folder).items():
                path = f"{above}{name}"
                if entry.kind == "folder":
                    waiting.append((f"{path}/", entry))
                    continue
                number += 1
                _check_number(number, part, self._commit)
                yield path, self._behind(entry, "/".join([*where, path]), part)

    def _behind(self, entry: Entry, path: str, part: str) -> Entry:
        if entry.kind != "link":
            return entry
        found = self.find(path, part)[1]
        if found.kind == "folder":
            raise self._bad_link(path, part, "leads to a folder")
        return found

    def _link(self, entry: Entry, path: str, part: str) -> str:
        try:
            return self._objects.content(entry, _LINK_BYTES).decode("utf-8", "surrogateescape")
        except TooLargeError:
            raise self._bad_link(path, part, "is longer than any path") from None

    def _bad_link(self, path: str, part: str, why: str) -> GitError:
        return GitError(
            part,
            f"found {path} in commit {self._commit}, which is or passes a symbolic link that {why}, wanted a file of the commit; "
            "choose others with files",
        )

    def _absent(self, path: str, part: str, here: Entry, name: str) -> GitError:
        known = sorted(self._objects.folder(here)) if here.kind == "folder" else []
        there = f"; what is there: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}" if known else ""
        return GitError(part, f"found no {path} in commit {self._commit} ({name} is missing{there}), wanted a path in it; correct it")
