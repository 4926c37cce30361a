# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import nccl_info
from tests.unit.plugins.modules.module_runner import run_module

ELF = b"\x7fELF\2\1\1" + bytes(9)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of this machine's own architecture."""
    path = tmp_path / "libnccl.so.2"
    path.write_bytes(Path(sys.executable).resolve().read_bytes()[:20] + b"\0NCCL version 2.30.4+cuda13.2\0")
    return path


def test_library_of_this_machine_is_asked_by_a_child_process(library: Path) -> None:
    calls = []

    def python(words: list[str]) -> tuple[int, str, str]:
        calls.append(words)
        return 0, "ncclGetVersion 0 23004\n", ""

    result = run_module(nccl_info, {"path": str(library)}, python, check=True)
    assert [(words[0], words[1], words[3]) for words in calls] == [(sys.executable, "-c", str(library))]
    assert (result["version"], result["cuda"], result["code"], result["source"]) == ("2.30.4", "13.2", 23004, "call")
    assert (result["failed"], result["changed"]) == (False, False)


def test_library_of_another_machine_is_only_read(tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(ELF + struct.pack("<HH", 3, 21) + b"NCCL version 2.30.4+cuda13.2")
    result = run_module(nccl_info, {"path": str(tmp_path / "lib.so")})
    assert (result["version"], result["source"], result["architecture"]) == ("2.30.4", "elf", "machine 21")


def test_answers_that_differ_fail(library: Path) -> None:
    result = run_module(nccl_info, {"path": str(library)}, lambda words: (0, "ncclGetVersion 0 22809\n", ""))
    assert result["failed"]
    assert "2.30.4 (23004)" in result["msg"]
    assert "2.28.9 (22809)" in result["msg"]


@pytest.mark.parametrize(("content", "words"), [(None, "No such file or directory"), (b"text", "not a shared library")])
def test_file_that_is_no_library_fails_with_its_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "libnccl.so.2"
    if content is not None:
        path.write_bytes(content)
    result = run_module(nccl_info, {"path": str(path)})
    assert result["failed"]
    assert str(path) in result["msg"]
    assert words in result["msg"]
