# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Cables, read out of the networks that are on two nodes and no third: one cable joins one port of a node with one port of another."""

from __future__ import annotations

import itertools
import typing as t

from ._findings import Finding
from ._plan_ids import planned
from ._rails import Rails, Use, cage, entries_of

Links = dict[str, dict[str, Use]]
"""By network: by host, the rail that is used there; two hosts in each, every rail once."""


Port = tuple[str, str]
"""A host, and which of its cages."""


class Cables(t.NamedTuple):
    """The networks that belong to a cable, what speaks against reading cables out of them, and how many rails each host has in any such."""

    links: Links
    findings: list[Finding]
    rails: int


def cables_of(order: t.Sequence[str], rails: Rails) -> Cables:
    """Return the networks in which exactly two hosts are, as far as they fit to cables: one cable joins one port to one other.

    Of several ports that a port's networks lead to, the one is taken to which most of them do. Where that is undecided it is an error.
    """
    members: dict[str, dict[str, list[Use]]] = {}
    for host in order:
        for device in rails[host]:
            for entry in entries_of(device, len(order)):
                use = Use(device, entry["address"], entry["network"])
                members.setdefault(entry["network"], {}).setdefault(host, []).append(use)
    edges: dict[tuple[Port, Port], Links] = {}
    for network, by_host in members.items():
        if len(by_host) == 2:
            (one, uses), (other, theirs) = by_host.items()
            for use, their in itertools.product(uses, theirs):
                edges.setdefault(((one, cage(use.device)), (other, cage(their.device))), {})[network] = {one: use, other: their}
    findings = _crossed(edges)
    found: Links = {}
    taken: set[Port] = set()
    for edge in sorted(edges, key=lambda edge: -len(edges[edge])):
        if not taken & set(edge):
            taken.update(edge)
            found.update(_once(edges[edge]))
    counts = {host: {uses[host].name for edge in edges.values() for uses in edge.values() if host in uses} for host in order}
    return Cables({network: found[network] for network in members if network in found}, findings, min(map(len, counts.values()), default=0))


def _once(networks: Links) -> Links:
    """As many networks of a cable as there can be without using a rail twice; of equal choices the first by name."""
    names = sorted(networks)
    for size in range(len(names), 0, -1):
        for some in itertools.combinations(names, size):
            rails = [(host, use.name) for network in some for host, use in networks[network].items()]
            if len(rails) == len(set(rails)):
                return {network: networks[network] for network in some}
    return {}


def _crossed(edges: t.Mapping[tuple[Port, Port], Links]) -> list[Finding]:
    findings = []
    for port in dict.fromkeys(port for edge in edges for port in edge):
        mine = [edge for edge in edges if port in edge]
        most = max(len(edges[edge]) for edge in mine)
        best = [edge for edge in mine if len(edges[edge]) == most]
        if len(best) < 2:
            continue
        host = port[0]
        uses = [(uses[host], next(peer for peer in uses if peer != host)) for edge in best for uses in edges[edge].values()]
        listing = ", ".join(f"{use.device['netdev']} {use.address} in {use.network} with {peer}" for use, peer in uses)
        netdevs = " and ".join(dict.fromkeys(use.device["netdev"] for use, _peer in uses))
        findings.append(
            planned(
                "rail.crossed-ports",
                host,
                f"the networks of one port lead to different ports ({listing})",
                "both networks of a port with the two functions of one port at the cable's other end",
                f"correct the addresses of {netdevs}, or of the ports that they lead to",
            )
        )
    return findings
