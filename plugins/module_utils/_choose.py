# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which of the networks that all nodes share are used, and why the other rails are not."""

from __future__ import annotations

import typing as t

from ._findings import Finding
from ._plan_ids import planned
from ._rails import FULL_RATE_GBPS, Common, Device, Rails, Use, cage, describe, entries_of


class Chosen(t.NamedTuple):
    """Of the networks that all hosts share: those that are used, and why the others are not."""

    used: Common
    redundant: Common
    crossed: Common


def choose(common: Common) -> Chosen:
    """Choose the networks that add bandwidth and that NCCL can use together, those of the head's first port before the others.

    A port's two functions have a link to the processor each, which they share with the functions of the other port: a second cable adds
    nothing to one at the full rate. NCCL takes a rank's HCAs in the order of PCI and connects the n-th with the n-th: all ranks must
    have the networks in one order.
    """
    chosen = Chosen({}, {}, {})
    head_first = sorted(common.items(), key=lambda item: _cage_rank(common, next(iter(item[1].values())).device))
    for network, members in head_first:
        sharers = [_sharer(chosen.used, host, use) for host, use in members.items()]
        if all(sharer is not None and (sharer.device["rate_gbps"] or FULL_RATE_GBPS) >= FULL_RATE_GBPS for sharer in sharers):
            chosen.redundant[network] = members
        elif any(not _same_order(members, before) for before in chosen.used.values()):
            chosen.crossed[network] = members
        else:
            chosen.used[network] = members
    return chosen._replace(used={network: common[network] for network in common if network in chosen.used})


def _cage_rank(common: Common, device: Device) -> int:
    """Whether a port is the head's first, second and so on, of those that are in a common network."""
    cages = [cage(next(iter(members.values())).device) for members in common.values()]
    return list(dict.fromkeys(cages)).index(cage(device))


def _slot(device: Device) -> str:
    """``0000:01:00`` of ``0000:01:00.1``; the device's own name where it is on no PCI bus."""
    return str(device["pci_address"] or device["device"]).rsplit(".", 1)[0]


def _sharer(used: Common, host: str, use: Use) -> t.Optional[Use]:
    return next((members[host] for members in used.values() if _slot(members[host].device) == _slot(use.device)), None)


def _same_order(members: t.Mapping[str, Use], before: t.Mapping[str, Use]) -> bool:
    return len({_pci(members[host]) > _pci(before[host]) for host in members}) == 1


def _pci(use: Use) -> tuple[str, int]:
    return str(use.device["pci_address"] or use.device["device"]), use.device["port"]


def unchosen_findings(chosen: Chosen) -> list[Finding]:
    """Return what is to be known of the rails in networks that all nodes share and that are not used."""
    found = []
    for members in chosen.redundant.values():
        for host, use in members.items():
            sharer = _sharer(chosen.used, host, use)
            listing = f"{describe(use.device)}: shares its PCIe link with {sharer.name if sharer else 'another'}, and is not used"
            found.append(planned("rail.redundant", host, listing, "one cable at 200 Gb/s, which is as fast as two", "nothing"))
    for network, members in chosen.crossed.items():
        before = next(uses for uses in chosen.used.values() if not _same_order(members, uses))
        order = "; ".join(
            f"{host}: " + ", ".join(f"{use.network} on {use.device['netdev']}" for use in sorted((before[host], members[host]), key=_pci))
            for host in members
        )
        found.append(
            planned(
                "rail.crossed",
                None,
                f"networks in different order of their devices ({order}): {network} is not used, its bandwidth is lost",
                "the same order on every node, because NCCL connects the n-th HCA of a rank with the n-th of another",
                _uncross(before, members),
            )
        )
    return found


def _uncross(before: t.Mapping[str, Use], members: t.Mapping[str, Use]) -> str:
    if all(cage(before[host].device) == cage(members[host].device) for host in members):
        return "exchange the addresses of the two interfaces on the nodes that differ"
    return "exchange the two cables on one of the nodes, with the addresses of its ports, so that each joins equal ports"


