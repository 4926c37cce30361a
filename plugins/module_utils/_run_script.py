# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A `docker run` as a shell script for people: one option a line, every word quoted, secrets left to a file that the user makes."""

from __future__ import annotations

import shlex
import typing as t

from . import _docker_run

STATIC_ENV = "static.env"
SECRET_ENV = "secret.env"
_UNREADABLE = "can't be read; make it with mode 0600: VLLM_API_KEY=... if clients must send a key, else empty"


def script(words: t.Sequence[str], unset: t.Sequence[str], comments: t.Iterable[str]) -> str:
    """The text of the script.

    `words`: from `_docker_run.words`, with the names of files beside the script. `unset`: names that `words` removes. `comments`: sentences
    for the head of the file.
    """
    options, image, command = _docker_run.split(words)
    lines = ["exec docker run", *(f"{name} {shlex.quote(value)}" for name, value in options), shlex.quote(image), *_lines(command)]
    return "\n".join(
        [
            "#!/bin/sh",
            *(f"# {' '.join(comment.split())}" for comment in comments),
            "set -eu",
            'cd -- "$(dirname -- "$0")"',
            "# --env NAME removes what the image bakes in, but only where the environment of the client lacks the name too.",
            *([f"unset {' '.join(unset)}"] if unset else []),
            f'[ -r {SECRET_ENV} ] || {{ echo "$PWD/{SECRET_ENV} {_UNREADABLE}" >&2; exit 78; }}',
            " \\\n  ".join(lines),
            "",
        ]
    )


def _lines(command: t.Iterable[str]) -> list[str]:
    """The quoted words of a command, each option with what follows it on a line of its own."""
    lines: list[str] = []
    for word in command:
        if word.startswith("-") or not lines:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return lines
