# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is wrong with a node's ports, and what is wrong between the nodes, before and after rails are chosen."""

from __future__ import annotations

import ipaddress
import typing as t

from ._findings import Finding, errors
from ._lldp import led_to
from ._plan_ids import planned
from ._rails import FULL_RATE_GBPS, LINK_LOCAL, Common, Device, Rails, describe

JUMBO_MTU = 9000


def is_observation(observation: t.Any) -> bool:
    """Tell whether a host has reported its devices."""
    return isinstance(observation, t.Mapping) and isinstance(observation.get("devices"), list)


def missing(host: str, observation: t.Any) -> Finding:
    """Return the error for a host that has not."""
    said = observation.get("msg") if isinstance(observation, t.Mapping) else None
    return planned(
        "observation.missing",
        host,
        f"no list of devices{f' ({said})' if said else ''}",
        "what roce_info returns",
        "make the node reachable and run the play on the whole group, without --limit",
    )


def own_errors(host: str, observation: t.Any) -> list[Finding]:
    """Return what keeps a host out of every plan, whatever the others have."""
    return errors(port_findings(host, observation["devices"])) if is_observation(observation) else [missing(host, observation)]


def port_findings(host: str, devices: t.Sequence[Device]) -> list[Finding]:
    """Return what is wrong with the ports of one node."""
    ethernet = [device for device in devices if device["link_layer"] == "Ethernet"]
    active = [device for device in ethernet if device["state"] == "ACTIVE"]
    if not devices:
        return [
            planned(
                "rdma.none",
                host,
                "no RDMA device",
                "a ConnectX-7 port with a cable (without one the network card leaves the PCI bus)",
                "put in the cable, wait a minute, and look for rocep* or mlx5_* in /sys/class/infiniband",
            )
        ]
    if not ethernet:
        return [
            planned(
                "rdma.only-infiniband",
                host,
                ", ".join(f"{device['device']}:{device['port']} with link layer {device['link_layer']}" for device in devices),
                "ports with link layer Ethernet (RoCE)",
                "set the ports to Ethernet (mlxconfig LINK_TYPE_P1=2) and restart the node",
            )
        ]
    if not active:
        return [
            planned(
                "rdma.no-active-port",
                host,
                ", ".join(f"{d['device']}:{d['port']} {d['netdev']} {d['state']} ({d['phys_state']})" for d in ethernet),
                "at least one port ACTIVE with LinkUp",
                "check the cable and that its other end is up, and set the interface up (ip link set NAME up)",
            )
        ]
    found = []
    for device in ethernet:
        if device["state"] == "ACTIVE":
            found += _active_port(host, device)
        elif _has_active_twin(device, active):
            found.append(
                planned(
                    "rail.twin-down",
                    host,
                    f"{describe(device)} {device['state']} ({device['phys_state']}) while its twin on the same cable is up: bandwidth lost",
                    "both functions of a cabled port ACTIVE",
                    f"set {device['netdev']} up (ip link set {device['netdev']} up); if it stays down, restart the node with the cable in",
                )
            )
    return found


def _active_port(host: str, device: Device) -> list[Finding]:
    name = f"{device['device']}:{device['port']}"
    if not device["netdev"]:
        found, wanted = f"{name} is ACTIVE and has no network interface: bandwidth lost", "a network interface"
        return [planned("rail.no-netdev", host, found, wanted, "restart the node; if it stays so, see the kernel's log for mlx5_core")]
    if not device["ipv4"]:
        return [
            planned(
                "rail.no-ipv4",
                host,
                f"{name} is ACTIVE and {device['netdev']} has no IPv4 address: bandwidth lost",
                f"an IPv4 address on {device['netdev']}, in a network of its own that every node has",
                f"address {device['netdev']} on every node, or set the interface down if it is not to be used",
            )
        ]
    return []


def _has_active_twin(device: Device, active: t.Iterable[Device]) -> bool:
    keys = ("phys_switch_id", "phys_port_name")
    return all(device[key] for key in keys) and any(all(device[key] == other[key] for key in keys) for other in active)


