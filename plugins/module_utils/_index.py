# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The page of a Python package index that lists one package's files, and the wheel to take from it.

Read are the JSON of PEP 691 and the HTML of PEP 503, which is all that many mirrors have.
"""

from __future__ import annotations

import html.parser
import json
import re
import typing as t
import urllib.parse

# What to ask an index for. One that knows no JSON answers with HTML.
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
_ARCHIVES = (".whl", ".tar.gz", ".zip")
# NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORMS.whl of the binary distribution format; none of the parts can hold a slash.
_WHEEL = re.compile(r"(?P<name>[\w.]+)-(?P<version>[\w.!+]+)(-\d\w*)?-[\w.]+-[\w.]+-(?P<platforms>[\w.]+)\.whl", re.ASCII)


class IndexPageError(ValueError):
    """The page is not that of an index, or lacks the wheel; the text says what was found."""


class File(t.NamedTuple):
    """One file of a package as its index lists it."""

    name: str
    url: str  # absolute, without a fragment
    sha256: t.Optional[str] = None  # hex digits, if the index tells it
    yanked: bool = False  # withdrawn by who published it


def page_url(index_url: str, package: str) -> str:
    """The address of a package's page: `https://pypi.org/simple`, `nvidia-nccl-cu13` -> `https://pypi.org/simple/nvidia-nccl-cu13/`."""
    return f"{index_url.rstrip('/')}/{normalized(package)}/"


def normalized(package: str) -> str:
    """A package's name as an index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def pattern(package: str, version: str, architecture: str) -> str:
    """The name of the wanted wheel, with stars, for messages. `architecture` is what `uname -m` says."""
    return f"{normalized(package).replace('-', '_')}-{version}-*-manylinux*_{architecture}.whl"


def files_of(page: bytes, content_type: str, url: str) -> list[File]:
    """The files that a page lists. `url` is where the page came from in the end; relative addresses count from there."""
    text = page.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    # The page's first character decides: mirrors of plain files send whatever type their web server has.
    files = _files_of_json(text, url) if text.startswith("{") else _files_of_html(text, url)
    if not files:
        raise IndexPageError(f"a page of type {content_type or 'unknown'} that lists no files, not that of a package index")
    return files


def choose(files: t.Sequence[File], package: str, version: str, architecture: str, sha256: str) -> File:
    """The wheel of that version for Linux on `architecture` (aarch64, x86_64). Of several, the one with the wanted SHA-256."""
    wheels = [(file, match) for file in files for match in [_WHEEL.fullmatch(file.name)] if match and _is_of(match, package)]
    versions = list(dict.fromkeys(match["version"] for _file, match in wheels))
    same_version = [(file, match) for file, match in wheels if match["version"] == version]
    if not same_version:
        newest = ", ".join(versions[-5:]) or "none"
        raise IndexPageError(f"{len(files)} files, but no wheel of version {version}; the last versions with a wheel are: {newest}")
    names = ", ".join(file.name for file, _match in same_version)
    fitting = [file for file, match in same_version if _runs_on(match["platforms"], architecture)]
    if not fitting:
        raise IndexPageError(f"wheels of version {version}, but none for Linux on {architecture}: {names}")
    kept = [file for file in fitting if not file.yanked]
    if not kept:
        raise IndexPageError(f"{fitting[0].name}, but it has been yanked (withdrawn by its publisher)")
    wanted = sha256.lower()
    usable = [file for file in kept if file.sha256 in (wanted, None)]
    if not usable:
        raise IndexPageError(f"{kept[0].name} with SHA-256 {kept[0].sha256} instead of {wanted}")
    return max(usable, key=lambda file: file.sha256 == wanted)


def without_login(url: str) -> str:
    """A URL for messages: without the user and password that it may hold."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@", r"\1", url)


def with_login(url: str, index_url: str) -> str:
    """A file's URL with the user and password of the index's own URL, if both are the same server."""
    file, index = urllib.parse.urlsplit(url), urllib.parse.urlsplit(index_url)
    login, at, server = index.netloc.rpartition("@")
    if at and (file.scheme, file.netloc) == (index.scheme, server):
        return urllib.parse.urlunsplit(file._replace(netloc=f"{login}@{server}"))
    return url


def _is_of(match: re.Match[str], package: str) -> bool:
    return normalized(match["name"]) == normalized(package)


def _runs_on(platforms: str, architecture: str) -> bool:
    return any(tag.startswith("manylinux") and tag.endswith(f"_{architecture}") for tag in platforms.split("."))


def _files_of_json(text: str, url: str) -> list[File]:
    try:
        page = json.loads(text)
    except ValueError as error:
        raise IndexPageError(f"a page that begins like JSON and is none ({error})") from error
    version = str(_dictionary(page.get("meta")).get("api-version", "1.0"))
    if not re.match(r"1(\.|$)", version):
        raise IndexPageError(f"an index of version {version} of the interface, which is not known; known is 1")
    files = []
    listed = page.get("files")
    for entry in map(_dictionary, listed if isinstance(listed, list) else []):
        address = _absolute(str(entry.get("url") or ""), url)
        if address:
            sha256 = str(_dictionary(entry.get("hashes")).get("sha256") or "").lower()
            files.append(File(str(entry.get("filename") or ""), address, sha256 or None, bool(entry.get("yanked"))))
    return files


def _dictionary(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: list[tuple[str, bool]] = []  # address as written, yanked

    def handle_starttag(self, tag: str, attrs: list[tuple[str, t.Optional[str]]]) -> None:
        given = dict(attrs)
        address = given.get("href") or ""
        if tag == "base":
            self.base = self.base or address
        elif tag == "a" and address:
            # PEP 592: the attribute's presence counts, it may have no value.
            self.links.append((address, "data-yanked" in given))


def _files_of_html(text: str, url: str) -> list[File]:
    page = _Anchors()
    page.feed(text)
    page.close()
    base = _absolute(page.base, url) or url
    files = []
    for link, yanked in page.links:
        address = _absolute(link, base)
        name = urllib.parse.unquote(urllib.parse.urlsplit(address).path.rsplit("/", 1)[-1])
        if name.endswith(_ARCHIVES):
            digest = re.search(r"#(?:.*&)?sha256=([0-9A-Fa-f]{64})(?:&|$)", link)
            files.append(File(name, address, digest.group(1).lower() if digest else None, yanked))
    return files


def _absolute(address: str, base: str) -> str:
    """An address joined to its page's and without its fragment; empty if it is none."""
    try:
        return urllib.parse.urldefrag(urllib.parse.urljoin(base, address)).url if address else ""
    except ValueError:
        return ""
