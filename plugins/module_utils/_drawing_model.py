# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What a drawing of the cluster shows: nodes with their ports, and each problem at the place where it is."""

from __future__ import annotations

import re
import typing as t

from ._findings import SEVERITIES, Finding
from ._rails import Device, cage

ABSENT = {"host": "nothing was observed on this node", "device": "no RDMA device"}

Plan = t.Mapping[str, t.Any]
Observations = t.Mapping[str, t.Any]


class Function(t.NamedTuple):
    """One RDMA port with its interface. `rail` is what is planned for it; `state` is ``rail``, ``up`` (and not in the plan) or ``down``."""

    device: Device
    rail: t.Optional[t.Mapping[str, t.Any]]
    findings: list[Finding]

    @property
    def state(self) -> str:
        return "down" if self.device["state"] != "ACTIVE" else "up" if self.rail is None else "rail"


class Cage(t.NamedTuple):
    """A QSFP port with its functions, two on a Spark, in the order of PCI address."""

    name: str
    functions: list[Function]


class Node(t.NamedTuple):
    """`planned` is the node's part of the plan, `absent` says why there are no cages; `findings` are those that no function is named in.

    `spare`: whether the plan leaves it out because others are enough.
    """

    host: str
    planned: t.Optional[t.Mapping[str, t.Any]]
    cages: list[Cage]
    absent: str
    findings: list[Finding]
    spare: bool = False


def nodes_of(plan: Plan, observations: Observations, findings: t.Sequence[Finding]) -> list[Node]:
    """Return the nodes in the order of ranks, after them those without a rank: observed, or only named in a finding."""
    named = [entry["host"] for entry in findings if entry["host"] is not None]
    shown = [entry for entry in findings if entry["severity"] != "info"]
    hosts = dict.fromkeys([*plan["nodes"], *observations, *named])
    spares = plan["spares"] if plan["nodes"] else ()
    return [_node(host, plan["nodes"].get(host), observations.get(host), shown)._replace(spare=host in spares) for host in hosts]


def is_observed(observation: t.Any) -> bool:
    return isinstance(observation, t.Mapping) and isinstance(observation.get("devices"), list)


def name_of(device: Device) -> str:
    return f"{device['device']}:{device['port']}"


def worst(findings: t.Iterable[Finding]) -> t.Optional[str]:
    """Return the gravest severity, None where there is no finding."""
    return min((entry["severity"] for entry in findings), key=SEVERITIES.index, default=None)


def _node(host: str, planned: t.Optional[t.Mapping[str, t.Any]], observation: t.Any, findings: t.Sequence[Finding]) -> Node:
    devices: list[Device] = observation["devices"] if is_observed(observation) else []
    rails = {f"{rail['device']}:{rail['port']}": rail for rail in (planned["rails"] if planned else ())}
    places = [_places(entry, host, devices) for entry in findings]
    cages: dict[str, list[Function]] = {}
    for number, device in enumerate(devices):
        here = [entry for entry, numbers in zip(findings, places) if number in numbers]
        cages.setdefault(cage(device), []).append(Function(device, rails.get(name_of(device)), here))
    return Node(
        host,
        planned,
        [Cage(name, cages[name]) for name in sorted(cages)],
        "" if devices else ABSENT["device" if is_observed(observation) else "host"],
        [entry for entry, numbers in zip(findings, places) if entry["host"] == host and not numbers],
    )


def _places(entry: Finding, host: str, devices: t.Sequence[Device]) -> list[int]:
    """Which functions of a host a finding is about: those of its `rail`, else the first that it names.

    Further names are those of a twin, or of another node, whose interfaces may have the same names. One that lists all that its node has
    is about none; one of the whole cluster is about those that it names after their host.
    """
    if entry["host"] not in (host, None):
        return []
    if entry["host"] == host and entry.get("rail"):
        rails = str(entry["rail"]).split(",")
        return [number for number, device in enumerate(devices) if {name_of(device), device["device"], device["netdev"]} & {*rails}]
    found = [_position(device, entry["found"]) for device in devices]
    if entry["host"] == host and len(devices) > 1 and None not in found:
        return []
    text = entry["found"] if entry["host"] is None else " ; ".join((entry["found"], entry["wanted"], entry["remedy"]))
    positions = {_position(device, text, f"{host} " if entry["host"] is None else ""): number for number, device in enumerate(devices)}
    first = min((position for position in positions if position is not None), default=None)
    return [] if first is None else [positions[first]]


def _position(device: Device, text: str, before: str = "") -> t.Optional[int]:
    """Where a text names the device or its interface first, as a word of its own: ``eth0`` is not in ``eth0.7`` or ``eth01``."""
    names = "|".join(re.escape(name) for name in (device["device"], device["netdev"]) if name)
    match = re.search(rf"(?<!\w)(?<!\w[.-]){re.escape(before)}(?:{names})(?!\w|[.-]\w)", text)
    return match.start() if match else None
