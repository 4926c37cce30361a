# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""An overlay: an image built on another to put one NCCL at one path, and what else a recipe wants, named by what went into it."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
import zipfile
import zlib

from . import _nccl, _overlay_apt, _overlay_layers

NCCL_PATH = "/opt/dgx-spark/nccl/libnccl.so.2"
WHEEL_MEMBER = "nvidia/nccl/lib/libnccl.so.2"
LABEL_KEY = "dgx-spark.image-key"
LABEL_BASE = "dgx-spark.base-id"
LABEL_NCCL = "dgx-spark.nccl-version"
LABEL_CUDA = "dgx-spark.nccl-cuda"
LABEL_SHA256 = "dgx-spark.nccl-sha256"


class OverlayError(ValueError):
    """The overlay cannot be made; the text says what was found, what was wanted and what to do."""


class Overlay(t.NamedTuple):
    """What is built: `base_id` with NCCL `nccl_version` from `source` and then `layers`, tagged `repository:key`."""

    key: str  # image_key of the base and of the overlay's specification
    repository: str
    base: str  # reference of the base image
    base_id: str
    nccl_version: str
    source: str  # "wheel" or "apt"
    wheel: t.Optional[str] = None  # path of the wheel on the node; None to fetch it
    apt_package: t.Optional[str] = None  # "libnccl2=2.30.4-1+cuda13.2"
    apt_repository: str = ""  # text of a .list or .sources file; empty for what the base has
    apt_key: str = ""  # public key in ASCII armour
    layers: t.Sequence[t.Mapping[str, t.Any]] = ()  # as _overlay_layers.normalized makes them
    layer_files: str = ""  # folder on the node in which the content of each file layer is called by its SHA-256
    labels: t.Mapping[str, str] = {}

    @property
    def reference(self) -> str:
        """The tag of an overlay whose NCCL has been proven."""
        return f"{self.repository}:{self.key}"

    @property
    def candidate(self) -> str:
        """The tag of an overlay that has been built and not yet proven."""
        return f"{self.reference}-candidate"

    @property
    def proven(self) -> str:
        """A second tag of a proven overlay. A name that another image has been given since is known by it, and given back."""
        return f"{self.repository}-proven:{self.key}"

    @property
    def base_tag(self) -> str:
        """A tag of our own for the base while it is built upon. Nobody else moves it, and BuildKit takes no id of a local image in FROM."""
        return f"{self.reference}-base"

    @property
    def proof_container(self) -> str:
        """Name of the container, never started, out of which the built library is copied."""
        return f"dgx-spark-proof-{self.key}"

    @property
    def package_container(self) -> str:
        """Name of the container in which apt downloads the package."""
        return f"dgx-spark-package-{self.key}"


def image_key(base_id: str, specification: dict[str, t.Any]) -> str:
    """First 16 hex digits of SHA-256 over the base image's id and the overlay's specification (JSON data, in any order)."""
    if not isinstance(base_id, str) or not base_id:
        raise OverlayError(f"the base image's id is {base_id!r}, wanted text such as sha256:...; is the base image on this node?")
    if not isinstance(specification, dict):
        raise OverlayError(f"the overlay's specification is {type(specification).__name__}, wanted a dictionary")
    text = json.dumps({"base_id": base_id, "specification": specification}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dockerfile(overlay: Overlay, user: str = "") -> str:
    """The Dockerfile: NCCL, then the layers, so that a changed layer does not copy NCCL anew. `user` is the base image's own user."""
    lines = [f"FROM {overlay.base_tag}", f"COPY libnccl.so.2 {NCCL_PATH}", *_overlay_layers.instructions(overlay.layers, user)]
    return "\n".join(lines) + "\n"


def description(overlay: Overlay) -> str:
    """What the overlay is made of, one thing a line, for a diff."""
    source = overlay.apt_package if overlay.source == "apt" else "wheel"
    lines = [overlay.reference, f"NCCL {overlay.nccl_version} from {source}", *_overlay_layers.description(overlay.layers)]
    return "\n".join(lines) + "\n"


def labels(overlay: Overlay, cuda: t.Optional[str], sha256: str) -> dict[str, str]:
    """The labels of the overlay: the caller's own, and what it is made of. `cuda` is NCCL's CUDA, `sha256` that of the library."""
    own = {LABEL_KEY: overlay.key, LABEL_BASE: overlay.base_id, LABEL_NCCL: overlay.nccl_version, LABEL_SHA256: sha256}
    if cuda:
        own[LABEL_CUDA] = cuda
    return {**overlay.labels, **own}


def package_of(overlay: Overlay) -> _overlay_apt.Request:
    """What to ask apt for."""
    problem = _overlay_apt.package_problem(overlay.apt_package)
    if problem:
        raise OverlayError(problem)
    return _overlay_apt.Request(
        str(overlay.apt_package), overlay.base_id, overlay.package_container, overlay.apt_repository, overlay.apt_key
    )


def require(nccl: _nccl.Nccl, origin: str, version: str, machine: str) -> None:
    """See that a library is of that version and for that machine. `origin` is where it comes from, such as `the wheel PATH`."""
    if nccl.version != version:
        raise OverlayError(
            f"{origin} is NCCL {nccl.version}, wanted {version}; nothing was built. Give the wheel or the package of the wanted version"
        )
    if nccl.architecture != machine:
        raise OverlayError(
            f"{origin} is for {nccl.architecture}, but the image is for {machine}; nothing was built. "
            f"Give the wheel or the package for {machine}"
        )


def file_sha256(path: str) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1024 * 1024), b""):
            digest.update(chunk)
    return digest.hexdigest()


def extract_library(wheel: str, target: str) -> None:
    """Copy libnccl.so.2 out of the wheel of nvidia-nccl-cu12 or nvidia-nccl-cu13."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(WHEEL_MEMBER) as member:
            _write(target, _chunks(member, wheel))
    except KeyError:
        raise OverlayError(
            f"{wheel} holds no {WHEEL_MEMBER}; wanted a wheel of nvidia-nccl-cu12 or nvidia-nccl-cu13 for this node's architecture"
        ) from None
    # The last stands for an encrypted file, and for a compression that is not known here.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise OverlayError(f"{wheel} is not a wheel ({error}); it may have been cut short, remove it and fetch it again") from error
    except OSError as error:
        raise _unreadable(wheel, error) from error


def _chunks(member: t.IO[bytes], wheel: str) -> t.Iterator[bytes]:
    try:
        while chunk := member.read(1024 * 1024):
            yield chunk
    except OSError as error:
        raise _unreadable(wheel, error) from error


def _unreadable(wheel: str, error: OSError) -> OverlayError:
    return OverlayError(f"{wheel} cannot be read ({error.strerror}); copy the wheel to the node first")


def _write(target: str, chunks: t.Iterator[bytes]) -> None:
    try:
        with open(target, "wb") as file:
            file.writelines(chunks)
    except OSError as error:
        raise OverlayError(
            f"{target} cannot be written ({error.strerror}); free space on the file system of {os.path.dirname(target)}, "
            "or give Ansible another folder for its files (remote_tmp)"
        ) from error
