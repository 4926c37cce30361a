# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What has to be run on which node so that a fabric can be judged, and what came out, as the judgement takes it."""

from __future__ import annotations

import typing as t

from . import _allreduce, _fabric_runs, _recipe

Plan = t.Mapping[str, t.Any]
Recipe = dict[str, t.Any]
Outcome = t.Mapping[str, t.Any]
Options = dict[str, t.Any]
"""What the module fabric_measure is given: `steps`, `seconds`, `ports`, `afterwards`."""

# What a cable that is plugged in while the node runs leaves in the kernel's log.
_PLUGGED = "cx7-pcie-hotplug"
_KERNEL = (
    ["uname", "-r"],
    ["cat", "/proc/cmdline"],
    ["journalctl", "--dmesg", "--boot", "--output=cat", "--no-pager", f"--grep={_PLUGGED}"],
)
_SLACK = 60
"""Seconds that Docker may need to start and to remove a container, beside those that a rank gives itself."""


def look(recipe: Recipe, image: str, gpu: t.Optional[str]) -> list[list[str]]:
    """The commands that show what a node has: its kernel, ib_write_bw, and what an all-reduce needs. `image`: empty if there is none."""
    reduce = [_allreduce.look(recipe, image, gpu)] if image and _recipe.on_gpu(recipe) else []
    return [*_KERNEL, *_fabric_runs.look(image), *reduce]


class Seen(t.NamedTuple):
    """What a node has. `rdma`: where ib_write_bw is, or None; `lacks`: what an all-reduce lacks, or an empty text."""

    kernel: dict[str, t.Any]
    rdma: t.Optional[str]
    lacks: str


def seen(recipe: Recipe, image: str, outcomes: t.Sequence[Outcome]) -> Seen:
    """What a node has, by how the commands of `look` ended; nothing where they did not."""
    if not outcomes:
        return Seen({}, None, "the node was not looked at")
    release, cmdline, log = (outcome["output"].strip() for outcome in outcomes[: len(_KERNEL)])
    kernel = {"release": release, "cmdline": cmdline, "lines": [line for line in log.splitlines() if _PLUGGED in line][-5:]}
    tools, last = outcomes[len(_KERNEL) :], outcomes[-1]
    if not _recipe.on_gpu(recipe):
        why = f"recipe {recipe['name']} computes on the CPU, and its ranks do not talk by NCCL"
    else:
        why = _allreduce.lacks(last) if image else "no image"
    return Seen(kernel, _fabric_runs.available(tools, image), why)


def runs(
    plan: Plan,
    recipe: Recipe,
    image: t.Mapping[str, str],
    gpu: t.Mapping[str, t.Optional[str]],
    looked: t.Mapping[str, t.Sequence[Outcome]],
    program: str,
    reason: str = "",
    seconds: int = 5,
    port: int = 18515,
    size: int = 2**30,
    timeout: int = 300,
    environment: t.Optional[dict[str, t.Any]] = None,
    baked: t.Optional[t.Mapping[str, t.Mapping[str, str]]] = None,
) -> dict[str, t.Any]:
    """Return what has to be run. `image`, `gpu`: by host, what it has; `looked`: by host, how the commands of `look` ended.

    `program`: text of all_reduce.py. `reason`: why nothing may be run at all, if not empty. `seconds`: of each run of ib_write_bw, from TCP
    `port` on; `size`: of the all-reduce, in bytes; `timeout`: seconds for it; `environment`: variables that replace the recipe's for it;
    `baked`: by host, what the image bakes in, of which the all-reduce gets what the ranks would.

    `rounds` (see `_fabric_runs.rounds`), `allreduce` (by host Options; empty if there is none), and what is known already: `rdma` (runs
    that are missing), `without_allreduce` (why there is none), `kernel` (by host).
    """
    recipe = _recipe.override(recipe, None, environment)
    nodes = {host: seen(recipe, image.get(host, ""), looked.get(host, ())) for host in plan["nodes"]}
    tools = {} if reason else {host: node.rdma for host, node in nodes.items()}
    lacks = [f"{host}: {node.lacks}" for host, node in nodes.items() if node.lacks]
    # What all lack alike is said once.
    alike = {node.lacks for node in nodes.values()}
    without = reason or (alike.pop() if len(alike) == 1 else "; ".join(lacks))
    hosts = [] if without else list(plan["nodes"])
    words = {
        host: _allreduce.words(recipe, plan, host, image[host], gpu[host], program, size, timeout, (baked or {}).get(host) or {})
        for host in hosts
    }
    limits = {"seconds": timeout + _SLACK, "ports": [], "afterwards": _allreduce.afterwards()}
    return {
        "rounds": _fabric_runs.rounds(plan, tools, seconds, port),
        "allreduce": {host: {"steps": [[command]], **limits} for host, command in words.items()},
        "rdma": _fabric_runs.missing(plan, tools, reason),
        "without_allreduce": without,
        "kernel": {host: node.kernel for host, node in nodes.items() if node.kernel},
    }


def measured(
    plan: Plan,
    planned: t.Mapping[str, t.Any],
    called: t.Mapping[str, t.Sequence[t.Sequence[t.Sequence[Outcome]]]],
    reduced: t.Mapping[str, t.Sequence[t.Sequence[Outcome]]],
) -> dict[str, t.Any]:
    """Return `rdma`, `allreduce` and `kernel` as the judgement takes them. `planned`: what `runs` returned.

    `called`: by host, the outcomes of each round in which it was a client; `reduced`: by host, those of its rank.
    """
    rdma = list(planned["rdma"])
    left = {host: iter(outcomes) for host, outcomes in called.items()}
    for each in planned["rounds"]:
        for host, options in each["clients"].items():
            rdma += _fabric_runs.entries(options["runs"], next(left.get(host, iter(())), []))
    if planned["allreduce"]:
        ended = {host: next(iter((reduced.get(host) or [[]])[0]), {"rc": 124, "output": ""}) for host in plan["nodes"]}
        allreduce = _allreduce.entry(plan, ended)
    else:
        allreduce = {"status": "missing", "nodes": list(plan["nodes"]), "error": planned["without_allreduce"]}
    return {"rdma": rdma, "allreduce": allreduce, "kernel": planned["kernel"]}
