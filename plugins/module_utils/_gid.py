# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which GID a rail must use, which one NCCL would take, and which setting makes the two agree.

A GID is a mapping with ``index``, ``gid`` (text), ``type`` (``v1``, ``v2`` or None), ``netdev`` and ``ipv4`` (text or None).
Empty entries are not listed; ``gid_table_length`` says how many entries the table has, empty ones included.
"""

from __future__ import annotations

import ipaddress
import typing as t

NAMES = ("NCCL_IB_GID_INDEX", "NCCL_IB_ADDR_RANGE", "NCCL_IB_ADDR_FAMILY", "NCCL_IB_ROCE_VERSION_NUM")
"""Every variable by which NCCL's choice of a GID can be changed."""

Gid = t.Mapping[str, t.Any]
Device = t.Mapping[str, t.Any]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_VERSIONS = {"v1": 1, "v2": 2}
_MAPPED = 0xFFFF << 32
_MAPPED_MULTICAST = (0xFF0E << 112) | _MAPPED
_LINK_LOCAL = 0xFE80 << 112


def ipv4_of(gid: str) -> t.Optional[str]:
    """Return the IPv4 address that a GID maps (``::ffff:a.b.c.d``); None for any other."""
    mapped = ipaddress.IPv6Address(gid).ipv4_mapped
    return str(mapped) if mapped else None


def index_of(gids: t.Iterable[Gid], ipv4: t.Optional[str], netdev: t.Optional[str]) -> t.Optional[int]:
    """Return the lowest index of a RoCE v2 GID that is `ipv4` on `netdev` itself, not on a VLAN above it; None where there is none."""
    if ipv4 is None or netdev is None:
        return None
    return min((gid["index"] for gid in gids if gid["type"] == "v2" and gid["ipv4"] == ipv4 and gid["netdev"] == netdev), default=None)


def nccl_choice(
    gids: t.Iterable[Gid],
    table_length: t.Optional[int] = None,
    family: str = "AF_INET",
    addr_range: t.Optional[str] = None,
    roce_version: int = 2,
) -> int:
    """Return the index that NCCL takes for a RoCE port when NCCL_IB_GID_INDEX is not set.

    `family`, `addr_range` (one CIDR) and `roce_version` are NCCL_IB_ADDR_FAMILY, NCCL_IB_ADDR_RANGE and NCCL_IB_ROCE_VERSION_NUM.
    Follows ncclIbGetGidIndex and ncclUpdateGidIndex of NCCL 2.21 to 2.30 (src/transport/net_ib/connect.cc), empty entries included:
    the walk starts at index 0 whatever is there, an entry of the wanted family replaces one of the other whatever its RoCE version,
    and the netdev is not looked at. Raise ValueError for a range that is no CIDR.
    """
    table = {entry["index"]: (int(ipaddress.IPv6Address(entry["gid"])), _VERSIONS.get(entry["type"])) for entry in gids}
    length = max(table, default=-1) + 1 if table_length is None else table_length
    network = ipaddress.ip_network(addr_range, strict=False) if addr_range else None
    empty = (0, None)
    chosen = 0
    for candidate in range(1, length):
        gid, version = table.get(candidate, empty)
        if _family(gid) != family or not _in_range(gid, family, network):
            continue
        current, current_version = table.get(chosen, empty)
        better = _valid(gid) and version == roce_version and (current_version != version or not _valid(current))
        if _family(current) != family or better:
            chosen = candidate
    return chosen


def _family(gid: int) -> str:
    return "AF_INET" if gid >> 32 in (_MAPPED >> 32, _MAPPED_MULTICAST >> 32) else "AF_INET6"


def _valid(gid: int) -> bool:
    return gid != 0 and gid >> 64 != _LINK_LOCAL >> 64


def _in_range(gid: int, family: str, network: t.Optional[Network]) -> bool:
    if network is None or network.version != (4 if family == "AF_INET" else 6):
        return True  # NCCL ignores a range that is not of the family
    address = gid & 0xFFFFFFFF if family == "AF_INET" else gid
    return address & int(network.netmask) == int(network.network_address)


class GidError(t.NamedTuple):
    """Why no setting makes NCCL take the right GIDs; `id` is that of a finding."""

    id: str
    found: str
    wanted: str
    remedy: str

    def __str__(self) -> str:
        return f"found {self.found}; wanted {self.wanted}; remedy: {self.remedy}"


class Choice(t.NamedTuple):
    """The setting for one rank.

    `env` holds what to set, `env_unset` what must not reach the process, `indexes` the wanted index by ``device:port`` (None where
    there is none), `reason` one clause for people, `error` why there is no such setting (then `env` is empty).
    """

    env: dict[str, str]
    env_unset: list[str]
    indexes: dict[str, t.Optional[int]]
    reason: str
    error: t.Optional[GidError]


class _Rail(t.NamedTuple):
    name: str
    netdev: t.Optional[str]
    ipv4: t.Optional[str]
    gids: t.Sequence[Gid]
    length: t.Optional[int]
    planned: t.Optional[int]

    def nccl(self, addr_range: t.Optional[str] = None) -> int:
        return nccl_choice(self.gids, self.length, addr_range=addr_range)


