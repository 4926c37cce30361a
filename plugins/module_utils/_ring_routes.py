# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How every node of a ring reaches the cables that it is not at: over the neighbour that is nearer to them."""

from __future__ import annotations

import typing as t

from ._cables import Links

Route = dict[str, str]
"""`to`, a network, and `via`, an address."""


def ring_routes(ring: t.Sequence[str], links: Links) -> dict[tuple[str, str], list[Route]]:
    """Return the routes by host and interface; `ring` has the hosts as they follow each other, `links` all networks of its cables."""
    found: dict[tuple[str, str], list[Route]] = {}
    for number, host in enumerate(ring):
        ahead = [*ring[number:], *ring[:number]]
        for network, ends in links.items():
            if host in ends:
                continue
            positions = [ahead.index(end) for end in ends]
            # To the nearer end of that cable forwards or backwards; as far either way: forwards.
            neighbour = ahead[1] if min(positions) <= len(ahead) - max(positions) else ahead[-1]
            mine = [uses for uses in links.values() if {host, neighbour} == set(uses)]
            # The n-th network of that cable over the n-th of the own one.
            same = [name for name, uses in links.items() if set(uses) == set(ends)]
            own = mine[min(same.index(network), len(mine) - 1)]
            found.setdefault((host, own[host].device["netdev"]), []).append({"to": network, "via": own[neighbour].address})
    return found
