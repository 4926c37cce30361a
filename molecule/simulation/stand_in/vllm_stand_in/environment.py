# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables named VLLM_*: those that the played vLLM and its fork know, and what is said of any other."""

from __future__ import annotations

from collections.abc import Mapping

from . import log
from .network import Fatal
from .shape import played


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Names of this environment that nothing in vLLM reads."""
    known, fork = played().release()["environment"], played().environment
    return sorted(name for name in environ if name.startswith("VLLM_") and name not in known and not fork.fullmatch(name))


def check(environ: Mapping[str, str], process: str, fatal: bool) -> None:
    """Warn of each; with --fail-on-environ-validation the first one ends the start."""
    for name in unknown(environ):
        if fatal:
            raise Fatal(f"ValueError: Unknown vLLM environment variable detected: {name}")
        log.line(process, "envs.py:1866", f"Unknown vLLM environment variable detected: {name}", "WARNING")
