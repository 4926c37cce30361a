# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NCCL's own choices, as its source makes them (src/transport/net_ib, 2.21 to 2.30): which HCAs, and which GID of each.  Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

LINK_LOCAL = ipaddress.ip_network("fe80::/64")
V4_MAPPED, V4_MULTICAST = "00000000000000000000ffff", "ff0e0000000000000000ffff"


@dataclass(frozen=True)
class Gid:
    """One entry of a port's table; an unused one is all zero and of no version."""

    address: ipaddress.IPv6Address
    version: Optional[int]
    netdev: Optional[str] = None

    @property
    def empty(self) -> bool:
        """Nothing is in this entry."""
        return int(self.address) == 0

    @property
    def ipv4(self) -> Optional[ipaddress.IPv4Address]:
        """The IPv4 that is mapped into it."""
        digits = self.address.packed.hex()
        return ipaddress.IPv4Address(int(digits[24:], 16)) if digits[:24] in (V4_MAPPED, V4_MULTICAST) else None

    @property
    def valid(self) -> bool:
        """Neither empty nor link-local."""
        return not self.empty and self.address not in LINK_LOCAL


@dataclass(frozen=True)
class Port:
    """One active port of an RDMA device."""

    device: str
    port: int
    pci_address: str
    gids: Sequence[Gid]


def choose_hcas(value: Optional[str], ports: Sequence[Port]) -> list[Port]:
    """NCCL_IB_HCA: `name[:port]`, comma separated, prefixes unless `=` says exact, all but these with `^`; by PCI address."""
    words = value or ""
    excluding = words.startswith("^")
    words = words[1:] if excluding else words
    exact = words.startswith("=")
    names = [name for name in words.lstrip("=").split(",") if name]

    def matches(port: Port, name: str) -> bool:
        device, _, number = name.partition(":")
        if number and int(number) != port.port:
            return False
        return port.device == device if exact else port.device.startswith(device)

    chosen = [port for port in ports if not names or any(matches(port, name) for name in names) != excluding]
    return sorted(chosen, key=lambda port: (port.pci_address, port.port))


def in_range(gid: Gid, prefix: Optional[str], ipv4: bool) -> bool:
    """NCCL_IB_ADDR_RANGE: one CIDR, which NCCL ignores if it is not of NCCL_IB_ADDR_FAMILY."""
    network = ipaddress.ip_network(prefix, strict=False) if prefix else None
    if network is None or (network.version == 4) != ipv4:
        return True
    address = gid.ipv4 if ipv4 else gid.address
    return address is not None and address in network


def choose_gid(gids: Sequence[Gid], environ: Mapping[str, str]) -> int:
    """NCCL_IB_GID_INDEX unchecked if it is not negative; else NCCL's walk over the table from its first entry."""
    pinned = int(environ.get("NCCL_IB_GID_INDEX") or -1)
    if pinned >= 0:
        return pinned
    want_ipv4 = (environ.get("NCCL_IB_ADDR_FAMILY") or "AF_INET") == "AF_INET"
    want_version = int(environ.get("NCCL_IB_ROCE_VERSION_NUM") or 2)
    prefix = environ.get("NCCL_IB_ADDR_RANGE")
    current = 0
    for index in range(1, len(gids)):
        now, candidate = gids[current], gids[index]
        of_family = (candidate.ipv4 is not None) == want_ipv4
        if not of_family or not in_range(candidate, prefix, want_ipv4):
            continue
        if (now.ipv4 is not None) != want_ipv4:
            current = index  # the RoCE version is not looked at here
        elif candidate.valid and (now.version != candidate.version or not now.valid) and candidate.version == want_version:
            current = index
    return current


def network_of(environ: Mapping[str, str]) -> str:
    """NCCL_NET and NCCL_IB_DISABLE: `ib`, `socket`, or empty for NCCL's own choice."""
    if environ.get("NCCL_NET"):
        return environ["NCCL_NET"].lower()
    return "socket" if environ.get("NCCL_IB_DISABLE") == "1" else ""


def debug_levels(environ: Mapping[str, str], rank: int) -> dict[str, bool]:
    """What NCCL_DEBUG lets through: `banner` (bare, first rank only, below INFO), `warn`, `info`."""
    level = environ.get("NCCL_DEBUG", "").upper()
    info = level in ("INFO", "ABORT", "TRACE")
    return {"banner": level in ("VERSION", "WARN") and rank == 0, "warn": info or level == "WARN", "info": info}
