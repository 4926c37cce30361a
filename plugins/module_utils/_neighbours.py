# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which MAC address each rail's neighbours have, and which a node believes they have."""

from __future__ import annotations

import json
import typing as t

Neighbour = dict[str, str]
"""`interface` of this node, `address` and `mac` of the neighbour."""

# Entries that a person made.
_BY_HAND = {"PERMANENT", "NOARP"}


class NeighbourError(ValueError):
    """What `ip` printed is not what was wanted."""


def peers(plan: t.Mapping[str, t.Any], host: str, observations: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[Neighbour]:
    """The other ends of a host's rails, in the order of rails and ranks; none of a spare, with which no rank talks.

    `plan`: what `_plan.plan` returns; `observations`: by host, what the module roce_info returned there.
    """
    macs = {(name, d["device"], d["port"]): d["mac"] for name, observed in observations.items() for d in observed["devices"]}
    found = []
    for rail in [] if host in plan["spares"] else plan["nodes"][host]["rails"]:
        for name, node in plan["nodes"].items():
            for theirs in node["rails"]:
                mac = macs[name, theirs["device"], theirs["port"]]
                if name != host and theirs["network"] == rail["network"] and mac:
                    found.append({"interface": rail["netdev"], "address": theirs["ipv4"], "mac": mac})
    return found


def mistaken(table: str, wanted: t.Iterable[t.Mapping[str, str]]) -> list[Neighbour]:
    """The entries of the node's table that name another MAC address than the neighbour's, in the order of the table.

    `table`: output of `ip -json -4 neighbour show`. An entry without a MAC address is no mistake yet.
    """
    try:
        entries = json.loads(table or "[]")
        known = [(e["dev"], e["dst"], e["lladdr"].lower(), e.get("state", [])) for e in entries if e.get("lladdr")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NeighbourError(f"`ip -json -4 neighbour show` printed {table[:200]!r}, wanted a JSON list of neighbours") from error
    macs = {(peer["interface"], peer["address"]): peer["mac"].lower() for peer in wanted}
    return [
        {"interface": interface, "address": address, "mac": mac}
        for interface, address, mac, state in known
        if mac != macs.get((interface, address), mac) and not _BY_HAND.intersection(state)
    ]
