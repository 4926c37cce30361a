# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NCCL as Debian packages: a signed repository of 2.28.9, 2.30.4 and 2.30.7, and images that have one of them installed.

The libraries are the stubs of stand_in/nccl. Only the tests of the overlay need any of this, so `up` does not build it.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulation import images
from simulation.access import HERE, STATE

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

CONTEXTS = Path(__file__).resolve().parent
KEY = "key.asc"


def repository_image(client: DockerClient) -> Image:
    """The repository, in /repository."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder) / "repository"
        shutil.copytree(CONTEXTS / "repository", context)
        shutil.copy(HERE / "stand_in" / "nccl" / "libnccl.c", context)
        return images.ensure(client, "nccl-apt", context)


def repository(client: DockerClient) -> Path:
    """The repository as a folder of the controller."""
    image = repository_image(client)
    folder = STATE / "nccl-apt" / str(image.id).split(":")[1][:16]
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        container = client.containers.create(str(image.id))
        try:
            chunks, _ = container.get_archive("/repository")
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                archive.extractall(folder.with_suffix(".part"), filter="data")
        finally:
            container.remove()
        folder.with_suffix(".part").joinpath("repository").rename(folder)
    return folder


def stand_in_with(client: DockerClient, version: str, held: bool) -> Image:
    """The stand-in with libnccl2 of that version installed, and held or not."""
    arguments = {
        "STAND_IN": images.stand_in_image(client).tags[0],
        "REPOSITORY": repository_image(client).tags[0],
        "VERSION": version,
        "MARK": "hold" if held else "unhold",
    }
    return images.ensure(client, f"stand-in-nccl-{version}", CONTEXTS / "installed", arguments)


class Server:
    """Serves a folder on the controller's own address on the nodes' LAN, and remembers what was asked for."""

    def __init__(self, folder: Path, lan: str) -> None:
        requests: list[str] = []

        class Handler(SimpleHTTPRequestHandler):
            def log_request(self, code: Any = "-", size: Any = "-") -> None:
                requests.append(self.path)

        self.requests = requests
        # Docker gives a bridge the first address of its subnet.
        self._server = ThreadingHTTPServer((str(next(ipaddress.ip_network(lan).hosts())), 0), partial(Handler, directory=str(folder)))
        self.url = "http://{}:{}".format(*self._server.server_address[:2])
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def served(folder: Path, lan: str) -> Iterator[Server]:
    """The folder, while the context lasts."""
    server = Server(folder, lan)
    try:
        yield server
    finally:
        server.close()
