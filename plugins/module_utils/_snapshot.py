# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Is a model that lies in a directory or in a Hugging Face cache all there? Decided from the disk alone, without reading the weights.

Where a cache keeps a model is in `_snapshot_cache`; what a container must mount to see it, in `_snapshot_mounts`.
"""

from __future__ import annotations

import os
import typing as t

from . import _snapshot_mounts, _snapshot_weights
from ._snapshot_problem import Problem, dangling


def inspect(root: str, mount_root: str, revision: t.Optional[str] = None, blobs: t.Optional[str] = None) -> dict[str, t.Any]:
    """Inspect the model in directory `root`.

    `mount_root`: the directory whose mount a container gets first (the cache, or `root` itself).  `revision`: commit, if known.
    `blobs`: the cache's directory of blobs of this model, where unfinished downloads lie.  Returns the result of hf_snapshot_info.
    """
    problems: list[Problem] = []
    config = _snapshot_weights.config(root, problems)
    files, links = _files(root)
    shards, weights = _snapshot_weights.weights(root, problems)
    listed = {problem.file for problem in problems}
    for path in links:
        name = os.path.relpath(path, root)
        if name not in listed and not os.path.exists(path):
            problems.append(dangling(name, path))
    problems += _unfinished(root, blobs, links)
    mounts, refused = _snapshot_mounts.find(mount_root, [path for path in files if os.path.exists(path)])
    problems += [
        Problem(os.path.relpath(path, root), "link-unmountable", f"leads to {target}", "a target which a container can be given")
        for path, target in refused
    ]
    return {
        "complete": not problems,
        "problems": [problem._asdict() for problem in sorted(problems)],
        "bytes": sum(os.path.getsize(path) for path in files if os.path.isfile(path)),
        "weight_bytes": weights,
        "shards": shards,
        "root": root,
        "revision": revision,
        "links": _kind_of_links(links),
        "mounts": mounts,
        "heads": _snapshot_weights.integer(config.get("num_attention_heads")),
        "model_type": config.get("model_type"),
        "draft": _snapshot_weights.draft(config),
    }


def nothing(root: str, problem: Problem) -> dict[str, t.Any]:
    """The result where there is no snapshot to look into."""
    return {
        "complete": False,
        "problems": [problem._asdict()],
        "bytes": 0,
        "weight_bytes": 0,
        "shards": 0,
        "root": root,
        "revision": None,
        "links": "none",
        "mounts": [],
        "heads": None,
        "model_type": None,
        "draft": None,
    }


def _files(root: str) -> tuple[list[str], list[str]]:
    """The files of the model, and the links among them and among their directories, as paths below `root`.

    Hidden directories are left out: they hold what tools keep beside a model, such as .cache and .git.
    """
    files, links = [], []
    seen = {os.path.realpath(root)}
    for directory, directories, names in os.walk(root, followlinks=True):
        paths = [os.path.join(directory, name) for name in sorted(directories) if not name.startswith(".")]
        links += [path for path in paths if os.path.islink(path)]
        # A link to a directory above would otherwise be followed for ever.
        new = [path for path in paths if os.path.realpath(path) not in seen]
        seen.update(map(os.path.realpath, new))
        directories[:] = [os.path.basename(path) for path in new]
        below = [os.path.join(directory, name) for name in sorted(names)]
        files += below
        links += [path for path in below if os.path.islink(path)]
    return files, links


def _unfinished(root: str, blobs: t.Optional[str], links: list[str]) -> list[Problem]:
    """Unfinished downloads that belong to this snapshot.

    A blob carries no name of a file or revision before it is linked. It belongs here if a link of this snapshot waits for it, or if this is
    the model's only snapshot and the same blob is not there already.
    """
    local = os.path.join(root, ".cache", "huggingface", "download")
    problems = [_unfinished_problem(local, name) for name in _listing(local) if name.endswith(".incomplete")]
    if blobs is None:
        return problems
    waited_for = {os.path.basename(os.readlink(path)) for path in links if not os.path.exists(path)}
    only = len(_listing(os.path.join(os.path.dirname(blobs), "snapshots"))) <= 1
    present = set(_listing(blobs))
    for name in sorted(present):
        blob = name.split(".", 1)[0]
        if name.endswith(".incomplete") and (blob in waited_for or (only and blob not in present)):
            problems.append(_unfinished_problem(blobs, name))
    return problems


def _unfinished_problem(directory: str, name: str) -> Problem:
    return Problem(
        os.path.join(directory, name),
        "download-incomplete",
        f"{os.path.getsize(os.path.join(directory, name))} bytes so far",
        "a finished download",
    )


def _listing(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _kind_of_links(links: list[str]) -> str:
    if not links:
        return "none"
    return "absolute" if any(os.path.isabs(os.readlink(path)) for path in links) else "relative"
