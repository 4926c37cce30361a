# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GID table of one RoCE port, by the kernel's rules (drivers/infiniband/core/cache.c and roce_gid_mgmt.c).

Entries 0 and 1 hold the default GID, made from the MAC, as RoCE v1 and v2.  Every address takes the lowest free entry
for v1 and the lowest free one for v2.  A deleted address leaves a hole, which the next address fills: indexes move.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

SIZE = 255
DEFAULT_ENTRIES = 2
V1, V2 = "IB/RoCE v1", "RoCE v2"
ZERO = bytes(16)

Entry = tuple[bytes, str]


def gid_of_address(address: bytes) -> bytes:
    """An IPv6 address is a GID as it is; an IPv4 address becomes ::ffff:a.b.c.d."""
    return address if len(address) == 16 else bytes(10) + b"\xff\xff" + address


def gid_of_mac(mac: str) -> bytes:
    """The link-local EUI-64 of a MAC, as in fe80::4ebb:47ff:fe01:10."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]


def text_of_gid(gid: bytes) -> str:
    """Eight groups of four digits, as sysfs prints them."""
    digits = gid.hex()
    return ":".join(digits[at : at + 4] for at in range(0, 32, 4))


class GidTable:
    """Entries of one port; None is a free entry."""

    def __init__(self, size: int = SIZE) -> None:
        self.entries: list[Optional[Entry]] = [None] * size

    def set_default(self, mac: str) -> None:
        """The netdev is there with this MAC."""
        gid = gid_of_mac(mac)
        self.entries[0], self.entries[1] = (gid, V1), (gid, V2)

    def clear(self) -> None:
        """The netdev is gone, and all its GIDs with it."""
        self.entries = [None] * len(self.entries)

    def add(self, address: bytes) -> None:
        """An address appeared; one that is in the table already (the EUI-64 link-local is the default GID) changes nothing."""
        gid = gid_of_address(address)
        for kind in (V1, V2):
            if (gid, kind) not in self.entries:
                free = self._lowest_free()
                if free is not None:
                    self.entries[free] = (gid, kind)

    def remove(self, address: bytes) -> None:
        """An address went; default entries stay."""
        gid = gid_of_address(address)
        for index in range(DEFAULT_ENTRIES, len(self.entries)):
            entry = self.entries[index]
            if entry is not None and entry[0] == gid:
                self.entries[index] = None

    def keep_only(self, addresses: Iterable[bytes]) -> None:
        """Rescan: what is no longer there goes, what is new is added in the order given."""
        wanted = list(addresses)
        gids = {gid_of_address(address) for address in wanted}
        for index in range(DEFAULT_ENTRIES, len(self.entries)):
            entry = self.entries[index]
            if entry is not None and entry[0] not in gids:
                self.entries[index] = None
        for address in wanted:
            self.add(address)

    def _lowest_free(self) -> Optional[int]:
        for index in range(DEFAULT_ENTRIES, len(self.entries)):
            if self.entries[index] is None:
                return index
        return None
