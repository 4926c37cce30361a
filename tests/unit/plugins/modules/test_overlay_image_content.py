# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.unit.plugins.modules.fake_docker import FakeDocker
from tests.unit.plugins.modules.overlays import (
    APT,
    BASE,
    FILE,
    KEY,
    LAYERS,
    PROVEN,
    TAG,
    changing,
    library,
    new_docker,
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


def test_overlay_by_apt_has_the_packages_library_and_nothing_else_of_it(docker: FakeDocker) -> None:
    docker.package_library = library("2.30.4")
    result = run(docker, **APT, apt_repository="deb http://lan/ ./", apt_key="-----BEGIN")
    assert (result["changed"], result["nccl"]["version"], result["nccl"]["cuda"]) == (True, "2.30.4", "13.2")
    assert docker.built == [f"FROM {TAG}-base\nCOPY libnccl.so.2 /opt/dgx-spark/nccl/libnccl.so.2\n"]
    assert docker.contexts == [["Dockerfile", "libnccl.so.2"]]
    assert docker.apt_files == {"repository.list": "deb http://lan/ ./\n", "keys/repository.asc": "-----BEGIN\n"}
    assert (docker.containers, docker.tags) == ({}, {"base:1": BASE, PROVEN: "sha256:built1", TAG: "sha256:built1"})


def test_package_of_another_version_is_refused_before_anything_is_built(docker: FakeDocker) -> None:
    docker.package_library = library("2.28.9")
    result = run(docker, **APT)
    assert result["failed"]
    assert "the package libnccl2=2.30.4-1+cuda13.2 is NCCL 2.28.9, wanted 2.30.4" in result["msg"]
    assert (docker.tags, docker.containers, docker.built) == ({"base:1": BASE}, {}, [])


def test_package_that_apt_does_not_find_is_refused_before_anything_is_built(docker: FakeDocker) -> None:
    docker.apt = (82, " libnccl2 | 2.28.9-1+cuda13.0 | http://lan ./ Packages\n", "E: Version not found\n")
    result = run(docker, **APT)
    assert result["failed"]
    assert "2.28.9-1+cuda13.0" in result["msg"]
    assert (docker.tags, docker.containers, docker.built) == ({"base:1": BASE}, {}, [])


def test_apt_asks_through_the_proxy_that_the_module_was_given(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy:3128")
    docker.package_library = library("2.30.4")
    assert run(docker, **APT)["changed"] is True
    # The name only: docker takes the value from its own environment, where the list of processes does not show it.
    assert [docker.apt_words[place + 1] for place, word in enumerate(docker.apt_words) if word == "--env"] == ["LC_ALL=C", "https_proxy"]


def test_container_that_a_killed_download_left_is_replaced(docker: FakeDocker) -> None:
    docker.containers[f"dgx-spark-package-{KEY}"] = BASE
    docker.package_library = library("2.30.4")
    assert run(docker, **APT)["changed"] is True
    assert docker.containers == {}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "layers"
    folder.mkdir()
    (folder / sha256(FILE)).write_bytes(FILE)
    return folder


def test_layers_are_built_upon_nccl_in_their_order(docker: FakeDocker, wheel: t.Callable[..., str], files: Path) -> None:
    assert run(docker, wheel=wheel("2.30.4"), layers=LAYERS, layer_files=str(files))["changed"] is True
    name = f"layer-{sha256(FILE)}-0755"
    assert docker.built[0].splitlines()[1:] == [
        "COPY libnccl.so.2 /opt/dgx-spark/nccl/libnccl.so.2",
        f'COPY ["{name}", "/usr/lib/patched.py"]',
        'ENV VLLM_TRITON_MLA_SPARSE="1"',
        "USER 0",
        'RUN ["/bin/sh", "-c", "true"]',
        "USER vllm",
    ]
    assert docker.modes[0][name] == 0o755


def test_more_layers_than_docker_takes_are_told_with_what_to_do(docker: FakeDocker, wheel: t.Callable[..., str], files: Path) -> None:
    docker.failures["build"] = "Step 126/131 : COPY\nmax depth exceeded\n"
    result = run(docker, wheel=wheel("2.30.4"), layers=LAYERS, layer_files=str(files))
    assert result["failed"]
    assert "building it on base:1 failed. Each file and each command is a layer of its own on the base's" in result["msg"]
    assert "bring fewer; docker's last words:\n" in result["msg"] and result["msg"].endswith("max depth exceeded")


@pytest.mark.parametrize("version", ["2.28.9", "2.30.4"])
def test_layer_that_replaces_the_library_is_told_by_the_proof(
    docker: FakeDocker, wheel: t.Callable[..., str], files: Path, version: str
) -> None:
    docker.overwritten = library(version) + b"another file"
    result = run(docker, wheel=wheel("2.30.4"), layers=LAYERS, layer_files=str(files))
    assert result["failed"]
    assert f"is NCCL {version} and not the file with 2.30.4 that was put there" in result["msg"]
    assert "A layer replaces it" in result["msg"]
    assert (docker.tags, docker.containers, list(docker.images)) == ({"base:1": BASE}, {}, [BASE])


def test_target_that_is_a_folder_of_the_image_is_told_by_the_proof(docker: FakeDocker, wheel: t.Callable[..., str], files: Path) -> None:
    docker.folders.add("/usr/lib/patched.py")
    result = run(docker, wheel=wheel("2.30.4"), layers=LAYERS, layer_files=str(files))
    assert result["failed"]
    assert "layers[0]: /usr/lib/patched.py is a folder in base:1, wanted the path of a file; nothing was tagged" in result["msg"]
    assert (docker.tags, docker.containers, list(docker.images)) == ({"base:1": BASE}, {}, [BASE])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"other", f"has SHA-256 {sha256(b'other')}, wanted {sha256(FILE)}, that of the file that was put there"),
        (None, "cannot be copied out of the overlay built on base:1; nothing was tagged. If a later layer removes it"),
    ],
)
def test_layer_that_changes_the_file_of_another_is_told_by_the_proof(
    docker: FakeDocker, wheel: t.Callable[..., str], files: Path, content: t.Optional[bytes], words: str
) -> None:
    docker.replaced["/usr/lib/patched.py"] = content
    result = run(docker, wheel=wheel("2.30.4"), layers=LAYERS, layer_files=str(files))
    assert result["failed"]
    assert "layers[0]: /usr/lib/patched.py " in result["msg"] and words in result["msg"]
    assert (docker.tags, docker.containers, list(docker.images)) == ({"base:1": BASE}, {}, [BASE])


