# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import typing as t
import zipfile
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import overlay_image
from tests.unit.plugins.modules.fake_docker import FakeDocker
from tests.unit.plugins.modules.module_runner import run_module

KEY = "0123456789abcdef"
TAG = f"dgx-spark/vllm:{KEY}"
PROOF = f"dgx-spark-proof-{KEY}"
BASE = "sha256:base"


def library(version: str) -> bytes:
    """A library for no machine of ours, so that it is read and never run."""
    return b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 3, 21) + f"NCCL version {version}+cuda13.2\0".encode()


@pytest.fixture
def docker() -> FakeDocker:
    docker = FakeDocker()
    docker.add("base:1", BASE, Config={"User": "vllm"})
    return docker


@pytest.fixture
def wheel(tmp_path: Path) -> t.Callable[[str], str]:
    def make(version: str) -> str:
        path = tmp_path / f"nccl-{version}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("nvidia/nccl/lib/libnccl.so.2", library(version))
        return str(path)

    return make


def run(docker: FakeDocker, check: bool = False, diff: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    given = {"key": KEY, "base": "base:1", "base_id": BASE, "nccl_version": "2.30.4", "wheel": "/nowhere/nccl.whl", **arguments}
    return run_module(overlay_image, {name: value for name, value in given.items() if value is not None}, docker, check=check, diff=diff)


def proven(docker: FakeDocker) -> None:
    labels = {"dgx-spark.image-key": KEY, "dgx-spark.nccl-version": "2.30.4", "dgx-spark.nccl-cuda": "13.2"}
    docker.add(TAG, "sha256:overlay", Config={"Labels": labels})


def changing(docker: FakeDocker) -> list[str]:
    """The commands that changed something, in order."""
    return [
        " ".join(call[:2]) if call[0] == "image" else call[0]
        for call in docker.calls
        if call[:2] != ["image", "inspect"] and call[0] != "ps"
    ]


def test_overlay_that_is_not_there_is_built_proven_and_tagged(docker: FakeDocker, wheel: t.Callable[[str], str]) -> None:
    given = wheel("2.30.4")
    result = run(docker, wheel=given, labels={"site": "lab"})
    assert result == {
        "failed": False,
        "changed": True,
        "reference": TAG,
        "id": "sha256:built1",
        "key": KEY,
        "nccl": {"version": "2.30.4", "cuda": "13.2", "code": 23004, "source": "elf"},
    }
    assert changing(docker) == ["tag", "build", "create", "cp", "tag", "rm", "image rm", "image rm"]
    assert docker.tags == {"base:1": BASE, TAG: "sha256:built1"}
    assert docker.containers == {}
    assert Path(given).exists()
    assert docker.images["sha256:built1"]["Config"]["Labels"] == {
        "site": "lab",
        "dgx-spark.image-key": KEY,
        "dgx-spark.base-id": BASE,
        "dgx-spark.nccl-version": "2.30.4",
        "dgx-spark.nccl-cuda": "13.2",
    }


def test_overlay_that_is_there_is_left_alone_and_needs_no_wheel(docker: FakeDocker) -> None:
    proven(docker)
    result = run(docker, base_id=None)
    assert (result["failed"], result["changed"], result["id"]) == (False, False, "sha256:overlay")
    assert result["nccl"] == {"version": "2.30.4", "cuda": "13.2", "code": 23004, "source": "label"}
    assert changing(docker) == []


def test_second_run_changes_nothing(docker: FakeDocker, wheel: t.Callable[[str], str]) -> None:
    assert run(docker, wheel=wheel("2.30.4"))["changed"] is True
    assert run(docker, wheel=wheel("2.30.4"))["changed"] is False
    assert len(docker.built) == 1


def test_tag_without_our_label_is_not_trusted(docker: FakeDocker, wheel: t.Callable[[str], str]) -> None:
    docker.add(TAG, "sha256:foreign")
    assert run(docker, wheel=wheel("2.30.4"))["id"] == "sha256:built1"


@pytest.mark.parametrize("arguments", [{}, {"base_id": None}])
def test_check_mode_builds_nothing_and_needs_neither_base_nor_wheel(docker: FakeDocker, arguments: dict[str, t.Any]) -> None:
    docker.tags.clear()
    result = run(docker, check=True, **arguments)
    assert (result["failed"], result["changed"], result["id"]) == (False, True, None)
    assert changing(docker) == []


def test_wrong_wheel_is_refused_before_anything_is_built(docker: FakeDocker, wheel: t.Callable[[str], str]) -> None:
    result = run(docker, wheel=wheel("2.28.9"))
    assert result["failed"]
    assert "is NCCL 2.28.9, wanted 2.30.4" in result["msg"]
    assert changing(docker) == []


APT: dict[str, t.Any] = {"source": "apt", "apt_package": "libnccl2=2.30.4-1+cuda13.2", "wheel": None}


def test_overlay_by_apt_is_proven_by_what_came_out_of_it(docker: FakeDocker) -> None:
    docker.package_library = library("2.30.4")
    result = run(docker, **APT)
    assert (result["changed"], result["nccl"]["version"]) == (True, "2.30.4")
    assert "libnccl2=2.30.4-1+cuda13.2" in docker.built[0]
    assert docker.built[0].endswith("USER vllm\n")


def test_overlay_whose_nccl_is_another_gets_no_tag_and_leaves_nothing(docker: FakeDocker) -> None:
    docker.package_library = library("2.28.9")
    result = run(docker, **APT)
    assert result["failed"]
    assert "is NCCL 2.28.9, wanted 2.30.4" in result["msg"]
    assert (docker.tags, docker.containers, list(docker.images)) == ({"base:1": BASE}, {}, [BASE])


@pytest.mark.parametrize("command", ["build", "create", "cp"])
def test_command_that_fails_is_quoted_and_leaves_nothing(docker: FakeDocker, wheel: t.Callable[[str], str], command: str) -> None:
    docker.failures[command] = "no space left on device"
    result = run(docker, wheel=wheel("2.30.4"))
    assert result["failed"]
    assert "no space left on device" in result["msg"]
    assert TAG in result["msg"]
    assert (docker.tags, docker.containers) == ({"base:1": BASE}, {})


def test_what_a_killed_build_left_is_replaced(docker: FakeDocker, wheel: t.Callable[[str], str]) -> None:
    docker.add(f"{TAG}-candidate", "sha256:half")
    docker.tags[f"{TAG}-base"] = BASE
    docker.containers[PROOF] = "sha256:half"
    result = run(docker, wheel=wheel("2.30.4"))
    assert (result["changed"], result["id"]) == (True, "sha256:built1")
    assert (sorted(docker.tags), docker.containers) == (["base:1", TAG], {})


def test_base_that_has_no_other_name_is_not_removed_with_ours(docker: FakeDocker, wheel: t.Callable[[str], str]) -> None:
    docker.tags.clear()
    assert run(docker, base=BASE, wheel=wheel("2.30.4"))["changed"] is True
    assert BASE in docker.images


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"base": "base:2"}, "the base image base:2 is not on this node"),
        ({"base_id": "sha256:older"}, "is sha256:base, wanted sha256:older"),
        ({"base_id": None}, "base_id is not given"),
        ({"nccl_version": None}, "nccl_version"),
        ({"wheel": None}, "both wheel and index_url are missing"),
        ({"index_url": "http://127.0.0.1:9/simple", "wheel_package": "nvidia-nccl-cu13", "wheel_sha256": "0" * 64}, "mutually exclusive"),
        ({"wheel": None, "index_url": "http://127.0.0.1:9/simple", "wheel_package": "nvidia-nccl-cu13"}, "wheel_sha256"),
        ({"source": "apt"}, "apt_package"),
        ({}, "/nowhere/nccl.whl cannot be read"),
    ],
)
def test_build_that_cannot_be_is_refused_before_docker_is_touched(docker: FakeDocker, arguments: dict[str, t.Any], words: str) -> None:
    result = run(docker, **arguments)
    assert result["failed"]
    assert words in result["msg"]
    assert changing(docker) == []


