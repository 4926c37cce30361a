# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the FUSE mount shows, computed at each look: RDMA devices, PCI functions and what netdevs lack.

A node of the tree is text (a file), a list (a directory's names), a Link, an errno (the open file cannot be read) or
None (there is no such name).
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Union

from .gid_table import ZERO, text_of_gid
from .hardware import Function, switch_id
from .netlink import LiveTables


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


Node = Union[str, int, list[str], Link, None]
Path = tuple[str, ...]


def has_carrier(netdev: str) -> bool:
    """Whether a cable is in; an interface that is down cannot tell, so it has none."""
    try:
        with open(f"/sys/class/net/{netdev}/carrier") as text:
            return text.read().strip() == "1"
    except OSError:
        return False


class Tree:
    """infiniband/ is bound over /sys/class/infiniband; pci/ and net/ are what links in sysfs point at."""

    def __init__(self, functions: Sequence[Function], live: LiveTables, root: str) -> None:
        self.by_device = {function.device: function for function in functions}
        self.by_pci = {function.pci_address: function for function in functions}
        self.by_netdev = {function.netdev: function for function in functions}
        self.live = live
        self.root = root

    def look_up(self, path: Path) -> Node:
        """What is at this path now."""
        if not path:
            return ["infiniband", "net", "pci"]
        rooms = {"infiniband": self._infiniband, "net": self._net, "pci": self._pci}
        return rooms[path[0]](path[1:]) if path[0] in rooms else None

    def _infiniband(self, path: Path) -> Node:
        if not path:
            return list(self.by_device)
        function = self.by_device.get(path[0])
        if function is None:
            return None
        rest = path[1:]
        if rest[:2] == ("ports", "1") and len(rest) > 2:
            return self._port(function, rest[2:])
        guid = self._guid(function)
        return _under(
            rest,
            {
                "board_id": "NVD0000000087\n",
                "device": Link(f"{self.root}/pci/{function.pci_address}"),
                "fw_ver": "28.45.4028\n",
                "hca_type": "MT4129\n",
                "hw_rev": "0\n",
                "node_desc": f"{socket.gethostname()} {function.device}\n",
                "node_guid": guid,
                "node_type": "1: CA\n",
                "ports": ["1"],
                "sys_image_guid": guid,
            },
            {
                ("ports", "1"): [
                    "cap_mask",
                    "gid_attrs",
                    "gids",
                    "lid",
                    "link_layer",
                    "phys_state",
                    "pkeys",
                    "rate",
                    "sm_lid",
                    "sm_sl",
                    "state",
                ]
            },
        )

    def _guid(self, function: Function) -> str:
        default = self.live.tables[function.device].entries[0]
        return text_of_gid(default[0] if default else ZERO)[20:] + "\n"

    def _port(self, function: Function, rest: Path) -> Node:
        entries = self.live.tables[function.device].entries
        if rest in (("gids",), ("gid_attrs", "types"), ("gid_attrs", "ndevs")):
            return [str(index) for index in range(len(entries))]
        if rest[-1].isdecimal() and int(rest[-1]) < len(entries):
            entry = entries[int(rest[-1])]
            if rest[:-1] == ("gids",):
                return text_of_gid(entry[0] if entry else ZERO) + "\n"
            if rest[:-1] == ("gid_attrs", "types"):
                return entry[1] + "\n" if entry else errno.EINVAL
            if rest[:-1] == ("gid_attrs", "ndevs"):
                return function.netdev + "\n" if entry else errno.EINVAL
        up = has_carrier(function.netdev)
        fields: dict[str, Node] = {
            "cap_mask": "0x04010000\n",
            "lid": "0x0\n",
            "link_layer": "Ethernet\n",
            "phys_state": "5: LinkUp\n" if up else "3: Disabled\n",
            "rate": "200 Gb/sec (2X NDR)\n" if up else "40 Gb/sec (4X QDR)\n",
            "sm_lid": "0x0\n",
            "sm_sl": "0\n",
            "state": "4: ACTIVE\n" if up else "1: DOWN\n",
            "gid_attrs": ["ndevs", "types"],
            "pkeys": ["0"],
        }
        return _under(rest, fields, {("pkeys", "0"): "0xffff\n"})

    def _net(self, path: Path) -> Node:
        if not path:
            return list(self.by_netdev)
        function = self.by_netdev.get(path[0])
        if function is None:
            return None
        fields: dict[str, Node] = {
            "phys_port_name": function.port_name + "\n",
            "phys_switch_id": switch_id() + "\n",
            "speed": "200000\n" if has_carrier(function.netdev) else "-1\n",
        }
        return _under(path[1:], fields, {})

    def _pci(self, path: Path) -> Node:
        if not path:
            return [*self.by_pci, "mlx5_core", "modules"]
        if path[0] == "mlx5_core":  # the driver, at which `device/driver` points
            return _under(path[1:], {"module": Link("../modules/mlx5_core")}, {})
        if path[0] == "modules":
            return _under(path[1:], {"mlx5_core": []}, {})
        function = self.by_pci.get(path[0])
        if function is None:
            return None
        here = os.path.exists("/sys/class/net/" + function.netdev)
        inside: dict[Path, Node] = {("infiniband", function.device): Link("/sys/class/infiniband/" + function.device)}
        if here:
            inside[("net", function.netdev)] = Link("/sys/class/net/" + function.netdev)
        return _under(path[1:], self._pci_fields(function, here), inside)

    @staticmethod
    def _pci_fields(function: Function, here: bool) -> dict[str, Node]:
        return {
            "class": "0x020000\n",
            "current_link_speed": "32.0 GT/s PCIe\n",
            "current_link_width": "4\n",
            "device": "0x1021\n",
            "driver": Link("../mlx5_core"),
            "infiniband": [function.device],
            "net": [function.netdev] if here else [],
            "numa_node": "-1\n",
            "subsystem_vendor": "0x15b3\n",
            "uevent": f"DRIVER=mlx5_core\nPCI_CLASS=20000\nPCI_ID=15B3:1021\nPCI_SLOT_NAME={function.pci_address}\n",
            "vendor": "0x15b3\n",
        }


def _under(path: Path, fields: dict[str, Node], deeper: dict[Path, Node]) -> Optional[Node]:
    """The directory itself, one of its fields, or something below a field."""
    if not path:
        return sorted(fields)
    return fields.get(path[0]) if len(path) == 1 else deeper.get(path)
