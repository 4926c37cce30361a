# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of real kernels and tools.

From NVIDIA/dgx-spark-playbooks#97, NVIDIA/NV-Kernels#590, MiaAI-Lab/DeepSeek-v4-Flash-DSpark-2x-DGX-Spark#146 and #259,
and a Spark as it comes.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _kernel
from ansible_collections.dgx_spark.vllm.plugins.module_utils._sysfs import Sysfs

GIB = 1024**3
COMMAND_LINE = "BOOT_IMAGE=/boot/vmlinuz-7.0.0-1019-nvidia root=UUID=0a ro quiet"
# CmaTotal is the 32 MiB of cma=; the 9.36 GiB of KHO's scratch area show in CmaFree alone.
MEMINFO = "MemTotal:       127601472 kB\nCmaTotal:          32768 kB\nCmaFree:         9847296 kB\n"


@pytest.mark.parametrize(
    ("arguments", "disabled"),
    [
        ("", False),
        (" kho=off", True),
        (" kho=0", True),
        (" kho=N", True),
        (" kho=false", True),
        (" kho=on", False),
        (" kho=1", False),
        (" kho=off kho=on", False),
        (" kho=on kho=off quiet", True),
        (" xkho=off", False),
        (" kho_scratch=off", False),
        (" kho=", False),
    ],
)
def test_kho_is_disabled_as_the_kernel_reads_its_command_line(arguments: str, disabled: bool) -> None:
    assert _kernel.handover(COMMAND_LINE + arguments + "\n", MEMINFO)["disabled"] is disabled


def test_command_line_that_could_not_be_read_says_nothing() -> None:
    assert _kernel.handover("", MEMINFO)["disabled"] is None


@pytest.mark.parametrize(
    ("meminfo", "scratch"),
    [
        (MEMINFO, (9847296 - 32768) * 1024),
        ("CmaTotal:              0 kB\nCmaFree:               0 kB\n", 0),
        ("CmaTotal:         524288 kB\nCmaFree:          400000 kB\n", 0),
        ("CmaTotal:         524288 kB\n", None),
        ("CmaFree:          524288 kB\n", None),
        ("", None),
        ("\x00garbage CmaFree: many kB\n", None),
    ],
)
def test_scratch_area_is_what_is_free_for_cma_beyond_all_its_areas(meminfo: str, scratch: t.Optional[int]) -> None:
    assert _kernel.handover(COMMAND_LINE, meminfo)["scratch_bytes"] == scratch


DMESG = """\
[    0.000000] Linux version 6.17.0-1014-nvidia (buildd@bos03) #14-Ubuntu SMP PREEMPT_DYNAMIC
[    3.512004] pcieport 0009:00:00.0: AER: enabled with IRQ 41
[    9.712310] cx7-pcie-hotplug MTKP0001:00: Cable plugin
[    9.801234] mlx5_core 0000:01:00.0: Port module event: module 0, Cable plugged
[   10.001234] NVRM: loading NVIDIA UNIX Open Kernel Module for aarch64  580.142
"""
NO_MEMORY = (
    "NVRM: nvCheckOkFailedNoLog: Check failed: Out of memory [NV_ERR_NO_MEMORY] (0x00000051) returned from "
    "_memdescAllocInternal(pMemDesc) @ mem_desc.c:1359"
)
HEALTHY = {"gpu_memory_refused": 0, "xids": [], "pcie_fatal": []}


def test_log_of_a_healthy_boot_holds_nothing_of_note() -> None:
    assert _kernel.log(DMESG) == HEALTHY


def logged(*messages: str, prefix: str = "") -> dict[str, t.Any]:
    lines = "".join(f"[81033.19{number:04}] {prefix}{message}\n" for number, message in enumerate(messages))
    return t.cast("dict[str, t.Any]", _kernel.log(DMESG + lines))


@pytest.mark.parametrize("prefix", ["", "spark1 kernel: "])
def test_refused_memory_of_the_gpu_is_counted_in_dmesg_and_in_the_journal(prefix: str) -> None:
    assert logged(NO_MEMORY, NO_MEMORY, "vllm: saw NV_ERR_NO_MEMORY", prefix=prefix) == {**HEALTHY, "gpu_memory_refused": 2}