def link_local_findings(order: t.Sequence[str], rails: Rails) -> list[Finding]:
    """Return a warning for each rail of more than two nodes that has no other address than one it gave itself."""
    return [
        planned(
            "address.link-local",
            host,
            f"{describe(device)}, which it gave itself and which says nothing about where the cable leads: the rail is not used",
            "a fixed address",
            f"give {device['netdev']} a fixed address on every node, and turn link-local addressing off",
        )
        for host in order
        for device in rails[host]
        if not entries_of(device, len(order))
    ]


def unused_findings(order: t.Sequence[str], rails: Rails, chosen: Chosen, beside: t.Collection[str] = ()) -> list[Finding]:
    """Return a warning for each rail that is in none of the networks that all share, or not the first one of its node there.

    None for a rail in one of the networks `beside`: it leads to a node that gets no rank.
    """
    found = link_local_findings(order, rails)
    for host in order:
        uses = [members[host] for members in chosen.used.values()]
        told = [members[host] for members in (*chosen.redundant.values(), *chosen.crossed.values())]
        for device in rails[host]:
            if any(use.device is device for use in (*uses, *told)) or not entries_of(device, len(order)):
                continue
            networks = [entry["network"] for entry in device["ipv4"]]
            taken = next((use for use in uses if use.network in networks), None)
            if taken:
                found.append(_same_network(host, device, taken))
            elif not any(network in beside for network in networks):
                found.append(_unshared(host, device, networks, rails))
    return found


def _same_network(host: str, device: Device, taken: Use) -> Finding:
    return planned(
        "rail.same-network",
        host,
        f"{describe(device)} in {taken.network}, the network of {describe(taken.device)}: only {taken.name} is used, its bandwidth is lost",
        "each rail of a node in a network of its own",
        f"give {device['netdev']} an address in another network, the same network on every node",
    )


def _unshared(host: str, device: Device, networks: t.Sequence[str], rails: Rails) -> Finding:
    peers = [peer for peer in rails if peer != host and any(e["network"] in networks for d in rails[peer] for e in d["ipv4"])]
    shared = (
        f"only {', '.join(peers)} has too" if len(peers) == 1 else f"only {', '.join(peers)} have too" if peers else "no other node has"
    )
    return planned(
        "rail.unshared",
        host,
        f"{describe(device)}, in a network that {shared}: the rail is not used",
        f"a rail in {networks[0]} on every node",
        f"address the other nodes' rails in {networks[0]}, or move {device['netdev']} to the network of the port at the cable's other end",
    )


def no_common_findings(order: t.Sequence[str], rails: Rails) -> list[Finding]:
    """Return what is wrong with nodes that are no pair, no ring and on no switch: they are a chain, or not connected at all."""
    listing = "; ".join(f"{host}: {', '.join(map(describe, rails[host])) or 'no rail'}" for host in order)
    findings = link_local_findings(order, rails)
    if _connected(order, rails):
        error = planned(
            "topology.unsupported",
            None,
            f"{len(order)} nodes that reach each other only through others, and not in a ring ({listing})",
            "two nodes on one cable, a ring in which each cable has its own networks, or a rail of every node in one network (a switch)",
            "give both ends of each cable addresses in one network with one prefix length, or close the chain to a ring, connect the nodes "
            "by a switch, or make a group of two nodes that are cabled to each other",
        )
    else:
        error = planned(
            "rail.no-common",
            None,
            f"no network that all nodes share ({listing})",
            "at least one rail of every node in one common network",
            "check which port each cable is in, and give both of its ends addresses in one network with the same prefix length",
        )
    return [error, *findings]


def _connected(order: t.Sequence[str], rails: Rails) -> bool:
    networks = {host: {entry["network"] for device in rails[host] for entry in entries_of(device, len(order))} for host in order}
    reached, waiting = {order[0]}, [order[0]]
    while waiting:
        here = networks[waiting.pop()]
        new = [host for host in order if host not in reached and here & networks[host]]
        reached.update(new)
        waiting += new
    return len(reached) == len(order)
