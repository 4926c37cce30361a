# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What the nodes will report once their rails have their addresses, so that the cluster can be planned before anything changes."""

from __future__ import annotations

import ipaddress
import typing as t

from . import _gid

Observation = dict[str, t.Any]


def foresee(
    observations: t.Mapping[str, t.Mapping[str, t.Any]], rails: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]
) -> dict[str, Observation]:
    """Return the observations with each rail's address and MTU in place; `rails` as `_addressing.addressing` returns them.

    An address takes the lowest pair of free entries in the GID table, as the kernel gives them.
    """
    found = {}
    for host, observation in observations.items():
        by_name = {rail["interface"]: rail for rail in rails.get(host, ()) if not rail["kept"]}
        devices = [_addressed(device, by_name.get(device["netdev"])) for device in observation["devices"]]
        found[host] = {**observation, "devices": devices}
    return found


def _addressed(device: Observation, rail: t.Optional[t.Mapping[str, t.Any]]) -> Observation:
    if rail is None:
        return device
    entry = ipaddress.IPv4Interface(rail["address"])
    address, network = str(entry.ip), entry.network
    gids = device["gids"]
    if [old["address"] for old in device["ipv4"]] != [address]:
        gids = _with_pair([gid for gid in gids if not gid["ipv4"]], address, device["netdev"])
    length = max([device["gid_table_length"], *(gid["index"] + 1 for gid in gids)])
    index = _gid.index_of(gids, address, device["netdev"])
    return {
        **device,
        "ipv4": [{"address": address, "prefix_length": network.prefixlen, "network": str(network)}],
        "mtu": rail["mtu"],
        "gids": gids,
        "gid_table_length": length,
        "gid_index": index,
        "nccl_gid_index": _gid.nccl_choice(gids, length),
        "usable": index is not None,
        "reasons": [],
    }


def _with_pair(gids: t.Sequence[Observation], address: str, netdev: str) -> list[Observation]:
    used = {gid["index"] for gid in gids}
    first = next(index for index in range(0, len(used) + 2) if not used & {index, index + 1})
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | int(ipaddress.IPv4Address(address))).exploded
    pair = [{"index": first + n, "gid": mapped, "type": kind, "netdev": netdev, "ipv4": address} for n, kind in enumerate(("v1", "v2"))]
    return sorted([*gids, *pair], key=lambda gid: int(gid["index"]))
