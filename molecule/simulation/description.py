# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a cluster, as written in clusters/*.yml, with everything derived from it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import yaml

from .node.sim_rdma.hardware import FUNCTIONS, USUAL_NAMES

MTU = 9000


@dataclass(frozen=True)
class Node:
    """One simulated Spark."""

    name: str
    id: int
    address: str
    cables: Mapping[int, int]  # QSFP port: number of the cable in it
    fabric: Mapping[str, str]  # netdev: address/prefix
    rdma_names: tuple[str, ...] = tuple(USUAL_NAMES.split())
    default_route: str = "lan"

    @property
    def container(self) -> str:
        """Not the host name: Docker's resolver would answer for it with addresses that the node does not own."""
        return "sim-" + self.name

    def netdevs(self) -> dict[str, bool]:
        """The QSFP netdevs, and whether a cable is in."""
        return {netdev: port in self.cables for _, netdev, port in FUNCTIONS}

    def devices(self) -> dict[str, str]:
        """RDMA device: its netdev."""
        return {name: netdev for name, (_, netdev, _) in zip(self.rdma_names, FUNCTIONS)}


@dataclass(frozen=True)
class Cluster:
    """All of it."""

    name: str
    lan: str
    wifi: Optional[str]
    cables: int
    nodes: tuple[Node, ...] = field(default=())

    def node(self, name: str) -> Node:
        """By host name; KeyError if there is none."""
        return {node.name: node for node in self.nodes}[name]

    @staticmethod
    def cable_subnet(number: int) -> str:
        """Docker wants a subnet for the bridge that plays the cable; nodes never see an address of it."""
        return f"10.77.{100 + number}.0/24"

    def environment(self, node: Node) -> dict[str, str]:
        """What the node's init is told."""
        told = {
            "SIM_NODE_ID": str(node.id),
            "SIM_LAN": self.lan,
            "SIM_DEFAULT_ROUTE": node.default_route,
            "SIM_RDMA_NAMES": " ".join(node.rdma_names),
            "SIM_FABRIC": " ".join("{}={}".format(*rail) for rail in node.fabric.items()),
            "SIM_FABRIC_MTU": str(MTU),
        }
        if self.wifi:
            told["SIM_WIFI"] = self.wifi
        for port, cable in node.cables.items():
            told[f"SIM_CABLE{port}"] = self.cable_subnet(cable)
        return told


def host_address(subnet: str, node_id: int) -> str:
    """Node 1 is .11."""
    return str(ipaddress.ip_network(subnet)[10 + node_id])


def default_fabric(node_id: int, cables: Mapping[int, int]) -> dict[str, str]:
    """A subnet for each half of each cable: 192.168.100.0/24 and 192.168.101.0/24 on the first one."""
    rails = {}
    for _, netdev, port in FUNCTIONS:
        if port in cables:
            twin = netdev.startswith("enP2")
            rails[netdev] = f"192.168.{100 + 2 * cables[port] + twin}.{10 + node_id}/24"
    return rails


def parse(data: Mapping[str, Any]) -> Cluster:
    """From the YAML's data; ValueError or KeyError if it is not a cluster."""
    plugged: dict[str, dict[int, int]] = {entry["name"]: {} for entry in data["nodes"]}
    for number, ends in enumerate(data.get("cables", [])):
        for end in ends:
            name, port = end.rsplit("/", 1)
            if int(port) not in (0, 1) or int(port) in plugged[name]:
                raise ValueError(f"{end} is no free QSFP port")
            plugged[name][int(port)] = number
    nodes = tuple(
        Node(
            name=entry["name"],
            id=entry["id"],
            address=host_address(data["lan"], entry["id"]),
            cables=plugged[entry["name"]],
            fabric=entry.get("fabric", default_fabric(entry["id"], plugged[entry["name"]])),
            rdma_names=tuple(entry.get("rdma_names", USUAL_NAMES.split())),
            default_route=entry.get("default_route", "lan"),
        )
        for entry in data["nodes"]
    )
    return Cluster(data["name"], data["lan"], data.get("wifi"), len(data.get("cables", [])), nodes)


def load(path: Path) -> Cluster:
    """Read a file of clusters/."""
    return parse(yaml.safe_load(path.read_text()))
