# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Repositories on the controller, one for each URL and commit, so that a second run needs no network.

An entry is made under another name and gets its own when it is whole. What is read of it is proven anyway (see `_git_objects`); an entry
that fails the proof is fetched once more.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _git
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git import GitError
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git_objects import DamagedError, Objects

# Of one fetch. A whole history may be large, and a line slow.
FETCH_SECONDS = 1800
# What git says where a server hands out branches and tags only, or has no such commit; the two can't be told apart.
_NOT_BY_ID = re.compile(
    r"not our ref|unadvertised object|find remote ref|no such remote ref|does not support shallow|shallow capabilities", re.IGNORECASE
)
_Result = t.TypeVar("_Result")


def default_folder(variables: t.Mapping[str, str]) -> str:
    """Where the cache is when nobody says: below XDG_CACHE_HOME, if that is absolute, or ~/.cache."""
    home = variables.get("XDG_CACHE_HOME", "")
    return os.path.join(home if os.path.isabs(home) else os.path.expanduser("~/.cache"), "dgx-spark-vllm", "git")


class Cache:
    """`folder` is absolute; it is made where it is missing."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self, url: str, commit: str, reader: t.Callable[[Objects], _Result]) -> _Result:
        """What `reader` makes of a commit's objects; raises GitError. It is called once more if the cache turns out to be damaged."""
        entry = self._entry(url, commit)
        if os.path.isdir(entry):
            with contextlib.suppress(DamagedError), Objects(entry) as objects:
                return reader(objects)
        with self._locked(entry):
            # Another run may have made it meanwhile.
            if os.path.isdir(entry):
                with contextlib.suppress(DamagedError), Objects(entry) as objects:
                    return reader(objects)
            self._renew(entry, url, commit)
            try:
                with Objects(entry) as objects:
                    return reader(objects)
            except DamagedError as error:
                raise GitError("git", f"found the repository of {url} damaged: {error}; wanted commit {commit} whole; repair it") from error

    def keep(self, content: bytes) -> str:
        """The path of a file with this content, named by its SHA-256."""
        folder = os.path.join(self._folder, "files")
        path = os.path.join(folder, hashlib.sha256(content).hexdigest())
        with self._explained():
            if not _holds(path, content):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                new, name = tempfile.mkstemp(dir=folder, prefix=".new-")
                try:
                    with open(new, "wb") as file:
                        file.write(content)
                    os.replace(name, path)
                except BaseException:
                    os.unlink(name)
                    raise
        return path

    def _entry(self, url: str, commit: str) -> str:
        return os.path.join(self._folder, f"{commit}-{hashlib.sha256(url.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}")

    @contextlib.contextmanager
    def _locked(self, entry: str) -> t.Iterator[None]:
        """Let one run at a time make an entry, of those that this machine or a network file system with locks has."""
        with self._explained():
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            lock = os.open(f"{entry}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with self._explained():
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _renew(self, entry: str, url: str, commit: str) -> None:
        prefix = f"{os.path.basename(entry)}.new-"
        with self._explained():
            # Under the lock nobody else makes it, so they were left by a run that was killed, whose git may still be at work.
            for left in os.listdir(self._folder):
                if left.startswith(prefix):
                    shutil.rmtree(os.path.join(self._folder, left), ignore_errors=True)
            new = tempfile.mkdtemp(prefix=prefix, dir=self._folder)
        try:
            repository = os.path.join(new, "repository")
            _fetch(repository, url, commit)
            with self._explained():
                if os.path.isdir(entry):
                    os.rename(entry, os.path.join(new, "damaged"))
                os.rename(repository, entry)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    @contextlib.contextmanager
    def _explained(self) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            raise GitError(
                "git",
                f"found {error.filename or self._folder} not usable ({error.strerror}), wanted a folder in which repositories can be kept "
                "on the controller; name another one with image_git_cache",
            ) from error


def _holds(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(content) + 1) == content
    except FileNotFoundError:
        return False


def _fetch(repository: str, url: str, commit: str) -> None:
    """Make a bare repository in which a commit is; raises GitError."""
    _require(*_git.run(repository, "init", "--quiet", "--bare", "--template="), url)
    fetch = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force")
    status, said = _git.run(repository, *fetch, "--depth=1", "--", url, f"{commit}:refs/layers/wanted", seconds=FETCH_SECONDS)
    if status != 0 and _NOT_BY_ID.search(said):
        everything = ("+refs/heads/*:refs/layers/heads/*", "+refs/tags/*:refs/layers/tags/*")
        status, said = _git.run(repository, *fetch, "--", url, *everything, seconds=FETCH_SECONDS)
    _require(status, said, url)
    with Objects(repository) as objects:
        try:
            kind = objects.kind(commit)
        except DamagedError:
            raise GitError(
                "revision",
                f"found no commit {commit} in {url}, wanted one that a branch or tag there leads to (a branch that was force-pushed has "
                "lost what it had); name another, or the repository that has it",
            ) from None
    if kind != "commit":
        raise GitError(
            "revision", f"found {commit} to be a {kind} of {url}, wanted a commit; git rev-parse '{commit}^{{commit}}' there says which"
        )


def _require(status: int, said: str, url: str) -> None:
    if status != 0:
        raise GitError(
            "git",
            f"{url} can't be fetched, wanted a repository that the controller reads without being asked anything; see that "
            f"`git ls-remote {url}` works there (a private one needs a credential helper or an ssh key); git's last words:",
            said,
        )
