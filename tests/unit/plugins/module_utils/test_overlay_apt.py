# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay_apt

PACKAGE = "libnccl2=2.30.9-1+cuda13.2"
ONE_LINE = "deb https://lan/nccl ./"
DEB822 = "Types: deb\nURIs: https://lan/nccl\nSuites: ./\n"


def request(**changes: t.Any) -> _overlay_apt.Request:
    return _overlay_apt.Request(**{"package": PACKAGE, "image": "sha256:base", "container": "dgx-spark-package-k", **changes})


@pytest.mark.parametrize(
    "package", [None, "", "libnccl2", "libnccl2=", "libnccl2; reboot", "libnccl2=$(id)", "libnccl2 && true", "-o=x", "libnccl2=1\nRUN true"]
)
def test_text_that_is_no_package_is_told(package: t.Optional[str]) -> None:
    assert "apt_package" in (_overlay_apt.package_problem(package) or "")


@pytest.mark.parametrize("package", ["libnccl2=2.30.4-1+cuda13.2", "libnccl2=1:2.30.4~rc1-1"])
def test_package_is_taken(package: str) -> None:
    assert _overlay_apt.package_problem(package) is None


@pytest.mark.parametrize(
    ("package", "cuda"), [("libnccl2=2.30.4-1+cuda13.2", "13.2"), ("libnccl2=2.30.4-1+cuda13", "13"), ("libnccl2", None)]
)
def test_cuda_is_read_from_the_package(package: str, cuda: t.Optional[str]) -> None:
    assert _overlay_apt.package_cuda(package) == cuda


@pytest.mark.parametrize(
    ("text", "name"), [(ONE_LINE, "repository.list"), (DEB822, "repository.sources"), ("uris : x", "repository.sources")]
)
def test_file_of_a_repository_is_named_by_its_form(text: str, name: str) -> None:
    assert _overlay_apt.files(request(repository=text)) == {name: text.rstrip("\n") + "\n"}
    assert f"Dir::Etc::SourceList=/dgx-spark-package/{name}" in _overlay_apt.options(request(repository=text))


def test_a_repository_of_the_users_is_the_only_one_and_must_be_reachable() -> None:
    options = _overlay_apt.options(request(repository=ONE_LINE))
    assert {"Dir::Etc::SourceParts=-", "APT::Update::Error-Mode=any"} <= set(options)
    assert not any("TrustedParts" in option for option in options)


def test_a_key_of_the_users_is_the_only_one_that_counts() -> None:
    given = request(repository=ONE_LINE, key="-----BEGIN")
    assert _overlay_apt.files(given)["keys/repository.asc"] == "-----BEGIN\n"
    assert "Dir::Etc::TrustedParts=/dgx-spark-package/keys" in _overlay_apt.options(given)


def test_without_a_repository_the_images_own_are_used_as_they_are() -> None:
    assert _overlay_apt.files(request()) == {}
    assert not any("Dir::Etc" in option or "Error-Mode" in option for option in _overlay_apt.options(request()))


MADISON = """  libnccl2 | 2.30.4-1+cuda13.2 | https://lan ./ Packages
  libnccl2 | 2.28.9-1+cuda13.0 | https://lan ./ Packages
  libnccl2 | 2.28.9-1+cuda13.0 | https://other ./ Packages
"""


def test_versions_that_there_are_take_the_place_of_the_one_that_is_not() -> None:
    text = _overlay_apt.explanation(request(), 82, MADISON, "E: Version '2.30.9-1+cuda13.2' for 'libnccl2' was not found")
    assert text.startswith(f"wanted {PACKAGE}, but what the base image has configured for apt has libnccl2 in other versions only: ")
    assert "2.30.4-1+cuda13.2, 2.28.9-1+cuda13.0; correct" in text
    assert text.count("2.28.9") == 1


def test_repository_without_the_package_is_named() -> None:
    text = _overlay_apt.explanation(request(repository=ONE_LINE), 82, "", "E: Unable to locate package libnccl2")
    assert "the repository of image_apt_repository has no package libnccl2" in text


def test_download_that_fails_though_the_version_is_there_is_told_in_apts_words() -> None:
    text = _overlay_apt.explanation(request(package="libnccl2=2.30.4-1+cuda13.2"), 82, MADISON, "E: Failed to fetch https://lan/x.deb")
    assert text.endswith("apt's last words:\nE: Failed to fetch https://lan/x.deb")


@pytest.mark.parametrize("login", ["user:secret", "user:sec/ret", "user:sec@ret"])
def test_lists_that_cannot_be_read_are_told_without_the_login_in_the_address(login: str) -> None:
    errors = f"Get:1 x\nW: GPG error: https://{login}@lan ./ InRelease: NO_PUBKEY 1\nE: The repository is not signed.\n"
    text = _overlay_apt.explanation(request(repository=ONE_LINE), 81, "Hit:1", errors)
    assert "its lists cannot be read" in text and "image_apt_key" in text
    assert text.endswith("W: GPG error: https://lan ./ InRelease: NO_PUBKEY 1\nE: The repository is not signed.")


def test_container_that_cannot_be_run_is_told_in_its_own_words() -> None:
    assert "exec /bin/sh: no such file" in _overlay_apt.explanation(request(), 127, "", "exec /bin/sh: no such file")
