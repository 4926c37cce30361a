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
        "`nvidia-ctk cdi generate` has written a specification for cdi, daemon.json names the runtime nvidia for runtime",
    ),
    "host.infiniband-missing": Meaning(
        "error",
        "a node has no `/dev/infiniband`",
        "plug in the cable between the nodes, for the adapter leaves the PCI bus without one; see that ib_uverbs and mlx5_ib are loaded; "
        "without these devices NCCL would use TCP and not say so",
    ),
    "host.memory-small": Meaning(
        "error",
        "a node has less memory than `preflight_min_memory_gib`",
        "use a node or a recipe that fits; see that all memory is seen",
    ),
    "host.memory-busy": Meaning(
        "warning",
        "a node has less free memory than `min_available_memory_gib` of the filter `preflight_findings`, which the role leaves unset",
        "end what else uses memory on the node, an old container among it (docker ps); GPU and system share this memory",
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
    "host.same-machine": Meaning(
        "error",
        "two hosts have the same machine id and boot id",
        "correct the addresses (ansible_host) of these hosts in the inventory",
    ),
}