def absent(docker: FakeDocker, check: bool = False, diff: bool = False) -> dict[str, t.Any]:
    return run(docker, check=check, diff=diff, state="absent", base=None, base_id=None, nccl_version=None, wheel=None)


def test_absent_removes_the_overlay_and_is_then_content(docker: FakeDocker) -> None:
    proven(docker)
    assert absent(docker, check=True)["changed"] is True
    assert TAG in docker.tags
    assert absent(docker)["changed"] is True
    assert docker.tags == {"base:1": BASE}
    assert absent(docker)["changed"] is False
    assert absent(docker, check=True)["changed"] is False


def test_absent_removes_what_a_killed_build_left(docker: FakeDocker) -> None:
    docker.add(f"{TAG}-candidate", "sha256:half")
    docker.containers[PROOF] = "sha256:half"
    docker.tags[f"{TAG}-base"] = BASE
    assert absent(docker)["changed"] is True
    assert (docker.tags, docker.containers) == ({"base:1": BASE}, {})


def test_diff_names_the_tag(docker: FakeDocker) -> None:
    assert run(docker, check=True, diff=True)["diff"] == {"before": "", "after": f"{TAG}\n"}
    proven(docker)
    assert "diff" not in run(docker, diff=True)
    assert absent(docker, diff=True)["diff"] == {"before": f"{TAG}\n", "after": ""}
