# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which ports of which nodes are on one wire, from what each of them has heard: a segment is a cable, or a switch with its cables.

`heard` of an observation is what the module fabric_probe returned there: by interface, the MAC addresses whose frames arrived. So is
`lost`: by interface, why it could not be probed to the end.
"""

from __future__ import annotations

import typing as t

from ._findings import Finding
from ._lldp import led_to
from ._plan_ids import planned
from ._rails import Common, Device, describe, ports_of

Observations = t.Mapping[str, t.Mapping[str, t.Any]]
End = tuple[str, str]
"""A host and one of its interfaces."""


class Member(t.NamedTuple):
    """One function of a port, on a segment."""

    host: str
    device: Device


Segment = list[Member]
"""The functions on one wire, in the order of hosts, and of each host in that of PCI address and port."""


def probed(observations: Observations) -> bool:
    """Tell whether all nodes have probed their rails."""
    return bool(observations) and all(isinstance(observation.get("heard"), t.Mapping) for observation in observations.values())


def ports(observations: Observations) -> dict[End, Member]:
    """Return the ports that are up, by host and interface."""
    return {
        (host, device["netdev"]): Member(host, device)
        for host, observation in observations.items()
        for device in ports_of(observation["devices"])
    }


def segments(observations: Observations) -> list[Segment]:
    """Return the segments with ports of two hosts or more, in the order of hosts and their ports."""
    members = ports(observations)
    root = {end: end for end in members}

    def top(end: End) -> End:
        while root[end] != end:
            end = root[end]
        return end

    order = {end: number for number, end in enumerate(members)}
    for end, peers in _heard(observations, members).items():
        for peer in peers:
            one, other = sorted((top(end), top(peer)), key=lambda end: order[end])
            root[other] = one
    found: dict[End, Segment] = {}
    for end, member in members.items():
        found.setdefault(top(end), []).append(member)
    return [segment for segment in found.values() if len({member.host for member in segment}) > 1]


def _heard(observations: Observations, members: t.Mapping[End, Member]) -> dict[End, list[End]]:
    """By port, the ports of other hosts that it has heard."""
    owners = {str(member.device["mac"]).lower(): end for end, member in members.items() if member.device["mac"]}
    found: dict[End, list[End]] = {}
    for host, name in members:
        peers = (owners.get(mac.lower()) for mac in (observations[host].get("heard") or {}).get(name, []))
        found[host, name] = [peer for peer in peers if peer is not None and peer[0] != host]
    return found


def probing_findings(observations: Observations) -> list[Finding]:
    """Return what probing has to say of each node by itself."""
    return _lost_findings(observations) + _silent_findings(observations)


def _lost_findings(observations: Observations) -> list[Finding]:
    """Return a warning for each port that was up when it was observed, and whose interface went while it was probed.

    No error, which would give the node's rank to a spare: it may be back already, and where it is not, the pings before a start tell.
    """
    members = ports(observations)
    return [
        planned(
            "probe.lost",
            host,
            f"{describe(members[host, name].device) if (host, name) in members else name} was up and then not: {reason}",
            "a port that stays up while it is looked at",
            "see what takes the interface down, then run again",
        )
        for host, observation in observations.items()
        for name, reason in (observation.get("lost") or {}).items()
    ]


def _silent_findings(observations: Observations) -> list[Finding]:
    """Return a finding for each host between whose ports and those of the others frames do not go both ways."""
    members = ports(observations)
    heard = _heard(observations, members)
    findings = []
    for host in dict.fromkeys(host for host, _name in members):
        hears = sorted({peer[0] for end, peers in heard.items() if end[0] == host for peer in peers})
        heard_by = sorted({end[0] for end, peers in heard.items() if any(peer[0] == host for peer in peers)})
        if hears and heard_by:
            continue
        ports_here = (m.device for m in members.values() if m.host == host)
        listing = ", ".join(f"{port['device']}:{port['port']} {port['netdev']}{led_to(port)}" for port in ports_here)
        one_way = f"hears {', '.join(hears)} and is not heard" if hears else f"is heard by {', '.join(heard_by)} and hears nobody"
        findings.append(
            planned(
                "probe.silent",
                host,
                f"{listing}: up, and {one_way if hears or heard_by else 'no frame of another node arrives'}",
                "frames in both directions between it and another node of the cluster",
                "check where the cable leads; on a switch, that its ports are in one VLAN and that broadcasts of EtherType 0x88B5 pass",
            )
        )
    return findings


def probe_findings(used: Common, observations: Observations) -> list[Finding]:
    """Return what probing has to say of a cluster that uses these networks; nothing where not all nodes have probed."""
    return probing_findings(observations) + _wire_findings(used, observations) if probed(observations) else []


def _wire_findings(used: Common, observations: Observations) -> list[Finding]:
    """Return an error for each network whose rails are not all on one wire, by what the nodes have heard; `used` is by network and host."""
    found = segments(observations)
    where = {(member.host, member.device["netdev"]): number for number, segment in enumerate(found) for member in segment}
    findings = []
    for network, uses in used.items():
        numbers = [where[end] for end in ((host, use.device["netdev"]) for host, use in uses.items()) if end in where]
        if len(set(numbers)) < 2:
            continue
        listing = ", ".join(f"{host} {describe(use.device)}" for host, use in uses.items())
        wires = "; ".join(" - ".join(f"{m.host} {m.device['netdev']}" for m in found[number]) for number in sorted(set(numbers)))
        findings.append(
            planned(
                "rail.miswired",
                None,
                f"rails of {network} that are not on one wire ({listing}); on one wire are {wires}",
                "the addresses of one network on ports that one cable or one switch connects",
                "exchange the cables or the addresses; the filter fabric_addresses works out addresses that fit the wires",
            )
        )
    return findings
