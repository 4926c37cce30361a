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
RENDERERS = ("networkmanager", "networkd", "nmcli")


@dataclass(frozen=True)
class Node:
    """One simulated Spark."""

    name: str
    id: int
    address: str
    cables: Mapping[int, int]  # QSFP port: number of the cable in it
    fabric: Mapping[str, str]  # netdev: address/prefix; empty where nobody has given the ports addresses yet
    rdma_names: tuple[str, ...] = tuple(USUAL_NAMES.split())
    default_route: str = "lan"
    renderer: str = "networkmanager"  # who has the ports, and where their settings are: one of RENDERERS
    auto_default: bool = False  # NetworkManager tries DHCP on ports without a profile, as it does unless told otherwise
    light: bool = False  # no Docker inside, no image, no model: enough to plan and to set up a network

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
            "SIM_RENDERER": node.renderer,
            "SIM_AUTO_DEFAULT": str(int(node.auto_default)),
            "SIM_LIGHT": str(int(node.light)),
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


def fabric_of(written: Any, usual: Mapping[str, str]) -> Mapping[str, str]:
    """What `fabric` says: "usual", addresses by netdev, or "none", which is the same as {}; ValueError if it says anything else."""
    if written == "usual":
        return usual
    if written in ("none", {}):
        return {}
    if not isinstance(written, Mapping):
        raise ValueError(f"fabric is {written!r}, wanted `none`, `usual` or addresses by netdev")
    return {netdev: str(ipaddress.ip_interface(address)) for netdev, address in written.items()}


def renderer_of(written: Mapping[str, Any]) -> str:
    """What `renderer` says; ValueError if there is no such, or if it cannot do what else is wanted of it."""
    renderer = written.get("renderer", RENDERERS[0])
    if renderer not in RENDERERS:
        raise ValueError(f"renderer is {renderer!r}, wanted one of {', '.join(RENDERERS)}")
    if renderer == "networkd" and written.get("auto_default"):
        raise ValueError("auto_default is NetworkManager's: it does not go with renderer networkd")
    return str(renderer)


def parse_node(entry: Mapping[str, Any], lan: str, cables: Mapping[int, int]) -> Node:
    """From its entry, with what the cluster says of all nodes; ValueError or KeyError if it is not a node."""
    return Node(
        name=entry["name"],
        id=entry["id"],
        address=host_address(lan, entry["id"]),
        cables=cables,
        fabric=fabric_of(entry.get("fabric", "usual"), default_fabric(entry["id"], cables)),
        rdma_names=tuple(entry.get("rdma_names", USUAL_NAMES.split())),
        default_route=entry.get("default_route", "lan"),
        renderer=renderer_of(entry),
        auto_default=entry.get("auto_default", False),
        light=entry.get("light", False),
    )


def parse(data: Mapping[str, Any]) -> Cluster:
    """From the YAML's data; ValueError or KeyError if it is not a cluster."""
    plugged: dict[str, dict[int, int]] = {entry["name"]: {} for entry in data["nodes"]}
    for number, ends in enumerate(data.get("cables", [])):
        for end in ends:
            name, port = end.rsplit("/", 1)
            if int(port) not in (0, 1) or int(port) in plugged[name]:
                raise ValueError(f"{end} is no free QSFP port")
            plugged[name][int(port)] = number
    common = {key: data[key] for key in ("fabric", "renderer", "auto_default", "light") if key in data}
    nodes = tuple(parse_node({**common, **entry}, data["lan"], plugged[entry["name"]]) for entry in data["nodes"])
    return Cluster(data["name"], data["lan"], data.get("wifi"), len(data.get("cables", [])), nodes)


def load(path: Path) -> Cluster:
    """Read a file of clusters/."""
    return parse(yaml.safe_load(path.read_text()))
