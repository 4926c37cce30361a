# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The ids of everything that planning can find, with their severities and what a user should know of each."""

from __future__ import annotations

import typing as t

from . import _inventory_ids
from ._findings import Finding, Meaning, finding

IDS = {
    "observation.missing": Meaning(
        "error",
        "a host did not report its devices",
        "make the node reachable and run the play on the whole group, without `--limit`",
    ),
    "plan.spare": Meaning(
        "info",
        "a host gets no rank, because the recipe is for fewer nodes than the group has, and the hosts before it can serve",
        "nothing; it gets a rank where a host before it can't have one",
    ),
    "plan.spare-unfit": Meaning(
        "warning",
        "a host gets no rank, and could take no other's place",
        "what the message says, after what is wrong on it",
    ),
    "plan.passed-over": Meaning(
        "warning",
        "a host gets no rank, though it comes before one that does: it could not serve with the others",
        "what the message says, after what is wrong. At the next deployment it gets its rank back, for which the cluster restarts; to "
        "leave the ranks where they are, put the host at the group's end",
    ),
    "plan.no-choice": Meaning(
        "error",
        "no choice of as many hosts as the recipe has ranks is without an error, or none of those that were looked at, which among more "
        "than eleven hosts are not all",
        "do what is said of the first hosts, which the other findings are about",
    ),
    "rdma.none": Meaning(
        "error",
        "a node has no RDMA device; without a cable the network card leaves the PCI bus",
        "put in the cable, wait a minute, and look for `rocep*` or `mlx5_*` in `/sys/class/infiniband`",
    ),
    "rdma.only-infiniband": Meaning(
        "error",
        "a node has RDMA devices, none of them with link layer Ethernet",
        "set the ports to Ethernet (`mlxconfig LINK_TYPE_P1=2`) and restart the node",
    ),
    "rdma.no-active-port": Meaning(
        "error",
        "a node has Ethernet ports, none of them up",
        "check the cable and that its other end is up, and set the interface up (`ip link set NAME up`)",
    ),
    "rail.no-netdev": Meaning(
        "warning",
        "an active port has no network interface and is not used",
        "restart the node; if it stays so, see the kernel's log for mlx5_core",
    ),
    "rail.no-ipv4": Meaning(
        "warning",
        "the interface of an active port has no IPv4 address, and the port is not used",
        "address the interface on every node, or set it down if it is not to be used",
    ),
    "rail.twin-down": Meaning(
        "warning",
        "one interface of a cabled port is up and its twin is not: bandwidth is lost",
        "set the twin up (`ip link set NAME up`); if it stays down, restart the node with the cable in",
    ),
    "rail.same-network": Meaning(
        "warning",
        "two rails of a node are in one network, and one of them is not used",
        "give one of them an address in another network, the same network on every node",
    ),
    "rail.unshared": Meaning(
        "warning",
        "the network of a rail is not on every node, and the rail is not used",
        "address the other nodes' rails in that network, or move the rail to the network of the port at the cable's other end",
    ),
    "rail.no-common": Meaning(
        "error",
        "no network is on every node",
        "check which port each cable is in, and give both of its ends addresses in one network with the same prefix length",
    ),
    "rail.redundant": Meaning(
        "info",
        "a second cable at the full rate shares the links between card and processor with the first, and is not used",
        "nothing: one cable is as fast as two",
    ),
    "rail.crossed": Meaning(
        "warning",
        "nodes have the same two networks on their devices in different order, and one is not used: NCCL connects the n-th with the n-th",
        "exchange the addresses of the two interfaces, or, where they are of different ports, the cables, on one of the nodes",
    ),
    "rail.crossed-ports": Meaning(
        "error",
        "of the two networks of one port, one leads to one port and one to another, which no cable does",
        "correct the addresses: both networks of a port belong to the two functions of one port at the cable's other end",
    ),
    "topology.unsupported": Meaning(
        "error",
        "every node reaches the others, but some only through others, and they are not in a ring: a chain, or a star",
        "give both ends of each cable one prefix length, close the chain to a ring, connect the nodes by a switch, or make a group of two "
        "nodes that are cabled to each other",
    ),
    "ring.nccl-version": Meaning(
        "error",
        "the nodes are in a ring, and the recipe's NCCL is older than 2.30.7 and would use the wrong cable",
        "choose a recipe with a newer NCCL, connect the nodes by a switch, or make a group of two nodes that are cabled to each other",
    ),
    "ring.nccl-trees": Meaning(
        "error",
        "more than three nodes are in a ring, and the recipe's NCCL sets up trees, for which cables are missing",
        "choose a recipe whose NCCL was built for it (`nccl.rings: true`), or connect the nodes by a switch",
    ),
    "ring.ports": Meaning(
        "error",
        "a cable of a ring joins equal ports, and the recipe's NCCL finds its way only from port 0 to port 1",
        "exchange the two cables, with the addresses of their ports, on the nodes that are named",
    ),
    "ring.no-control-path": Meaning(
        "error",
        "the nodes are in a ring and share no network beside the rails: no address of a rail can be reached from all of them",
        "connect each node's `enP7s7` to one switch or router, and give it an address there",
    ),
    "ring.wireless-control-path": Meaning(
        "warning",
        "the nodes are in a ring, and all they share beside the rails is a wireless network",
        "connect each node's `enP7s7` to one switch or router",
    ),
    "ring.prefix-lengths": Meaning(
        "error",
        "the networks of a ring's cables have different prefix lengths, and NCCL compares subnets by one length",
        "address all cables alike",
    ),
    "rail.miswired": Meaning(
        "error",
        "the rails of one network are not on one wire: frames of one do not arrive at the other",
        "exchange the cables or the addresses; the filter `fabric_addresses` works out addresses that fit the wires",
    ),
    "probe.silent": Meaning(
        "warning",
        "no frame passes between a node's ports and those of the others, or only in one direction",
        "check where the cable leads, and on a switch its VLANs and filters",
    ),
    "probe.lost": Meaning(
        "warning",
        "a port was up when it was observed, and its interface was set down or went away while it was probed",
        "see what takes the interface down, then run again",
    ),
    "probe.missing": Meaning(
        "error",
        "addresses are worked out by the filter `fabric_addresses`, and not every node has probed its ports",
        "run the play on the whole group, without `--limit`",
    ),
    "fabric.range": Meaning(
        "error",
        "the range given to the filter `fabric_addresses` is none, too small, or overlaps what the nodes reach otherwise",
        "give it a private range that nothing else uses, and a `prefix_length` that fits in it",
    ),
    "fabric.stacked": Meaning(
        "error",
        "addresses are worked out by the filter `fabric_addresses`, and a bond, a bridge or a VLAN is made upon a port",
        "remove it, or choose the addresses yourself",
    ),
    "address.duplicate": Meaning(
        "error",
        "two nodes have the same IPv4 address, on rails (a spare too, where a rank uses the rail) or, in a ring, on the interfaces by "
        "which the ranks would find each other",
        "change the address of one of them",
    ),
    "address.link-local": Meaning(
        "warning",
        "a rail has a 169.254 address, which may change at any start; with more than two nodes it is not used",
        "give it a fixed address on every node, and turn link-local addressing off",
    ),
    "mtu.mismatch": Meaning(
        "error",
        "the rails of one network differ in MTU, and large messages would hang",
        "set MTU 9000 on each of them, and on the switch if there is one",
    ),
    "mtu.low": Meaning(
        "info",
        "the rails of one network agree on an MTU below 9000, which is a few percent slower",
        "set MTU 9000 on each of them, and on the switch if there is one",
    ),
    "link.slow": Meaning(
        "warning",
        "a rail's link is slower than 200 Gb/s",
        "use a cable for 200 Gb/s or more; on a switch, set the port to 200 Gb/s instead of automatic",
    ),
    "gid.missing": Meaning(
        "error",
        "the kernel has no RoCE v2 GID for a rail's address",
        "take the connection down and up again (`nmcli connection down NAME`, then `up`): the kernel then fills its table anew",
    ),
    "gid.conflict": Meaning(
        "error",
        "no setting makes NCCL take the right GID on every device of a node",
        "remove the other addresses from these interfaces, or move them to another range, then take the connections down and up again",
    ),
}
# Planning is done without an inventory check too, so it looks at these itself.
_SHARED = ("inventory.too-few-nodes", "inventory.node-count", "inventory.head-not-in-group", "inventory.same-machine")
SEVERITY = {
    **{identifier: _inventory_ids.IDS[identifier].severity for identifier in _SHARED},
    **{identifier: meaning.severity for identifier, meaning in IDS.items()},
}


def planned(identifier: str, host: t.Optional[str], found: str, wanted: str, remedy: str) -> Finding:
    """Return a finding whose severity is that of its id."""
    return finding(identifier, SEVERITY[identifier], host, found, wanted, remedy)
