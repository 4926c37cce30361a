# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from tests.unit.plugins.modules.fake_docker import FakeDocker
from tests.unit.plugins.modules.overlays import (
    APT,
    BASE,
    FILE,
    FOREIGN,
    KEY,
    LAYERS,
    OTHER,
    PROOF,
    PROVEN,
    TAG,
    changing,
    library,
    new_docker,
    proven,
    run,
    sha256,
    wheels,
)


@pytest.fixture
def docker() -> FakeDocker:
    return new_docker()


@pytest.fixture
def wheel(tmp_path: Path) -> t.Callable[..., str]:
    return wheels(tmp_path)


def test_overlay_that_is_not_there_is_built_proven_and_tagged(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
    given = wheel("2.30.4")
    result = run(docker, wheel=given, labels={"site": "lab"})
    assert result == {
        "failed": False,
        "changed": True,
        "reference": TAG,
        "id": "sha256:built1",
        "key": KEY,
        "nccl": {"version": "2.30.4", "cuda": "13.2", "code": 23004, "source": "elf", "sha256": sha256(library("2.30.4"))},
    }
    assert changing(docker) == ["tag", "build", "create", "cp", "tag", "tag", "rm", "image rm", "image rm"]
    assert docker.tags == {"base:1": BASE, PROVEN: "sha256:built1", TAG: "sha256:built1"}
    assert docker.contexts == [["Dockerfile", "libnccl.so.2"]]
    assert docker.containers == {}
    assert Path(given).exists()
    assert docker.images["sha256:built1"]["Config"]["Labels"] == {
        "site": "lab",
        "dgx-spark.image-key": KEY,
        "dgx-spark.base-id": BASE,
        "dgx-spark.nccl-version": "2.30.4",
        "dgx-spark.nccl-cuda": "13.2",
        "dgx-spark.nccl-sha256": sha256(library("2.30.4")),
    }


def test_overlay_that_is_there_is_left_alone_and_needs_no_wheel(docker: FakeDocker) -> None:
    proven(docker)
    result = run(docker, base_id=None)
    assert (result["failed"], result["changed"], result["id"]) == (False, False, "sha256:overlay")
    assert result["nccl"] == {"version": "2.30.4", "cuda": "13.2", "code": 23004, "source": "label", "sha256": "f00d"}
    assert changing(docker) == []
    # Two looks, and the content of no image is read.
    assert docker.calls == [["image", "inspect", TAG], ["image", "inspect", PROVEN]]


def test_second_run_changes_nothing(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
    assert run(docker, wheel=wheel("2.30.4"))["changed"] is True
    assert run(docker, wheel=wheel("2.30.4"))["changed"] is False
    assert len(docker.built) == 1


@pytest.mark.parametrize("labelled", [True, False])
def test_tag_that_another_image_was_given_goes_back_to_the_proven_one(docker: FakeDocker, labelled: bool) -> None:
    proven(docker)
    # An image that is built on ours inherits its labels.
    docker.add(TAG, "sha256:foreign", library("2.28.9"), Config=docker.images["sha256:overlay"]["Config"] if labelled else {})
    announced = run(docker, check=True)
    assert (announced["changed"], docker.tags[TAG]) == (True, "sha256:foreign")
    result = run(docker)
    assert (result["changed"], result["id"], docker.tags[TAG]) == (True, "sha256:overlay", "sha256:overlay")
    assert (result["nccl"]["version"], docker.built) == ("2.30.4", [])
    assert run(docker)["changed"] is False


@pytest.mark.parametrize("labels", [{}, {"dgx-spark.image-key": KEY, "dgx-spark.nccl-version": "2.30.4"}])
def test_image_that_was_never_proven_here_is_built_anew(docker: FakeDocker, wheel: t.Callable[..., str], labels: dict[str, str]) -> None:
    docker.add(TAG, "sha256:foreign", library("2.28.9"), Config={"Labels": labels})
    assert run(docker, check=True)["id"] is None
    assert run(docker, wheel=wheel("2.30.4"))["id"] == "sha256:built1"
    assert docker.tags == {"base:1": BASE, PROVEN: "sha256:built1", TAG: "sha256:built1"}


@pytest.mark.parametrize("arguments", [{}, {"base_id": None}])
def test_check_mode_builds_nothing_and_needs_neither_base_nor_wheel(docker: FakeDocker, arguments: dict[str, t.Any]) -> None:
    docker.tags.clear()
    result = run(docker, check=True, **arguments)
    assert (result["failed"], result["changed"], result["id"]) == (False, True, None)
    assert changing(docker) == []


def test_wrong_wheel_is_refused_before_anything_is_built(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
    result = run(docker, wheel=wheel("2.28.9"))
    assert result["failed"]
    assert "is NCCL 2.28.9, wanted 2.30.4; nothing was built" in result["msg"]
    assert changing(docker) == []


def test_wheel_of_another_architecture_is_refused_with_both_names(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
    result = run(docker, wheel=wheel("2.30.4", OTHER))
    assert result["failed"]
    assert f"is for {OTHER}, but the image is for {FOREIGN}; nothing was built" in result["msg"]
    assert changing(docker) == []


def test_image_that_tells_no_architecture_is_taken_for_this_machines(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
    del docker.images[BASE]["Architecture"]
    assert f"is for {FOREIGN}, but the image is for {os.uname().machine}" in run(docker, wheel=wheel("2.30.4"))["msg"]


@pytest.mark.parametrize("command", ["build", "create", "cp"])
def test_command_that_fails_is_quoted_and_leaves_nothing(docker: FakeDocker, wheel: t.Callable[..., str], command: str) -> None:
    docker.failures[command] = "no space left on device"
    result = run(docker, wheel=wheel("2.30.4"))
    assert result["failed"]
    assert "no space left on device" in result["msg"]
    assert TAG in result["msg"]
    assert (docker.tags, docker.containers) == ({"base:1": BASE}, {})


def test_what_a_killed_build_left_is_replaced(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
    docker.add(f"{TAG}-candidate", "sha256:half")
    docker.tags[f"{TAG}-base"] = BASE
    docker.containers[PROOF] = "sha256:half"
    result = run(docker, wheel=wheel("2.30.4"))
    assert (result["changed"], result["id"]) == (True, "sha256:built1")
    assert (sorted(docker.tags), docker.containers) == (["base:1", PROVEN, TAG], {})


def test_base_that_has_no_other_name_is_not_removed_with_ours(docker: FakeDocker, wheel: t.Callable[..., str]) -> None:
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
    docker.containers[f"dgx-spark-package-{KEY}"] = BASE
    docker.containers[PROOF] = "sha256:half"
    docker.tags[f"{TAG}-base"] = BASE
    assert absent(docker)["changed"] is True
    assert (docker.tags, docker.containers) == ({"base:1": BASE}, {})


@pytest.mark.parametrize("name", [PROOF, f"dgx-spark-package-{KEY}"])
def test_absent_announces_a_container_that_is_all_that_a_killed_build_left(docker: FakeDocker, name: str) -> None:
    docker.containers[name] = BASE
    assert absent(docker, check=True)["changed"] is True
    assert list(docker.containers) == [name]
    assert absent(docker)["changed"] is True
    assert docker.containers == {}
    assert absent(docker, check=True)["changed"] is False


def test_diff_names_the_tag_and_what_goes_in(docker: FakeDocker) -> None:
    shown = run(docker, check=True, diff=True, layers=LAYERS)["diff"]
    assert (shown["before"], shown["after"].splitlines()) == (
        "",
        [
            TAG,
            "NCCL 2.30.4 from wheel",
            f"file /usr/lib/patched.py 0755 sha256:{sha256(FILE)}",
            "environment VLLM_TRITON_MLA_SPARSE=1",
            "run true",
        ],
    )
    assert "NCCL 2.30.4 from libnccl2=2.30.4-1+cuda13.2\n" in run(docker, check=True, diff=True, **APT)["diff"]["after"]
    proven(docker)
    assert "diff" not in run(docker, diff=True)
    assert absent(docker, diff=True)["diff"] == {"before": f"{TAG}\n", "after": ""}


def test_absent_removes_a_proven_overlay_whose_tag_is_gone(docker: FakeDocker) -> None:
    proven(docker)
    del docker.tags[TAG]
    assert absent(docker, check=True)["changed"] is True
    assert absent(docker)["changed"] is True
    assert docker.tags == {"base:1": BASE}
