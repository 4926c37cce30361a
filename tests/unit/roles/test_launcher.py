"""The launcher that each node runs at every start, without a controller."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.filter.launch_files import launch_files
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _docker_run, _gid, _roce

SOURCE = Path(__file__).parents[3] / "roles" / "serve" / "files" / "launch.py"
LAUNCH = {
    "schema": 1,
    "recipe": "r",
    "rank": 1,
    "container": "vllm-r",
    "launch_hash": "abc",
    "image": "dgx-spark/vllm:k",
    "image_id": "sha256:1",
    "stop_seconds": 40,
    "docker_options": ["--network", "host"],
    "entrypoint": "bash",
    "command": ["-lc", "x", '{"a": "$HOME %i"}'],
    "env_unset": ["HOST_IP", "NCCL_IB_ADDR_RANGE"],
    "rails": [{"device": "rocep1s0f0", "port": 1, "netdev": "enp1s0f0np0", "ipv4": "192.168.100.12"}],
    "rail_wait_seconds": 0,
}


def device(**change: Any) -> dict[str, Any]:
    found = {
        "device": "rocep1s0f0",
        "port": 1,
        "netdev": "enp1s0f0np0",
        "state": "ACTIVE",
        "ipv4": [{"address": "192.168.100.12", "prefix_length": 24, "network": "192.168.100.0/24"}],
        "gids": [
            {"index": 0, "gid": "fe80::4ebb:47ff:fe00:1", "type": "v1", "netdev": "enp1s0f0np0", "ipv4": None},
            {"index": 1, "gid": "fe80::4ebb:47ff:fe00:1", "type": "v2", "netdev": "enp1s0f0np0", "ipv4": None},
            {"index": 2, "gid": "::ffff:192.168.100.12", "type": "v1", "netdev": "enp1s0f0np0", "ipv4": "192.168.100.12"},
            {"index": 3, "gid": "::ffff:192.168.100.12", "type": "v2", "netdev": "enp1s0f0np0", "ipv4": "192.168.100.12"},
        ],
        "gid_index": 3,
        "nccl_gid_index": 3,
    }
    return {**found, **change}


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    package = types.ModuleType("dgx_spark_vllm")
    package._docker_run, package._gid, package._roce = _docker_run, _gid, _roce  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dgx_spark_vllm", package)
    spec = importlib.util.spec_from_file_location("launch", SOURCE)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.CONFIGURATION, module.RUNTIME = str(tmp_path / "etc"), str(tmp_path / "run")
    (tmp_path / "etc" / "r").mkdir(parents=True)
    (tmp_path / "etc" / "r" / "launch.json").write_text(json.dumps(LAUNCH))
    monkeypatch.setattr(module, "remove", lambda launch: None)
    docker_with(module, tmp_path, {"dgx-spark/vllm:k": "sha256:1", "sha256:1": "sha256:1"})
    return module


def docker_with(launcher: Any, tmp_path: Path, images: dict[str, str]) -> None:
    """A `docker image inspect` that knows these images."""
    script = tmp_path / "docker"
    cases = "".join(f"{name}) echo {identity};;\n" for name, identity in images.items())
    script.write_text(f'#!/bin/sh\ncase "$5" in\n{cases}*) echo "Error: No such image: $5" >&2; exit 1;;\nesac\n')
    script.chmod(0o755)
    launcher.DOCKER = str(script)


@pytest.mark.parametrize(
    ("planned", "images", "chosen"),
    [
        ("sha256:1", {"dgx-spark/vllm:k": "sha256:1", "sha256:1": "sha256:1"}, "dgx-spark/vllm:k"),
        ("sha256:1", {"dgx-spark/vllm:k": "sha256:2", "sha256:1": "sha256:1"}, "sha256:1"),
        ("sha256:1", {"sha256:1": "sha256:1"}, "sha256:1"),
        (None, {"dgx-spark/vllm:k": "sha256:2"}, "dgx-spark/vllm:k"),
    ],
    ids=["named", "the name was given to another image", "the name is gone", "no id was known"],
)
def test_the_planned_image_is_run_whatever_its_name_has_become(
    launcher: Any, tmp_path: Path, planned: Any, images: dict[str, str], chosen: str
) -> None:
    docker_with(launcher, tmp_path, images)
    assert launcher.planned_image({**LAUNCH, "image_id": planned}) == chosen


@pytest.mark.parametrize("images", [{}, {"dgx-spark/vllm:k": "sha256:2"}])
def test_another_image_is_never_run(
    launcher: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any, images: dict[str, str]
) -> None:
    docker_with(launcher, tmp_path, images)
    monkeypatch.setattr(launcher, "observe", lambda: {"devices": [device()], "interfaces": []})
    assert launcher.main(["start", "r"]) == launcher.UNAVAILABLE
    (line,) = capsys.readouterr().err.splitlines()
    assert "image dgx-spark/vllm:k (sha256:1) can't be used: Error: No such image: sha256:1; run the deploy playbook again" in line


def test_a_start_becomes_docker_run_with_todays_settings(launcher: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(launcher, "observe", lambda: {"devices": [device()], "interfaces": []})
    monkeypatch.setattr(launcher.os, "execve", lambda path, words, environment: seen.update(words=words, environment=environment))
    monkeypatch.setenv("HOST_IP", "10.0.0.1")
    assert launcher.main(["start", "r"]) == 0
    words = seen["words"]
    assert words[:4] == [launcher.DOCKER, "run", "--name", "vllm-r"]
    assert "dgx-spark.launch=abc" in words
    assert words[-6:] == ["--entrypoint", "bash", "dgx-spark/vllm:k", "-lc", "x", '{"a": "$HOME %i"}']
    files = [words[index + 1] for index, word in enumerate(words) if word == "--env-file"]
    assert files == [f"{tmp_path}/etc/r/static.env", f"{tmp_path}/etc/r/secret.env", f"{tmp_path}/run/r/live.env"]
    removed = [words[index + 1] for index, word in enumerate(words) if word == "--env"]
    assert {"HOST_IP", "NCCL_IB_ADDR_RANGE"} <= set(removed)
    # Docker removes what an image bakes in only when the client's own environment lacks the name.
    assert not set(removed) & set(seen["environment"])
    live = dict(line.split("=", 1) for line in (tmp_path / "run" / "r" / "live.env").read_text().splitlines())
    assert not set(live) & set(removed)


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        ([], "no such RDMA device; found none"),
        ([device(device="mlx5_0")], "no such RDMA device; found mlx5_0"),
        ([device(state="DOWN")], "port is DOWN, wanted ACTIVE"),
        ([device(ipv4=[])], "found enp1s0f0np0 with no IPv4"),
        ([device(ipv4=[{"address": "10.9.9.9", "prefix_length": 24, "network": "10.9.9.0/24"}])], "found enp1s0f0np0 with 10.9.9.9"),
        ([device(gids=[])], "no RoCE v2 GID for 192.168.100.12 yet"),
    ],
)
def test_a_rail_that_is_not_as_planned_is_named(
    launcher: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, devices: list, text: str
) -> None:
    monkeypatch.setattr(launcher, "observe", lambda: {"devices": devices, "interfaces": []})
    assert launcher.main(["start", "r"]) == launcher.UNAVAILABLE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert text in lines[0] and "enp1s0f0np0" in lines[0] and "run the deploy playbook again" in lines[0]


def test_a_rail_that_comes_late_is_waited_for(launcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"devices": [], "interfaces": []}, {"devices": [device()], "interfaces": []}]
    monkeypatch.setattr(launcher, "observe", lambda: answers.pop(0))
    monkeypatch.setattr(launcher, "POLL_SECONDS", 0)
    assert [d["device"] for d in launcher.wait_for_rails({**LAUNCH, "rail_wait_seconds": 60})] == ["rocep1s0f0"]


@pytest.mark.parametrize(
    ("content", "text"), [(None, "can't be read"), ("{", "can't be read"), ('{"schema": 7}', "has schema 7, wanted 1")]
)
def test_a_file_that_can_not_be_used_is_named(launcher: Any, tmp_path: Path, capsys: Any, content: Any, text: str) -> None:
    path = tmp_path / "etc" / "r" / "launch.json"
    path.unlink() if content is None else path.write_text(content)
    assert launcher.main(["start", "r"]) == launcher.UNUSABLE
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["start"], ["jump", "r"], ["start", "r", "x"]])
def test_other_words_are_refused(launcher: Any, words: list[str]) -> None:
    assert launcher.main(words) == 64


CONTROL = {**LAUNCH, "control": {"netdev": "enP7s7", "ipv4": "10.9.0.12"}}
LAN = {"name": "enP7s7", "carrier": True, "ipv4": [{"address": "10.9.0.12", "prefix_length": 24, "network": "10.9.0.0/24"}]}


def test_the_interface_beside_the_rails_is_waited_for_too(launcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"devices": [device()], "interfaces": []}, {"devices": [device()], "interfaces": [LAN]}]
    monkeypatch.setattr(launcher, "observe", lambda: answers.pop(0))
    monkeypatch.setattr(launcher, "POLL_SECONDS", 0)
    assert [d["device"] for d in launcher.wait_for_rails({**CONTROL, "rail_wait_seconds": 60})] == ["rocep1s0f0"]
    assert answers == []


@pytest.mark.parametrize(
    ("interfaces", "text"),
    [
        ([], "enP7s7 is not there, wanted 10.9.0.12"),
        ([{**LAN, "ipv4": []}], "enP7s7 has no IPv4, wanted 10.9.0.12"),
        ([{**LAN, "ipv4": [{"address": "10.9.0.99"}]}], "enP7s7 has 10.9.0.99, wanted 10.9.0.12"),
        ([{**LAN, "carrier": False}], "enP7s7 has 10.9.0.12 and no carrier"),
    ],
)
def test_an_interface_beside_the_rails_that_is_not_as_planned_is_named(
    launcher: Any, monkeypatch: pytest.MonkeyPatch, interfaces: list, text: str
) -> None:
    monkeypatch.setattr(launcher, "observe", lambda: {"devices": [device()], "interfaces": interfaces})
    with pytest.raises(launcher.LaunchFailed, match=text):
        launcher.wait_for_rails(CONTROL)


@pytest.mark.parametrize("script", ["echo Cannot connect to the Docker daemon >&2; exit 1", "exec sleep 60"])
def test_a_docker_that_does_not_answer_is_not_taken_for_a_missing_image(launcher: Any, tmp_path: Path, script: str) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
    launcher.DOCKER_SECONDS = 0.2 if "sleep" in script else 60
    with pytest.raises(launcher.LaunchFailed) as failed:
        launcher.planned_image(LAUNCH)
    assert "see systemctl status docker" in str(failed.value) and "deploy" not in str(failed.value)


def test_the_script_for_people_runs_what_the_launcher_runs(launcher: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(launcher, "observe", lambda: {"devices": [device()], "interfaces": []})
    monkeypatch.setattr(launcher.os, "execve", lambda path, words, environment: seen.append(words))
    assert launcher.main(["start", "r"]) == 0
    rendered = {"launch": LAUNCH, "launch_json": "", "static_env": "", "env": {}}
    text = launch_files(rendered, "bob", {})["docker-run.sh"]
    written = shlex.split(text[text.index("exec docker") :].replace(" \\\n  ", " "))[1:]

    def without_env_files(words: list[str]) -> list[str]:
        return [word for before, word in zip(["", *words], words) if "--env-file" not in (before, word)]

    assert without_env_files(written)[1:] == without_env_files(seen[0])[1:]
    assert [Path(word).name for word in seen[0] if word.endswith(".env")] == ["static.env", "secret.env", "live.env"]
    assert [word for word in written if word.endswith(".env")] == ["static.env", "secret.env"]


def test_the_launcher_starts_with_what_is_installed_beside_it(tmp_path: Path) -> None:
    role = SOURCE.parents[1]
    package = tmp_path / "dgx_spark_vllm"
    package.mkdir()
    for name in yaml.safe_load((role / "vars" / "main.yml").read_text())["__serve_utils_needed"]:
        shutil.copy(role.parents[1] / "plugins" / "module_utils" / name, package)
    shutil.copy(SOURCE, tmp_path)
    done = subprocess.run([sys.executable, "-ES", tmp_path / "launch.py"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (64, "usage: launch.py start|stop RECIPE\n")
