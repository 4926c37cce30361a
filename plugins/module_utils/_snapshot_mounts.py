# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which directories of the host a container must mount, each at its own path, so that every file of a model resolves in it.

A container sees only what is mounted. A link is followed inside the container, so what it leads to must be mounted at the path by which the
link leads there: a `hub` that is a link to another disk, absolute links, or links out of the directory that was given.
"""

from __future__ import annotations

import collections
import os
import typing as t

# Linux's own limit of links in one path.
_LINK_LIMIT = 40
_OWN_NAMES = ("bin", "boot", "dev", "etc", "lib", "lib64", "opt", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var")
# Mounting over one of these would hide what the image has there.
_OWN = frozenset(["/", *(f"/{name}" for name in _OWN_NAMES)])


def find(first: str, paths: t.Iterable[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The directories to mount, `first` before the others, and the (path, target) whose target no container can be given.

    `paths` are absolute, below `first`, and resolve on the host.
    """
    mounts = [os.path.abspath(first)]
    refused = [(mount, mount) for mount in mounts if mount in _OWN]
    for path in paths:
        target = _follow(path, mounts)
        if target is not None:
            refused.append((path, target))
    return [mount for mount in mounts if not _within_another(mount, mounts)], refused


def _follow(path: str, mounts: list[str]) -> t.Optional[str]:
    """Walk `path` as a container with `mounts` does, adding to `mounts` what is needed; the target that cannot be mounted, or None."""
    at = "/"
    pending = collections.deque(path.split("/"))
    links = 0
    while pending:
        name = pending.popleft()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        step = os.path.join(at, name)
        if _leads_to_mount(step, mounts):
            # The container's own directory, made to hold a mount: no link, whatever the host has at this path.
            at = step
            continue
        if _mount_above(step, mounts) is None:
            target = os.path.join(step, *pending)
            if not _add(target, mounts):
                return target
            pending.appendleft(name)
            continue
        if not os.path.islink(step):
            at = step
            continue
        links += 1
        if links > _LINK_LIMIT:
            return step
        leads_to = os.readlink(step)
        pending.extendleft(reversed(leads_to.split("/")))
        at = "/" if os.path.isabs(leads_to) else at
        target = os.path.normpath(os.path.join(at, leads_to))
        if _mount_above(target, mounts) is None and not _leads_to_mount(target, mounts) and not _add(target, mounts):
            return target
    return None


def _add(target: str, mounts: list[str]) -> bool:
    """Mount `target`, or its directory if it is a file; whether that may be."""
    target = os.path.normpath(target)
    directory = target if os.path.isdir(target) else os.path.dirname(target)
    if directory in _OWN:
        return False
    mounts.append(directory)
    return True


def _mount_above(path: str, mounts: list[str]) -> t.Optional[str]:
    return next((mount for mount in mounts if path.startswith(mount + "/")), None)


def _leads_to_mount(path: str, mounts: list[str]) -> bool:
    return any(mount == path or mount.startswith(path + "/") for mount in mounts)


def _within_another(mount: str, mounts: list[str]) -> bool:
    """Whether another mount shows the same directory at the same path already."""
    above = _mount_above(mount, mounts)
    return above is not None and os.path.realpath(mount) == os.path.join(os.path.realpath(above), os.path.relpath(mount, above))