def machine_findings(observations: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Finding]:
    """Return an error for each pair of hosts that have a network card in common."""
    found = []
    seen: dict[str, tuple[str, str]] = {}
    for host, observation in observations.items():
        told: set[str] = set()
        for name, mac in _macs(observation):
            other, other_name = seen.setdefault(mac, (host, name))
            if other not in (host, *told):
                told.add(other)
                found.append(
                    planned(
                        "inventory.same-machine",
                        host,
                        f"{name} has the MAC address {mac}, as has {other_name} of {other}",
                        "one host name for each machine",
                        f"correct the addresses of {other} and {host} in the inventory",
                    )
                )
    return found


def _macs(observation: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str]]:
    """The addresses that a maker gave. Those of bridges and containers are made up, and may be equal on many machines."""
    for device in observation["devices"]:
        if device["mac"]:
            yield device["netdev"], device["mac"].lower()
    for interface in observation.get("interfaces") or []:
        mac = (interface.get("mac") or "").lower()
        if mac.strip("0:") and not int(mac[:2], 16) & 0b11:
            yield interface["name"], mac


def address_findings(order: t.Sequence[str], rails: Rails, beside: t.Sequence[str] = ()) -> list[Finding]:
    """Return an error for each address that the rails of two nodes have; for hosts `beside` only those that one in `order` has too."""
    found = []
    owners: dict[str, tuple[str, str]] = {}
    for host in (*order, *beside):
        for device in rails[host]:
            for entry in device["ipv4"]:
                mine = (host, device["netdev"])
                other, netdev = owners.get(entry["address"], mine) if host in beside else owners.setdefault(entry["address"], mine)
                if other != host:
                    found.append(
                        planned(
                            "address.duplicate",
                            host,
                            f"{device['netdev']} has {entry['address']}, as has {netdev} of {other}",
                            "an address of its own for every rail",
                            f"change the address of {device['netdev']} on {host}, or of {netdev} on {other}",
                        )
                    )
    return found


def network_findings(common: Common) -> list[Finding]:
    """Return what is wrong with the rails that are used: MTU, rate, and addresses that do not last."""
    found = []
    for network, members in common.items():
        mtus = {use.device["mtu"] for use in members.values()}
        listing = ", ".join(f"{host} {use.device['netdev']} {use.device['mtu']}" for host, use in members.items())
        remedy = f"set MTU {JUMBO_MTU} on each of them, and on the switch if there is one"
        if len(mtus) > 1:
            wanted = "one MTU on the whole network (large messages hang otherwise)"
            found.append(planned("mtu.mismatch", None, f"different MTUs in {network}: {listing}", wanted, remedy))
        elif min(mtus) is not None and min(mtus) < JUMBO_MTU:
            wanted = f"{JUMBO_MTU}, which is a few percent faster"
            found.append(planned("mtu.low", None, f"MTU {min(mtus)} in {network}: {listing}", wanted, remedy))
    for host in dict.fromkeys(host for members in common.values() for host in members):
        for use in (members[host] for members in common.values() if host in members):
            rate = use.device["rate_gbps"]
            if rate is not None and rate < FULL_RATE_GBPS:
                found.append(
                    planned(
                        "link.slow",
                        host,
                        f"{use.name} ({use.device['netdev']}){led_to(use.device)} at {rate} Gb/s",
                        f"{FULL_RATE_GBPS} Gb/s",
                        "use a cable for 200 Gb/s or more; on a switch, set the port to 200 Gb/s instead of automatic",
                    )
                )
            if ipaddress.IPv4Address(use.address) in LINK_LOCAL:
                found.append(
                    planned(
                        "address.link-local",
                        host,
                        f"{use.device['netdev']} has {use.address}, which it gave itself and may change at any start",
                        "a fixed address",
                        f"give {use.device['netdev']} a fixed address on every node, and turn link-local addressing off",
                    )
                )
    return found
