# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How a command ended, by what a shell, Ansible and coreutils' `timeout` say of it."""

from __future__ import annotations

import re
import typing as t

NOT_FOUND, TIMED_OUT = 127, 124
"""What a shell returns for a command that is not there, and `timeout` for one that it had to end."""


def absent(output: str, returncode: t.Optional[int], tool: str) -> bool:
    """Whether the command is not there; `tool` is a regular expression of its name."""
    said = rf"\b{tool}: (?:(?:command )?not found|No such file or directory)|No such file or directory: b?'?(?:\S*/)?{tool}\b"
    return returncode == NOT_FOUND or bool(re.search(said, output))


def last_line(output: str) -> str:
    """The last line that is not empty."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "no output")
