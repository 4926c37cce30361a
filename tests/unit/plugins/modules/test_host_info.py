# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import host_info
from tests.unit.plugins.modules.module_runner import run_module

CDI = "kind: nvidia.com/gpu\ndevices:\n- name: all\n"


class Node:
    """The commands of a node: Docker with one CDI directory, and nvidia-smi."""

    def __init__(self, cdi: Path) -> None:
        self.info: dict[str, t.Any] = {"ServerVersion": "29.2.1", "CDISpecDirs": [str(cdi), "/nosuch/cdi"], "Runtimes": {"runc": {}}}
        self.calls: list[list[str]] = []

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        self.calls.append(words)
        if words[0] == "/usr/bin/docker":
            return 0, json.dumps(self.info), ""
        return 0, "NVIDIA GB10, 580.142\n", ""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    (tmp_path / "cdi").mkdir()
    return Node(tmp_path / "cdi")


def test_node_reports_what_docker_and_nvidia_smi_say(node: Node, tmp_path: Path) -> None:
    (tmp_path / "cdi" / "nvidia.yaml").write_text(CDI)
    (tmp_path / "cdi" / "notes.txt").write_text(CDI.replace("all", "note"))
    result = run_module(host_info, {}, node, binaries=["docker", "nvidia-smi", "nvidia-cdi-hook"], check=True)
    assert (result["failed"], result["changed"]) == (False, False)
    assert result["docker"]["cdi_devices"] == ["nvidia.com/gpu=all"]
    assert result["gpu_ways"] == ["gpus", "cdi"]
    assert result["gpu"] == {"present": True, "count": 1, "name": "NVIDIA GB10", "driver": "580.142", "error": None}
    assert node.calls == [
        ["/usr/bin/docker", "info", "--format", "{{json .}}"],
        ["/usr/bin/nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
    ]


def test_node_without_any_tool_is_still_reported() -> None:
    result = run_module(host_info, {}, binaries=[])
    assert (result["failed"], result["docker"]["present"], result["gpu"]["present"], result["gpu_ways"]) == (False, False, False, [])
    assert "nvidia-smi was not found" in result["gpu"]["error"]


def test_machine_is_what_the_kernel_says(node: Node) -> None:
    result = run_module(host_info, {}, node)
    system = os.uname()
    assert (result["hostname"], result["kernel"], result["architecture"]) == (system.nodename, system.release, system.machine)
    assert result["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < result["memory_available_bytes"] < result["memory_bytes"]


def test_disk_of_a_directory_that_is_not_there_is_that_of_the_nearest_one_above(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    paths = [str(tmp_path), str(tmp_path / "not" / "yet"), str(tmp_path / "file" / "below")]
    disk = run_module(host_info, {"paths": paths}, node)["disk"]
    assert [(entry["path"], entry["existing"]) for entry in disk] == [(path, str(tmp_path)) for path in paths]
    state = os.statvfs(tmp_path)
    assert disk[0]["size_bytes"] == state.f_blocks * state.f_frsize
    assert 0 < disk[0]["free_bytes"] <= disk[0]["size_bytes"]
    assert disk[0]["filesystem"]
