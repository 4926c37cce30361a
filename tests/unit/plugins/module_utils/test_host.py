# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _host

# What the Docker of a DGX Spark says as it comes: CDI directories, and no runtime of NVIDIA.
FACTORY = {
    "ServerVersion": "29.2.1",
    "Driver": "overlay2",
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "Runtimes": {"runc": {"path": "runc"}, "io.containerd.runc.v2": {"path": "runc"}},
    "DefaultRuntime": "runc",
    "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"],
    "DockerRootDir": "/var/lib/docker",
    "ClientInfo": {"Version": "29.2.1"},
}
# As nvidia-ctk writes it.
CDI_YAML = """---
cdiVersion: 0.5.0
containerEdits:
  deviceNodes:
  - path: /dev/nvidia-uvm
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - args:
    - nvidia-cdi-hook
    - update-ldcache
    hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
      name: not-a-device
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: GPU-5d7c2a1e
- name: all
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
kind: nvidia.com/gpu
"""
DEVICES = ["nvidia.com/gpu=0", "nvidia.com/gpu=GPU-5d7c2a1e", "nvidia.com/gpu=all"]


def docker(**changes: t.Any) -> _host.Docker:
    return _host.docker(0, json.dumps({**FACTORY, **changes}), "")


def test_memory_is_in_bytes() -> None:
    text = "MemTotal:       127601472 kB\nMemFree:  1 kB\nMemAvailable:   123731968 kB\nHugePages_Total:       0\n"
    assert _host.memory(text) == {"memory_bytes": 127601472 * 1024, "memory_available_bytes": 123731968 * 1024}


def test_memory_that_the_kernel_does_not_tell_is_none() -> None:
    assert _host.memory("") == {"memory_bytes": None, "memory_available_bytes": None}


