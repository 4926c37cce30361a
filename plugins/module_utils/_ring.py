# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Nodes that are cabled in a ring: who is next to whom, and over which rails.

In a ring every network is one cable's: two nodes are in it. A node reaches its two neighbours by its rails, and the others not at all,
because RoCE does not follow IP forwarding.
"""

from __future__ import annotations

import re
import typing as t

from ._cables import Links
from ._choose import link_local_findings
from ._findings import Finding
from ._plan_ids import planned
from ._rails import Rails, Use, cage, describe, entries_of

SUBNET_AWARE_SINCE = (2, 30, 7)
"""The first NCCL that looks which of a rank's HCAs is in the subnet of a peer's."""

LARGEST_PLAIN_RING = 3
"""In a larger ring NCCL's tree is set up between nodes that no cable connects, unless NCCL was built to leave it out."""


def ring_order(order: t.Sequence[str], found: Links) -> t.Optional[list[str]]:
    """Return the hosts as they follow each other in the ring: the first of `order`, then that neighbour of it which is earlier in `order`.

    None unless every host has exactly two neighbours and all are in one ring of three or more.
    """
    neighbours: dict[str, set[str]] = {host: set() for host in order}
    for by_host in found.values():
        for host in by_host:
            neighbours[host].update(set(by_host) - {host})
    if len(order) < 3 or any(len(peers) != 2 for peers in neighbours.values()):
        return None
    ring = [order[0]]
    while True:
        after = next((host for host in order if host in neighbours[ring[-1]] and host not in ring), None)
        if after is None:
            return ring if len(ring) == len(order) else None
        ring.append(after)


def uses_of(host: str, rails: Rails, found: Links) -> list[Use]:
    """Return the rails of a host that are in one of the networks, in the order of its devices."""
    uses = [by_host[host] for by_host in found.values() if host in by_host]
    return [use for device in rails[host] for use in uses if use.device is device]


def ring_findings(ring: t.Sequence[str], rails: Rails, found: Links) -> list[Finding]:
    """Return what is wrong with a ring, and a warning for each rail that is not used."""
    findings = link_local_findings(ring, rails)
    lengths = {network.split("/")[1] for network in found}
    if len(lengths) > 1:
        listing, wanted = ", ".join(sorted(found)), "one prefix length for all: NCCL compares subnets by one length"
        findings.append(
            planned("ring.prefix-lengths", None, f"networks {listing}", wanted, "address all cables alike, 10.0.1.0/24 and so on")
        )
    for host in ring:
        uses = uses_of(host, rails, found)
        for device in rails[host]:
            if entries_of(device, len(ring)) and not any(use.device is device for use in uses):
                networks = [entry["network"] for entry in device["ipv4"]]
                findings.append(
                    planned(
                        "rail.unshared",
                        host,
                        f"{describe(device)}, in a network that is not one cable's: the rail is not used",
                        f"one rail of the node at the cable's other end in {networks[0]}, and of no third node",
                        "give both ends of each cable addresses in a network of its own",
                    )
                )
    return findings


def nccl_findings(hosts: t.Sequence[str], found: Links, nccl: str, rings: bool) -> list[Finding]:
    """Return why the NCCL that will run can't connect this ring; `rings` says that it was built for rings of more than three nodes."""
    since = ".".join(map(str, SUBNET_AWARE_SINCE))
    ring = f"{len(hosts)} nodes in a ring ({' - '.join(hosts)})"
    otherwise = "connect the nodes by a switch, or make a group of two nodes that are cabled to each other"
    if tuple(int(part) for part in re.findall(r"\d+", nccl)[:3]) < SUBNET_AWARE_SINCE:
        return [
            planned(
                "ring.nccl-version",
                None,
                f"{ring} and NCCL {nccl}, which takes HCAs without regard to the subnet that they are in",
                f"NCCL {since} or newer, which has NCCL_IB_SUBNET_AWARE_ROUTING",
                f"choose a recipe with such an NCCL; or {otherwise}",
            )
        ]
    if len(hosts) > LARGEST_PLAIN_RING and not rings:
        return [
            planned(
                "ring.nccl-trees",
                None,
                f"{ring} and an NCCL that sets up trees, between nodes that no cable connects",
                "an NCCL that was built to leave them out",
                f"if the recipe's image has one, say so with nccl.rings: true in the recipe; otherwise {otherwise}",
            )
        ]
    return [] if rings else _port_findings(hosts, found)


def _port_findings(hosts: t.Sequence[str], found: Links) -> list[Finding]:
    """Every rank takes its HCA of one port by itself, and only the sender changes to another: a cable must join port 0 to port 1.

    Source: NCCL 2.30.7, src/transport/net_ib/connect.cc (the listener shows the GID of its own device only).
    """
    pairs = {
        (host, after): next((cage(uses[host].device), cage(uses[after].device)) for uses in found.values() if {host, after} == set(uses))
        for host, after in zip(hosts, [*hosts[1:], hosts[0]])
    }
    if all(one != other for one, other in pairs.values()):
        return []
    first = {host: pair[0] for (host, _after), pair in pairs.items()}
    smallest = min((sorted(host for host in hosts if first[host] != name) for name in sorted(set(first.values()))), key=len)
    listing = ", ".join(f"{host} {one} - {after} {other}" for (host, after), (one, other) in pairs.items())
    return [
        planned(
            "ring.ports",
            None,
            f"cables that join equal ports ({listing})",
            "each cable from port 0 of one node to port 1 of the next: NCCL does not find its way otherwise",
            f"exchange the two cables, with the addresses of their ports, on {', '.join(smallest)}",
        )
    ]


def environment(uses: t.Sequence[Use]) -> dict[str, str]:
    """Return the variables without which NCCL does not connect a ring; they replace those of `_plan.environment`.

    NCCL must take the HCA that is in the neighbour's subnet, and not one of two that it has merged into one; and no algorithm but
    the ring works, because trees connect nodes that no cable connects. A rank receives over one port and sends over the other.
    """
    return {
        "NCCL_IB_SUBNET_AWARE_ROUTING": "1",
        "NCCL_IB_SUBNET_PREFIX_LEN": uses[0].network.split("/")[1],
        "NCCL_IB_MERGE_NICS": "0",
        "NCCL_NET_PLUGIN": "none",
        "NCCL_ALGO": "Ring",
        "NCCL_CROSS_NIC": "1",
    }
