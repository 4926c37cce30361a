# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images: a base, the node, the stand-in for the vLLM image.  Each is tagged by a hash of what went in, and built once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError, BuildError, ImageNotFound

from .access import HERE, say

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

PREFIX = "dgx-spark-sim/"
UBUNTU, DEBIAN = PREFIX + "base:ubuntu-24.04", PREFIX + "base:bookworm"
CONFLICT = 409
LEFT_OUT = ("__pycache__", ".mypy_cache", ".ruff_cache")
# What the recipes ask for: the images that the stand-in plays, by the targets of its Dockerfile. It answers to these names on the nodes.
PLAYED = {
    "aiden": "aidendle94/sparkrun-vllm-ds4-gb10:production-ready",
    "dspark": "ghcr.io/bjk110/vllm-spark:unholy-fusion-prod-ready",
    "jasl": "vllm-ds4-sm121:cu130",
    "hazyumps": "hazyumps/deepseek-v4-flash-gb10:sm121-cu130-20260727d",
}
# The one that every node has.
STAND_IN_NAME = PLAYED["aiden"]


class SimulationError(Exception):
    """Says what was wanted, what was found and what to do."""


def find(client: DockerClient, tag: str) -> Image | None:
    """The image, if it is there."""
    try:
        return client.images.get(tag)
    except ImageNotFound:
        return None


def content_hash(context: Path, *others: str) -> str:
    """Over the names, modes and bytes of a build context, and whatever else decides the result."""
    digest = hashlib.sha256("\0".join(others).encode())
    for path in sorted(context.rglob("*")):
        if path.is_file() and not set(LEFT_OUT) & set(path.parts):
            executable = os.access(path, os.X_OK)
            digest.update(b"%s\0%d\0" % (path.relative_to(context).as_posix().encode(), executable))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def base_image(client: DockerClient) -> Image:
    """Ubuntu 24.04 where a registry answers, else Debian 12 from the package mirror."""
    for tag in (UBUNTU, DEBIAN):
        image = find(client, tag)
        if image:
            return image
    say("pulling ubuntu:24.04")
    try:
        image = client.images.pull("ubuntu", "24.04")
        image.tag(UBUNTU)
        return client.images.get(UBUNTU)
    except APIError as error:
        say(f"no registry answers ({str(error.explanation or error).strip()[:80]}); bootstrapping Debian 12 instead, about a minute")
    return bootstrap_debian(client)


def bootstrap_debian(client: DockerClient) -> Image:
    """mmdebstrap writes a tar, which Docker imports.  A failed bootstrap must not leave an empty image behind."""
    if not shutil.which("mmdebstrap"):
        raise SimulationError("no registry answers and mmdebstrap is not installed: run molecule/simulation/ensure-host")
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale")]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", *left_out, "bookworm", "-"]
    bootstrap = subprocess.run(command, capture_output=True)
    if bootstrap.returncode != 0 or not bootstrap.stdout:
        raise SimulationError(f"mmdebstrap failed ({bootstrap.returncode}): {bootstrap.stderr.decode()[-400:]}")
    repository, tag = DEBIAN.split(":")
    client.api.import_image_from_data(bootstrap.stdout, repository=repository, tag=tag)
    return client.images.get(DEBIAN)


def ensure(client: DockerClient, name: str, context: Path, arguments: Mapping[str, str] | None = None, target: str | None = None) -> Image:
    """The image of this context (up to `target`), built if there is none of this hash; the outdated one is removed."""
    base = base_image(client)
    tag = f"{PREFIX}{name}:{content_hash(context, str(base.id), repr(arguments))}"
    image = find(client, tag) or build(client, tag, context, {"BASE": base.tags[0], **(arguments or {})}, target)
    remove_older(client, name, tag)
    return image


def build(client: DockerClient, tag: str, context: Path, arguments: Mapping[str, str], target: str | None = None) -> Image:
    """SimulationError with the end of the builder's log if it fails."""
    say(f"building {tag} (a minute or two the first time)")
    try:
        image, _ = client.images.build(path=str(context), tag=tag, rm=True, buildargs=dict(arguments), target=target)
    except BuildError as error:
        lines = "".join(str(entry.get("stream", "")) for entry in error.build_log if isinstance(entry, dict))
        raise SimulationError(f"building {tag} failed: {error.msg}\n{lines[-2000:]}") from error
    return image


def remove_older(client: DockerClient, name: str, current: str) -> None:
    """Earlier builds, whatever else they are called; one that a container still uses stays until the next time."""
    for image in client.images.list(PREFIX + name):
        if current not in image.tags:
            for tag in image.tags:
                try:
                    client.images.remove(tag)
                except APIError as error:
                    if error.status_code != CONFLICT:
                        raise


def node_image(client: DockerClient) -> Image:
    """A simulated Spark."""
    return ensure(client, "node", HERE / "node")


def stub_image(client: DockerClient) -> Image:
    """The two stub libnccl, compiled."""
    return ensure(client, "nccl-stubs", HERE / "stand_in" / "nccl")


def stand_in_image(client: DockerClient) -> Image:
    """What plays the vLLM image that every node has."""
    return played_image(client, "aiden")


def played_image(client: DockerClient, shape: str) -> Image:
    """What plays one of the images of PLAYED. They share all layers but the last, so that a further one costs next to nothing."""
    name = "stand-in" if shape == "aiden" else f"stand-in-{shape}"
    # A link leads out of what the builder is sent, so it is sent a copy in which there is none.
    with tempfile.TemporaryDirectory() as folder:
        context = shutil.copytree(HERE / "stand_in", Path(folder) / "stand_in", ignore=shutil.ignore_patterns(*LEFT_OUT))
        image = ensure(client, name, context, {"STUBS": stub_image(client).tags[0]}, target=shape)
    image.tag(PLAYED[shape])
    return client.images.get(PLAYED[shape])


def connect() -> DockerClient:
    """The daemon; SimulationError if none answers."""
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        raise SimulationError(f"no Docker daemon answers ({error}): run molecule/simulation/ensure-host") from error
    return client
