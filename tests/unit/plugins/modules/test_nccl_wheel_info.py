# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import typing as t
import zipfile
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import nccl_wheel_info
from tests.unit.plugins.modules.module_runner import run_module

MACHINES = {"aarch64": 183, "x86_64": 62}


def wheel(folder: Path, version: str, machine: str) -> Path:
    path = folder / "nccl.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 3, MACHINES[machine])
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", header + f"NCCL version {version}+cuda13.2\0".encode())
    return path


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("wanted", [{}, {"version": "2.30.4"}])
def test_wheel_of_either_architecture_is_read(tmp_path: Path, machine: str, wanted: dict[str, t.Any]) -> None:
    result = run_module(nccl_wheel_info, {"path": str(wheel(tmp_path, "2.30.4", machine)), "architecture": machine, **wanted})
    assert result == {"failed": False, "changed": False, "version": "2.30.4", "cuda": "13.2", "architecture": machine}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"version": "2.28.9"}, "is NCCL 2.30.4, wanted 2.28.9"),
        ({"architecture": "x86_64"}, "is for aarch64, but the image is for x86_64"),
    ],
)
def test_wheel_that_is_not_the_wanted_one_is_refused(tmp_path: Path, wanted: dict[str, t.Any], words: str) -> None:
    path = wheel(tmp_path, "2.30.4", "aarch64")
    result = run_module(nccl_wheel_info, {"path": str(path), **wanted})
    assert result["failed"]
    assert words in result["msg"] and str(path) in result["msg"]


def test_wheel_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, "2.30.4", "aarch64")
    path.write_bytes(path.read_bytes()[:-30])
    result = run_module(nccl_wheel_info, {"path": str(path)})
    assert result["failed"]
    assert f"{path} is not a wheel" in result["msg"]
