# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""One plan for the whole cluster, from what every node reported: who is which rank, over which rails, with which environment."""

from __future__ import annotations

import hashlib
import json
import typing as t

from . import _gid, _ring
from ._cables import Links, cables_of
from ._choose import choose, no_common_findings, unchosen_findings, unused_findings
from ._control import Interface, control_path
from ._findings import Finding, did_you_mean, errors
from ._plan_checks import address_findings, is_observation, machine_findings, missing, network_findings, port_findings
from ._plan_ids import planned
from ._rails import Rails, Use, common_rails, rails_of
from ._segments import probe_findings

SCHEMA = 1

UNSET = (
    "HOST_IP",
    "VLLM_PORT",
    "NCCL_COMM_ID",
    "NCCL_SOCKET_FAMILY",
    "NCCL_IB_SUBNET_AWARE_ROUTING",
    "NCCL_IB_SUBNET_PREFIX_LEN",
    "UCX_NET_DEVICES",
)
"""Names that an image may bake in for the machine it was tried on, and that lead astray here: an address that vLLM no longer reads,
the first port of every socket, a rendezvous of another cluster, another address family, the routing of rings, another machine's devices."""

Observations = t.Mapping[str, t.Mapping[str, t.Any]]


class Wiring(t.NamedTuple):
    """How the nodes are connected: `uses` holds the rails of each host, in the order of ranks; `paths` what is used beside them."""

    topology: t.Optional[str]
    uses: dict[str, list[Use]]
    paths: dict[str, Interface]
    findings: list[Finding]
    links: Links


def plan(
    observations: Observations,
    head: t.Optional[str] = None,
    order: t.Optional[t.Sequence[str]] = None,
    nccl: t.Optional[str] = None,
    nccl_rings: bool = False,
    beside: t.Optional[Observations] = None,
) -> dict[str, t.Any]:
    """Return the plan for the hosts in `observations` (by host, what `_roce.observe` returned there, after probing with `heard`, `lost`).

    `head` becomes rank 0 (default: the first host), the others follow in `order` (default: that of `observations`), in a ring as they
    are cabled. `nccl` is the version of the NCCL that will run, which is not judged if it is not given; `nccl_rings` says that it was
    built for rings of more than three nodes. `beside` are observations of hosts that get no rank (see `_subset`): a rail that leads to
    one of them is not missed.

    Returns `schema`, `topology` (``pair``, ``ring``, ``switch``, or None), `master_addr`, `hash` (SHA-256 hex of what must not change while
    the cluster serves), `findings` (all of them, see `_plan_ids`), `nodes` by host in the order of ranks: `rank`, `host_ip`,
    `socket_ifname`, `rails`, `env`, `env_unset`, `gid_reason`; and `spares`, the hosts in `beside`. Where a finding is an error the plan
    must not be applied; `nodes` is then empty if no rails could be chosen. The same input gives the same plan.
    """
    hosts = list(dict.fromkeys([*(order or ()), *observations]))
    findings = _host_findings(hosts, head)
    ranks = hosts if head not in hosts else [head, *(host for host in hosts if host != head)]
    present = {host: observations[host] for host in ranks if is_observation(observations.get(host))}
    findings += [missing(host, observations.get(host)) for host in ranks if host not in present]
    findings += machine_findings(present)
    for host, observation in present.items():
        findings += port_findings(host, observation["devices"])

    rails = {host: rails_of(observation["devices"]) for host, observation in present.items()}
    findings += address_findings(list(rails), rails)
    wiring = Wiring(None, {}, {}, [], {})
    if len(ranks) > 1 and not _speechless(findings):
        wiring = _wiring(ranks, rails, present, _networks(beside or {}))
        findings += wiring.findings
    if wiring.topology == "ring" and nccl is not None:
        findings += _ring.nccl_findings(list(wiring.uses), wiring.links, nccl, nccl_rings)

    nodes = {}
    for rank, (host, uses) in enumerate(wiring.uses.items()):
        nodes[host], gid_findings = _node(host, rank, uses, wiring.paths.get(host), wiring.topology)
        findings += gid_findings
    master_addr = next((node["host_ip"] for node in nodes.values()), None)
    return {
        "schema": SCHEMA,
        "topology": wiring.topology,
        "master_addr": master_addr,
        "hash": _hash(master_addr, nodes),
        "findings": findings,
        "nodes": nodes,
        "spares": list(beside or ()),
    }


def _networks(observations: Observations) -> set[str]:
    rails = [rail for observation in observations.values() if is_observation(observation) for rail in rails_of(observation["devices"])]
    return {entry["network"] for rail in rails for entry in rail["ipv4"]}


