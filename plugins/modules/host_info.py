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
  - Reports kernel, memory, disk, Docker, GPU, RDMA devices and network cards of a node in one call.
  - It never fails because a tool is missing, does not work or may not be used. It reports that;
    P(dgx_spark.vllm.preflight_findings#filter) judges it. No command is waited for longer than 30 seconds.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  paths:
    description: Directories whose file systems are reported; of one that does not exist yet, the nearest directory above it.
    type: list
    elements: path
    default: []
  root:
    description: Folder under which C(proc), C(sys), C(dev) and C(etc) are looked for.
    type: path
    default: /
    version_added: 0.2.0
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
kernel_handover:
  description: Kexec handover (KHO), which some kernels turn on by themselves. Its scratch area is of no use to RDMA.
  returned: success
  type: dict
  version_added: 0.2.0
  contains:
    disabled:
      description: Whether the kernel's command line turns it off (C(kho=off)), or V(none) if the command line can't be read.
      type: bool
      returned: always
    scratch_bytes:
      description:
        - Free memory in page blocks that only movable pages may use and that belong to no CMA area, or V(none) if the kernel does not tell.
        - It grows smaller as movable pages fill it.
      type: int
      returned: always
      sample: 0
kernel_log:
  description: What the last 20000 lines of the kernel's log of this boot say; V(none) if neither C(journalctl) nor C(dmesg) shows any.
  returned: success
  type: dict
  version_added: 0.2.0
  contains:
    gpu_memory_refused:
      description: Lines in which NVIDIA's driver got no memory (C(NV_ERR_NO_MEMORY)).
      type: int
      returned: always
      sample: 0
    xids:
      description: Numbers of the errors (Xid) that NVIDIA's driver reported.
      type: list
      elements: int
      returned: always
      sample: []
    pcie_fatal:
      description: PCI addresses of the ports that reported fatal errors.
      type: list
      elements: str
      returned: always
      sample: []
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
earlyoom:
  description: Whether a process of that name runs, or V(none) if not all processes are to be seen.
  returned: success
  type: bool
  version_added: 0.2.0
  sample: false
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
    containers:
      description: Names of the containers that run.
      type: list
      elements: str
      returned: always
      sample: [vllm-dsv4-flash-b12x-1m]
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
nvidia_commands:
  description: Those of C(nvidia-container-runtime-hook), C(nvidia-cdi-hook) and C(nvidia-ctk) that are on PATH.
  returned: success
  type: list
  elements: str
  version_added: 0.2.0
  sample: [nvidia-container-runtime-hook, nvidia-ctk]
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
adapters:
  description: The RDMA devices, by name. Without a cable a DGX Spark has none.
  returned: success
  type: list
  elements: dict
  version_added: 0.2.0
  contains:
    device:
      description: Name of the device.
      type: str
      returned: always
      sample: rocep1s0f0
    firmware:
      description: Version of its firmware, or V(none).
      type: str
      returned: always
      sample: 28.45.4028
    board_id:
      description: Id of the board, by which firmware is made, or V(none).
      type: str
      returned: always
      sample: NVD0000000087
forwarding:
  description: Whether the node passes on IPv4 packets from one rail, an interface of an RDMA device, to another.
  returned: success
  type: dict
  version_added: 0.2.0
  contains:
    enabled:
      description: Whether it forwards at all (C(net.ipv4.ip_forward)), or V(none) if that can't be read.
      type: bool
      returned: always
    policy:
      description:
        - What becomes of packets that no rule of its firewall matches, V(ACCEPT) or V(DROP). Docker may set V(DROP).
        - V(none) if C(iptables) does not answer, as for a user without privileges.
      type: str
      returned: always
      sample: DROP
    accepted:
      description: Whether a rule accepts packets between rails, some or all of them, or V(none) as for C(policy).
      type: bool
      returned: always
      sample: false
rail_addresses:
  description: The IPv4 addresses of the rails.
  returned: success
  type: list
  elements: str
  version_added: 0.2.0
  sample: [192.168.100.11, 192.168.101.11]
rail_routes:
  description: The routes that lead over a rail through another node. Only who has set them up has any.
  returned: success
  type: list
  elements: dict
  version_added: 0.2.0
  contains:
    destination:
      description: The network or address, or V(default).
      type: str
      returned: always
      sample: 192.168.102.0/24
    gateway:
      description: The address of the other node.
      type: str
      returned: always
      sample: 192.168.100.12
    interface:
      description: The rail.
      type: str
      returned: always
      sample: enp1s0f0np0
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _observe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": []},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    node = _observe.Node(module.run_command, module.get_bin_path, module.params["root"])
    module.exit_json(changed=False, **_observe.host(node, module.params["paths"]))


if __name__ == "__main__":
    main()