def test_file_that_a_later_file_takes_the_place_of_is_not_missed(docker: FakeDocker, wheel: t.Callable[..., str], files: Path) -> None:
    (files / sha256(b"earlier")).write_bytes(b"earlier")
    layers = [{**LAYERS[0], "sha256": sha256(b"earlier")}, *LAYERS]
    assert run(docker, wheel=wheel("2.30.4"), layers=layers, layer_files=str(files))["changed"] is True


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (b"cut", "has SHA-256")])
def test_file_of_a_layer_that_is_not_as_announced_is_refused(
    docker: FakeDocker, wheel: t.Callable[..., str], files: Path, content: t.Optional[bytes], words: str
) -> None:
    (files / sha256(FILE)).unlink()
    if content is not None:
        (files / sha256(FILE)).write_bytes(content)
    result = run(docker, wheel=wheel("2.30.4"), layers=LAYERS, layer_files=str(files))
    assert result["failed"]
    assert words in result["msg"]
    assert changing(docker) == []


@pytest.mark.parametrize(
    ("layer", "words"), [({"kind": "copy"}, "copy"), ({"kind": "file", "target": "/x"}, "sha256"), ({"kind": "run"}, "lines")]
)
def test_layer_that_says_too_little_is_refused(docker: FakeDocker, layer: dict[str, t.Any], words: str) -> None:
    result = run(docker, layers=[layer])
    assert result["failed"]
    assert words in result["msg"]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"kind": "environment", "variables": {"A": 1}}, "layers[0].variables.A: found 1, wanted text of one line, in quotes"),
        ({"kind": "run", "lines": ["true\nUSER 0"]}, "layers[0].lines[0]: found 'true\\nUSER 0', wanted a shell command of one line"),
        ({**LAYERS[0], "target": "/usr/lib/"}, "layers[0].target: found '/usr/lib/', wanted"),
        ({**LAYERS[0], "target": "/opt/dgx-spark"}, "layers[0].target: found /opt/dgx-spark, but"),
        ({**LAYERS[0], "mode": "rw"}, "layers[0].mode: found 'rw', wanted"),
        ({**LAYERS[0], "sha256": "../secret"}, "layers[0].sha256: found '../secret', wanted 64 hex digits"),
    ],
)
def test_layer_that_was_written_by_hand_is_checked_too(docker: FakeDocker, layer: dict[str, t.Any], words: str) -> None:
    result = run(docker, layers=[layer])
    assert result["failed"]
    assert words in result["msg"]
    assert docker.calls == []


def test_key_without_a_repository_is_refused(docker: FakeDocker) -> None:
    result = run(docker, **APT, apt_key="-----BEGIN")
    assert result["failed"]
    assert "apt_key: found a key without apt_repository" in result["msg"]
    assert docker.calls == []
