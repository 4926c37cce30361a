# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is at the other end of a port's cable, by its own word: LLDP, where a node has lldpd."""

from __future__ import annotations

import json
import typing as t

# An identifier of these kinds is what a switch calls its port; of others, such as a MAC, the description is.
_NAMES = ("ifname", "ifalias", "local")


def neighbours(text: str, own: t.Collection[str] = ()) -> dict[str, dict[str, t.Optional[str]]]:
    """Return `system` and `port` of what each interface is connected to, as lldpd knows them (``lldpctl -f json0``).

    `own`: the node's MAC addresses, for one function of a port may hear the other. Several ports of one system may be heard, such as both
    functions of a Spark's port: `port` is None then. Several systems, as on a wire that passes LLDP on, are none here. If the text is no
    such list there are no neighbours.
    """
    try:
        groups = json.loads(text)["lldp"]
        entries = [entry for group in groups for entry in group.get("interface", [])]
        found: dict[str, list[dict[str, t.Optional[str]]]] = {}
        for entry in (entry for entry in entries if _first(_first(entry, "chassis"), "id").get("value") not in own):
            found.setdefault(entry["name"], []).append({"system": _system(entry), "port": _port(entry)})
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: one for name, several in found.items() for one in _only(several)}


def _only(several: t.Sequence[dict[str, t.Optional[str]]]) -> list[dict[str, t.Optional[str]]]:
    systems, ports = {one["system"] for one in several}, {one["port"] for one in several}
    if len(systems) > 1 or None in systems:
        return []
    return [{"system": systems.pop(), "port": ports.pop() if len(ports) == 1 else None}]


def led_to(port: t.Mapping[str, t.Any]) -> str:
    """`` on port swp5 of switch1``, or nothing where a port of `roce_info` has no neighbour that says who it is."""
    found = port.get("lldp")
    if not found:
        return ""
    return f" on port {found['port']} of {found['system']}" if found["port"] else f" on {found['system']}"


def system_of(ports: t.Iterable[t.Mapping[str, t.Any]]) -> t.Optional[str]:
    """The one system that all those of these ports are connected to that know it, or None."""
    names = {(port.get("lldp") or {}).get("system") for port in ports} - {None}
    return str(names.pop()) if len(names) == 1 else None


def _first(entry: t.Mapping[str, t.Any], key: str) -> t.Mapping[str, t.Any]:
    return next(iter(entry.get(key) or []), {})


def _system(entry: t.Mapping[str, t.Any]) -> t.Optional[str]:
    chassis = _first(entry, "chassis")
    return _first(chassis, "name").get("value") or _first(chassis, "id").get("value")


def _port(entry: t.Mapping[str, t.Any]) -> t.Optional[str]:
    port = _first(entry, "port")
    identifier, description = _first(port, "id"), _first(port, "descr").get("value")
    return identifier.get("value") if identifier.get("type") in _NAMES else description or identifier.get("value")
