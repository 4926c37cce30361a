# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A layer whose files are in a git repository: what a user may write in `{git, revision, folder, files, target}`.

Only a commit's id is taken for a revision. It stands for the whole content, so that no branch or tag that moves gives two nodes, or two
days, different images.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from . import _recipe_words

KEYS = ("git", "revision", "folder", "files", "target")
PROTOCOLS = ("https", "ssh", "file")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*@"
_URLS = (
    re.compile(rf"https://{_HOST}(?::\d+)?/[A-Za-z0-9._~%+/-]+"),
    re.compile(rf"ssh://(?:{_USER})?{_HOST}(?::\d+)?/[A-Za-z0-9._~%+/-]+"),
    # ssh once more, as forges show it.
    re.compile(rf"{_USER}{_HOST}:[A-Za-z0-9._~+][A-Za-z0-9._~+/-]*"),
    re.compile(r"(?:file://)?/[^\x00-\x1f\x7f]+"),
)
_WANTED = "wanted https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or the absolute path of a repository on the controller"


def problems(layer: t.Mapping[str, t.Any], place: str) -> list[str]:
    """What is wrong with `git`, `revision`, `folder` and `files`, one sentence each; `place` names the layer."""
    found = [f"{place}.git: {text}" for text in url_problems(layer["git"])]
    revision = layer.get("revision")
    if not isinstance(revision, str) or not _COMMIT.fullmatch(revision):
        found.append(
            f"{place}.revision: found {shown(revision)}, wanted the 40 hex digits of a commit's id, in lower case and in quotes; "
            "a branch or tag may name another commit tomorrow, git rev-parse 'NAME^{commit}' says which one it names now"
        )
    folder = layer.get("folder", "")
    if "folder" in layer and not _is_inside(folder):
        wanted = "a folder's path from the top of the repository, such as recipe/overlay"
        found.append(f"{place}.folder: found {shown(folder)}, wanted {wanted}")
    return found + _files_problems(layer["files"], f"{place}.files") if "files" in layer else found


def url_problems(url: t.Any) -> list[str]:
    """Why git is not given this URL, in at most one sentence that shows no secret of it."""
    if not isinstance(url, str) or not url:
        return [f"found {shown(url)}, {_WANTED}"]
    if any(pattern.fullmatch(url) for pattern in _URLS):
        return []
    if _may_hold_secret(url):
        return [
            f"found {_start(url)}, with what may be a name, password or token in it, which logs and images would show; wanted it without; "
            "give such to git on the controller (git config credential.helper)"
        ]
    return [f"found {shown(url)}, {_WANTED}"]


def shown(value: t.Any) -> str:
    """What a message says of a value that should have been something else."""
    text = _recipe_words.shown(value)
    return type(value).__name__ if _may_hold_secret(text) else text


def named(key: t.Any) -> str:
    """What a message says of a key; one that would make it unreadable is shown as a value."""
    return str(key) if _recipe_words.readable(key) and not _may_hold_secret(key) else shown(key)


def without_secrets(text: str) -> str:
    """What git says, in which `***` stands for what URLs have before an @ or after a question mark. A bare user of ssh is no secret."""
    hidden = re.sub(r"(?<!ssh)://[^\s]*@", "://***@", text)
    hidden = re.sub(r"ssh://[^\s/@]*:[^\s]*@", "ssh://***@", hidden)
    return re.sub(r"(://[^\s?]*)\?[^\s'\"]*", r"\1?***", hidden)


def _may_hold_secret(text: str) -> bool:
    return "@" in text or "?" in text


def _start(url: str) -> str:
    """What stands before all that can be a secret."""
    scheme = re.match(r"[a-z]{2,8}://", url)
    return f"a URL that begins with {scheme.group()}" if scheme else "a URL"


def _files_problems(files: t.Any, place: str) -> list[str]:
    if not isinstance(files, list) or not files:
        return [f"{place}: found {files!r}, wanted a list of paths in folder; leave it out for all files"]
    found = [
        f"{place}[{number}]: found {file!r}, wanted the path of a file in folder, such as config/speculative.py"
        for number, file in enumerate(files)
        if not _is_inside(file)
    ]
    for number, file in enumerate(files):
        if file in files[:number]:
            found.append(f"{place}[{number}]: found {file!r}, which is files[{files.index(file)}] too; wanted each file once")
    return found


def _is_inside(path: t.Any) -> bool:
    """Whether a path is written in the one way that stays below where it begins."""
    return (
        isinstance(path, str)
        and posixpath.normpath(path) == path
        and path not in ("", ".", "..")
        and not path.startswith(("/", "../"))
        and _recipe_words.line(path)
    )
