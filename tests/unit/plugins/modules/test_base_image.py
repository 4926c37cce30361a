# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import base_image
from tests.unit.plugins.modules.fake_docker import FakeDocker
from tests.unit.plugins.modules.module_runner import run_module

NAME = "vllm/recipe:1"


@pytest.fixture(autouse=True)
def on_a_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "spark1", "6.17.0", "#1", "aarch64")))


@pytest.fixture
def docker() -> FakeDocker:
    docker = FakeDocker()
    config = {"Entrypoint": ["vllm", "serve"], "Cmd": None, "Env": ["A=b=c", "EMPTY=", "BARE"]}
    docker.registry[NAME] = {"Id": "sha256:new", "Config": config}
    return docker


def run(docker: FakeDocker, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    return run_module(base_image, {"name": NAME, **arguments}, docker, check=check)


def test_missing_image_is_pulled_and_described(docker: FakeDocker) -> None:
    assert run(docker) == {
        "failed": False,
        "changed": True,
        "name": NAME,
        "id": "sha256:new",
        "architecture": "arm64",
        "entrypoint": ["vllm", "serve"],
        "cmd": [],
        "env": {"A": "b=c", "EMPTY": "", "BARE": ""},
    }


@pytest.mark.parametrize(
    ("pull", "there", "changed", "pulled"),
    [
        ("missing", None, True, True),
        ("missing", "sha256:old", False, False),
        ("never", "sha256:old", False, False),
        ("always", "sha256:old", True, True),
        ("always", "sha256:new", False, True),
    ],
)
def test_registry_is_asked_only_as_pull_says(docker: FakeDocker, pull: str, there: t.Optional[str], changed: bool, pulled: bool) -> None:
    if there:
        docker.add(NAME, there)
    assert run(docker, pull=pull)["changed"] is changed
    assert (["pull", NAME] in docker.calls) is pulled


@pytest.mark.parametrize(("there", "changed", "identity"), [(None, True, None), ("sha256:old", False, "sha256:old")])
@pytest.mark.parametrize("pull", ["missing", "always"])
def test_check_mode_pulls_nothing(docker: FakeDocker, pull: str, there: t.Optional[str], changed: bool, identity: t.Optional[str]) -> None:
    if there:
        docker.add(NAME, there)
    result = run(docker, check=True, pull=pull)
    assert (result["changed"], result["id"]) == (changed, identity)
    assert {call[0] for call in docker.calls} == {"image"}


@pytest.mark.parametrize("check", [False, True])
def test_image_that_is_missing_and_must_not_be_pulled_tells_how_to_carry_it(docker: FakeDocker, check: bool) -> None:
    result = run(docker, check=check, pull="never")
    assert result["failed"]
    assert f"docker save {NAME} | ssh NODE docker load" in result["msg"]


def test_pull_that_fails_names_the_image_and_quotes_docker(docker: FakeDocker) -> None:
    docker.registry.clear()
    result = run(docker)
    assert result["failed"]
    for words in (NAME, "manifest unknown", "docker load", "logged in"):
        assert words in result["msg"]


def test_image_for_another_architecture_fails_with_both_named(docker: FakeDocker) -> None:
    docker.add(NAME, "sha256:old", Architecture="amd64")
    result = run(docker)
    assert result["failed"]
    assert "is built for amd64" in result["msg"]
    assert "(aarch64) wants arm64" in result["msg"]


def test_daemon_that_does_not_answer_is_no_missing_image(docker: FakeDocker) -> None:
    docker.failures["image"] = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."
    result = run(docker, check=True)
    assert result["failed"]
    assert "Cannot connect" in result["msg"]
