# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is written in the box of a node: its part of the plan, its ports, and what each port has and does."""

from __future__ import annotations

import ipaddress
import typing as t

from ._drawing_block import Block, Row
from ._drawing_model import Cage, Function, Node, name_of, worst
from ._drawing_svg import plain
from ._drawing_wires import Wire
from ._findings import Finding


def block_of(node: Node, wires: t.Sequence[Wire]) -> Block:
    """Return a node's box; its cages are in it, in their order."""
    cages = [_cage(node.host, cage, wires) for cage in node.cages]
    here = [*node.findings, *(entry for cage in node.cages for function in cage.functions for entry in function.findings)]
    part = (
        f"{'worker' if node.planned['rank'] else 'head'}, rank {node.planned['rank']}"
        if node.planned
        else "spare"
        if node.spare
        else "no rank"
    )
    more = node.absent if node.planned is None else f"{node.planned['host_ip']} on {node.planned['socket_ifname']}"
    rows = [Row(node.host, f"{part} · {more}" if more else part, "name"), *map(_problem, node.findings)]
    severity = worst(here)
    return Block(f"node f-node s-{severity or 'line'}", 2.5 if severity else 1, rows, cages)


def _cage(host: str, cage: Cage, wires: t.Sequence[Wire]) -> Block:
    end = (host, cage.name)
    wire = next((wire for wire in wires if end in wire.ends), None)
    others = [] if wire is None else [" ".join(other) for other in wire.ends if other != end]
    leads = "" if wire is None else f"switch, with {len(others)} other ports" if wire.is_switch else f"cable to {others[0]}"
    functions = [_function(function) for function in cage.functions]
    return Block("cage f-cage s-line", 1, [Row(cage.name, leads, "device")], functions, 2)


def _function(function: Function) -> Block:
    severity = worst(function.findings)
    look = f"function f-{'node' if function.state == 'down' else 'tile'} s-{severity or 'line'}"
    rows = [row if row.sign else row._replace(sign="blank") for row in _rows(function)]
    return Block(look, 2 if severity else 1, [*rows, *map(_problem, function.findings)], [], title=_tooltip(function))


def _problem(entry: Finding) -> Row:
    peer = f"with {entry['peer']}" if entry.get("peer") else ""
    return Row(entry["id"], peer, "id", entry["severity"], sign=entry["severity"])


def _rows(function: Function) -> list[Row]:
    """Of a port that is down its name and what somebody wanted of it: the kernel's rate and GIDs mean nothing there."""
    device, name, netdev = function.device, name_of(function.device), function.device["netdev"] or "no interface"
    addresses = [f"{entry['address']}/{entry['prefix_length']}" for entry in _addresses(function)]
    if function.state == "down":
        head = Row(f"{name} {netdev}", "down", colour="soft", sign="down")
        return [head, *(Row(address, colour="soft") for address in addresses)]
    rate = "" if device["rate_gbps"] is None else f"{plain(device['rate_gbps'])} Gb/s · "
    colour = "active" if function.state == "rail" else "soft"
    rows = [
        Row(name, f"{rate}{function.state}", "device", right_colour=colour, sign=function.state),
        Row(netdev, "" if device["mtu"] is None else f"MTU {device['mtu']}"),
    ]
    if device["link_layer"] != "Ethernet":
        return [*rows, Row(f"link layer {device['link_layer']}", colour="soft")]
    gid = _gid(function)
    if gid is None and not addresses:
        return [*rows, Row("no IPv4", colour="soft")]
    last = Row("no GID", colour="soft") if gid is None else Row(ipaddress.IPv6Address(gid["gid"]).compressed, f"GID {gid['index']}")
    return [*rows, *map(Row, addresses), last]


def _addresses(function: Function) -> list[t.Mapping[str, t.Any]]:
    """The planned address before others."""
    rail = function.rail
    return sorted(function.device["ipv4"], key=lambda entry: rail is not None and entry["address"] != rail["ipv4"])


def _gid(function: Function) -> t.Optional[t.Mapping[str, t.Any]]:
    """The GID that is planned; where none is, that of the port's first address."""
    index = function.device["gid_index"] if function.rail is None else function.rail["gid_index"]
    return next((entry for entry in function.device["gids"] if entry["index"] == index), None)


def _tooltip(function: Function) -> str:
    device = function.device
    gids = [f"GID {gid['index']} ({gid['type']}): {gid['gid']}" for gid in device["gids"]]
    state = f"{name_of(function.device)}, {device['state']} ({device['phys_state']})"
    return "\n".join([state, f"PCI {device['pci_address'] or 'none'}, MAC {device['mac'] or 'none'}", *gids])
