# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is screwed together in a DGX Spark: a ConnectX-7 with four functions, two on each QSFP port."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

USUAL_NAMES = "rocep1s0f0 rocep1s0f1 roceP2p1s0f0 roceP2p1s0f1"
# PCI function, netdev, QSFP port; the order is that of the names in SIM_RDMA_NAMES.
FUNCTIONS = (
    ("0000:01:00.0", "enp1s0f0np0", 0),
    ("0000:01:00.1", "enp1s0f1np1", 1),
    ("0002:01:00.0", "enP2p1s0f0np0", 0),
    ("0002:01:00.1", "enP2p1s0f1np1", 1),
)
DMI = {
    "sys_vendor": "NVIDIA",
    "product_name": "NVIDIA_DGX_Spark",
    "product_family": "DGX Spark",
    "product_version": "A.3",
    "product_serial": "0000000000000",
    "board_vendor": "NVIDIA",
    "board_name": "P4242",
    "chassis_vendor": "NVIDIA",
    "chassis_type": "3",
    "chassis_serial": "",
    "bios_vendor": "AMI",
    "bios_version": "5.36_0ACUM018",
}


@dataclass(frozen=True)
class Function:
    """One PCI function of the ConnectX-7: an RDMA device with one port, and its network device."""

    device: str
    pci_address: str
    netdev: str
    port: int

    @property
    def port_name(self) -> str:
        """The phys_port_name by which twins pair: p0 or p1."""
        return f"p{self.port}"


def functions(environ: Mapping[str, str] = os.environ) -> tuple[Function, ...]:
    """The node's functions, named as SIM_RDMA_NAMES says (udev's names, or mlx5_N in the order of probing)."""
    names = (environ.get("SIM_RDMA_NAMES") or USUAL_NAMES).split()
    if len(names) != len(FUNCTIONS) or len(set(names)) != len(names):
        raise ValueError(f"SIM_RDMA_NAMES wants four different names, found {names!r}")
    return tuple(Function(name, *rest) for name, rest in zip(names, FUNCTIONS))


def switch_id(environ: Mapping[str, str] = os.environ) -> str:
    """phys_switch_id: equal on the four functions of a node, different between nodes."""
    return "690e820003{:02x}bb4c".format(int(environ.get("SIM_NODE_ID", "1")))
