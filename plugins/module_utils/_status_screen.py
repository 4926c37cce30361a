# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The state of a cluster as a screen for people."""

from __future__ import annotations

import typing as t


def screen(document: t.Mapping[str, t.Any]) -> list[str]:
    """Return the lines; `document` is that of `_status.status_report`."""
    api, model = document["api"] or {}, document["model"]
    where = f"http://{api['address']}:{api['port']} on {document['head']}" if api else "not known"
    spares = f", {len(document['spares'])} spare{'' if len(document['spares']) == 1 else 's'}" if document["spares"] else ""
    length = f", {model['max_model_len']} tokens of context" if model["max_model_len"] else ""
    lines = [
        f"Cluster: {document['state']}",
        f"  Recipe: {document['recipe'] or 'none'}, {len(document['nodes'])} nodes{spares}, topology {document['topology'] or 'unknown'}",
        f"  API: {where}",
        f"  Model: {model['id'] or 'not known'}{length}{'' if model['answers'] or not model['id'] else ' (the API does not answer)'}",
    ]
    lines += [f"  Clients: {text}" for text in document["clients"]]
    for node in document["nodes"]:
        lines += _node_screen(node)
    lines += [f"Spare {spare['host']}{'' if spare['answers'] else ' (no answer)'}: {spare['reason']}" for spare in document["spares"]]
    for title, texts in (
        ("Problems", document["problems"]),
        ("Warnings", document["warnings"]),
        ("Evidence", [f"{item['host']}: {item['line']}" for item in document["evidence"]]),
    ):
        if texts:
            lines += [title, *(f"  {text}" for text in texts)]
    return lines


def _node_screen(node: t.Mapping[str, t.Any]) -> list[str]:
    role = "no rank" if node["rank"] is None else f"{'worker' if node['rank'] else 'head'}, rank {node['rank']}"
    nccl = node["nccl"]
    transport = f"{nccl['version'] or 'version not shown'} over {nccl['network'] or 'unknown network'}"
    since = f" since {node['since']}" if node["since"] else ""
    boot = "starts at boot" if node["enabled"] else "does not start at boot"
    state = f"{node['unit_state']} ({node['unit_sub'] or '-'}){since}, {node['restarts'] or 0} restarts, {boot}"
    return [
        f"Node {node['host']} ({role}, {node['host_ip'] or 'no address'})",
        f"  Unit: {node['unit'] or 'unknown'} {state}",
        f"  Container: {node['container']}, image {node['image'] or 'none'}, key {node['image_key'] or 'none'}",
        f"  Phase: {node['phase'] or 'none'}",
        f"  NCCL: {transport}{' (' + ', '.join(nccl['hcas']) + ')' if nccl['hcas'] else ''}",
        *(
            f"  Rail: {rail['device']}:{rail['port']}  {rail['netdev']}  {rail['ipv4']}  GID {rail['gid_index']}  MTU {rail['mtu']}"
            for rail in node["rails"]
        ),
    ]
