# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import random
import typing as t
import zipfile
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _nccl, _overlay

BASE = "sha256:" + "a" * 64
SPECIFICATION = {"nccl": "2.30.4", "source": "wheel", "content": "e993"}


def overlay(**changes: t.Any) -> _overlay.Overlay:
    given = {"key": "0123456789abcdef", "repository": "dgx-spark/vllm", "base": "base:1", "base_id": BASE, "nccl_version": "2.30.4"}
    return _overlay.Overlay(**{**given, "source": "wheel", "wheel": "/tmp/nccl.whl", **changes})


def test_key_is_the_start_of_the_hash_of_base_and_specification() -> None:
    text = f'{{"base_id":"{BASE}","specification":{{"content":"e993","nccl":"2.30.4","source":"wheel"}}}}'
    assert _overlay.image_key(BASE, SPECIFICATION) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_key_does_not_depend_on_the_order_of_the_specification() -> None:
    assert _overlay.image_key(BASE, dict(reversed(SPECIFICATION.items()))) == _overlay.image_key(BASE, SPECIFICATION)


@pytest.mark.parametrize(
    ("base_id", "specification"),
    [("sha256:" + "b" * 64, SPECIFICATION), (BASE, {**SPECIFICATION, "nccl": "2.30.7"}), (BASE, {**SPECIFICATION, "more": None})],
)
def test_key_changes_with_the_base_and_with_each_word_of_the_specification(base_id: str, specification: dict[str, t.Any]) -> None:
    assert _overlay.image_key(base_id, specification) != _overlay.image_key(BASE, SPECIFICATION)


@pytest.mark.parametrize(("base_id", "specification"), [(None, SPECIFICATION), ("", SPECIFICATION), (BASE, "2.30.4")])
def test_key_is_not_made_of_nothing(base_id: t.Any, specification: t.Any) -> None:
    with pytest.raises(_overlay.OverlayError, match="wanted"):
        _overlay.image_key(base_id, specification)


@pytest.mark.parametrize("source", ["wheel", "apt"])
def test_overlay_without_layers_only_copies_one_file(source: str) -> None:
    assert _overlay.dockerfile(overlay(source=source), user="vllm") == (
        "FROM dgx-spark/vllm:0123456789abcdef-base\nCOPY libnccl.so.2 /opt/dgx-spark/nccl/libnccl.so.2\n"
    )


def test_text_that_is_no_package_never_reaches_the_shell_of_the_image() -> None:
    with pytest.raises(_overlay.OverlayError, match="apt_package"):
        _overlay.package_of(overlay(source="apt", apt_package="libnccl2; reboot"))


@pytest.mark.parametrize(
    ("version", "machine", "words"), [("2.28.9", "aarch64", "2.28.9"), ("2.30.4", "x86_64", "for aarch64, but the image is for x86_64")]
)
def test_library_of_another_version_or_architecture_is_refused(version: str, machine: str, words: str) -> None:
    found = _nccl.Nccl("2.30.4", "13.2", 23004, "elf", "aarch64")
    with pytest.raises(_overlay.OverlayError, match=f"the wheel W is .*{words}.*nothing was built"):
        _overlay.require(found, "the wheel W", version, machine)
    _overlay.require(found, "the wheel W", "2.30.4", "aarch64")


def test_labels_of_ours_win_over_the_callers() -> None:
    labels = _overlay.labels(overlay(labels={"site": "lab", "dgx-spark.image-key": "forged"}), "13.2", "f00d")
    assert labels == {
        "site": "lab",
        "dgx-spark.image-key": "0123456789abcdef",
        "dgx-spark.base-id": BASE,
        "dgx-spark.nccl-version": "2.30.4",
        "dgx-spark.nccl-cuda": "13.2",
        "dgx-spark.nccl-sha256": "f00d",
    }


