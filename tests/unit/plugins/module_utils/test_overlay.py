# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import typing as t
import zipfile
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay

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


def test_wheel_overlay_only_copies_one_file() -> None:
    assert _overlay.dockerfile(overlay(), user="vllm") == (
        "FROM dgx-spark/vllm:0123456789abcdef-base\nCOPY libnccl.so.2 /opt/dgx-spark/nccl/libnccl.so.2\n"
    )


def test_apt_overlay_installs_the_package_as_root_and_puts_the_user_back() -> None:
    text = _overlay.dockerfile(overlay(source="apt", apt_package="libnccl2=2.30.4-1+cuda13.2"), user="1000:1000")
    lines = text.splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("FROM dgx-spark/vllm:0123456789abcdef-base", "USER 0", "USER 1000:1000")
    assert " ".join("\n".join(lines[2:-1]).replace("\\\n", "").split()) == (
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --allow-downgrades "
        "--allow-change-held-packages libnccl2=2.30.4-1+cuda13.2 && mkdir -p /opt/dgx-spark/nccl "
        "&& cp -L /usr/lib/*/libnccl.so.2 /opt/dgx-spark/nccl/ && rm -rf /var/lib/apt/lists/*"
    )


def test_apt_overlay_of_a_root_image_names_no_other_user() -> None:
    assert _overlay.dockerfile(overlay(source="apt", apt_package="libnccl2")).count("USER") == 1


@pytest.mark.parametrize("package", [None, "", "libnccl2; reboot", "libnccl2=$(id)", "libnccl2 && true", "-o=x", "libnccl2=1\nRUN true"])
def test_text_that_is_no_package_never_reaches_the_shell_of_the_build(package: t.Optional[str]) -> None:
    with pytest.raises(_overlay.OverlayError, match="apt_package"):
        _overlay.dockerfile(overlay(source="apt", apt_package=package))


def test_labels_of_ours_win_over_the_callers() -> None:
    labels = _overlay.labels(overlay(labels={"site": "lab", "dgx-spark.image-key": "forged"}), "13.2")
    assert labels == {
        "site": "lab",
        "dgx-spark.image-key": "0123456789abcdef",
        "dgx-spark.base-id": BASE,
        "dgx-spark.nccl-version": "2.30.4",
        "dgx-spark.nccl-cuda": "13.2",
    }


@pytest.mark.parametrize(
    ("package", "cuda"), [("libnccl2=2.30.4-1+cuda13.2", "13.2"), ("libnccl2=2.30.4-1+cuda13", "13"), ("libnccl2", None)]
)
def test_cuda_is_read_from_the_package(package: str, cuda: t.Optional[str]) -> None:
    assert _overlay.package_cuda(package) == cuda


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
