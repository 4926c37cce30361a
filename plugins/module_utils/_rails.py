# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The rails of each node, and the networks that all nodes have in common.

A rail is one Ethernet port of an RDMA device that is active and has a network interface with an IPv4 address.
"""

from __future__ import annotations

import ipaddress
import typing as t

FULL_RATE_GBPS = 200
LINK_LOCAL = ipaddress.IPv4Network("169.254.0.0/16")

Device = t.Mapping[str, t.Any]
Rails = t.Mapping[str, t.Sequence[Device]]
"""The rails of each host, in the order of PCI address and port."""


class Use(t.NamedTuple):
    """The address by which a node uses a rail."""

    device: Device
    address: str
    network: str

    @property
    def name(self) -> str:
        return f"{self.device['device']}:{self.device['port']}"


Common = dict[str, dict[str, Use]]
"""By network, in the order of the head's rails: by host, the rail that is used there."""


def ports_of(devices: t.Iterable[Device]) -> list[Device]:
    """Return the Ethernet ports that are up and have a network interface, with an address or without."""
    return [d for d in devices if d["link_layer"] == "Ethernet" and d["state"] == "ACTIVE" and d["netdev"]]


def rails_of(devices: t.Iterable[Device]) -> list[Device]:
    """Return the ports that can carry a rail. Whether they have a usable GID is decided when one is chosen for their address."""
    return [device for device in ports_of(devices) if device["ipv4"]]


def entries_of(device: Device, hosts: int) -> list[t.Mapping[str, t.Any]]:
    """Return the addresses of a rail that say which others it reaches.

    Between more than two hosts that is none that the interface gave itself: 169.254.0.0/16 is at the end of every cable.
    """
    entries: list[t.Mapping[str, t.Any]] = device["ipv4"]
    return [entry for entry in entries if hosts == 2 or ipaddress.IPv4Address(entry["address"]) not in LINK_LOCAL]


def describe(device: Device) -> str:
    """Return ``rocep1s0f0:1 enp1s0f0np0 10.0.0.1/24`` with every address."""
    addresses = ", ".join(f"{entry['address']}/{entry['prefix_length']}" for entry in device["ipv4"]) or "without IPv4"
    return f"{device['device']}:{device['port']} {device['netdev'] or 'without interface'} {addresses}"


def common_rails(order: t.Sequence[str], rails: Rails) -> Common:
    """Return the networks that all hosts share. `order` has the head first: its rails decide the order.

    Each rail is used once, each network once: a second rail of a node in the same network would answer for the first.
    """
    found: Common = {}
    used = {host: set[int]() for host in order}
    hosts = len(order)
    for network in dict.fromkeys(entry["network"] for device in rails[order[0]] for entry in entries_of(device, hosts)):
        members = {host: _member(rails[host], network, used[host]) for host in order}
        if all(members.values()):
            found[network] = {}
            for host, member in members.items():
                if member is not None:
                    number, use = member
                    used[host].add(number)
                    found[network][host] = use
    return found


def _member(devices: t.Sequence[Device], network: str, used: set[int]) -> t.Optional[tuple[int, Use]]:
    for number, device in enumerate(devices):
        for entry in device["ipv4"]:
            if number not in used and entry["network"] == network:
                return number, Use(device, entry["address"], network)
    return None


def cage(device: Device) -> str:
    """Return which port a function belongs to, by what its driver says, else by the number of the PCI function."""
    return str(device["phys_port_name"] or str(device["pci_address"] or device["device"]).rsplit(".", 1)[-1])
