# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the simulated cluster what its description says?  Asked over ssh, as Ansible will; the first look after `up`."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Optional

from .access import HERE, ssh
from .description import MTU, Cluster, Node
from .images import STAND_IN_NAME, SimulationError

SETTLE_SECONDS = 40  # NetworkManager brings the fabric up some seconds after the boot


def probe(cluster: Cluster, node: Node) -> dict[str, Any]:
    """What the node says of itself; SimulationError if it cannot be asked."""
    peers = [address.split("/")[0] for other in cluster.nodes if other != node for address in other.fabric.values()]
    reachable = [
        peer for peer in peers if any(ipaddress.ip_address(peer) in ipaddress.ip_interface(own).network for own in node.fabric.values())
    ]
    command = "sudo -n python3 - {} {}".format("''" if node.light else STAND_IN_NAME, " ".join(reachable))
    answer = ssh(node.address, command, (HERE / "probe.py").read_text())
    if answer.returncode != 0:
        raise SimulationError(f"{node.name}: ssh ended with {answer.returncode}: {answer.stderr.strip()[-400:]}")
    return dict(json.loads(answer.stdout))


def complaints(cluster: Cluster, node: Node, found: dict[str, Any], image_id: str) -> Iterator[str]:
    """Everything that is not as described."""

    def differs(what: str, is_now: Any, wanted: Any) -> Iterator[str]:
        if is_now != wanted:
            yield f"{node.name}: {what} is {is_now!r}, wanted {wanted!r}"

    yield from differs("host name", found["hostname"], node.name)
    yield from differs("product", found["product"], "NVIDIA_DGX_Spark")
    yield from differs("address of enP7s7", [a.split("/")[0] for a in found["addresses"].get("enP7s7", [])], [node.address])
    yield from differs("wlP9s9 is wireless", found["netdevs"].get("wlP9s9", {}).get("wireless"), True)
    route_device = "wlP9s9" if node.default_route == "wifi" else "enP7s7"
    yield from differs(f"default route over {route_device}", f"dev {route_device}" in found["default_route"], True)
    yield from differs("one default route", len(found["default_route"].splitlines()), 1)
    yield from differs("RDMA devices", sorted(found["rdma"]), sorted(node.rdma_names))
    for netdev, cabled in node.netdevs().items():
        yield from differs("carrier of " + netdev, found["netdevs"].get(netdev, {}).get("carrier"), "1" if cabled else "0")
    for device, netdev in node.devices().items():
        entry = found["rdma"].get(device, {"state": None, "entries": 0, "gids": {}})
        yield from differs("state of " + device, entry["state"], "4: ACTIVE" if node.netdevs()[netdev] else "1: DOWN")
        yield from differs("GID entries of " + device, entry["entries"], 255)
        yield from rail_complaints(node, netdev, entry["gids"], found)
    for peer, status in found["pings"].items():
        yield from differs(f"a 9000-byte ping to {peer}", status, 0)
    yield from renderer_complaints(node, found)
    if not node.light:
        yield from differs("id of the stand-in image", found["image"], image_id)
        yield from differs(
            "RDMA devices in a container", (found["inside"][0], sorted(found["inside"][1].split())), (0, sorted(node.rdma_names))
        )


def renderer_complaints(node: Node, found: dict[str, Any]) -> Iterator[str]:
    """The daemon of its renderer runs, has the ports by the profiles of that renderer and no others, and keeps off the LAN."""
    networkd = node.renderer == "networkd"
    wanted = {"NetworkManager": "inactive" if networkd else "active", "systemd-networkd": "active" if networkd else "inactive"}
    if found["daemons"] != wanted:
        yield f"{node.name}: the network's daemons are {found['daemons']!r}, wanted {wanted!r}"
    for netdev, cabled in node.netdevs().items():
        owner = found["owners"].get(netdev, {})
        if cabled and {key: owner.get(key) for key in profile(node, netdev)} != profile(node, netdev):
            yield f"{node.name}: {netdev} is with {owner!r}, wanted {profile(node, netdev)!r}"
    tries_dhcp = any("Wired connection" in name for name in found["profiles"])
    if tries_dhcp != node.auto_default:
        wish = "a" if node.auto_default else "no"
        yield f"{node.name}: NetworkManager's profiles are {found['profiles']!r}, wanted {wish} Wired connection"
    lan = found["owners"].get("enP7s7", {})
    if {lan.get("nm_state", "unmanaged"), lan.get("networkd_state", "unmanaged")} != {"unmanaged"}:
        yield f"{node.name}: enP7s7 is with {lan!r}, wanted nobody to manage it"


def profile(node: Node, netdev: str) -> dict[str, Optional[str]]:
    """What the daemon of the node's renderer should say of a cabled port; the file is the one that names its profile."""
    if node.renderer == "networkd":
        if netdev in node.fabric:
            return {"networkd_state": "configured", "networkd_file": f"/run/systemd/network/10-netplan-{netdev}.network"}
        return {"networkd_state": "unmanaged", "networkd_file": ""}
    if netdev in node.fabric:
        file = {
            "networkmanager": f"/run/NetworkManager/system-connections/netplan-{netdev}.nmconnection",
            "nmcli": f"/etc/NetworkManager/system-connections/cx7-{netdev}.nmconnection",
        }[node.renderer]
        return {"nm_state": "connected", "nm_file": file}
    if node.auto_default:
        return {}  # connecting, and after some failures disconnected for five minutes
    return {"nm_state": "disconnected", "nm_file": None}


def rail_complaints(node: Node, netdev: str, gids: dict[str, list[str]], found: dict[str, Any]) -> Iterator[str]:
    """A rail has its address, its MTU, and a RoCE v2 GID of that address on its own netdev; another port has no address."""
    wanted = node.fabric.get(netdev)
    if wanted is None:
        if found["addresses"].get(netdev):
            yield f"{node.name}: {netdev} has {', '.join(found['addresses'][netdev])}, wanted no address"
        return
    if wanted not in found["addresses"].get(netdev, []):
        yield f"{node.name}: {netdev} lacks {wanted}"
    elif int(found["netdevs"][netdev]["mtu"] or 0) != MTU:
        yield f"{node.name}: the MTU of {netdev} is {found['netdevs'][netdev]['mtu']}, wanted {MTU}"
    mapped = ipaddress.IPv6Address("::ffff:" + wanted.split("/")[0])
    if not any(ipaddress.IPv6Address(gid) == mapped and kind == "RoCE v2" and ndev == netdev for gid, kind, ndev in gids.values()):
        yield f"{node.name}: no RoCE v2 GID of {wanted} on {netdev}"


def check(cluster: Cluster, image_id: str) -> None:
    """SimulationError with every complaint, if any is left after a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        with ThreadPoolExecutor(len(cluster.nodes)) as pool:
            found = list(pool.map(lambda node: probe(cluster, node), cluster.nodes))
        left = [line for node, facts in zip(cluster.nodes, found) for line in complaints(cluster, node, facts, image_id)]
        if len({facts["machine_id"] for facts in found}) != len(found):
            left.append("two nodes have the same /etc/machine-id")
        if not left:
            return
        if time.monotonic() > deadline:
            raise SimulationError("the self-test failed:\n  " + "\n  ".join(left))
        time.sleep(1)
