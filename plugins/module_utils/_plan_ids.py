# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The ids of everything that planning can find, with their severities: a user may search, count and ignore by them."""

from __future__ import annotations

import typing as t

from ._findings import Finding, finding

SEVERITY = {
    "inventory.too-few-nodes": "error",  # fewer than two hosts
    "inventory.head-not-in-group": "error",  # the head is none of the hosts
    "inventory.same-machine": "error",  # two host names lead to one machine
    "observation.missing": "error",  # a host did not report its devices
    "rdma.none": "error",  # a node has no RDMA device
    "rdma.only-infiniband": "error",  # a node has RDMA devices, none of them Ethernet
    "rdma.no-active-port": "error",  # a node has Ethernet ports, none of them up
    "rail.no-netdev": "warning",  # an active port without network interface is not used
    "rail.no-ipv4": "warning",  # an active port without IPv4 is not used
    "rail.twin-down": "warning",  # one function of a cabled port is up and its twin is not
    "rail.same-network": "warning",  # two rails of a node in one network: one is not used
    "rail.unshared": "warning",  # the network of a rail is not on every node: the rail is not used
    "rail.no-common": "error",  # no network is on every node
    "topology.unsupported": "error",  # every node has a neighbour, but no network is on all of them
    "address.duplicate": "error",  # two nodes have the same IPv4 on their rails
    "address.link-local": "warning",  # a rail has a 169.254 address, which changes
    "mtu.mismatch": "error",  # the rails of one network differ in MTU
    "mtu.low": "info",  # the rails of one network agree on an MTU below 9000
    "link.slow": "warning",  # a link below 200 Gb/s
    "gid.missing": "error",  # the kernel has no RoCE v2 GID for a rail's address
    "gid.conflict": "error",  # no setting makes NCCL take the right GID on every HCA of a node
}


def planned(identifier: str, host: t.Optional[str], found: str, wanted: str, remedy: str) -> Finding:
    """Return a finding whose severity is that of its id."""
    return finding(identifier, SEVERITY[identifier], host, found, wanted, remedy)
