# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel that an overlay takes NCCL from, with a stub library in it: nvidia_nccl_cu13-2.30.4-….whl."""

from __future__ import annotations

import base64
import hashlib
import io
import platform
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

VERSION = "2.30.4"
LIBRARY = "nvidia/nccl/lib/libnccl.so.2"
EPOCH = (2026, 1, 1, 0, 0, 0)  # the same bytes each time


def wheel_name(machine: str = "") -> str:
    """As on PyPI; `machine` defaults to this one, for which the stub was compiled."""
    return f"nvidia_nccl_cu13-{VERSION}-py3-none-manylinux_2_18_{machine or platform.machine()}.whl"


def wheel_bytes(library: bytes, machine: str = "") -> bytes:
    """A valid wheel: the library, METADATA, WHEEL and a RECORD that matches them."""
    info = f"nvidia_nccl_cu13-{VERSION}.dist-info/"
    tag = wheel_name(machine)[: -len(".whl")].split("-", 2)[2]
    contents = {
        "nvidia/__init__.py": b"",
        "nvidia/nccl/__init__.py": b"",
        "nvidia/nccl/lib/__init__.py": b"",
        LIBRARY: library,
        info + "METADATA": (
            f"Metadata-Version: 2.1\nName: nvidia-nccl-cu13\nVersion: {VERSION}\nSummary: A stub of NCCL for tests\nRequires-Python: >=3\n"
        ).encode(),
        info + "WHEEL": (f"Wheel-Version: 1.0\nGenerator: simulation\nRoot-Is-Purelib: true\nTag: {tag}\n").encode(),
    }
    lines = []
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}")
    contents[info + "RECORD"] = "\n".join([*lines, info + "RECORD,,\n"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def stub_library(client: DockerClient, stubs: Image, version: str = VERSION) -> bytes:
    """Out of the image in which it was compiled."""
    container = client.containers.create(str(stubs.id))
    try:
        chunks, _ = container.get_archive(f"/stubs/{version}/libnccl.so.2")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            file = archive.extractfile("libnccl.so.2")
            assert file is not None
            return file.read()
    finally:
        container.remove()


def write(client: DockerClient, stubs: Image, directory: Path) -> Path:
    """Put the wheel into `directory`; returns its path."""
    path = directory / wheel_name()
    data = wheel_bytes(stub_library(client, stubs))
    if not path.exists() or path.read_bytes() != data:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return path
