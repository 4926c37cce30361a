# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which cages are on one wire: a cable between two of them, or a switch between more.

What was heard on the wire counts. Between nodes that did not probe, a network that ports of several nodes share says how they are cabled.
"""

from __future__ import annotations

import typing as t

from ._drawing_model import Function, Node, Observations, is_observed
from ._lldp import system_of
from ._rails import entries_of
from ._segments import segments

End = tuple[str, str]
"""A host, and which of its cages."""

Group = set[End]


class Wire(t.NamedTuple):
    """`networks` are those that its ends share; `used`: whether a planned one is among them; `heard`: whether frames have passed;
    `system`: what the switch calls itself, or None."""

    ends: list[End]
    networks: list[str]
    used: bool
    heard: bool
    system: t.Optional[str]

    @property
    def is_switch(self) -> bool:
        return len(self.ends) > 2


def wires_of(nodes: t.Sequence[Node], observations: Observations) -> list[Wire]:
    """Return the wires in the order of nodes and their cages. Each cage is on one of them at most."""
    order = [(node.host, cage.name) for node in nodes for cage in node.cages]
    heard = _heard_groups(nodes, observations)
    known = {end for group in heard for end in group}
    probed = {host for host, observation in observations.items() if is_observed(observation) and observation.get("heard") is not None}
    presumed = [group for group in _addressed_groups(nodes) if not known & group and {host for host, _cage in group} - probed]
    groups = [(group, True) for group in heard] + [(group, False) for group in presumed]
    wires = [_wire(sorted(group, key=order.index), nodes, is_heard) for group, is_heard in groups]
    return sorted(wires, key=lambda wire: order.index(wire.ends[0]))


def _functions(nodes: t.Sequence[Node]) -> t.Iterator[tuple[End, Function]]:
    for node in nodes:
        for cage in node.cages:
            for function in cage.functions:
                yield (node.host, cage.name), function


def _heard_groups(nodes: t.Sequence[Node], observations: Observations) -> list[Group]:
    """The cages of each segment; two segments that have a cage in common are one wire."""
    ends = {(end[0], function.device["netdev"]): end for end, function in _functions(nodes)}
    groups: list[Group] = []
    for segment in segments({host: observation for host, observation in observations.items() if is_observed(observation)}):
        members = {ends[member.host, member.device["netdev"]] for member in segment}
        touching = [group for group in groups if group & members]
        groups = [group for group in groups if not group & members] + [members.union(*touching)]
    return groups


def _addressed_groups(nodes: t.Sequence[Node]) -> list[Group]:
    """The cages of each network, as far as a cable or a switch can be what connects them, and none of them is connected before.

    Those of planned rails come first, then those that are in the most networks together.
    """
    found = _networks(nodes)
    members_of = list(found.values())
    groups: list[Group] = []
    for (_is_planned, _network), members in sorted(found.items(), key=lambda item: (not item[0][0], -members_of.count(item[1]))):
        hosts = len({host for host, _cage in members})
        if (hosts > 2 or hosts == len(members) == 2) and not any(group & members for group in groups):
            groups.append(members)
    return groups


def _networks(nodes: t.Sequence[Node]) -> dict[tuple[bool, str], Group]:
    """By network, the cages with a planned rail in it (True), and with any port that is up in it (False)."""
    found: dict[tuple[bool, str], Group] = {}
    for end, function in _functions(nodes):
        if function.rail is not None:
            found.setdefault((True, function.rail["network"]), set()).add(end)
        for entry in entries_of(function.device, len(nodes)) if function.state != "down" else ():
            found.setdefault((False, entry["network"]), set()).add(end)
    return found


def _wire(ends: list[End], nodes: t.Sequence[Node], is_heard: bool) -> Wire:
    shared = [key for key, group in _networks(nodes).items() if len(group & {*ends}) > 1]
    networks = list(dict.fromkeys(network for _is_planned, network in shared))
    system = system_of(function.device for end, function in _functions(nodes) if end in ends)
    return Wire(ends, networks, any(key[0] for key in shared), is_heard, system)
