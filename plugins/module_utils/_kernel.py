# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a node's kernel tells beyond its release: kexec handover, its log of this boot, network cards, processes."""

from __future__ import annotations

import re
import typing as t

from ._sysfs import Sysfs

# A line of `journalctl --output=short-monotonic` or of `dmesg`; both begin with the seconds since boot.
_LOG_LINE = re.compile(r"^\[ *\d+\.\d+\] ", re.MULTILINE)
_GPU_MEMORY = re.compile(r"NVRM: .*\bNV_ERR_NO_MEMORY\b")
# The address in parentheses holds digits and commas too: "NVRM: Xid (PCI:000f:01:00): 119, pid=…".
_XID = re.compile(r"NVRM: Xid \([^)]*\): (\d+)")
# Older kernels say Uncorrected. Errors that are not fatal, and those that the hardware has corrected, cost no device.
_PCIE_FATAL = re.compile(r"\bpcieport (\S+): AER: (?:Multiple )?Uncorrect(?:able|ed) \(Fatal\) error")


def handover(command_line: str, meminfo: str) -> dict[str, t.Any]:
    """Whether kexec handover (KHO) is disabled on the kernel's command line, and how much memory it keeps for movable pages alone.

    `disabled`: None if /proc/cmdline could not be read. `scratch_bytes`: what is free in page blocks for CMA beyond all CMA areas; None if
    /proc/meminfo does not tell. KHO gives its scratch area out as such blocks without counting it (NVIDIA/NV-Kernels#590).
    """
    value = (re.findall(r"(?:^|\s)kho=(\S*)", command_line) or [""])[-1]
    sizes = {name: int(kib) * 1024 for name, kib in re.findall(r"^(Cma\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)}
    known = sizes.keys() >= {"CmaTotal", "CmaFree"}
    return {
        # As the kernel's kstrtobool() reads it.
        "disabled": bool(re.match(r"[nf0]|of", value, re.IGNORECASE)) if command_line.strip() else None,
        "scratch_bytes": max(0, sizes["CmaFree"] - sizes["CmaTotal"]) if known else None,
    }


def log(text: str) -> t.Optional[dict[str, t.Any]]:
    """What the kernel has logged in this boot that matters to a start; None if `text` has no line of a kernel's log.

    `gpu_memory_refused`: lines in which NVIDIA's driver got no memory; `xids`: numbers of the driver's errors; `pcie_fatal`: addresses of
    the ports with fatal PCIe errors; the last two sorted, each once.
    """
    if not _LOG_LINE.search(text):
        return None
    return {
        "gpu_memory_refused": len(_GPU_MEMORY.findall(text)),
        "xids": sorted({int(number) for number in _XID.findall(text)}),
        "pcie_fatal": sorted(set(_PCIE_FATAL.findall(text))),
    }


def adapters(sysfs: Sysfs) -> list[dict[str, t.Optional[str]]]:
    """The RDMA devices with their firmware and their board's id, each None where the driver does not tell (soft-RoCE) or not us."""
    return [
        {"device": device, "firmware": _attribute(sysfs, device, "fw_ver"), "board_id": _attribute(sysfs, device, "board_id")}
        for device in sysfs.names("class", "infiniband")
    ]


def _attribute(sysfs: Sysfs, device: str, name: str) -> t.Optional[str]:
    try:
        return sysfs.text("class", "infiniband", device, name)
    except OSError:
        return None


def runs(name: str, commands: t.Mapping[str, str]) -> t.Optional[bool]:
    """Whether a process of that name runs; `commands` {pid: content of its comm}. None if not all processes are to be seen."""
    # Where /proc hides the processes of others (hidepid), the first of all is hidden too.
    return name in (text.strip() for text in commands.values()) if commands.get("1") else None
