# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""git as a program on the controller, which reads a repository's objects and nothing else.

No hook, filter, submodule or checkout is involved. What a user has configured to reach a repository counts: credential helpers, proxy,
certificates, ssh. Nobody is asked anything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _git_layer

# Of a user's environment only this is for reaching a repository; GIT_DIR and the like would name another one than is meant.
_KEPT = ("GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "GIT_EXEC_PATH")
_KEPT_PREFIXES = ("GIT_SSL_", "GIT_PROXY_SSL_", "GIT_HTTP_", "GIT_CONFIG_")
_SET = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_ALLOW_PROTOCOL": ":".join(_git_layer.PROTOCOLS),
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_DEFAULT_HASH": "sha1",
}
_CONFIG = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # A server that says nothing for a minute.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
}


class GitError(RuntimeError):
    """What a layer asks of git can't be had.

    `part` is the key of the layer that it is about; the text says found, wanted and remedy, and ends with what git has `said`, if anything.
    """

    def __init__(self, part: str, text: str, said: str = "") -> None:
        # A name in a commit may be any bytes.
        super().__init__("\n".join("".join(sign if sign.isprintable() else "?" for sign in line) for line in (text, *said.splitlines())))
        self.part = part


def environment(inherited: t.Mapping[str, str]) -> dict[str, str]:
    """The environment that git is run in."""
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith("GIT_") or name in _KEPT or (name.startswith(_KEPT_PREFIXES) and name != "GIT_CONFIG_PARAMETERS")
    }
    # It would open a window where there is a display.
    kept.pop("SSH_ASKPASS", None)
    return {**kept, **_SET}


def command(repository: str, *words: str) -> list[str]:
    """The words of a git command on a bare repository."""
    settings = [word for name, value in _CONFIG.items() for word in ("-c", f"{name}={value}")]
    # Named outright: a user's safe.bareRepository and safe.directory are about repositories that are found.
    return ["git", *settings, f"--git-dir={repository}", *words]


def start(repository: str, *words: str, errors: int) -> subprocess.Popen[bytes]:
    """A running git command, in a session of its own: no ssh below it finds a terminal to ask on."""
    try:
        return subprocess.Popen(
            command(repository, *words),
            env=environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise GitError("git", "found no program git in the PATH of the controller, wanted it to read the repository; install git") from None


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def run(repository: str, *words: str, seconds: t.Optional[float] = None) -> tuple[int, str]:
    """Run a command; its exit code and the end of its error output, without secrets. It is ended after `seconds`, with exit code 124."""
    process = start(repository, *words, errors=subprocess.PIPE)
    try:
        _out, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        stop(process)
        return 124, f"no end after {seconds:g} s"
    except BaseException:
        stop(process)
        raise
    said = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    return process.returncode, _git_layer.without_secrets("\n".join(said[-6:]) or "git said nothing")
