# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The state of a cluster, as a document for programs and as a screen for people."""

from __future__ import annotations

import typing as t

from ._reasoning import hints
from ._status_place import answers, places
from ._status_screen import screen
from ._unit import runs
from ._verdict import ready_verdict


def status_report(
    ranks: t.Mapping[str, t.Any],
    ready: t.Mapping[str, t.Any],
    plan: t.Mapping[str, t.Any],
    head: t.Optional[str] = None,
    wanted_nccl: t.Optional[str] = None,
    wanted_network: t.Optional[str] = "IB",
) -> dict[str, t.Any]:
    """Put together {host: rank_info}, {host: vllm_ready} and the plan. Hosts without a result are reported as unknown.

    Hosts without a rank that are spares take no part in the state (see `_status_place`). The head is `head`, else the host on which
    rank 0 is installed, else that with rank 0 in the plan.

    Returns `document` (see `_document`) and `lines`, the same for people. The cluster's `state` is one word:

    - `serving`   every rank runs, and the head brought a token just now.
    - `starting`  every rank runs, no token yet, and nothing speaks against it.
    - `stopped`   no rank runs, and none has failed.
    - `failed`    no token comes, and a rank has failed or runs with the wrong NCCL.
    - `degraded`  anything between: some ranks run and others were stopped, or tokens come although something is wrong.
    """
    nodes = plan.get("nodes") or {}
    found = places(ranks, plan)
    order = {host: _launch(ranks.get(host)).get("rank", (nodes.get(host) or {}).get("rank")) for host in [*nodes, *ranks]}
    hosts = sorted((host for host in order if host not in found.spares), key=lambda host: (order[host] is None, order[host] or 0))
    head = head or next((host for host in hosts if _launch(ranks.get(host)).get("rank") == 0), hosts[0] if hosts else "")
    verdict = ready_verdict({host: ready.get(host) for host in hosts}, head, wanted_nccl, wanted_network)
    known = {host: ranks[host] for host in hosts if answers(ranks.get(host))}
    problems = [*verdict["problems"], *_rank_problems(known, hosts), *found.problems]
    state = _cluster_state(known, hosts, ready.get(head), verdict["state"], problems)
    left = [{"host": host, "answers": answers(ranks.get(host)), "reason": reason} for host, reason in found.spares.items()]
    document = {**_document(state, hosts, head, known, ready, plan, verdict, problems), "spares": left}
    document["warnings"] = [*document["warnings"], *found.warnings]
    return {"document": document, "lines": screen(document)}


def _launch(rank: t.Any) -> t.Mapping[str, t.Any]:
    return (rank.get("launch") or {}) if isinstance(rank, t.Mapping) else {}


def _rank_problems(known: t.Mapping[str, t.Any], hosts: t.Sequence[str]) -> list[str]:
    problems = [f"{host}: no answer, so its rank is unknown" for host in hosts if host not in known]
    for host, rank in known.items():
        launch = rank["launch"] or {}
        if rank["launch_hash"] and launch and rank["launch_hash"] != launch.get("launch_hash"):
            problems.append(f"{host}: what runs is not what launch.json says; restart the cluster")
        if rank["secret_stale"]:
            problems.append(f"{host}: secret.env is newer than the container; restart the cluster")
        problems += [f"{host}: {name} runs or is enabled too; disable all but one" for name in rank["other_instances"]]
    hashes = {host: rank["launch"]["hash"] for host, rank in known.items() if rank["launch"] and rank["launch"].get("hash")}
    if len(set(hashes.values())) > 1:
        named = ", ".join(f"{host} {hash_[:12]}" for host, hash_ in hashes.items())
        problems.append(f"the ranks are configured differently ({named}), which vLLM does not notice; deploy to all nodes")
    return problems


def _cluster_state(known: t.Mapping[str, t.Any], hosts: t.Sequence[str], head_ready: t.Any, verdict: str, problems: t.Sequence[str]) -> str:
    units = {host: rank["unit_state"] for host, rank in known.items() if rank["unit_state"]}
    running = [host for host, unit in units.items() if runs(unit)]
    died = [host for host, unit in units.items() if unit["active"] == "failed" or unit["sub"] == "auto-restart"]
    if not running:
        return "failed" if died else "stopped"
    if isinstance(head_ready, t.Mapping) and head_ready.get("completion"):
        whole = len(running) == len(hosts) and all(known[host]["active"] for host in running)
        return "serving" if whole and verdict != "failed" and not problems else "degraded"
    if died:
        return "failed"
    if len(running) < len(hosts):
        return "degraded"
    return "failed" if verdict == "failed" else "starting"


def _document(
    state: str,
    hosts: t.Sequence[str],
    head: str,
    known: t.Mapping[str, t.Any],
    ready: t.Mapping[str, t.Any],
    plan: t.Mapping[str, t.Any],
    verdict: t.Mapping[str, t.Any],
    problems: t.Sequence[str],
) -> dict[str, t.Any]:
    """`schema`, `state`, `recipe`, `topology`, `plan_hash`, `head`, `api`, `model`, `clients`, `nodes`, `problems`, `warnings`, `evidence`.

    `nodes` are in the order of their ranks, each as `_node` makes it; `spares`, added later, have `host`, `answers` and `reason`.
    `clients` are sentences for who writes a client. Evidence is left out where nobody wants the cluster to run.
    """
    launch = (known.get(head) or {}).get("launch") or {}
    answer = ready.get(head)
    model = answer.get("model") if isinstance(answer, t.Mapping) else None
    wanted = {"id": launch.get("model"), "max_model_len": launch.get("max_model_len")}
    return {
        "schema": 1,
        "state": state,
        "recipe": launch.get("recipe"),
        "topology": plan.get("topology"),
        "plan_hash": plan.get("hash"),
        "head": head,
        "api": launch.get("api"),
        "model": {**(model or wanted), "answers": model is not None},
        "clients": hints(launch.get("reasoning")),
        "nodes": [_node(host, known.get(host), ready.get(host), (plan.get("nodes") or {}).get(host) or {}) for host in hosts],
        "problems": list(problems),
        "warnings": verdict["warnings"],
        "evidence": [] if state == "stopped" else verdict["evidence"],
    }


def _node(host: str, rank: t.Any, answer: t.Any, planned: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    rank = rank or {}
    answer = answer if isinstance(answer, t.Mapping) else {}
    unit, container, launch = rank.get("unit_state") or {}, rank.get("container") or {}, rank.get("launch") or {}
    nccl = answer.get("nccl") or {}
    rails = ("device", "port", "netdev", "ipv4", "gid_index", "mtu")
    return {
        "host": host,
        "rank": launch.get("rank", planned.get("rank")),
        "host_ip": launch.get("host_ip", planned.get("host_ip")),
        "unit": rank.get("unit"),
        "enabled": rank.get("enabled", False),
        "active": rank.get("active", False),
        "unit_state": unit.get("active", "unknown"),
        "unit_sub": unit.get("sub", ""),
        "since": rank.get("since"),
        "restarts": rank.get("restarts"),
        "container": container.get("status") or "absent",
        "image": container.get("image"),
        "image_key": launch.get("image_key"),
        "launch_hash": rank.get("launch_hash"),
        "phase": answer.get("phase"),
        "nccl": {key: nccl.get(key) for key in ("version", "network", "hcas", "channels_ib", "channels_socket")},
        "rails": [{key: rail.get(key) for key in rails} for rail in planned.get("rails") or []],
        "live_env": rank.get("live_env") or {},
    }