def test_library_is_taken_out_of_the_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "nccl.whl", "w") as archive:
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", b"the library")
    _overlay.extract_library(str(tmp_path / "nccl.whl"), str(tmp_path / "libnccl.so.2"))
    assert (tmp_path / "libnccl.so.2").read_bytes() == b"the library"


def test_wheel_without_the_library_names_the_file_that_is_missing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "nccl.whl", "w") as archive:
        archive.writestr("nvidia/nccl/include/nccl.h", b"")
    with pytest.raises(_overlay.OverlayError, match=r"nccl\.whl holds no nvidia/nccl/lib/libnccl\.so\.2"):
        _overlay.extract_library(str(tmp_path / "nccl.whl"), str(tmp_path / "libnccl.so.2"))


@pytest.mark.parametrize(("content", "why"), [(b"<html>404</html>", "is not a wheel"), (None, "cannot be read")])
def test_wheel_that_is_none_is_refused(tmp_path: Path, content: t.Optional[bytes], why: str) -> None:
    if content is not None:
        (tmp_path / "nccl.whl").write_bytes(content)
    with pytest.raises(_overlay.OverlayError, match=why):
        _overlay.extract_library(str(tmp_path / "nccl.whl"), str(tmp_path / "libnccl.so.2"))


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.95])
def test_wheel_that_is_cut_short_is_told(tmp_path: Path, kept: float) -> None:
    whole = tmp_path / "whole.whl"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", random.Random(1).randbytes(100_000))
    content = whole.read_bytes()
    (tmp_path / "nccl.whl").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(_overlay.OverlayError, match=r"nccl\.whl is not a wheel .* cut short"):
        _overlay.extract_library(str(tmp_path / "nccl.whl"), str(tmp_path / "libnccl.so.2"))


@pytest.mark.parametrize("place", [60, 50_000])
def test_wheel_that_is_damaged_inside_is_told(tmp_path: Path, place: int) -> None:
    with zipfile.ZipFile(tmp_path / "nccl.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", random.Random(1).randbytes(100_000))
    content = bytearray((tmp_path / "nccl.whl").read_bytes())
    content[place : place + 8] = bytes(8)
    (tmp_path / "nccl.whl").write_bytes(content)
    with pytest.raises(_overlay.OverlayError, match="is not a wheel"):
        _overlay.extract_library(str(tmp_path / "nccl.whl"), str(tmp_path / "libnccl.so.2"))


# Places in the local header, those in the list at the end, and what is put there: a flag that says encrypted, a method that nobody knows.
@pytest.mark.parametrize(("local", "listed", "value", "why"), [(6, 8, 1, "encrypted"), (8, 10, 99, "compression")])
def test_wheel_that_zipfile_cannot_unpack_is_told(tmp_path: Path, local: int, listed: int, value: int, why: str) -> None:
    with zipfile.ZipFile(tmp_path / "nccl.whl", "w") as archive:
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", b"the library")
    content = bytearray((tmp_path / "nccl.whl").read_bytes())
    content[local] = content[content.index(b"PK\1\2") + listed] = value
    (tmp_path / "nccl.whl").write_bytes(content)
    with pytest.raises(_overlay.OverlayError, match=f"nccl.whl is not a wheel .*{why}"):
        _overlay.extract_library(str(tmp_path / "nccl.whl"), str(tmp_path / "libnccl.so.2"))


@pytest.mark.parametrize(("target", "why"), [("/dev/full", "No space left on device"), ("/nowhere/libnccl.so.2", "No such file")])
def test_target_that_cannot_be_written_is_not_blamed_on_the_wheel(tmp_path: Path, target: str, why: str) -> None:
    with zipfile.ZipFile(tmp_path / "nccl.whl", "w") as archive:
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", b"the library")
    with pytest.raises(_overlay.OverlayError, match=rf"^{target} cannot be written \({why}.*free space on the file system of /\w+"):
        _overlay.extract_library(str(tmp_path / "nccl.whl"), target)


def test_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    assert _overlay.file_sha256(str(tmp_path / "file")) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
