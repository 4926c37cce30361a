# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The words of the docker command line that the image modules share. Nothing is run here: the caller lends its `run_command`."""

from __future__ import annotations

import json
import re
import typing as t

# (command words, variables for the command) -> (exit code, standard output, standard error)
Run = t.Callable[[list[str], dict[str, str]], tuple[int, str, str]]

# Docker's names of the machines that `uname -m` names.
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64", "armv7l": "arm", "i686": "386"}

# The digest of an image in a registry, as it stands behind the @ of a reference.
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# What Docker leaves out when it names an image of its own registry.
_UNSAID = re.compile(r"^(?:index\.)?docker\.io/(?:library/)?")


class DockerError(RuntimeError):
    """docker did not do what it was asked; the text holds its own words."""


class Docker:
    def __init__(self, run: Run, binary: str) -> None:
        self._run = run
        self._binary = binary

    def attempt(self, *words: str, environment: t.Optional[dict[str, str]] = None) -> tuple[int, str, str]:
        """Run `docker WORDS`; exit code, standard output, standard error."""
        return self._run([self._binary, *words], environment or {})

    def call(self, *words: str, environment: t.Optional[dict[str, str]] = None) -> str:
        """Run `docker WORDS`; its standard output. Raises DockerError with docker's last words if it fails."""
        status, output, errors = self.attempt(*words, environment=environment)
        if status != 0:
            raise DockerError(last_words(output, errors))
        return output.strip()

    def image(self, reference: str) -> t.Optional[dict[str, t.Any]]:
        """What `docker image inspect` says of an image, or None if this node does not have it."""
        status, output, errors = self.attempt("image", "inspect", reference)
        if status == 0:
            return t.cast("dict[str, t.Any]", json.loads(output)[0])
        if "no such image" in errors.lower():
            return None
        raise DockerError(last_words(output, errors))

    def remove_tag(self, reference: str) -> bool:
        """Remove a tag, and the image with its last tag; whether there was one."""
        if self.image(reference) is None:
            return False
        self.call("image", "rm", reference)
        return True


def last_words(output: str, errors: str, lines: int = 12) -> str:
    """The end of what a command printed: of its errors if there are any, else of its output."""
    text = errors.strip() or output.strip() or "docker said nothing"
    return "\n".join(text.splitlines()[-lines:])


def last_words_of_build(output: str, errors: str, lines: int = 12) -> str:
    """The end of what `docker build` printed: without buildx the words of a failed step are in its output, with it all is in its errors."""
    # Three lines which the command prints before each build without buildx, whether it fails or not.
    said = re.sub(r"^DEPRECATED: The legacy builder.*\n(?:[ \t]+\S.*\n)*", "", errors, flags=re.MULTILINE)
    return last_words("", f"{output.strip()}\n{said.strip()}", lines)


def environment_of(image: dict[str, t.Any]) -> dict[str, str]:
    """The variables that an image bakes in, {name: text}."""
    entries = (image.get("Config") or {}).get("Env") or []
    return dict(entry.split("=", 1) if "=" in entry else (entry, "") for entry in entries)


def repository_of(name: str) -> str:
    """A reference without its tag and digest. A colon after the last slash begins a tag, one before it a registry's port."""
    folder, slash, last = name.partition("@")[0].rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def by_digest(name: str, digest: str) -> str:
    """The reference by which docker pulls and finds the image of that digest. A tag beside the digest would be ignored, so it has none."""
    return f"{repository_of(name)}@{digest}"


def has_digest(image: dict[str, t.Any], name: str, digest: str) -> t.Optional[bool]:
    """Whether an image is the one of that digest in the registry of `name`.

    None where that can't be told: an image that was built here, or carried here by `docker save` and `docker load`, has no digest.
    """
    known = [entry.rpartition("@") for entry in image.get("RepoDigests") or []]
    if digest == image.get("Id") or digest in [found for _repository, _at, found in known]:
        return True
    own = _UNSAID.sub("", repository_of(name))
    return False if own in [_UNSAID.sub("", repository) for repository, _at, _digest in known] else None


def machine_of(image: dict[str, t.Any], machine: str) -> str:
    """The machine that an image is built for, in the words of `uname -m`; `machine` if the image does not tell."""
    found = image.get("Architecture") or ""
    return next((name for name, dockers in ARCHITECTURES.items() if dockers == found), found or machine)


def architecture_differs(image: dict[str, t.Any], machine: str) -> t.Optional[str]:
    """What this machine needs, in Docker's words, if the image is built for another; else None. `machine` is what `uname -m` says."""
    wanted = ARCHITECTURES.get(machine, machine)
    found = image.get("Architecture") or wanted
    return None if found == wanted else wanted
