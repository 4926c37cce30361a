# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""NCCL from a Debian package: apt of the base image downloads and unpacks it, in a container that is removed again.

The package is not installed. To install it over the one that an image has needs leave to downgrade, to change held packages, and often
the removal of what depends on that very version (libnccl-dev); and the repository, its key and its lists would have to be taken out of
the image again. Of all that only one file is wanted, and that is what comes out of here.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ._docker import Docker, DockerError, last_words

# Nothing but a Debian package's name and version.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*=[A-Za-z0-9][A-Za-z0-9.+:~-]*")
_FOLDER = "/dgx-spark-package"
_LIBRARY = "libnccl.so.2"
# What a user may have set for the module; docker does not hand the rest of its own variables on.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_NO_LISTS, _NO_PACKAGE = 81, 82
# $1 is the package, the rest are options of apt. Lists first: an image's own are mostly empty, or old enough to lack the version.
_PROGRAM = f"""\
set -eu
package=$1
shift
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
cd {_FOLDER}
apt-get "$@" update || exit {_NO_LISTS}
apt-get "$@" download "$package" || {{ apt-cache "$@" madison "${{package%%=*}}"; exit {_NO_PACKAGE}; }}
dpkg-deb --extract ./*.deb unpacked
cp -L unpacked/usr/lib/*/{_LIBRARY} {_LIBRARY}
"""


class AptError(ValueError):
    """The package cannot be had; the text says what was found, what was wanted and what to do."""


class Request(t.NamedTuple):
    package: str  # "libnccl2=2.30.4-1+cuda13.2"
    image: str  # id of the image whose apt is used
    container: str  # its name while that runs
    repository: str = ""  # text of a .list or .sources file, to be used alone; empty for what the image has
    key: str = ""  # the repository's public key in ASCII armour; empty where the image or the text has it


def package_problem(package: t.Optional[str]) -> t.Optional[str]:
    """What is wrong with the words NAME=VERSION, or None."""
    if package and _PACKAGE.fullmatch(package):
        return None
    return f"apt_package is {package!r}, wanted NAME=VERSION such as libnccl2=2.30.4-1+cuda13.2"


def package_cuda(package: str) -> t.Optional[str]:
    """The CUDA in the version of a package of NVIDIA's repository: `libnccl2=2.30.4-1+cuda13.2` -> `13.2`."""
    match = re.search(r"\+cuda(\d+(?:\.\d+)*)$", package)
    return match.group(1) if match else None


def files(request: Request) -> dict[str, str]:
    """What apt is given, by name: the repository as a file of its own, and its key."""
    found = {}
    if request.repository:
        found[_repository_file(request.repository)] = request.repository.rstrip("\n") + "\n"
    if request.key:
        found["keys/repository.asc"] = request.key.rstrip("\n") + "\n"
    return found


def options(request: Request) -> list[str]:
    """Options of apt. With a repository of the user's that one alone is read, so that no other has to be reachable."""
    settings = {"Acquire::Retries": "2", "Acquire::http::Timeout": "30", "Acquire::https::Timeout": "30"}
    if request.repository:
        settings["Dir::Etc::SourceList"] = f"{_FOLDER}/{_repository_file(request.repository)}"
        settings["Dir::Etc::SourceParts"] = "-"
        # Else what cannot be fetched is a warning, which is right for the image's own list: it may name more than is needed here.
        settings["APT::Update::Error-Mode"] = "any"
    if request.key:
        settings["Dir::Etc::TrustedParts"] = f"{_FOLDER}/keys"
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def fetch(docker: Docker, request: Request, directory: str) -> str:
    """Path of the library in `directory`, which must be empty. Raises AptError or DockerError; the container is gone in any case."""
    given = os.path.join(directory, "given")
    for name, text in files(request).items():
        os.makedirs(os.path.dirname(os.path.join(given, name)), exist_ok=True)
        with open(os.path.join(given, name), "w", encoding="utf-8") as file:
            file.write(text)
    os.makedirs(given, exist_ok=True)
    for folder, _folders, names in os.walk(given):
        os.chmod(folder, 0o755)  # apt reads them as a user of its own
        for name in names:
            os.chmod(os.path.join(folder, name), 0o644)
    library = os.path.join(directory, _LIBRARY)
    remove(docker, request.container)
    try:
        docker.call("create", *_create_words(request))
        docker.call("cp", given, f"{request.container}:{_FOLDER}")
        status, output, errors = docker.attempt("start", "--attach", request.container)
        if status != 0:
            raise AptError(explanation(request, status, output, errors))
        docker.call("cp", f"{request.container}:{_FOLDER}/{_LIBRARY}", library)
    finally:
        # What went wrong first is what the user must read.
        with contextlib.suppress(DockerError):
            remove(docker, request.container)
    return library


def exists(docker: Docker, container: str) -> bool:
    """Whether there is a container of that name, running or not."""
    status, output, _errors = docker.attempt("ps", "--all", "--quiet", "--filter", f"name=^/?{container}$")
    return status == 0 and bool(output.strip())


def remove(docker: Docker, container: str) -> bool:
    """Remove the container of an earlier try; whether there was one."""
    left = exists(docker, container)
    if left:
        docker.call("rm", "--force", "--volumes", container)
    return left


def explanation(request: Request, status: int, output: str, errors: str) -> str:
    """One message for a package that could not be had."""
    name, _equals, version = request.package.partition("=")
    where = "the repository of image_apt_repository" if request.repository else "what the base image has configured for apt"
    if status == _NO_LISTS:
        remedy = "see that this node reaches the repository and that its key is given (image_apt_repository, image_apt_key)"
        return (
            f"wanted {request.package} from {where}, but its lists cannot be read; {remedy}. apt's last words:\n{_words(errors or output)}"
        )
    if status == _NO_PACKAGE:
        versions = list(dict.fromkeys(re.findall(rf"^\s*{re.escape(name)} \| (\S+) \|", output, re.MULTILINE)))
        if versions and version not in versions:
            return (
                f"wanted {request.package}, but {where} has {name} in other versions only: {', '.join(versions)}; "
                "correct nccl.version and nccl.apt_package of the recipe, or give another repository (image_apt_repository)"
            )
        if not versions:
            return f"wanted {request.package}, but {where} has no package {name}; give a repository that has it (image_apt_repository)"
    return f"wanted {request.package} from {where}; apt's last words:\n{_words(errors or output)}"


def _create_words(request: Request) -> list[str]:
    # The network of the node itself: the repository is found, and asked through the same proxy, as anything else on the node would.
    words = ["--name", request.container, "--network", "host", "--user", "0", "--env", "LC_ALL=C"]
    for name in _PROXIES:
        if os.environ.get(name):
            words += ["--env", name]
    return [*words, "--entrypoint", "/bin/sh", request.image, "-c", _PROGRAM, "sh", request.package, *options(request)]


def _repository_file(repository: str) -> str:
    """apt takes a file's form from the end of its name."""
    return "repository.sources" if re.search(r"^\s*URIs\s*:", repository, re.IGNORECASE | re.MULTILINE) else "repository.list"


def _words(text: str) -> str:
    """apt's complaints, without the user and password that an address may hold."""
    complaints = "\n".join(line for line in text.splitlines() if line.startswith(("E:", "W:", "Err:"))) or text
    # Up to the last @ of a word: a password may hold a slash or an @ that nobody has escaped.
    return re.sub(r"(\w://)\S*@", r"\1", last_words("", complaints, 6))
