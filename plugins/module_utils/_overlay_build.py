# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Build an overlay, prove its NCCL, and only then give it its tag.

The order is what makes a tag worth something: a build goes to `repository:key-candidate`, the library is copied out of what was built and
read, and `repository:key` is set if it is the wanted one. A build that was killed leaves a candidate, which the next run replaces.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from . import _nccl, _overlay
from ._docker import Docker, DockerError, last_words_of_build

# `docker build` alike with and without buildx: the builder that this CLI has by default (an empty DOCKER_BUILDKIT counts as unset) and that
# sees local images, and no attestations, which would make the image an index under the containerd image store.
BUILD_ENVIRONMENT = {"DOCKER_BUILDKIT": "", "BUILDX_BUILDER": "default", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}

# Reads the NCCL of a file on the node.
Examine = t.Callable[[str], _nccl.Nccl]

# (the base image as docker tells it, folder) -> path of the wheel that was fetched into the folder.
Fetch = t.Callable[[dict[str, t.Any], str], str]


class Builder:
    def __init__(self, docker: Docker, overlay: _overlay.Overlay, examine: Examine, fetch: Fetch) -> None:
        self._docker = docker
        self._overlay = overlay
        self._examine = examine
        self._fetch = fetch

    def existing(self) -> t.Optional[dict[str, t.Any]]:
        """What docker says of the overlay that has its tag and our label, or None."""
        image = self._docker.image(self._overlay.reference)
        return image if image is not None and _labels(image).get(_overlay.LABEL_KEY) == self._overlay.key else None

    def build(self, directory: str) -> tuple[dict[str, t.Any], _nccl.Nccl]:
        """Build in `directory`, which the caller removes; what docker says of the tagged image, and the NCCL that was read out of it."""
        overlay = self._overlay
        cuda = self._prepare(directory, self._check_base())
        self._remove_leftovers()
        try:
            self._docker.call("tag", overlay.base_id, overlay.base_tag)
            self._run_build(directory, cuda)
            nccl = self._prove(directory)
            self._docker.call("tag", overlay.candidate, overlay.reference)
        except Exception:
            # What went wrong first is what the user must read.
            with contextlib.suppress(DockerError):
                self._remove_leftovers()
            raise
        self._remove_leftovers()
        image = self.existing()
        if image is None:
            raise _overlay.OverlayError(
                f"{overlay.reference} is gone right after it was tagged; is something else removing images on this node?"
            )
        return image, nccl

    def absent(self) -> bool:
        """Remove the overlay and what a killed build may have left; whether there was anything."""
        left = self._remove_leftovers()
        return self._docker.remove_tag(self._overlay.reference) or left

    def removable_tags(self) -> list[str]:
        """Those of the overlay's tags that are on this node and that `absent` would remove."""
        overlay = self._overlay
        tags = [tag for tag in (overlay.reference, overlay.candidate) if self._docker.image(tag) is not None]
        return [*tags, overlay.base_tag] if self._base_tag_is_spare() else tags

    def _check_base(self) -> dict[str, t.Any]:
        """See that the base is the image that the key was made of; what docker says of it."""
        overlay = self._overlay
        if not overlay.base_id:
            raise _overlay.OverlayError(f"base_id is not given; wanted the id of {overlay.base}, as the module base_image returns it")
        base = self._docker.image(overlay.base)
        if base is None:
            raise _overlay.OverlayError(
                f"the base image {overlay.base} is not on this node; wanted {overlay.base_id}; pull or load it first"
            )
        if base["Id"] != overlay.base_id:
            raise _overlay.OverlayError(
                f"the base image {overlay.base} is {base['Id']}, wanted {overlay.base_id}: "
                "its tag has moved since the key was made; run the role again"
            )
        return base

    def _prepare(self, directory: str, base: dict[str, t.Any]) -> t.Optional[str]:
        """Write the build's files; NCCL's CUDA, where it is known before the build."""
        overlay = self._overlay
        with open(os.path.join(directory, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(_overlay.dockerfile(overlay, str((base.get("Config") or {}).get("User") or "")))
        if overlay.source == "apt":
            return _overlay.package_cuda(overlay.apt_package or "")
        library = os.path.join(directory, "libnccl.so.2")
        wheel = overlay.wheel or self._fetch(base, directory)
        _overlay.extract_library(wheel, library)
        if wheel != overlay.wheel:
            # The folder is what docker is given to build from.
            os.unlink(wheel)
        os.chmod(library, 0o755)
        # A wrong wheel is told before anything is built. The proof is still what comes out of the image.
        nccl = _nccl.read_elf(library)
        self._require(nccl, f"the wheel {wheel}")
        return nccl.cuda

    def _run_build(self, directory: str, cuda: t.Optional[str]) -> None:
        overlay = self._overlay
        words = ["build", "--force-rm", "--tag", overlay.candidate]
        for name, value in sorted(_overlay.labels(overlay, cuda).items()):
            words += ["--label", f"{name}={value}"]
        status, output, errors = self._docker.attempt(*words, directory, environment=BUILD_ENVIRONMENT)
        if status != 0:
            raise _overlay.OverlayError(
                f"building it on {overlay.base} failed; docker's last words:\n{last_words_of_build(output, errors)}"
            )

    def _prove(self, directory: str) -> _nccl.Nccl:
        """Copy the library out of the candidate and read it."""
        overlay = self._overlay
        copied = os.path.join(directory, "proof.so")
        # The command is never run; docker wants one where the image has none.
        self._docker.call("create", "--name", overlay.proof_container, "--network", "none", overlay.candidate, "true")
        self._docker.call("cp", "--follow-link", f"{overlay.proof_container}:{_overlay.NCCL_PATH}", copied)
        nccl = self._examine(copied)
        self._require(nccl, f"{_overlay.NCCL_PATH} in the overlay built on {overlay.base}")
        return nccl

    def _require(self, nccl: _nccl.Nccl, where: str) -> None:
        if nccl.version != self._overlay.nccl_version:
            raise _overlay.OverlayError(
                f"{where} is NCCL {nccl.version}, wanted {self._overlay.nccl_version}; nothing was tagged. "
                "Give the wheel or the package of the wanted version"
            )

    def _remove_leftovers(self) -> bool:
        """Remove the proof's container and the two tags that only a build needs; whether there was anything."""
        overlay = self._overlay
        status, output, _errors = self._docker.attempt("ps", "--all", "--quiet", "--filter", f"name=^/?{overlay.proof_container}$")
        left = status == 0 and bool(output.strip())
        if left:
            self._docker.call("rm", "--force", "--volumes", overlay.proof_container)
        left = self._docker.remove_tag(overlay.candidate) or left
        return (self._base_tag_is_spare() and self._docker.remove_tag(overlay.base_tag)) or left

    def _base_tag_is_spare(self) -> bool:
        """Whether our tag of the base is there and not its only name: removing the only name would remove the base image itself."""
        image = self._docker.image(self._overlay.base_tag)
        names = [] if image is None else [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]
        return any(name != self._overlay.base_tag for name in names)


def labelled_nccl(image: dict[str, t.Any]) -> dict[str, t.Any]:
    """The NCCL of an overlay that was proven when it got its tag, from its labels."""
    labels = _labels(image)
    version = labels.get(_overlay.LABEL_NCCL)
    return {
        "version": version,
        "cuda": labels.get(_overlay.LABEL_CUDA),
        "code": _nccl.code_of(version) if version else None,
        "source": "label",
    }


def _labels(image: dict[str, t.Any]) -> dict[str, str]:
    return (image.get("Config") or {}).get("Labels") or {}
