# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The ids of everything that a node can lack, and in which nodes can differ."""

from __future__ import annotations

from ._findings import Meaning

IDS = {
    "host.docker-missing": Meaning(
        "error",
        "a node has no `docker` command",
        "install Docker the way your system documents it (DGX OS brings it along); this collection does not",
    ),
    "host.docker-not-reachable": Meaning(
        "error",
        "Docker is there and does not answer",
        "start the daemon (systemctl start docker), or connect as a user who may use it (become: true)",
    ),
    "host.driver-missing": Meaning(
        "error",
        "`nvidia-smi` sees no GPU",
        "see that nvidia-smi works on the node; after an update of the driver or kernel it does again once the node has been rebooted",
    ),
    "host.gpu-not-available-to-docker": Meaning(
        "error",
        "Docker has no way to give a GPU to a container, or not the one that `preflight_gpu` asks for",
        "see that the NVIDIA Container Toolkit is installed on the node: nvidia-container-runtime-hook is on PATH for gpus, "
        "`nvidia-ctk cdi generate` has written a specification for cdi, daemon.json names the runtime nvidia for runtime "
        "(a DGX Spark comes without the last and does not need it)",
    ),
    "host.infiniband-missing": Meaning(
        "error",
        "a node has no `/dev/infiniband`",
        "plug in the cable between the nodes, for the adapter leaves the PCI bus without one; see that ib_uverbs and mlx5_ib are loaded; "
        "without these devices NCCL would use TCP and not say so",
    ),
    "host.uncabled": Meaning(
        "warning",
        "a node has no RDMA device at all, as without a cable, and the others are as many as the recipe needs: it can only be a spare",
        "plug in the cable, wait a minute, and look for `rocep*` or `mlx5_*` in `/sys/class/infiniband`",
    ),
    "host.memory-small": Meaning(
        "error",
        "a node has less memory than `preflight_min_memory_gib`",
        "use a node or a recipe that fits; see that all memory is seen",
    ),
    "host.memory-busy": Meaning(
        "warning",
        "a node on which the rank does not run has less free memory than `preflight_min_available_memory_gib`, by default the share of its "
        "memory that the recipe's `gpu-memory-utilization` takes",
        "end what else uses memory on the node, an old container among it (docker ps), then drop the kernel's caches "
        "(sync; sysctl vm.drop_caches=3), which CUDA does not count as free; GPU and system share this memory",
    ),
    "host.kernel-kho": Meaning(
        "warning",
        "a node runs 7.0.0-1019-nvidia or 7.0.0-31 without `kho=off`: kexec handover has some 9 GiB that RDMA can't register, and a rank "
        "that takes most of the memory ends with `ibv_reg_mr_iova2 … Cannot allocate memory`. Not looked for "
        "with `preflight_infiniband: false`",
        "add kho=off to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub and reboot, or boot 6.17.0-1032-nvidia; a rank that takes "
        "less memory may start all the same",
    ),
    "host.kernel-scratch": Meaning(
        "warning",
        "another kernel than those of `host.kernel-kho` shows the same scratch area: at least 1 GiB is free for movable pages only",
        "where starts fail with `ibv_reg_mr_iova2 … Cannot allocate memory`, boot with kho=off on the kernel's command line, "
        "or boot 6.17.0-1032-nvidia",
    ),
    "host.driver-reported-slow": Meaning(
        "info",
        "a node has the GPU driver 580.159.03",
        "nothing, unless it decodes slowly (one user measured 3.5 times slower than with 580.142): then take the driver that the system's "
        "own updates bring",
    ),
    "host.gpu-memory-refused": Meaning(
        "warning",
        "the kernel has logged `NV_ERR_NO_MEMORY` since the node was booted, and the rank does not run there",
        "reboot the node before the rank is started on it: hard resets have followed such lines, though they were seen at starts that went "
        "well, too",
    ),
    "host.gpu-xid": Meaning(
        "info",
        "the GPU's driver has logged an error with a number (Xid) since the node was booted",
        "look the number up in NVIDIA's catalogue of Xid errors; where it asks for a reset or a reboot, do that before the next start",
    ),
    "host.pcie-fatal": Meaning(
        "warning",
        "the kernel has logged a fatal PCIe error since the node was booted; the device behind that port, such as the network card, may be "
        "lost until the next boot",
        "reboot the node before the rank is started on it; if the error comes back, do not have ranks restarted over and over, "
        "and have the node's hardware looked at",
    ),
    "host.earlyoom": Meaning(
        "info",
        "earlyoom runs on a node, about which users disagree",
        "decide which you prefer: with it (some install it) a node that runs out of memory ends a process and does not freeze; that "
        "process may be vLLM as it loads a model, for which others disable it. If ranks end without a reason, look into "
        "`journalctl -u earlyoom`",
    ),
    "host.forwarding-dropped": Meaning(
        "warning",
        "other nodes have routes through this one over the fabric, as in a ring, and it does not forward, or its firewall drops what it is "
        "to forward (Docker may set the policy of `FORWARD` to `DROP`): it looks as if a cable were dead",
        "if nodes are to reach each other through this one (no rank does: RoCE is not forwarded), set net.ipv4.ip_forward=1 and accept in "
        "DOCKER-USER what passes between its rails, both ways, by a systemd unit after docker.service, as the role fabric does on a ring "
        "that it gives its addresses (fabric_manage: true); otherwise delete the routes",
    ),
    "host.disk-small": Meaning(
        "error",
        "one of `preflight_paths` has less free space than `preflight_min_free_disk_gib` (than 1 GiB once the node has been deployed to)",
        "free space for it, or give it a larger file system",
    ),
    "host.architecture-differs": Meaning(
        "error",
        "the nodes are of different architectures",
        "take the other machines out of the group; the ranks of one model run one image",
    ),
    "host.kernel-differs": Meaning(
        "warning",
        "the nodes run different kernels",
        "boot the same kernel on all nodes, one that is known to work with RDMA; otherwise one rank may fail where the others do not",
    ),
    "host.driver-differs": Meaning(
        "warning",
        "the nodes have different versions of the GPU's driver",
        "have the same driver on all nodes, by the system's own updates when the cluster is stopped; ranks are as fast as the slowest",
    ),
    "host.firmware-differs": Meaning(
        "warning",
        "the network cards of nodes with the same board have different firmware",
        "have the same firmware on all nodes, by the system's own updates when the cluster is stopped, and reboot them",
    ),
    "host.same-machine": Meaning(
        "error",
        "two hosts have the same machine id and boot id",
        "correct the addresses (ansible_host) of these hosts in the inventory",
    ),
}