def choose(devices: t.Iterable[Device]) -> Choice:
    """Choose the setting for a rank that uses these rails.

    A rail is an entry of `devices` as `_roce.observe` returns it, its address being ``planned_ipv4`` if it has that key, else its first.
    NCCL's own choice is left alone where it is right on every HCA; else one index is set if all agree on it; else an address range is
    set that leaves NCCL no other choice. Never an empty text: NCCL takes some of them for values.
    """
    rails = [_rail(device) for device in devices]
    indexes = {rail.name: rail.planned for rail in rails}
    if not rails:
        error = GidError("gid.missing", "no rail", "at least one", "connect and address a port, then plan again")
        return _choice({}, indexes, "", error)
    missing = [rail for rail in rails if rail.planned is None]
    if missing:
        return _choice({}, indexes, "", _missing(missing))
    if all(rail.nccl() == rail.planned for rail in rails):
        return _choice({}, indexes, f"NCCL's own choice is right on every HCA ({_list(rails)})")
    values = set(indexes.values())
    if len(values) == 1:
        wrong = ", ".join(f"{rail.nccl()} on {rail.name}" for rail in rails if rail.nccl() != rail.planned)
        reason = f"NCCL itself would take {wrong}; every HCA has its address at index {rails[0].planned}"
        return _choice({"NCCL_IB_GID_INDEX": str(rails[0].planned)}, indexes, reason)
    addr_range = _range(rails)
    if addr_range is None:
        return _choice({}, indexes, "", _conflict(rails))
    reason = f"the indexes differ ({_list(rails)}); {addr_range} holds the addresses of these rails and no other"
    return _choice({"NCCL_IB_ADDR_RANGE": addr_range}, indexes, reason)


def _rail(device: Device) -> _Rail:
    ipv4 = device.get("planned_ipv4") or next((entry["address"] for entry in device["ipv4"]), None)
    name = f"{device['device']}:{device['port']}"
    index = index_of(device["gids"], ipv4, device["netdev"])
    return _Rail(name, device["netdev"], ipv4, device["gids"], device.get("gid_table_length"), index)


def _choice(env: dict[str, str], indexes: dict[str, t.Optional[int]], reason: str, error: t.Optional[GidError] = None) -> Choice:
    return Choice(env, [name for name in NAMES if name not in env], indexes, reason, error)


def _others(rails: t.Iterable[_Rail]) -> list[tuple[_Rail, Gid]]:
    """The RoCE v2 GIDs with an IPv4 that must not be taken."""
    return [(rail, gid) for rail in rails for gid in rail.gids if gid["type"] == "v2" and gid["ipv4"] and gid["index"] != rail.planned]


def _range(rails: t.Sequence[_Rail]) -> t.Optional[str]:
    """The narrowest CIDR over the rails' addresses; None where it holds another RoCE v2 address or NCCL would still choose otherwise."""
    wanted = [int(ipaddress.IPv4Address(rail.ipv4 or "")) for rail in rails]
    differing = 0
    for address in wanted:
        differing |= address ^ wanted[0]
    network = ipaddress.IPv4Network((wanted[0], 32 - differing.bit_length()), strict=False)
    if any(ipaddress.IPv4Address(gid["ipv4"]) in network for _rail, gid in _others(rails)):
        return None
    return str(network) if all(rail.nccl(str(network)) == rail.planned for rail in rails) else None


def _list(rails: t.Iterable[_Rail]) -> str:
    return ", ".join(f"{rail.name} index {rail.planned}" for rail in rails)


def _missing(rails: t.Sequence[_Rail]) -> GidError:
    texts = []
    for rail in rails:
        present = "; ".join(f"{gid['index']}: {gid['ipv4'] or gid['gid']} on {gid['netdev']}" for gid in rail.gids if gid["type"] == "v2")
        texts.append(f"{rail.name} ({rail.netdev}) has the RoCE v2 GIDs [{present or 'none'}]")
    wanted = ", ".join(f"{rail.ipv4 or 'an IPv4 address'} on {rail.netdev}" for rail in rails)
    netdevs = ", ".join(str(rail.netdev) for rail in rails)
    return GidError(
        "gid.missing",
        "; ".join(texts),
        f"a RoCE v2 GID for {wanted}",
        f"take the connection of {netdevs} down and up again (nmcli connection down NAME, then up): the kernel then fills its table anew",
    )


def _conflict(rails: t.Sequence[_Rail]) -> GidError:
    extra = ", ".join(sorted({f"{gid['ipv4']} ({gid['netdev']}, {rail.name} index {gid['index']})" for rail, gid in _others(rails)}))
    return GidError(
        "gid.conflict",
        f"the addresses of the rails at {_list(rails)}, and beside them {extra or 'a GID table that NCCL reads otherwise'}",
        "NCCL's own choice right on every HCA, or one index for all of them, or an address range that holds their addresses and no other",
        "remove the other addresses from these interfaces, or move them to another range, then take the connections down and up again",
    )
