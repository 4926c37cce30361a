# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Git repositories for tests, made by git's own commands with a fixed author and date."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

PERSON = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Test"), ("EMAIL", "test@example.org"), ("DATE", "2026-01-01T00:00:00+0000"))
}


class Link(str):
    """Where a symbolic link points."""


class Program(str):
    """The content of an executable file."""


class Repository:
    """A repository with a working tree in `folder`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.url = str(folder)
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *words: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **PERSON}
        done = subprocess.run(["git", *words], cwd=self.folder, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, files: t.Mapping[str, t.Union[str, bytes]]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content)
                continue
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            path.chmod(0o755 if isinstance(content, Program) else 0o644)

    def commit(self, files: t.Mapping[str, t.Union[str, bytes]]) -> str:
        """The id of a commit that adds these files."""
        self.write(files)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message=.")
        return self.git("rev-parse", "HEAD")

    def forget(self) -> None:
        """Remove all that no branch or tag leads to."""
        self.git("reflog", "expire", "--expire=now", "--all")
        self.git("gc", "--quiet", "--prune=now")
