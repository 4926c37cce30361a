#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Report what a node has for running a rank
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Reports kernel, memory, disk, Docker, GPU and RDMA devices of a node in one call.
  - It never fails because a tool is missing or does not work. It reports that; P(dgx_spark.vllm.preflight_findings#filter) judges it.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  paths:
    description: Directories whose file systems are reported; of one that does not exist yet, the nearest directory above it.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
---
- name: Observe the node
  dgx_spark.vllm.host_info:
    paths: [/var/lib/docker, /root/.cache/huggingface]
  register: host
"""

RETURN = r"""
hostname:
  description: The node's own name.
  returned: success
  type: str
  sample: spark1
kernel:
  description: Release of the running kernel.
  returned: success
  type: str
  sample: 6.17.0-1014-nvidia
architecture:
  description: The machine, as C(uname -m) calls it.
  returned: success
  type: str
  sample: aarch64
machine_id:
  description: Content of C(/etc/machine-id), or V(none).
  returned: success
  type: str
  sample: 3f2c9a5e7d1b4c60a8f1e2d3c4b5a697
boot_id:
  description: Id of this boot, or V(none). Two names with one id are one machine.
  returned: success
  type: str
  sample: 5b0e9c3a-52a1-4f0a-9a52-0d2b7a2c6d11
memory_bytes:
  description: Memory of the machine, or V(none).
  returned: success
  type: int
  sample: 130663907328
memory_available_bytes:
  description: Memory that can be had without swapping, or V(none).
  returned: success
  type: int
  sample: 126701535232
disk:
  description: The file systems of O(paths), in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path that was asked for.
      type: str
      returned: always
      sample: /root/.cache/huggingface
    existing:
      description: The path itself, or the nearest directory above it that exists.
      type: str
      returned: always
      sample: /root
    free_bytes:
      description: What a user without privileges can still write.
      type: int
      returned: always
      sample: 3298534883328
    size_bytes:
      description: Size of the file system.
      type: int
      returned: always
      sample: 3936818806784
    filesystem:
      description: Type of the file system, or V(none).
      type: str
      returned: always
      sample: ext4
    mount_point:
      description: Where it is mounted, or V(none).
      type: str
      returned: always
      sample: /
docker:
  description: The Docker of the node.
  returned: success
  type: dict
  contains:
    present:
      description: Whether the docker command is there.
      type: bool
      returned: always
    reachable:
      description: Whether the daemon answers this user.
      type: bool
      returned: always
    error:
      description: Docker's own words if it does not, else V(none).
      type: str
      returned: always
    version:
      description: Version of the daemon, or V(none).
      type: str
      returned: always
      sample: 29.2.1
    client_version:
      description: Version of the command, or V(none).
      type: str
      returned: always
      sample: 29.2.1
    runtimes:
      description: The runtimes that are registered. A DGX Spark has no C(nvidia) among them as it comes.
      type: list
      elements: str
      returned: always
      sample: [io.containerd.runc.v2, runc]
    default_runtime:
      description: The runtime that containers get if they ask for none, or V(none).
      type: str
      returned: always
      sample: runc
    cdi_dirs:
      description: Where the daemon looks for CDI specifications; empty if it does not.
      type: list
      elements: str
      returned: always
      sample: [/etc/cdi, /var/run/cdi]
    cdi_devices:
      description: The CDI devices that the daemon names, or those of the specifications in RV(docker.cdi_dirs).
      type: list
      elements: str
      returned: always
      sample: [nvidia.com/gpu=0, nvidia.com/gpu=all]
    cgroup_driver:
      description: How the daemon manages control groups, or V(none).
      type: str
      returned: always
      sample: systemd
    cgroup_version:
      description: Version of the control groups, or V(none).
      type: str
      returned: always
      sample: "2"
    storage_driver:
      description: How images are stored, or V(none).
      type: str
      returned: always
      sample: overlay2
    root_dir:
      description: Where images are stored, or V(none).
      type: str
      returned: always
      sample: /var/lib/docker
gpu:
  description: The GPU as C(nvidia-smi) sees it.
  returned: success
  type: dict
  contains:
    present:
      description: Whether C(nvidia-smi) found a GPU.
      type: bool
      returned: always
    count:
      description: Number of GPUs.
      type: int
      returned: always
      sample: 1
    name:
      description: Name of the first GPU, or V(none).
      type: str
      returned: always
      sample: NVIDIA GB10
    driver:
      description: Version of the driver, or V(none).
      type: str
      returned: always
      sample: 580.142
    error:
      description: What C(nvidia-smi) said if it found none, else V(none).
      type: str
      returned: always
gpu_ways:
  description: How this Docker can give GPUs to a container, best first. V(gpus), V(cdi) and V(runtime) are the words of the recipes.
  returned: success
  type: list
  elements: str
  sample: [gpus, cdi]
infiniband:
  description: The device nodes of RDMA.
  returned: success
  type: dict
  contains:
    present:
      description: Whether C(/dev/infiniband) is there and holds anything.
      type: bool
      returned: always
    nodes:
      description: Names in C(/dev/infiniband).
      type: list
      elements: str
      returned: always
      sample: [rdma_cm, uverbs0, uverbs1]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _host


def text_of(path: str) -> str:
    """The content of a file, empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def names_in(directory: str) -> list[str]:
    """The names in a directory, none if it cannot be read."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def disk_of(path: str, mounts: str) -> dict[str, t.Any]:
    existing = os.path.abspath(path)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    state = os.statvfs(existing)
    return {
        "path": path,
        "existing": existing,
        "free_bytes": state.f_bavail * state.f_frsize,
        "size_bytes": state.f_blocks * state.f_frsize,
        **_host.mount_of(os.path.realpath(existing), mounts),
    }


def observe_docker(module: AnsibleModule) -> _host.Docker:
    binary = module.get_bin_path("docker")
    if binary is None:
        return _host.no_docker()
    docker = _host.docker(*module.run_command([binary, "info", "--format", "{{json .}}"]))
    if not docker["cdi_devices"]:
        files = [os.path.join(directory, name) for directory in docker["cdi_dirs"] for name in names_in(directory)]
        specifications = [text_of(path) for path in files if path.endswith((".json", ".yaml", ".yml"))]
        docker["cdi_devices"] = sorted({device for text in specifications for device in _host.cdi_devices(text)})
    return docker


def observe_gpu(module: AnsibleModule) -> dict[str, t.Any]:
    binary = module.get_bin_path("nvidia-smi")
    if binary is None:
        return _host.gpu(127, "", "the command nvidia-smi was not found")
    return _host.gpu(*module.run_command([binary, "--query-gpu=name,driver_version", "--format=csv,noheader"]))


def main() -> None:
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "path", "default": []}},
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    system = os.uname()
    docker = observe_docker(module)
    hooks = [name for name in (_host.HOOK, _host.CDI_HOOK) if module.get_bin_path(name)]
    nodes = names_in("/dev/infiniband")
    mounts = text_of("/proc/self/mounts")
    module.exit_json(
        changed=False,
        hostname=system.nodename,
        kernel=system.release,
        architecture=system.machine,
        machine_id=text_of("/etc/machine-id").strip() or None,
        boot_id=text_of("/proc/sys/kernel/random/boot_id").strip() or None,
        disk=[disk_of(path, mounts) for path in module.params["paths"]],
        docker=docker,
        gpu=observe_gpu(module),
        gpu_ways=_host.gpu_ways(docker, hooks),
        infiniband={"present": bool(nodes), "nodes": nodes},
        **_host.memory(text_of("/proc/meminfo")),
    )


if __name__ == "__main__":
    main()