def _wiring(ranks: t.Sequence[str], rails: Rails, observations: Observations, beside: t.Collection[str]) -> Wiring:
    """`beside`: the networks of the nodes that get no rank."""
    common = common_rails(ranks, rails)
    if len(ranks) > 2:
        cables = cables_of(ranks, rails)
        # Addresses are left over here and there: of two readings the one counts that explains more rails of each node.
        if len(common) < cables.rails:
            if cables.findings:
                return Wiring(None, {}, {}, cables.findings, {})
            ring = _ring.ring_order(ranks, cables.links)
            if ring is not None:
                return _ring_wiring(ring, rails, cables.links, observations)
    heard = probe_findings(common, observations)
    chosen = choose(common)
    if not chosen.used:
        return Wiring(None, {}, {}, no_common_findings(ranks, rails) + heard, {})
    findings = heard + unchosen_findings(chosen) + unused_findings(ranks, rails, chosen, beside) + network_findings(chosen.used)
    uses = {host: [members[host] for members in chosen.used.values()] for host in ranks}
    return Wiring("pair" if len(ranks) == 2 else "switch", uses, {}, findings, {})


def _ring_wiring(ring: t.Sequence[str], rails: Rails, links: Links, observations: Observations) -> Wiring:
    paths, findings = control_path(ring, observations)
    findings = findings + _ring.ring_findings(ring, rails, links) + network_findings(links) + probe_findings(links, observations)
    return Wiring("ring", {host: _ring.uses_of(host, rails, links) for host in ring}, paths, findings, links)


def _host_findings(hosts: t.Sequence[str], head: t.Optional[str]) -> list[Finding]:
    found = []
    if len(hosts) < 2:
        listing = f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}{': ' if hosts else ''}{', '.join(hosts)}"
        found.append(planned("inventory.too-few-nodes", None, listing, "two or more", "add the other nodes to the group"))
    if head is not None and head not in hosts:
        remedy = did_you_mean(head, hosts, cutoff=0.0) or "name one of the group's hosts as head"
        found.append(planned("inventory.head-not-in-group", None, f"head {head}", f"one of {', '.join(hosts) or 'no host'}", remedy))
    return found


def _speechless(findings: t.Iterable[Finding]) -> bool:
    """Whether a node has nothing to be compared: its own error says so, and that there is no common network would only repeat it."""
    return any(finding["id"].startswith(("observation.", "rdma.", "inventory.head")) for finding in errors(findings))


def _node(
    host: str, rank: int, uses: t.Sequence[Use], path: t.Optional[Interface], topology: t.Optional[str]
) -> tuple[dict[str, t.Any], list[Finding]]:
    choice = _gid.choose([{**use.device, "planned_ipv4": use.address} for use in uses])
    address, name = (path.address, path.name) if path else (uses[0].address, uses[0].device["netdev"])
    env = {**environment(uses, address, name), **(_ring.environment(uses) if topology == "ring" else {}), **choice.env}
    node = {
        "rank": rank,
        "host_ip": address,
        "socket_ifname": name,
        "rails": [
            {
                "device": use.device["device"],
                "port": use.device["port"],
                "netdev": use.device["netdev"],
                "ipv4": use.address,
                "network": use.network,
                "gid_index": choice.indexes[use.name],
                "mtu": use.device["mtu"],
            }
            for use in uses
        ],
        "env": env,
        "env_unset": sorted({*UNSET, *choice.env_unset} - set(env)),
        "gid_reason": choice.reason,
    }
    if choice.error is None:
        return node, []
    return node, [planned(choice.error.id, host, choice.error.found, choice.error.wanted, choice.error.remedy)]


def environment(uses: t.Sequence[Use], address: str, name: str) -> dict[str, str]:
    """Return the variables that bind a rank to its rails, without those of `_gid`. No value is empty.

    `address` and `name` are those of the interface by which the ranks find each other.
    NCCL reads names of interfaces and devices as prefixes unless `=` comes first; Gloo and the others read them as they are, and know no
    `=`: each value is made from the name itself. NCCL_NET=IB makes NCCL stop where it would otherwise fall back to sockets in silence.
    """
    return {
        "VLLM_HOST_IP": address,
        "NCCL_NET": "IB",
        "NCCL_IB_DISABLE": "0",
        # Every rail is a subnet of its own, so a rail reaches only the same rail of its peer.
        "NCCL_CROSS_NIC": "0",
        "NCCL_IB_HCA": "=" + ",".join(use.name for use in uses),
        "NCCL_SOCKET_IFNAME": f"={name}",
        "GLOO_SOCKET_IFNAME": name,
        "TP_SOCKET_IFNAME": name,
        "MN_IF_NAME": name,
        "OMPI_MCA_btl_tcp_if_include": name,
    }


def _hash(master_addr: t.Optional[str], nodes: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """GID indexes and MTUs are left out: they move while a cluster serves, and the launcher looks at them again at every start."""
    lasting = {
        host: {
            **{key: node[key] for key in ("rank", "host_ip", "socket_ifname")},
            "rails": [{key: rail[key] for key in ("device", "port", "netdev", "ipv4", "network")} for rail in node["rails"]],
        }
        for host, node in nodes.items()
    }
    text = json.dumps({"master_addr": master_addr, "nodes": lasting}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
