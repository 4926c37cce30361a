# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _nccl

TEXT = b"\0NCCL version 2.30.4+cuda13.2\0"


def elf(path: Path, content: bytes, machine: int = 183, big_endian: bool = False) -> str:
    """Write a file with the first 20 bytes of an ELF file and `content` behind them."""
    identity = b"\x7fELF" + bytes([2, 2 if big_endian else 1, 1]) + bytes(9)
    path.write_bytes(identity + struct.pack(">HH" if big_endian else "<HH", 3, machine) + content)
    return str(path)


def answering(status: int, output: str, errors: str = "") -> _nccl.Run:
    return lambda words: (status, output, errors)


def forbidden(words: list[str]) -> tuple[int, str, str]:
    raise AssertionError(f"{words} must not be run")


@pytest.mark.parametrize(
    ("version", "code"),
    [("2.30.4", 23004), ("2.28.9", 22809), ("2.9.6", 20906), ("2.8.4", 2804), ("2.7.8", 2708), ("2.30.4rc1", 23004), ("3.1.0", 30100)],
)
def test_code_is_what_the_macro_of_nccl_h_makes(version: str, code: int) -> None:
    assert _nccl.code_of(version) == code


@pytest.mark.parametrize("version", ["2.30.4", "2.9.6", "2.8.4", "2.7.8"])
def test_version_of_a_code_is_the_inverse(version: str) -> None:
    assert _nccl.version_of(_nccl.code_of(version)) == version


def test_code_of_a_text_that_is_no_version_is_refused() -> None:
    with pytest.raises(_nccl.NcclError, match="three numbers"):
        _nccl.code_of("latest")


@pytest.mark.parametrize(
    ("content", "version", "cuda"),
    [
        (TEXT, "2.30.4", "13.2"),
        (b"x" * 9000 + TEXT + b"NCCL version 2.30.4 compiled with CUDA 13.2\0", "2.30.4", "13.2"),
        (b"NCCL version 2.19.3stag+cuda12.2\0", "2.19.3stag", "12.2"),
        (b"NCCL version %d.%d.%d+cuda%d.%d\0NCCL version 2.30.4 compiled with CUDA 13.2\0", "2.30.4", "13.2"),
    ],
)
def test_version_is_read_from_the_text_in_the_file(tmp_path: Path, content: bytes, version: str, cuda: str) -> None:
    found = _nccl.read_elf(elf(tmp_path / "libnccl.so.2", content))
    assert found == (version, cuda, _nccl.code_of(version), "elf", "aarch64", None)


@pytest.mark.parametrize(
    ("machine", "big_endian", "name"), [(183, False, "aarch64"), (62, False, "x86_64"), (62, True, "x86_64"), (999, False, "machine 999")]
)
def test_architecture_is_read_from_the_header(tmp_path: Path, machine: int, big_endian: bool, name: str) -> None:
    assert _nccl.elf_architecture(elf(tmp_path / "lib.so", TEXT, machine, big_endian)) == name


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"!<arch>\n" + TEXT * 3])
def test_file_that_is_no_elf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "libnccl.so.2"
    path.write_bytes(content)
    with pytest.raises(_nccl.NcclError, match="not a shared library"):
        _nccl.read_elf(str(path))


def test_library_without_a_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(_nccl.NcclError, match="does not say which NCCL"):
        _nccl.read_elf(elf(tmp_path / "libm.so", b"NCCL version unknown"))


def test_library_with_two_versions_is_refused_and_both_are_named(tmp_path: Path) -> None:
    with pytest.raises(_nccl.NcclError, match=r"2\.28\.9, 2\.30\.4"):
        _nccl.read_elf(elf(tmp_path / "lib.so", TEXT + b"NCCL version 2.28.9+cuda13.0\0"))


def test_library_of_another_architecture_is_read_and_never_run(tmp_path: Path) -> None:
    path = elf(tmp_path / "lib.so", TEXT, machine=183)
    assert _nccl.examine(path, forbidden, "python3", "x86_64").source == "elf"


def test_library_that_agrees_with_its_text_counts_as_called(tmp_path: Path) -> None:
    path = elf(tmp_path / "lib.so", TEXT)
    found = _nccl.examine(path, answering(0, "ncclGetVersion 0 23004\n"), "python3", "aarch64")
    assert found == ("2.30.4", "13.2", 23004, "call", "aarch64", None)


def test_library_that_contradicts_its_text_fails_with_both_named(tmp_path: Path) -> None:
    path = elf(tmp_path / "lib.so", TEXT)
    with pytest.raises(_nccl.NcclError, match=r"2\.30\.4 \(23004\).*2\.28\.9 \(22809\)"):
        _nccl.examine(path, answering(0, "ncclGetVersion 0 22809\n"), "python3", "aarch64")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((-11, "", ""), "no output"),
        ((1, "", "Traceback\nOSError: libcudart.so.13: cannot open shared object file"), "libcudart"),
        ((0, "ncclGetVersion 3 0\n", ""), "status 3"),
    ],
)
def test_library_that_cannot_be_called_is_read_and_the_reason_is_kept(tmp_path: Path, answer: tuple[int, str, str], why: str) -> None:
    found = _nccl.examine(elf(tmp_path / "lib.so", TEXT), answering(*answer), "python3", "aarch64")
    assert (found.source, found.code) == ("elf", 23004)
    assert why in t.cast(str, found.call_error)


def test_library_without_text_is_known_by_its_answer_alone(tmp_path: Path) -> None:
    found = _nccl.examine(elf(tmp_path / "lib.so", b""), answering(0, "ncclGetVersion 0 23004\n"), "python3", "aarch64")
    assert found == ("2.30.4", None, 23004, "call", "aarch64", None)


def test_library_that_tells_its_version_in_no_way_fails_with_both_reasons(tmp_path: Path) -> None:
    with pytest.raises(_nccl.NcclError, match=r"does not say which NCCL.*could not be loaded"):
        _nccl.examine(elf(tmp_path / "lib.so", b""), answering(1, "", "OSError: bad"), "python3", "aarch64")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler to make a library that can be loaded")
@pytest.mark.parametrize(
    ("body", "source"), [("*v = 23004; return 0;", "call"), ("return *(volatile int *)0;", "elf"), ("*v = 0; return 2;", "elf")]
)
def test_real_library_is_called_in_a_process_of_its_own(tmp_path: Path, body: str, source: str) -> None:
    (tmp_path / "stub.c").write_text(f'const char text[] = "NCCL version 2.30.4+cuda13.2";\nint ncclGetVersion(int *v) {{ {body} }}\n')
    library = tmp_path / "libnccl.so.2"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O0", "-o", str(library), str(tmp_path / "stub.c")], check=True)

    def run(words: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    found = _nccl.examine(str(library), run, sys.executable, platform.machine())
    assert (found.version, found.source) == ("2.30.4", source)