def test_number_of_an_xid_is_not_taken_from_the_address_before_it() -> None:
    found = logged(
        "NVRM: Xid (PCI:000f:01:00): 169, fd8cd000 94000000",
        "NVRM: Xid (PCI:0000:0f:00): 119, synthetic test injection",
        "NVRM: Xid (PCI:0000:0f:00): 119, pid=1234, name=VLLM::Worker_TP1",
    )
    assert found == {**HEALTHY, "xids": [119, 169]}


@pytest.mark.parametrize(
    ("message", "ports"),
    [
        ("pcieport 0000:00:00.0: AER: Uncorrectable (Fatal) error message received from 0000:00:00.0", ["0000:00:00.0"]),
        ("pcieport 0002:00:00.0: AER: Multiple Uncorrectable (Fatal) error message received from 0002:01:00.0", ["0002:00:00.0"]),
        ("pcieport 0002:00:00.0: AER: Uncorrected (Fatal) error received: 0002:00:00.0", ["0002:00:00.0"]),
        ("pcieport 0000:00:00.0: AER: Uncorrectable (Non-Fatal) error message received from 0000:01:00.0", []),
        ("pcieport 0000:00:00.0: AER: Correctable error message received from 0000:01:00.0", []),
        ("pcieport 0000:00:00.0: PCIe Bus Error: severity=Correctable, type=Physical Layer, (Receiver ID)", []),
    ],
)
def test_only_fatal_pcie_errors_are_reported_by_their_port(message: str, ports: list[str]) -> None:
    assert logged(message, message)["pcie_fatal"] == ports


@pytest.mark.parametrize("text", ["", "-- No entries --\n", "-- Logs begin at Mon --\n", "\x00\xff[garbage]\n", f"{NO_MEMORY}\n"])
def test_text_without_a_line_of_the_kernel_is_no_log(text: str) -> None:
    assert _kernel.log(text) is None


def device(root: Path, name: str, **attributes: str) -> None:
    folder = root / "class" / "infiniband" / name
    folder.mkdir(parents=True)
    for attribute, value in attributes.items():
        (folder / attribute).write_text(value)


def test_adapters_tell_firmware_and_board_where_the_driver_does(tmp_path: Path) -> None:
    device(tmp_path, "roceP2p1s0f0", fw_ver="28.45.4028\n", board_id="NVD0000000087\n")
    device(tmp_path, "rocep1s0f0", fw_ver="28.45.4028\n", board_id="NVD0000000087\n")
    device(tmp_path, "rxe0", fw_ver="\n")
    assert _kernel.adapters(Sysfs(str(tmp_path))) == [
        {"device": "roceP2p1s0f0", "firmware": "28.45.4028", "board_id": "NVD0000000087"},
        {"device": "rocep1s0f0", "firmware": "28.45.4028", "board_id": "NVD0000000087"},
        {"device": "rxe0", "firmware": None, "board_id": None},
    ]


def test_node_without_a_cable_has_no_adapter(tmp_path: Path) -> None:
    assert _kernel.adapters(Sysfs(str(tmp_path))) == []


def test_attribute_that_may_not_be_read_is_none(tmp_path: Path) -> None:
    device(tmp_path, "rocep1s0f0", board_id="NVD0000000087\n")

    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    assert _kernel.adapters(Sysfs(str(tmp_path), refuse)) == [{"device": "rocep1s0f0", "firmware": None, "board_id": None}]


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ({"1": "systemd\n", "812": "earlyoom\n"}, True),
        ({"1": "systemd\n", "812": "earlyoom-notify\n"}, False),
        ({"812": "earlyoom\n"}, None),
        ({"1": "", "812": "bash\n"}, None),
        ({}, None),
    ],
)
def test_process_runs_or_not_only_where_all_are_to_be_seen(commands: dict[str, str], expected: t.Optional[bool]) -> None:
    assert _kernel.runs("earlyoom", commands) is expected
