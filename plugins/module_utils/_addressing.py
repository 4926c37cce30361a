# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which address each rail is to have: a network for every pair of functions on a cable, or for the n-th function of every node on a switch.

What is right already is kept, so that a fabric that is valid stays as it is, and a node that joins gets the address that is missing.
"""

from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ._address_range import Network, free, taken
from ._cables import Links
from ._findings import Finding
from ._plan_checks import JUMBO_MTU
from ._plan_ids import planned
from ._rails import LINK_LOCAL, Device, Use
from ._ring import ring_order
from ._ring_routes import Route, ring_routes
from ._segments import Member, Observations, Segment, ports, probed, probing_findings, segments

RANGE = "10.100.0.0/16"
PREFIX_LENGTH = 24

Rail = dict[str, t.Any]
"""`interface`, `address` (with its prefix length), `mtu`, `kept` (whether the interface has both already), `routes` [{`to`, `via`}]."""


Group = list[Member]
"""The functions that get addresses in one network."""


class Addressing(t.NamedTuple):
    """By host its rails, in the order of devices; and what is wrong, in which case nothing may be applied."""

    rails: dict[str, list[Rail]]
    findings: list[Finding]


def addressing(
    observations: Observations, order: t.Sequence[str], addresses: str = RANGE, prefix_length: int = PREFIX_LENGTH
) -> Addressing:
    """Return the rails of every host in `order` (all in `observations`, with `heard` and `lost`, see `_segments`).

    `addresses` is the range that new networks are taken from, each `prefix_length` long; those that overlap what a node reaches otherwise
    are passed over. The same input gives the same addresses, and applying them gives input for which all of them are kept.
    """
    ours = {host: observations[host] for host in order}
    if not probed(ours):
        return Addressing({}, [_unprobed()])
    groups = groups_of(segments(ours))
    findings = probing_findings(ours) + _upper_findings(groups)
    ring = _ring_of(groups, order)
    try:
        networks = _networks(groups, ours, addresses, _common_length(groups, prefix_length) if ring else prefix_length, bool(ring))
    except ValueError as error:
        return Addressing({}, [*findings, *error.args[0]])
    placed = [_place(group, network, order) for group, network in zip(groups, networks)]
    links: Links = {
        str(network): {m.host: Use(m.device, str(place.addresses[m.host]), str(network)) for m in group}
        for group, network, place in zip(groups, networks, placed)
    }
    routes = ring_routes(ring, links)
    by_end = {}
    for group, network, place in zip(groups, networks, placed):
        for member in group:
            end = (member.host, member.device["netdev"])
            by_end[end] = _rail(member.device, place.addresses[member.host], network, place.mtu, routes.get(end, []))
    rails = {
        host: [by_end[host, device["netdev"]] for device in ours[host]["devices"] if (host, device["netdev"]) in by_end] for host in order
    }
    return Addressing(rails, findings)


def groups_of(found: t.Sequence[Segment]) -> list[Group]:
    """The n-th function of each host on a segment is with the n-th of the others; one that has no partner gets no address."""
    groups = []
    for segment in found:
        by_host: dict[str, list[Member]] = {}
        for member in segment:
            by_host.setdefault(member.host, []).append(member)
        for members in itertools.zip_longest(*by_host.values()):
            there = [member for member in members if member is not None]
            if len(there) > 1:
                groups.append(there)
    return groups


def _entries(device: Device) -> list[ipaddress.IPv4Interface]:
    entries = [ipaddress.IPv4Interface((entry["address"], entry["prefix_length"])) for entry in device["ipv4"]]
    return [entry for entry in entries if entry.ip not in LINK_LOCAL]


def _rail(device: Device, address: ipaddress.IPv4Address, network: Network, mtu: int, routes: list[Route]) -> Rail:
    has = any(entry.ip == address and entry.network == network for entry in _entries(device))
    return {
        "interface": device["netdev"],
        "address": f"{address}/{network.prefixlen}",
        "mtu": mtu,
        "kept": has and device["mtu"] == mtu,
        "routes": routes,
    }


def _ring_of(groups: t.Sequence[Group], order: t.Sequence[str]) -> list[str]:
    """The hosts as they follow each other in a ring; none where they are not in one."""
    links: Links = {str(number): {m.host: Use(m.device, "", "") for m in group} for number, group in enumerate(groups)}
    return ring_order(order, links) or [] if all(len(group) == 2 for group in groups) else []


def _common_length(groups: t.Sequence[Group], prefix_length: int) -> int:
    """In a ring NCCL compares subnets by one length: the one that all addresses have, if they agree."""
    lengths = {entry.network.prefixlen for group in groups for member in group for entry in _entries(member.device)}
    return lengths.pop() if len(lengths) == 1 else prefix_length


def _networks(groups: t.Sequence[Group], observations: Observations, addresses: str, prefix_length: int, one_length: bool) -> list[Network]:
    """A network for each group: the one that most of its members have, if no other group has it, else a free one of the range.

    `one_length`: whether a network of another length than `prefix_length` can't be kept.
    """
    fabric = {entry.network: f"{m.host} {m.device['netdev']}" for g in groups for m in g for entry in _entries(m.device)}
    others = {**_elsewhere(groups, observations, fabric), **taken(observations)}
    kept: dict[int, Network] = {}
    for number, group in enumerate(groups):
        found = [entry.network for member in group for entry in _entries(member.device)]
        usable = [n for n in dict.fromkeys(found) if n not in kept.values() and n.num_addresses - 2 >= len(group)]
        fitting = [n for n in usable if n.prefixlen == prefix_length or not one_length]
        unused = [n for n in fitting if not any(n.overlaps(other) for other in (*others, *kept.values()))]
        if unused:
            kept[number] = max(unused, key=found.count)
    missing = len(groups) - len(kept)
    new = free(addresses, prefix_length, {**fabric, **others}, missing, max((len(group) for group in groups), default=0))
    return [kept[number] if number in kept else new.pop(0) for number in range(len(groups))]


def _elsewhere(groups: t.Sequence[Group], observations: Observations, fabric: t.Collection[Network]) -> dict[Network, str]:
    """What nodes reach by ports that are up and lead to no node of the cluster, such as that with a storage, and over which."""
    ends = {(member.host, member.device["netdev"]) for group in groups for member in group}
    hosts = {host for host, _name in ends}
    alone = {end: member.device for end, member in ports(observations).items() if end not in ends and end[0] in hosts}
    found = {entry.network: " ".join(end) for end, device in alone.items() for entry in _entries(device)}
    return {network: where for network, where in found.items() if network not in fabric}


class _Placed(t.NamedTuple):
    addresses: dict[str, ipaddress.IPv4Address]
    mtu: int


def _place(group: Group, network: Network, order: t.Sequence[str]) -> _Placed:
    """Keep what a member has in the network, the first of equals; the others get the number of their host in `order`, or the next free."""
    found: dict[str, ipaddress.IPv4Address] = {}
    for member in group:
        mine = [entry.ip for entry in _entries(member.device) if entry.network == network and entry.ip not in found.values()]
        if mine:
            found[member.host] = mine[0]
    whole = len(found) == len(group)
    mtus = {member.device["mtu"] for member in group}
    hosts = list(network.hosts())
    for member in group:
        if member.host not in found:
            number = list(order).index(member.host) % len(hosts)
            found[member.host] = next(a for a in (*hosts[number:], *hosts[:number]) if a not in found.values())
    # An MTU that all agree on works: a few percent are not worth taking a network apart that somebody has made.
    return _Placed(found, mtus.pop() if whole and len(mtus) == 1 else JUMBO_MTU)


def _upper_findings(groups: t.Sequence[Group]) -> list[Finding]:
    return [
        planned(
            "fabric.stacked",
            member.host,
            f"{', '.join(member.device['uppers'])} made upon {member.device['netdev']}",
            "a rail without bond, bridge or VLAN: bonded functions of a port are slower than two rails",
            f"remove {', '.join(member.device['uppers'])} where it was configured, or choose the addresses yourself",
        )
        for group in groups
        for member in group
        if member.device.get("uppers")
    ]


def _unprobed() -> Finding:
    wanted = "what fabric_probe heard on every node"
    remedy = "run the play on the whole group, without --limit"
    return planned("probe.missing", None, "no result of probing from some nodes", wanted, remedy)
