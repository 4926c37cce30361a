# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The network beside the rails by which all nodes reach each other: in a ring no address of a rail can be reached from every node."""

from __future__ import annotations

import ipaddress
import typing as t

from ._findings import Finding
from ._plan_ids import planned
from ._rails import LINK_LOCAL

Observations = t.Mapping[str, t.Mapping[str, t.Any]]


class Interface(t.NamedTuple):
    """An interface that is no rail, and its address in the network that all nodes share."""

    name: str
    address: str
    network: str
    wireless: bool
    physical: bool


def control_path(order: t.Sequence[str], observations: Observations) -> tuple[dict[str, Interface], list[Finding]]:
    """Return each host's interface in one network that all hosts share, and what is wrong with it; no interfaces if there is none.

    A wired card goes before a wireless one, and both before tunnels and bridges. Bridges of containers have one address on all nodes,
    which tells them from a network; where only some nodes have the same address, that is a mistake.
    """
    candidates = {host: _interfaces(observations[host]) for host in order}
    shared: list[dict[str, Interface]] = []
    mistaken: list[dict[str, Interface]] = []
    for network in dict.fromkeys(interface.network for interface in candidates[order[0]]):
        members = {host: next((i for i in candidates[host] if i.network == network), None) for host in order}
        found = {host: interface for host, interface in members.items() if interface is not None}
        addresses = {interface.address for interface in found.values()}
        if len(found) == len(order) and len(addresses) > 1:
            (shared if len(addresses) == len(order) else mistaken).append(found)
    best = min(shared, key=_preference, default={})
    better = [found for found in mistaken if not best or _preference(found) < _preference(best)]
    duplicates = [finding for found in better for finding in _duplicates(found)]
    return best, duplicates or _choice_findings(order, best)


def _interfaces(observation: t.Mapping[str, t.Any]) -> list[Interface]:
    return [
        Interface(interface["name"], entry["address"], entry["network"], bool(interface.get("wireless")), bool(interface.get("physical")))
        for interface in observation.get("interfaces") or []
        for entry in interface.get("ipv4") or []
        if interface.get("carrier") and not _only_here(entry["address"])
    ]


def _only_here(address: str) -> bool:
    """Whether an address says nothing about who can be reached: the loop-back's, and one that an interface gave itself."""
    parsed = ipaddress.IPv4Address(address)
    return parsed.is_loopback or parsed in LINK_LOCAL


def _preference(found: t.Mapping[str, Interface]) -> tuple[bool, bool]:
    return not all(interface.physical for interface in found.values()), any(interface.wireless for interface in found.values())


def _duplicates(found: t.Mapping[str, Interface]) -> list[Finding]:
    owners: dict[str, tuple[str, Interface]] = {}
    findings = []
    for host, interface in found.items():
        other, theirs = owners.setdefault(interface.address, (host, interface))
        if other != host:
            findings.append(
                planned(
                    "address.duplicate",
                    host,
                    f"{interface.name} has {interface.address}, as has {theirs.name} of {other}",
                    "an address of its own for every node",
                    f"change the address of {interface.name} on {host}, or of {theirs.name} on {other}",
                )
            )
    return findings


def _choice_findings(order: t.Sequence[str], best: t.Mapping[str, Interface]) -> list[Finding]:
    cable = "connect each node's enP7s7 to one switch or router"
    if not best:
        return [
            planned(
                "ring.no-control-path",
                None,
                f"{len(order)} nodes in a ring ({' - '.join(order)}) and no network beside the rails that all of them share",
                "one more network with an address on every node: no address of a rail can be reached from all of them",
                f"{cable}, and give it an address there",
            )
        ]
    if any(interface.wireless for interface in best.values()):
        listing = ", ".join(f"{host} {interface.name} {interface.address}" for host, interface in best.items())
        return [planned("ring.wireless-control-path", None, f"the nodes share only a wireless network ({listing})", "a wired one", cable)]
    return []
