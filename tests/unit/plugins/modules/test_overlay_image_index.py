# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wheel from a package index, which is a real HTTP server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import struct
import time
import typing as t
import zipfile
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _index_wheel
from ansible_collections.dgx_spark.vllm.plugins.modules import overlay_image
from tests.unit.plugins.modules.fake_docker import FakeDocker
from tests.unit.plugins.modules.index_server import Reply, Server
from tests.unit.plugins.modules.module_runner import run_module

KEY = "0123456789abcdef"
TAG = f"dgx-spark/vllm:{KEY}"
BASE = "sha256:base"
ARM = "nvidia_nccl_cu13-2.30.4-py3-none-manylinux_2_18_aarch64.whl"
INTEL = "nvidia_nccl_cu13-2.30.4-py3-none-manylinux_2_18_x86_64.whl"
PAGE = "/simple/nvidia-nccl-cu13/"
REMEDY = ("image_nccl_wheel", "image_index_url", "nvidia_nccl_cu13-2.30.4-*-manylinux*_aarch64.whl")


def wheel(version: str, machine: int) -> bytes:
    """A wheel whose library is for the ELF machine. It is no program, and what loads it is not run here."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        library = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 3, machine) + f"NCCL version {version}+cuda13.2\0".encode()
        archive.writestr("nvidia/nccl/lib/libnccl.so.2", library + bytes(3 * _index_wheel.CHUNK))
    return buffer.getvalue()


ARM_WHEEL, INTEL_WHEEL = wheel("2.30.4", 183), wheel("2.30.4", 62)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Server]:
    monkeypatch.setattr(_index_wheel, "PAUSE", 0)
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    server.replies[PAGE] = [json_page()]
    server.replies[f"/packages/{ARM}"] = [Reply(ARM_WHEEL)]
    server.replies[f"/packages/{INTEL}"] = [Reply(INTEL_WHEEL)]
    yield server
    server.close()


@pytest.fixture
def docker() -> FakeDocker:
    docker = FakeDocker()
    docker.add("base:1", BASE)
    return docker


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's temporary folder, in which nothing may be left."""
    monkeypatch.setattr(AnsibleModule, "tmpdir", str(tmp_path))
    return tmp_path


def json_page(name: str = ARM, **changes: t.Any) -> Reply:
    entries = [{"filename": other, "url": f"../../packages/{other}"} for other in (ARM, INTEL)]
    files = [{**entry, **changes} if entry["filename"] == name else entry for entry in entries]
    return Reply(json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode(), headers={"Content-Type": "application/json"})


