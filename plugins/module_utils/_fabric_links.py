# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which rails of a plan face each other, and which of them a measurement is of."""

from __future__ import annotations

import itertools
import math
import typing as t

Rail = t.Mapping[str, t.Any]
Entry = t.Mapping[str, t.Any]
End = tuple[str, t.Optional[str]]
"""A host and one of its rails, ``device:port``."""


class Link(t.NamedTuple):
    """Two rails in one network, as seen from `host`. A rail is None where neither the plan nor the measurement names it."""

    host: str
    rail: t.Optional[str]
    peer: str
    peer_rail: t.Optional[str]

    @property
    def ends(self) -> tuple[End, End]:
        return (self.host, self.rail), (self.peer, self.peer_rail)

    @property
    def at(self) -> tuple[str, t.Optional[str], str]:
        """Where a verdict on it belongs: host, rail, peer."""
        return self.host, self.rail, self.peer

    @property
    def key(self) -> frozenset[End]:
        return frozenset(self.ends)

    def __str__(self) -> str:
        return f"{self.rail or 'a rail'} to {self.peer}"


def name(rail: Rail) -> str:
    """Return ``device:port``."""
    return f"{rail['device']}:{rail['port']}"


def number(value: t.Any) -> t.Optional[float]:
    """A figure, or None for what can be none: no number, not finite, below zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) and value >= 0 else None


class Fabric:
    """A plan with what the nodes report of its rails; either may be missing. Nothing in it depends on the order of its input."""

    def __init__(self, plan: t.Optional[t.Mapping[str, t.Any]], observations: t.Optional[t.Mapping[str, t.Any]]) -> None:
        nodes = (plan or {}).get("nodes") or {}
        self.hosts = sorted(nodes, key=lambda host: (nodes[host]["rank"], host))
        self.rails: dict[str, list[Rail]] = {host: list(nodes[host]["rails"]) for host in self.hosts}
        self.observations = {host: seen for host, seen in (observations or {}).items() if isinstance((seen or {}).get("devices"), list)}
        self.links = [
            Link(host, name(rail), peer, name(theirs))
            for host, peer in itertools.combinations(self.hosts, 2)
            for rail in self.rails[host]
            for theirs in self.rails[peer]
            if theirs["network"] == rail["network"]
        ]

    def device(self, host: str, rail: t.Optional[str]) -> t.Optional[t.Mapping[str, t.Any]]:
        """What was observed of a rail, or None."""
        devices = self.observations.get(host, {}).get("devices", [])
        return next((device for device in devices if name(device) == rail), None)

    def rate(self, end: End) -> t.Optional[float]:
        """The rate of a rail's link in Gb/s, None where it is not known."""
        device = self.device(*end)
        return number(device["rate_gbps"]) if device else None

    def rate_of(self, link: Link) -> t.Optional[float]:
        """The rate of the slower end."""
        return min((rate for rate in map(self.rate, link.ends) if rate is not None), default=None)

    def mtu(self, end: End) -> t.Optional[float]:
        """The MTU that a rail has now, else the planned one."""
        device, rail = self.device(*end), self.rail(*end)
        return number((device or rail or {}).get("mtu"))

    def rail(self, host: str, word: t.Any) -> t.Optional[Rail]:
        """The planned rail of a host that has this device (with or without its port), interface, address or network."""
        for rail in self.rails.get(host, []):
            if word is not None and word in (name(rail), rail["device"], rail["netdev"], rail["ipv4"], rail["network"]):
                return rail
        return None

    def link(self, entry: Entry, word: t.Any = None) -> Link:
        """The link between `from` and `to` that a measurement is of, by `word` or by what it says of addresses, device and interface."""
        host, peer = str(entry.get("from")), str(entry.get("to"))
        words = [word] if word else [entry.get(key) for key in ("source", "device", "rail", "netdev")]
        mine = next(filter(None, (self.rail(host, each) for each in words)), None)
        theirs = self._in_network(peer, mine) if mine else self.rail(peer, entry.get("target"))
        mine = mine or self._in_network(host, theirs)
        said = next((str(each) for each in words if each), None)
        return Link(host, name(mine) if mine else said, peer, name(theirs) if theirs else None)

    def _in_network(self, host: str, rail: t.Optional[Rail]) -> t.Optional[Rail]:
        return self.rail(host, rail["network"]) if rail else None
