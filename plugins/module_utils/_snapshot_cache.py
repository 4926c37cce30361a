# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where a Hugging Face cache keeps a model: `CACHE/hub/models--ORG--NAME/{blobs,refs,snapshots/COMMIT}` (huggingface_hub)."""

from __future__ import annotations

import os
import re
import typing as t

from ._snapshot_problem import Problem

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")


class Place(t.NamedTuple):
    """Where the model is: what to inspect, what a container mounts first, which commit it is, where its blobs are."""

    root: str
    mount_root: str
    revision: t.Optional[str]
    blobs: t.Optional[str]


class NotThere(Exception):
    """There is nothing to inspect: `problem` says why, `root` where it was looked for."""

    def __init__(self, root: str, problem: Problem) -> None:
        super().__init__(problem.kind)
        self.root, self.problem = root, problem


def of_directory(path: str) -> Place:
    """The model in a directory, which may be a snapshot within a cache."""
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        raise NotThere(path, Problem(path, "directory-missing", "no directory", "the directory of a model"))
    snapshots, commit = os.path.split(path)
    repo = os.path.dirname(snapshots)
    if os.path.basename(snapshots) == "snapshots" and os.path.basename(repo).startswith("models--"):
        return Place(path, repo, commit, os.path.join(repo, "blobs"))
    return Place(path, path, None, None)


def of_cache(cache: str, repo: str, revision: str) -> Place:
    """The snapshot of `repo` at `revision` (a branch or tag that was fetched by that name, or a commit) in `cache`.

    `cache` is what HF_HOME names, with `hub` in it, or what HF_HUB_CACHE names.
    """
    cache = os.path.abspath(cache)
    if not os.path.isdir(cache):
        raise NotThere(cache, Problem(cache, "directory-missing", "no directory", "the Hugging Face cache, as HF_HOME names it"))
    folder = "models--" + repo.replace("/", "--")
    candidates = [os.path.join(cache, "hub", folder), os.path.join(cache, folder)]
    directory = next((path for path in candidates if os.path.isdir(path)), None)
    if not _REPO.fullmatch(repo) or directory is None:
        models = sorted(name for name in _listing(os.path.join(cache, "hub")) + _listing(cache) if name.startswith("models--"))
        found = "models " + ", ".join(name[len("models--") :].replace("--", "/", 1) for name in models) if models else "no model"
        raise NotThere(candidates[0], Problem(candidates[0], "repo-missing", found, repo))
    commit = _commit(directory, revision)
    root = os.path.join(directory, "snapshots", commit)
    if not os.path.isdir(root):
        found = _names("snapshots", _listing(os.path.join(directory, "snapshots")))
        raise NotThere(root, Problem(root, "snapshot-missing", found, f"the snapshot that {revision} names"))
    return Place(root, cache, commit, os.path.join(directory, "blobs"))


def _commit(directory: str, revision: str) -> str:
    """The commit that `revision` names: refs/REVISION holds it, or it is the name of a snapshot itself."""
    names = revision.split("/")
    snapshots = _listing(os.path.join(directory, "snapshots"))
    if not {"", ".", ".."} & set(names):
        try:
            with open(os.path.join(directory, "refs", *names), encoding="utf-8") as file:
                commit = file.read().strip()
        except OSError:
            commit = revision
        if commit != revision or revision in snapshots:
            if commit and "/" not in commit and not commit.startswith("."):
                return commit
            raise NotThere(directory, Problem(f"refs/{revision}", "revision-missing", f"{commit!r} in the file", "a commit"))
    refs = os.path.join(directory, "refs")
    named = sorted(os.path.relpath(os.path.join(at, name), refs) for at, _directories, files in os.walk(refs) for name in files)
    found = f"{_names('names', named)}; {_names('snapshots', snapshots)}"
    raise NotThere(directory, Problem(directory, "revision-missing", found, revision))


def _names(noun: str, names: list[str]) -> str:
    return f"{noun} {', '.join(names)}" if names else f"no {noun}"


def _listing(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