def run(docker: FakeDocker, server: Server, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
    given = {"key": KEY, "base": "base:1", "base_id": BASE, "nccl_version": "2.30.4", "index_url": f"{server.url}/simple"}
    given |= {"wheel_package": "nvidia-nccl-cu13", "wheel_sha256": sha256(ARM_WHEEL), **arguments}
    return run_module(overlay_image, given, docker, check=check)


def assert_refused(docker: FakeDocker, temporary: Path, result: dict[str, t.Any], *words: str) -> None:
    assert result["failed"]
    for word in (*words, *REMEDY):
        assert word in result["msg"]
    assert (docker.built, docker.tags, list(temporary.iterdir())) == ([], {"base:1": BASE}, [])


HTML = Reply(
    f"<!DOCTYPE html><a href='/packages/{ARM}#sha256={sha256(ARM_WHEEL)}'>{ARM}</a>".encode(), headers={"Content-Type": "text/html"}
)
ZIPPED = Reply(gzip.compress(HTML.body), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"})


@pytest.mark.parametrize("page", [json_page(), HTML, ZIPPED, json_page(hashes={"sha256": sha256(ARM_WHEEL)})])
def test_wheel_of_the_base_images_architecture_is_fetched_and_built_into_the_overlay(
    docker: FakeDocker, server: Server, temporary: Path, page: Reply
) -> None:
    server.replies[PAGE] = [page]
    result = run(docker, server)
    assert (result["failed"], result["changed"], result["nccl"]["version"]) == (False, True, "2.30.4")
    assert docker.tags == {"base:1": BASE, f"dgx-spark/vllm-proven:{KEY}": "sha256:built1", TAG: "sha256:built1"}
    # The wheel is no part of what docker is given, and nothing stays on the node.
    assert docker.contexts == [["Dockerfile", "libnccl.so.2"]]
    assert list(temporary.iterdir()) == []
    assert server.requests[0][1]["Accept"].startswith("application/vnd.pypi.simple.v1+json")


def test_intel_image_gets_the_wheel_for_intel(docker: FakeDocker, server: Server) -> None:
    docker.add("base:1", BASE, Architecture="amd64")
    assert run(docker, server, wheel_sha256=sha256(INTEL_WHEEL).upper())["changed"] is True
    assert server.asked(f"/packages/{INTEL}") == 1


def test_nothing_is_asked_in_check_mode_or_when_the_overlay_is_there(docker: FakeDocker, server: Server) -> None:
    assert run(docker, server, check=True)["changed"] is True
    docker.add(TAG, "sha256:overlay", Config={"Labels": {"dgx-spark.image-key": KEY}})
    docker.tags[f"dgx-spark/vllm-proven:{KEY}"] = "sha256:overlay"
    assert run(docker, server)["changed"] is False
    assert server.requests == []


def test_nothing_is_asked_when_the_base_is_not_there(docker: FakeDocker, server: Server) -> None:
    assert "base:2 is not on this node" in run(docker, server, base="base:2")["msg"]
    assert server.requests == []


def test_file_with_another_checksum_is_thrown_away(docker: FakeDocker, server: Server, temporary: Path) -> None:
    server.replies[f"/packages/{ARM}"] = [Reply(INTEL_WHEEL)]
    result = run(docker, server)
    assert_refused(docker, temporary, result, f"{ARM} with SHA-256 {sha256(INTEL_WHEEL)} instead of {sha256(ARM_WHEEL)}")


def test_file_that_the_index_itself_calls_another_is_not_fetched(docker: FakeDocker, server: Server, temporary: Path) -> None:
    server.replies[PAGE] = [json_page(hashes={"sha256": "f" * 64})]
    assert_refused(docker, temporary, run(docker, server), f"SHA-256 {'f' * 64} instead of {sha256(ARM_WHEEL)}")
    assert server.asked(f"/packages/{ARM}") == 0


def test_checksum_that_is_none_is_refused_before_anything_is_asked(docker: FakeDocker, server: Server, temporary: Path) -> None:
    assert_refused(docker, temporary, run(docker, server, wheel_sha256="e993"), "'e993'", "64 hex digits")
    assert server.requests == []


def test_wheel_with_the_wanted_checksum_and_another_nccl_is_refused(docker: FakeDocker, server: Server, temporary: Path) -> None:
    older = wheel("2.28.9", 21)
    server.replies[f"/packages/{ARM}"] = [Reply(older)]
    assert f"{ARM} is NCCL 2.28.9, wanted 2.30.4" in run(docker, server, wheel_sha256=sha256(older))["msg"]
    assert (docker.built, list(temporary.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("path", "reply", "words"),
    [
        (PAGE, Reply(status=404), f"HTTP status 404 (Not Found) at URL{PAGE}"),
        (
            PAGE,
            Reply(b"<html><a href='/login'>Sign in</a></html>", headers={"Content-Type": "text/html"}),
            "type text/html that lists no files",
        ),
        (PAGE, Reply(b"{", headers={"Content-Type": "application/json"}), "begins like JSON"),
        (PAGE, json_page(filename="nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_aarch64.whl"), f"none for Linux on aarch64: {INTEL}"),
        (PAGE, json_page(url="gopher://files.lab/nccl.whl"), "unknown url type"),
        (f"/packages/{ARM}", Reply(status=403), f"HTTP status 403 (Forbidden) at URL/packages/{ARM}"),
    ],
)
def test_what_the_index_has_instead_is_told(
    docker: FakeDocker, server: Server, temporary: Path, path: str, reply: Reply, words: str
) -> None:
    server.replies[path] = [reply]
    result = run(docker, server)
    assert_refused(docker, temporary, result, f"{server.url}{PAGE}", words.replace("URL", server.url))


@pytest.mark.parametrize("path", [PAGE, f"/packages/{ARM}"])
@pytest.mark.parametrize("broken", [Reply(status=503), Reply(ARM_WHEEL, cut=100)])
def test_what_passes_is_tried_again_and_in_the_end_told(
    docker: FakeDocker, server: Server, temporary: Path, path: str, broken: Reply
) -> None:
    good = server.replies[path][0]
    server.replies[path] = [broken]
    words = "HTTP status 503" if broken.status == 503 else f"broke off after {len(ARM_WHEEL) - 100} "
    assert_refused(docker, temporary, run(docker, server), words, "(3 attempts)", path)
    assert server.asked(path) == 3
    server.replies[path] = [broken, broken, good]
    assert run(docker, server)["changed"] is True


def test_server_that_is_not_there_is_named(docker: FakeDocker, server: Server, temporary: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = run(docker, server, index_url=f"{url}/simple")
    assert_refused(docker, temporary, result, f"no answer from {url}{PAGE}", "Connection refused", "(3 attempts)")


def test_silent_server_is_given_up(docker: FakeDocker, server: Server, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay_image, "TIMEOUT_SECONDS", 0.1)
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = run(docker, server, index_url=f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
    assert_refused(docker, temporary, result, "timed out", "(3 attempts)")
    assert time.monotonic() - begun < 5


def test_full_disk_is_told_at_once(docker: FakeDocker, server: Server, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, mode: str) -> t.IO[bytes]:
        return t.cast("t.IO[bytes]", open("/dev/full", mode))

    monkeypatch.setattr(_index_wheel, "open", full, raising=False)
    assert_refused(docker, temporary, run(docker, server), f"{ARM} cannot be written (No space left on device)")
    assert server.asked(f"/packages/{ARM}") == 1


def test_login_in_the_indexs_url_is_used(docker: FakeDocker, server: Server) -> None:
    challenge = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="lab"'})
    for path in (PAGE, f"/packages/{ARM}"):
        server.replies[path] = [challenge, *server.replies[path]]
    index_url = f"{server.url.replace('//', '//me:secret@')}/simple"
    assert run(docker, server, index_url=index_url)["changed"] is True
    assert [headers["Authorization"] for _path, headers in server.requests] == [None, "Basic bWU6c2VjcmV0"] * 2


@pytest.mark.parametrize("path", [PAGE, f"/packages/{ARM}"])
def test_login_in_the_indexs_url_is_not_told(docker: FakeDocker, server: Server, temporary: Path, path: str) -> None:
    server.replies[path] = [Reply(status=404)]
    result = run(docker, server, index_url=f"{server.url.replace('//', '//me:secret@')}/simple")
    assert_refused(docker, temporary, result, f"{server.url}{PAGE}")
    assert "secret" not in result["msg"]


def test_proxy_of_the_node_is_used(docker: FakeDocker, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    host = "http://index.invalid"
    server.replies = {f"{host}{path}": replies for path, replies in server.replies.items()}
    assert run(docker, server, index_url=f"{host}/simple")["changed"] is True
