# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Build an overlay, prove its NCCL, and only then give it its tag.

The order is what makes a tag worth something: a build goes to `repository:key-candidate`, the library is copied out of what was built and
read, and only if it is the wanted one the image gets its two tags, `repository-proven:key` and `repository:key`. A build that was killed
leaves a candidate, which the next run replaces.

Labels prove nothing: an image that somebody built on an overlay inherits them. An image's id stands for its whole content, so the tag that
the ranks run is right if it names the same id as the tag that was set at the proof.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from . import _nccl, _overlay, _overlay_apt, _overlay_layers
from ._docker import Docker, DockerError, last_words, last_words_of_build, machine_of

# `docker build` alike with and without buildx: the builder that this CLI has by default (an empty DOCKER_BUILDKIT counts as unset) and that
# sees local images, and no attestations, which would make the image an index under the containerd image store.
BUILD_ENVIRONMENT = {"DOCKER_BUILDKIT": "", "BUILDX_BUILDER": "default", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}

# In the folder that docker is given to build from.
LIBRARY = "libnccl.so.2"

# Reads the NCCL of a file on the node.
Examine = t.Callable[[str], _nccl.Nccl]

# (the base image as docker tells it, folder) -> path of the wheel that was fetched into the folder.
Fetch = t.Callable[[dict[str, t.Any], str], str]


