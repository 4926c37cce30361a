# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Networks of a range that nothing else uses."""

from __future__ import annotations

import ipaddress
import typing as t

from ._findings import Finding
from ._plan_ids import planned

Network = ipaddress.IPv4Network


def taken(observations: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[Network, str]:
    """What the nodes reach by other interfaces than rails, and over which."""
    found: dict[Network, str] = {}
    for host, observation in observations.items():
        for interface in observation.get("interfaces") or []:
            networks = [entry["network"] for entry in interface.get("ipv4") or []] + list(interface.get("routes") or [])
            for network in networks:
                found.setdefault(ipaddress.IPv4Network(network), f"{host} {interface['name']}")
    return found


def free(addresses: str, prefix_length: int, others: t.Mapping[Network, str], wanted: int, hosts: int) -> list[Network]:
    """The first `wanted` networks of the range that nothing else overlaps. Raise ValueError with findings where there are too few."""
    try:
        whole = ipaddress.IPv4Network(addresses)
    except ValueError as error:
        raise ValueError([_range_finding(f"addresses: {addresses!r} ({error})", "an IPv4 network, such as 10.100.0.0/16")]) from None
    room = 2 ** (32 - min(prefix_length, 32)) - 2
    if not whole.prefixlen <= prefix_length <= 30 or room < hosts:
        little = f"prefix_length: {prefix_length} in {whole}, which leaves {max(0, room)} addresses a network"
        raise ValueError([_range_finding(little, f"at least {whole.prefixlen}, at most 30, and an address for each of {hosts} nodes")])
    if not wanted:
        return []
    met: dict[Network, str] = {}
    found = []
    for network in whole.subnets(new_prefix=prefix_length):
        overlapped = [other for other in others if network.overlaps(other)]
        met.update({other: others[other] for other in overlapped})
        if not overlapped:
            found.append(network)
            if len(found) == wanted:
                return found
    listing = ", ".join(f"{network} ({where})" for network, where in met.items())
    few = f"addresses: {whole} has {len(found)} free networks of /{prefix_length}{f'; it overlaps {listing}' if met else ''}"
    raise ValueError([_range_finding(few, f"{wanted}, one for each rail that has no network of its own")])


def _range_finding(found: str, wanted: str) -> Finding:
    remedy = "give fabric_addresses a private range that nothing else uses, and a prefix_length that fits in it"
    return planned("fabric.range", None, found, wanted, remedy)
