# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""An overlay: an image built on another to put one NCCL at one path, named by what went into it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import typing as t
import zipfile

NCCL_PATH = "/opt/dgx-spark/nccl/libnccl.so.2"
WHEEL_MEMBER = "nvidia/nccl/lib/libnccl.so.2"
LABEL_KEY = "dgx-spark.image-key"
LABEL_BASE = "dgx-spark.base-id"
LABEL_NCCL = "dgx-spark.nccl-version"
LABEL_CUDA = "dgx-spark.nccl-cuda"
# One word of a shell command inside the build, so nothing but a Debian package name and version may get there.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9][A-Za-z0-9.+:~-]*)?")


class OverlayError(ValueError):
    """The overlay cannot be made; the text says what was found, what was wanted and what to do."""


class Overlay(t.NamedTuple):
    """What is built: `base_id` with NCCL `nccl_version` from `source`, tagged `repository:key`."""

    key: str  # image_key of the base and of the overlay's specification
    repository: str
    base: str  # reference of the base image
    base_id: str
    nccl_version: str
    source: str  # "wheel" or "apt"
    wheel: t.Optional[str] = None  # path of the wheel on the node; None to fetch it
    apt_package: t.Optional[str] = None  # "libnccl2=2.30.4-1+cuda13.2"
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
    def base_tag(self) -> str:
        """A tag of our own for the base while it is built upon. Nobody else moves it, and BuildKit takes no id of a local image in FROM."""
        return f"{self.reference}-base"

    @property
    def proof_container(self) -> str:
        """Name of the container, never started, out of which the built library is copied."""
        return f"dgx-spark-proof-{self.key}"


def image_key(base_id: str, specification: dict[str, t.Any]) -> str:
    """First 16 hex digits of SHA-256 over the base image's id and the overlay's specification (JSON data, in any order)."""
    if not isinstance(base_id, str) or not base_id:
        raise OverlayError(f"the base image's id is {base_id!r}, wanted text such as sha256:...; is the base image on this node?")
    if not isinstance(specification, dict):
        raise OverlayError(f"the overlay's specification is {type(specification).__name__}, wanted a dictionary")
    text = json.dumps({"base_id": base_id, "specification": specification}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def dockerfile(overlay: Overlay, user: str = "") -> str:
    """The Dockerfile. `user` is the base image's own user, which is put back after the packages have been installed."""
    lines = [f"FROM {overlay.base_tag}"]
    if overlay.source == "wheel":
        lines.append(f"COPY libnccl.so.2 {NCCL_PATH}")
    else:
        package = overlay.apt_package or ""
        if not _PACKAGE.fullmatch(package):
            raise OverlayError(f"apt_package is {package!r}, wanted NAME=VERSION such as libnccl2=2.30.4-1+cuda13.2")
        directory = NCCL_PATH.rsplit("/", 1)[0]
        lines += [
            "USER 0",
            "RUN apt-get update \\",
            " && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --allow-downgrades --allow-change-held-packages"
            f" {package} \\",
            f" && mkdir -p {directory} \\",
            f" && cp -L /usr/lib/*/libnccl.so.2 {directory}/ \\",
            " && rm -rf /var/lib/apt/lists/*",
        ]
        if user:
            lines.append(f"USER {user}")
    return "\n".join(lines) + "\n"


def labels(overlay: Overlay, cuda: t.Optional[str]) -> dict[str, str]:
    """The labels of the overlay: the caller's own, and what it is made of. `cuda` is NCCL's CUDA, where that is known before the build."""
    own = {LABEL_KEY: overlay.key, LABEL_BASE: overlay.base_id, LABEL_NCCL: overlay.nccl_version}
    if cuda:
        own[LABEL_CUDA] = cuda
    return {**overlay.labels, **own}


def package_cuda(package: str) -> t.Optional[str]:
    """The CUDA in the version of a package of NVIDIA's repository: `libnccl2=2.30.4-1+cuda13.2` -> `13.2`."""
    match = re.search(r"\+cuda(\d+(?:\.\d+)*)$", package)
    return match.group(1) if match else None


def extract_library(wheel: str, target: str) -> None:
    """Copy libnccl.so.2 out of the wheel of nvidia-nccl-cu12 or nvidia-nccl-cu13."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(WHEEL_MEMBER) as member, open(target, "wb") as file:
            shutil.copyfileobj(member, file, 1024 * 1024)
    except KeyError:
        raise OverlayError(
            f"{wheel} holds no {WHEEL_MEMBER}; wanted a wheel of nvidia-nccl-cu12 or nvidia-nccl-cu13 for this node's architecture"
        ) from None
    except zipfile.BadZipFile as error:
        raise OverlayError(f"{wheel} is not a wheel ({error}); it may have been cut short, remove it and fetch it again") from error
    except OSError as error:
        raise OverlayError(f"{wheel} cannot be read ({error.strerror}); copy the wheel to the node first") from error
