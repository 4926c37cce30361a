# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of overlay_image share: a base image of another architecture than this machine's, wheels for it, a run of the module."""

from __future__ import annotations

import hashlib
import os
import struct
import typing as t
import zipfile
from pathlib import Path

from ansible_collections.dgx_spark.vllm.plugins.modules import overlay_image
from tests.unit.plugins.modules.fake_docker import FakeDocker
from tests.unit.plugins.modules.module_runner import run_module

KEY = "0123456789abcdef"
TAG = f"dgx-spark/vllm:{KEY}"
PROVEN = f"dgx-spark/vllm-proven:{KEY}"
PROOF = f"dgx-spark-proof-{KEY}"
BASE = "sha256:base"
# By `uname -m`: what Docker calls the machine, and its number in an ELF file. The foreign one's libraries are read here and never run.
MACHINES = {"aarch64": ("arm64", 183), "x86_64": ("amd64", 62)}
FOREIGN = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
OTHER = next(name for name in MACHINES if name != FOREIGN)


def library(version: str, machine: str = FOREIGN) -> bytes:
    return b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 3, MACHINES[machine][1]) + f"NCCL version {version}+cuda13.2\0".encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def new_docker() -> FakeDocker:
    docker = FakeDocker()
    docker.add("base:1", BASE, Config={"User": "vllm"}, Architecture=MACHINES[FOREIGN][0])
    return docker


def wheels(tmp_path: Path) -> t.Callable[..., str]:
    def make(version: str, machine: str = FOREIGN) -> str:
        path = tmp_path / f"nccl-{version}.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("nvidia/nccl/lib/libnccl.so.2", library(version, machine))
        return str(path)

    return make


def run(docker: FakeDocker, check: bool = False, diff: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    given = {"key": KEY, "base": "base:1", "base_id": BASE, "nccl_version": "2.30.4", "wheel": "/nowhere/nccl.whl", **arguments}
    return run_module(overlay_image, {name: value for name, value in given.items() if value is not None}, docker, check=check, diff=diff)


def proven(docker: FakeDocker) -> None:
    labels = {
        "dgx-spark.image-key": KEY,
        "dgx-spark.nccl-version": "2.30.4",
        "dgx-spark.nccl-cuda": "13.2",
        "dgx-spark.nccl-sha256": "f00d",
    }
    docker.add(TAG, "sha256:overlay", Config={"Labels": labels})
    docker.tags[PROVEN] = "sha256:overlay"


def changing(docker: FakeDocker) -> list[str]:
    """The commands that changed something, in order."""
    return [
        " ".join(call[:2]) if call[0] == "image" else call[0]
        for call in docker.calls
        if call[:2] != ["image", "inspect"] and call[0] != "ps"
    ]


APT: dict[str, t.Any] = {"source": "apt", "apt_package": "libnccl2=2.30.4-1+cuda13.2", "wheel": None}
FILE = b"print('patched')\n"
LAYERS: list[dict[str, t.Any]] = [
    {"kind": "file", "target": "/usr/lib/patched.py", "mode": "0755", "sha256": sha256(FILE)},
    {"kind": "environment", "variables": {"VLLM_TRITON_MLA_SPARSE": "1"}},
    {"kind": "run", "lines": ["true"]},
]
