# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Kernels and drivers with a name of their own, what the kernel has logged, and what may end a rank: what others met, and how sure it is.

The severity follows the evidence. A warning is what preceded failures, an info is one person's report, or what people disagree about.
Nothing here is an error, for none of it stops every start. What could not be observed is not judged.
"""

from __future__ import annotations

import typing as t

from ._preflight_check import GIB, Check, Host

# The kernels whose KHO scratch area has RDMA's memory registration fail: MiaAI-Lab/DeepSeek-v4-Flash-DSpark-2x-DGX-Spark#259 (7.0.0-31),
# MiaAI-Lab/DeepSeek-v4.1-Flash-DGX-Sparks#14 and NVIDIA/NV-Kernels#590 (7.0.0-1019-nvidia). kho=off or 6.17 alone mended it there. It was
# met where nearly all memory was taken (the last at 108 GiB); a rank that takes less may well start, hence no error.
_KHO_KERNELS = ("7.0.0-1019-nvidia", "7.0.0-31-")
# The area is 9.3 GiB on a Spark. A kernel without KHO has none: what is free for CMA is part of the CMA areas then.
_SCRATCH_BYTES = GIB
# One report: decoding 3.5 times slower than with 580.142.
_SLOW_DRIVERS = ("580.159.03",)


def kernel(host: str, seen: Host) -> t.Iterator[Check]:
    """Whether RDMA can register memory. KHO is compared on arm64 only, where it was met."""
    handover = seen["kernel_handover"]
    # Without a command line to read, kho=off may be on it.
    if seen["architecture"] != "aarch64" or handover["disabled"] is None:
        return
    row = Check(host, "kernel", seen["kernel"], "no KHO scratch area")
    scratch = handover["scratch_bytes"] or 0
    if handover["disabled"]:
        yield row._replace(found=f"{seen['kernel']} with kho=off")
    elif seen["kernel"].startswith(_KHO_KERNELS):
        yield row._replace(found=f"{seen['kernel']} without kho=off", wanted="kho=off, or 6.17.0-1032-nvidia", id="host.kernel-kho")
    elif scratch >= _SCRATCH_BYTES:
        found = f"{seen['kernel']} with {scratch / GIB:.1f} GiB for movable pages only"
        yield row._replace(found=found, id="host.kernel-scratch")
    else:
        yield row


def driver(host: str, seen: Host) -> t.Iterator[Check]:
    """The version of the GPU's driver, where something is said of it."""
    if seen["gpu"]["driver"] in _SLOW_DRIVERS:
        yield Check(host, "driver version", seen["gpu"]["driver"], "any other, such as 580.142", "host.driver-reported-slow")


def gpu_log(host: str, seen: Host, rank_runs: bool) -> t.Iterator[Check]:
    """What the GPU's driver has logged in this boot.

    NV_ERR_NO_MEMORY preceded hard resets (NVIDIA/dgx-spark-playbooks#97, NVIDIA/open-gpu-kernel-modules#1358), so that some refuse to start
    after it; it was also logged at starts that went well (vllm-project/vllm#56824). Hence a warning, and none while a rank runs: that one
    has started, and nothing is about to be. Xids are for people to look up.
    """
    log = seen["kernel_log"]
    if log is None:
        return
    row = Check(host, "gpu in the log", "nothing", "none since the boot")
    times, xids = log["gpu_memory_refused"], log["xids"]
    said = f"NV_ERR_NO_MEMORY {times} time{'' if times == 1 else 's'} in this boot"
    if times and rank_runs:
        yield row._replace(found=f"{said}, and the rank runs")
    elif times:
        yield row._replace(found=said, id="host.gpu-memory-refused")
    if xids:
        yield row._replace(found=f"Xid {', '.join(map(str, xids))} in this boot", id="host.gpu-xid")
    if not times and not xids:
        yield row


def pcie_log(host: str, seen: Host) -> t.Iterator[Check]:
    """Fatal PCIe errors: the network card was lost after them until the reboot (MiaAI-Lab/DeepSeek-v4-Flash-DSpark-2x-DGX-Spark#146)."""
    log = seen["kernel_log"]
    if log is None:
        return
    row = Check(host, "pcie in the log", "nothing", "no fatal error since the boot")
    ports = ", ".join(log["pcie_fatal"])
    yield row._replace(found=f"fatal errors of {ports} in this boot", id="host.pcie-fatal") if ports else row


def earlyoom(host: str, seen: Host) -> t.Iterator[Check]:
    """Some install it against freezes (spark-arena/sparkrun#77), others disable it because it ends the load of a model."""
    if seen["earlyoom"] is not None:
        row = Check(host, "earlyoom", "not running", "your decision")
        yield row._replace(found="running", id="host.earlyoom") if seen["earlyoom"] else row
