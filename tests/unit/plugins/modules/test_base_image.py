# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _docker
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
    docker.registry[NAME] = {"Id": "sha256:new", "Os": "linux", "Config": config}
    return docker


def run(docker: FakeDocker, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    return run_module(base_image, {"name": NAME, **arguments}, docker, check=check)


def test_missing_image_is_pulled_and_described(docker: FakeDocker) -> None:
    assert run(docker) == {
        "failed": False,
        "changed": True,
        "name": NAME,
        "reference": NAME,
        "id": "sha256:new",
        "architecture": "arm64",
        "os": "linux",
        "repo_digests": [],
        "verified": None,
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
    described = {name for name in ("architecture", "os", "repo_digests", "entrypoint", "cmd", "env") if result[name] is not None}
    assert described == ({"architecture", "os", "repo_digests", "entrypoint", "cmd", "env"} if identity else set())
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


DIGEST, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
PINNED = f"vllm/recipe@{DIGEST}"


@pytest.fixture
def pinned(docker: FakeDocker) -> FakeDocker:
    """A registry whose tag has moved on from the image of DIGEST."""
    docker.registry[PINNED] = {"Id": "sha256:pinned", "Config": {}}
    return docker


def test_image_is_pulled_by_its_digest_and_gets_its_name_too(pinned: FakeDocker) -> None:
    result = run(pinned, digest=DIGEST)
    assert (result["changed"], result["id"], result["verified"]) == (True, "sha256:pinned", True)
    assert result["repo_digests"] == [PINNED]
    assert [call for call in pinned.calls if call[0] == "pull"] == [["pull", PINNED]]
    assert pinned.tags[NAME] == "sha256:pinned"
    again = run(pinned, digest=DIGEST, pull="always")
    assert (again["changed"], again["reference"]) == (False, NAME)
    assert len([call for call in pinned.calls if call[0] == "pull"]) == 1


@pytest.mark.parametrize("pull", ["missing", "never"])
@pytest.mark.parametrize("check", [False, True])
def test_image_of_another_digest_is_an_error_that_names_both_and_the_remedy(pinned: FakeDocker, pull: str, check: bool) -> None:
    pinned.add(NAME, "sha256:old", RepoDigests=[f"vllm/recipe@{OTHER}"])
    result = run(pinned, digest=DIGEST, pull=pull, check=check)
    assert result["failed"]
    for words in (NAME, f"vllm/recipe@{OTHER}", PINNED, "image_pull: always"):
        assert words in result["msg"]
    assert {call[0] for call in pinned.calls} == {"image"}


@pytest.mark.parametrize(("check", "identity"), [(False, "sha256:pinned"), (True, None)])
def test_image_of_another_digest_is_replaced_if_it_is_always_pulled(pinned: FakeDocker, check: bool, identity: t.Optional[str]) -> None:
    pinned.add(NAME, "sha256:old", RepoDigests=[f"vllm/recipe@{OTHER}"])
    result = run(pinned, digest=DIGEST, pull="always", check=check)
    assert (result["changed"], result["id"]) == (True, identity)


@pytest.mark.parametrize("digests", [[], [f"mirror.lan:5000/vllm/recipe@{OTHER}"]])
@pytest.mark.parametrize("pull", ["missing", "never"])
def test_image_that_was_carried_to_the_node_is_taken_and_told_to_be_unverified(pinned: FakeDocker, digests: list[str], pull: str) -> None:
    pinned.add(NAME, "sha256:old", RepoDigests=digests)
    result = run(pinned, digest=DIGEST, pull=pull)
    assert (result["failed"], result["changed"], result["id"], result["verified"]) == (False, False, "sha256:old", False)


def test_image_of_a_mirror_is_the_same_if_its_digest_is(pinned: FakeDocker) -> None:
    pinned.add(NAME, "sha256:old", RepoDigests=[f"mirror.lan:5000/vllm/recipe@{DIGEST}"])
    assert run(pinned, digest=DIGEST)["verified"] is True


def test_image_of_the_digest_is_found_when_its_tag_names_another(pinned: FakeDocker) -> None:
    pinned.add(PINNED, "sha256:pinned", RepoDigests=[PINNED])
    pinned.add(NAME, "sha256:old", RepoDigests=[f"vllm/recipe@{OTHER}"])
    result = run(pinned, digest=DIGEST)
    assert (result["changed"], result["id"], result["reference"]) == (False, "sha256:pinned", PINNED)


def test_name_of_dockers_own_registry_is_compared_as_docker_writes_it(pinned: FakeDocker) -> None:
    pinned.add(f"docker.io/{NAME}", "sha256:old", RepoDigests=[f"vllm/recipe@{OTHER}"])
    assert run(pinned, name=f"docker.io/{NAME}", digest=DIGEST)["failed"]


@pytest.mark.parametrize("digest", ["sha256:abc", "1" * 64, f"sha256:{'G' * 64}", f"{DIGEST}0"])
def test_what_is_no_digest_is_named(docker: FakeDocker, digest: str) -> None:
    result = run(docker, digest=digest)
    assert result["failed"]
    assert result["msg"] == f"digest of image {NAME}: found {digest!r}, wanted sha256: and 64 hex digits in lower case"
    assert docker.calls == []


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("vllm/recipe:1", "vllm/recipe"),
        ("mirror.lan:5000/vllm/recipe", "mirror.lan:5000/vllm/recipe"),
        ("mirror.lan:5000/recipe:1", "mirror.lan:5000/recipe"),
        (f"recipe:1@{DIGEST}", "recipe"),
    ],
)
def test_repository_is_the_name_without_tag_and_digest(name: str, repository: str) -> None:
    assert _docker.repository_of(name) == repository