MOUNTS = """/dev/nvme0n1p2 / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/sda1 /mnt/big\\040disk xfs rw 0 0
overlay /srv overlay rw 0 0
/dev/sdb1 /srv btrfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "point", "filesystem"),
    [
        ("/", "/", "ext4"),
        ("/runner", "/", "ext4"),
        ("/run/x", "/run", "tmpfs"),
        ("/mnt/big disk/models", "/mnt/big disk", "xfs"),
        ("/srv", "/srv", "btrfs"),
    ],
)
def test_file_system_of_a_path_is_the_innermost_mount(path: str, point: str, filesystem: str) -> None:
    assert _host.mount_of(path, MOUNTS) == {"mount_point": point, "filesystem": filesystem}


def test_docker_of_a_spark_as_it_comes_has_no_runtime_of_nvidia() -> None:
    assert docker() == {
        "present": True,
        "reachable": True,
        "version": "29.2.1",
        "client_version": "29.2.1",
        "error": None,
        "runtimes": ["io.containerd.runc.v2", "runc"],
        "default_runtime": "runc",
        "cdi_dirs": ["/etc/cdi", "/var/run/cdi"],
        "cdi_devices": [],
        "cgroup_driver": "systemd",
        "cgroup_version": "2",
        "storage_driver": "overlay2",
        "root_dir": "/var/lib/docker",
        "containers": [],
    }


def test_cdi_devices_are_taken_from_a_docker_that_names_them() -> None:
    devices = [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}, {"Source": "other", "ID": "x=y"}]
    assert docker(DiscoveredDevices=devices)["cdi_devices"] == ["nvidia.com/gpu=all"]


@pytest.mark.parametrize(
    ("info", "errors", "words"),
    [
        (json.dumps({"ServerErrors": ["permission denied while connecting"], "ClientInfo": {}}), "", "permission denied"),
        ("", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n", "Cannot connect"),
        ("", "", "exit code 1"),
    ],
)  # fmt: skip
def test_docker_that_does_not_answer_is_told_in_its_own_words(info: str, errors: str, words: str) -> None:
    found = _host.docker(1, info, errors)
    assert (found["present"], found["reachable"], found["version"], found["runtimes"]) == (True, False, None, [])
    assert words in t.cast(str, found["error"])


def test_node_without_docker_has_the_same_shape() -> None:
    assert _host.no_docker().keys() == docker().keys()
    assert (_host.no_docker()["present"], _host.no_docker()["reachable"]) == (False, False)


def indented(text: str) -> str:
    """The same specification with its lists indented, as other tools write YAML."""
    return "\n".join(f"  {line}" if line.startswith(("- ", "  ")) else line for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        CDI_YAML,
        indented(CDI_YAML),
        'kind: "nvidia.com/gpu"\n' + CDI_YAML.replace("kind: nvidia.com/gpu\n", ""),
        json.dumps({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": name.split("=")[1]} for name in DEVICES]}),
    ],
)
def test_devices_are_read_from_a_cdi_specification(text: str) -> None:
    assert _host.cdi_devices(text) == DEVICES


@pytest.mark.parametrize("text", ["", "devices:\n", "kind: nvidia.com/gpu\n", "[]", "{}", '{"devices": 3}', "devices:\n- name: all\n"])
def test_text_that_is_no_cdi_specification_has_no_devices(text: str) -> None:
    assert _host.cdi_devices(text) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((0, "NVIDIA GB10, 580.142\n", ""), (True, 1, "NVIDIA GB10", "580.142", None)),
        ((0, "NVIDIA GB10, 580.173.02, [N/A]\n", ""), (True, 1, "NVIDIA GB10", "580.173.02", None)),
        ((0, "A, 1\nB, 1\n", ""), (True, 2, "A", "1", None)),
        ((0, "NVIDIA GB10, [N/A]\n", ""), (True, 1, "NVIDIA GB10", None, None)),
        ((9, "NVIDIA-SMI has failed because it couldn't talk to the driver.\nMore.\n", ""),
         (False, 0, None, None, "NVIDIA-SMI has failed because it couldn't talk to the driver.")),
        ((0, "No devices were found\n", ""), (False, 0, None, None, "No devices were found")),
        ((127, "", "not found"), (False, 0, None, None, "not found")),
    ],
)  # fmt: skip
def test_gpu_is_what_nvidia_smi_says(answer: tuple[int, str, str], expected: tuple[t.Any, ...]) -> None:
    assert tuple(_host.gpu(*answer).values()) == expected


@pytest.mark.parametrize(
    ("changes", "devices", "hooks", "ways"),
    [
        ({}, [], [], []),
        ({}, [], ["nvidia-container-runtime-hook"], ["gpus"]),
        ({}, DEVICES, [], ["cdi"]),
        ({}, DEVICES, ["nvidia-cdi-hook"], ["gpus", "cdi"]),
        ({}, [], ["nvidia-cdi-hook"], []),
        ({"ServerVersion": "28.5.1"}, DEVICES, ["nvidia-cdi-hook"], ["cdi"]),
        ({"ServerVersion": "24.0.9"}, DEVICES, ["nvidia-cdi-hook"], []),
        ({"ServerVersion": "20.10.24+dfsg1"}, [], ["nvidia-container-runtime-hook"], ["gpus"]),
        ({"Runtimes": {"runc": {}, "nvidia": {}}}, [], [], ["runtime"]),
        ({"Runtimes": {"runc": {}, "nvidia": {}}}, DEVICES, ["nvidia-container-runtime-hook"], ["gpus", "cdi", "runtime"]),
        ({}, ["amd.com/gpu=all"], ["nvidia-cdi-hook"], []),
        ({"ServerVersion": ""}, DEVICES, ["nvidia-container-runtime-hook"], []),
    ],
)
def test_ways_to_give_gpus_are_those_this_docker_has_in_order_of_preference(
    changes: dict[str, t.Any], devices: list[str], hooks: list[str], ways: list[str]
) -> None:
    found = docker(**changes)
    found["cdi_devices"] = devices
    assert _host.gpu_ways(found, hooks) == ways
