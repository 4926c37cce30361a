# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Fetch one wheel from a package index into a folder. Nothing is connected to here: the caller lends its way to open a URL."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import time
import typing as t
import urllib.error
import zlib

from . import _index
from ._overlay import OverlayError

ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, twice that before the third
# What a server says that is overloaded or just being restarted.
PASSING = (429, 502, 503, 504)
CHUNK = 1024 * 1024
# The page of a package with thousands of files has a few MiB.
LONGEST_PAGE = 64 * CHUNK
_BROKEN = (OSError, EOFError, http.client.HTTPException, zlib.error)

# (URL, headers) -> a response as of urllib, which raises what urllib raises.
Open = t.Callable[[str, dict[str, str]], t.Any]
T = t.TypeVar("T")


class Wanted(t.NamedTuple):
    index_url: str  # https://pypi.org/simple
    package: str  # nvidia-nccl-cu13
    version: str
    architecture: str  # as `uname -m` says
    sha256: str  # hex digits


class _Refused(Exception):
    """What was found instead of the wheel, and another attempt would find too."""


class _Passing(Exception):
    """What went wrong on the way and may go well the next time."""


def fetch(open_url: Open, wanted: Wanted, directory: str) -> str:
    """The path of the wheel in `directory`, proven to have the wanted SHA-256. Raises OverlayError with what was found and what to do."""
    page = _index.page_url(wanted.index_url, wanted.package)
    try:
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", wanted.sha256):
            raise _Refused(f"{wanted.sha256!r} for its SHA-256, which are not 64 hex digits")
        content, kind, address = _again(lambda: _read_page(open_url, page))
        file = _index.choose(_index.files_of(content, kind, address), wanted.package, wanted.version, wanted.architecture, wanted.sha256)
        path = os.path.join(directory, file.name)
        sha256 = _again(lambda: _download(open_url, _index.with_login(file.url, wanted.index_url), path))
        if sha256 != wanted.sha256.lower():
            raise _Refused(f"{_index.without_login(file.url)} with SHA-256 {sha256} instead of {wanted.sha256.lower()}, nothing was built")
    except (_Refused, _index.IndexPageError) as error:
        raise OverlayError(
            f"wanted {_index.pattern(wanted.package, wanted.version, wanted.architecture)} from the index "
            f"{_index.without_login(page)}, found {error}. "
            "Give the path of that wheel file on the controller (image_nccl_wheel), or another index (image_index_url)"
        ) from error
    return path


def _again(attempt: t.Callable[[], T]) -> T:
    for count in range(1, ATTEMPTS):
        try:
            return attempt()
        except _Passing:
            time.sleep(PAUSE * count)
    try:
        return attempt()
    except _Passing as error:
        raise _Refused(f"{error} ({ATTEMPTS} attempts)") from error


def _read_page(open_url: Open, url: str) -> tuple[bytes, str, str]:
    """The page, its type, and where it came from in the end."""
    with _opened(open_url, url, _index.ACCEPT) as response:
        parts, length = [], 0
        for chunk in _chunks(response, url):
            parts.append(chunk)
            length += len(chunk)
            if length > LONGEST_PAGE:
                raise _Refused(f"a page of more than {LONGEST_PAGE // CHUNK} MiB")
        return b"".join(parts), response.headers.get("Content-Type") or "", response.geturl() or url


def _download(open_url: Open, url: str, path: str) -> str:
    """Write what is at `url` to `path`; its SHA-256."""
    digest = hashlib.sha256()
    with _opened(open_url, url, "*/*") as response:
        try:
            with open(path, "wb") as file:
                for chunk in _chunks(response, url):
                    digest.update(chunk)
                    file.write(chunk)
        except OSError as error:
            raise _Refused(f"that {path} cannot be written ({error.strerror})") from error
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(open_url: Open, url: str, accept: str) -> t.Iterator[t.Any]:
    named = _index.without_login(url)
    try:
        response = open_url(url, {"Accept": accept})
    except urllib.error.HTTPError as error:
        error.close()
        text = f"HTTP status {error.code} ({error.reason}) at {named}"
        raise (_Passing if error.code in PASSING else _Refused)(text) from error
    except _BROKEN as error:
        raise _Passing(f"no answer from {named} ({_words(error)})") from error
    except ValueError as error:
        raise _Refused(f"that {named} is no address ({_words(error)})") from error
    with contextlib.closing(response):
        yield response


def _chunks(response: t.Any, url: str) -> t.Iterator[bytes]:
    """The content piece by piece; its end is only believed if all that was announced has come."""
    received = 0
    while True:
        try:
            chunk = response.read(CHUNK)
        except _BROKEN as error:
            raise _Passing(f"an answer from {_index.without_login(url)} that broke off after {received} bytes ({_words(error)})") from error
        if not chunk:
            break
        received += len(chunk)
        yield chunk
    announced = response.headers.get("Content-Length") or ""
    # The length of compressed content is not that of what was read.
    if announced.isdigit() and not response.headers.get("Content-Encoding") and received != int(announced):
        raise _Passing(f"an answer from {_index.without_login(url)} that broke off after {received} of {announced} bytes")


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(reason).__name__