class Builder:
    """`machine` is what `uname -m` says here, for a base image that does not tell its architecture."""

    def __init__(self, docker: Docker, overlay: _overlay.Overlay, examine: Examine, fetch: Fetch, machine: str) -> None:
        self._docker = docker
        self._overlay = overlay
        self._examine = examine
        self._fetch = fetch
        self._machine = machine

    def existing(self) -> t.Optional[dict[str, t.Any]]:
        """What docker says of the overlay if its tag names what has been proven, or None."""
        image, proven = self._docker.image(self._overlay.reference), self.proven()
        return image if image is not None and proven is not None and image["Id"] == proven["Id"] else None

    def proven(self) -> t.Optional[dict[str, t.Any]]:
        """What docker says of the image that was proven under this key, whatever has become of its other tag, or None."""
        return self._docker.image(self._overlay.proven)

    def restore(self) -> None:
        """Give the proven image its tag back."""
        self._docker.call("tag", self._overlay.proven, self._overlay.reference)

    def build(self, directory: str) -> tuple[dict[str, t.Any], _nccl.Nccl]:
        """Build in `directory`, which the caller removes; what docker says of the tagged image, and the NCCL that was read out of it."""
        overlay = self._overlay
        base = self._check_base()
        given = self._prepare(directory, base)
        sha256 = _overlay.file_sha256(os.path.join(directory, LIBRARY))
        self._remove_leftovers()
        try:
            self._docker.call("tag", overlay.base_id, overlay.base_tag)
            self._run_build(directory, given.cuda, sha256)
            nccl = self._prove(directory, sha256)
            self._docker.call("tag", overlay.candidate, overlay.proven)
            self.restore()
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
        for tag in (self._overlay.reference, self._overlay.proven):
            left = self._docker.remove_tag(tag) or left
        return left

    def removable(self) -> list[str]:
        """Those of the overlay's tags and containers that are on this node and that `absent` would remove."""
        overlay = self._overlay
        names = [tag for tag in (overlay.reference, overlay.proven, overlay.candidate) if self._docker.image(tag) is not None]
        names += [name for name in (overlay.proof_container, overlay.package_container) if _overlay_apt.exists(self._docker, name)]
        return [*names, overlay.base_tag] if self._base_tag_is_spare() else names

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

    def _prepare(self, directory: str, base: dict[str, t.Any]) -> _nccl.Nccl:
        """Write the build's files; the NCCL that will go in. A wrong one is told before anything is built."""
        overlay = self._overlay
        with open(os.path.join(directory, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(_overlay.dockerfile(overlay, str((base.get("Config") or {}).get("User") or "")))
        self._copy_layers(directory)
        library = os.path.join(directory, LIBRARY)
        if overlay.source == "apt":
            origin = f"the package {overlay.apt_package}"
            self._unpack_package(directory, library)
        else:
            wheel = overlay.wheel or self._fetch(base, directory)
            origin = f"the wheel {wheel}"
            _overlay.extract_library(wheel, library)
            if wheel != overlay.wheel:
                # The folder is what docker is given to build from.
                os.unlink(wheel)
        os.chmod(library, 0o755)
        nccl = _nccl.read_elf(library)
        _overlay.require(nccl, origin, overlay.nccl_version, machine_of(base, self._machine))
        return nccl

    def _unpack_package(self, directory: str, library: str) -> None:
        # Neither the repository's text nor its key may get into what docker is given to build from.
        folder = os.path.join(directory, "package")
        os.mkdir(folder)
        os.rename(_overlay_apt.fetch(self._docker, _overlay.package_of(self._overlay), folder), library)
        shutil.rmtree(folder)

    def _copy_layers(self, directory: str) -> None:
        for layer in self._overlay.layers:
            if layer["kind"] != "file":
                continue
            source = os.path.join(self._overlay.layer_files, layer["sha256"])
            copied = os.path.join(directory, _overlay_layers.file_name(layer))
            try:
                shutil.copyfile(source, copied)
            except OSError as error:
                raise _overlay.OverlayError(f"{source}, the content of {layer['target']}, cannot be read ({error.strerror})") from error
            os.chmod(copied, int(layer["mode"], 8))
            found = _overlay.file_sha256(copied)
            if found != layer["sha256"]:
                raise _overlay.OverlayError(f"{source} has SHA-256 {found}, wanted that of its name; remove it and run the role again")

    def _run_build(self, directory: str, cuda: t.Optional[str], sha256: str) -> None:
        overlay = self._overlay
        words = ["build", "--force-rm", "--tag", overlay.candidate]
        for name, value in sorted(_overlay.labels(overlay, cuda, sha256).items()):
            words += ["--label", f"{name}={value}"]
        status, output, errors = self._docker.attempt(*words, directory, environment=BUILD_ENVIRONMENT)
        if status != 0:
            said = last_words_of_build(output, errors)
            remedy = ""
            if "max depth exceeded" in said:
                remedy = ". Each file and each command is a layer of its own on the base's, of which docker takes no more: bring fewer"
            raise _overlay.OverlayError(f"building it on {overlay.base} failed{remedy}; docker's last words:\n{said}")

    def _prove(self, directory: str, sha256: str) -> _nccl.Nccl:
        """Copy the library out of the candidate, which has all layers, and read it."""
        overlay = self._overlay
        copied = os.path.join(directory, "proof.so")
        # The command is never run; docker wants one where the image has none.
        self._docker.call("create", "--name", overlay.proof_container, "--network", "none", overlay.candidate, "true")
        self._docker.call("cp", "--follow-link", f"{overlay.proof_container}:{_overlay.NCCL_PATH}", copied)
        nccl = self._examine(copied)
        # The file that was put there has been read before the build, so another one is a layer's doing.
        if _overlay.file_sha256(copied) != sha256:
            raise _overlay.OverlayError(
                f"{_overlay.NCCL_PATH} in the overlay built on {overlay.base} is NCCL {nccl.version} and not the file with "
                f"{overlay.nccl_version} that was put there; nothing was tagged. A layer replaces it: correct the layers"
            )
        self._prove_files(directory)
        return nccl

    def _prove_files(self, directory: str) -> None:
        """See that each file layer is what the image has at its target. Where a target is a folder, COPY puts the file into it."""
        overlay = self._overlay
        copied = os.path.join(directory, "proof.layer")
        for number, layer in _overlay_layers.lasting_files(overlay.layers):
            target = layer["target"]
            inside = f"{target}/{_overlay_layers.file_name(layer)}"
            place = f"{overlay.proof_container}:{target}"
            # Asked for by its own name in there, so that no folder, of whatever size, is copied out.
            if self._docker.attempt("cp", "--follow-link", f"{overlay.proof_container}:{inside}", copied)[0] == 0:
                raise _overlay.OverlayError(
                    f"layers[{number}]: {target} is a folder in {overlay.base}, wanted the path of a file; nothing was tagged. "
                    "Add the file's name to the target"
                )
            status, output, errors = self._docker.attempt("cp", "--follow-link", place, copied)
            if status != 0:
                raise _overlay.OverlayError(
                    f"layers[{number}]: {target} cannot be copied out of the overlay built on {overlay.base}; nothing was tagged. "
                    f"If a later layer removes it, correct the layers; docker's last words:\n{last_words(output, errors)}"
                )
            found = _overlay.file_sha256(copied) if os.path.isfile(copied) else "of no file"
            if found != layer["sha256"]:
                raise _overlay.OverlayError(
                    f"layers[{number}]: {target} in the overlay built on {overlay.base} has SHA-256 {found}, wanted {layer['sha256']}, "
                    "that of the file that was put there; nothing was tagged. A later layer changes it: correct the layers"
                )
            os.unlink(copied)

    def _remove_leftovers(self) -> bool:
        """Remove the containers and the two tags that only a build needs; whether there was anything."""
        overlay = self._overlay
        left = _overlay_apt.remove(self._docker, overlay.proof_container)
        left = _overlay_apt.remove(self._docker, overlay.package_container) or left
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
        "sha256": labels.get(_overlay.LABEL_SHA256),
        "code": _nccl.code_of(version) if version else None,
        "source": "label",
    }


def _labels(image: dict[str, t.Any]) -> dict[str, str]:
    return (image.get("Config") or {}).get("Labels") or {}
