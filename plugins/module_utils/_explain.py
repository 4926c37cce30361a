# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A plan for people: what was decided, and why."""

from __future__ import annotations

import typing as t

from ._preflight_check import table

HEADINGS = ("RANK", "HOST", "ADDRESS", "RAIL", "INTERFACE", "IPV4", "NETWORK", "GID", "MTU")


def explain(plan: t.Mapping[str, t.Any]) -> list[str]:
    """Return the lines of a table of ranks and rails, and below it what NCCL is told about GIDs on each node, and why."""
    if not plan["nodes"]:
        return ["no plan: no rails could be chosen, see the findings"]
    rows: list[tuple[str, ...]] = [HEADINGS]
    for host, node in plan["nodes"].items():
        first = (str(node["rank"]), host, node["host_ip"])
        for rail in node["rails"]:
            name = f"{rail['device']}:{rail['port']}"
            values = (name, rail["netdev"], rail["ipv4"], rail["network"], _or_dash(rail["gid_index"]), _or_dash(rail["mtu"]))
            rows.append((*first, *values))
            first = ("", "", "")
    rows += [("-", host, "spare", *[""] * 6) for host in plan["spares"]]
    return [
        f"{plan['topology']} of {len(plan['nodes'])} nodes{_spares(plan)}, master {plan['master_addr']}, plan {plan['hash'][:16]}",
        *table(rows),
        *_ring(plan),
        *(f"{host}: {_setting(node)}" for host, node in plan["nodes"].items()),
        *(f"{host}: {why_spare(plan, host)}" for host in plan["spares"]),
    ]


def _spares(plan: t.Mapping[str, t.Any]) -> str:
    count = len(plan["spares"])
    return f" and {count} spare{'' if count == 1 else 's'}" if count else ""


def why_spare(plan: t.Mapping[str, t.Any], host: str) -> str:
    """Return why a spare of the plan is one; where every choice of hosts has an error none is made."""
    told = (finding["found"] for finding in plan["findings"] if finding["host"] == host and finding["id"].startswith("plan."))
    return next(told, "not in the first choice, which has errors, as has every other")


def _ring(plan: t.Mapping[str, t.Any]) -> list[str]:
    if plan["topology"] != "ring":
        return []
    cables = " - ".join([*plan["nodes"], next(iter(plan["nodes"]))])
    beside = [node["socket_ifname"] for node in plan["nodes"].values() if node["host_ip"] not in [rail["ipv4"] for rail in node["rails"]]]
    if not beside:
        return [f"cabled {cables}: ranks follow the cables, and share no network over which to find each other"]
    names = ", ".join(dict.fromkeys(beside))
    return [f"cabled {cables}: ranks follow the cables, and find each other over {names}, because no rail can be reached from all of them"]


def _or_dash(value: t.Any) -> str:
    return "-" if value is None else str(value)


def _setting(node: t.Mapping[str, t.Any]) -> str:
    names = [name for name in ("NCCL_IB_GID_INDEX", "NCCL_IB_ADDR_RANGE") if name in node["env"]]
    if not node["gid_reason"]:
        return "no GID setting fits, see the findings"
    setting = ", ".join(f"{name}={node['env'][name]}" for name in names) or "NCCL_IB_GID_INDEX is left unset"
    return f"{setting}: {node['gid_reason']}"
