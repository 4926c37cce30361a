# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What rates and GID tables say of each rail, and what an error of RDMA means on a node."""

from __future__ import annotations

from . import _fabric_thresholds as known
from ._fabric_case import Case
from ._fabric_causes import GID_ERRORS, Cause
from ._fabric_links import name
from ._fabric_thresholds import figure, limit
from ._fabric_verdict_ids import Place, Verdict, verdict
from ._gid import index_of
from ._lldp import led_to
from ._rails import FULL_RATE_GBPS, cage


def judge_rates(case: Case) -> None:
    """Add a verdict for each port whose link is slower than a Spark's."""
    for host in case.fabric.hosts:
        ports: dict[tuple[str, float], list[str]] = {}
        for rail in case.fabric.rails[host]:
            device, rate = case.fabric.device(host, name(rail)), case.fabric.rate((host, name(rail)))
            if device and rate is not None and rate < FULL_RATE_GBPS:
                ports.setdefault((cage(device), rate), []).append(name(rail))
        for (_port, rate), rails in sorted(ports.items()):
            led = next(filter(None, (led_to(case.fabric.device(host, rail) or {}) for rail in rails)), "")
            found = f"the link of {', '.join(rails)}{led} is up at {rate:g} Gb/s"
            case.add(
                verdict(
                    "fabric.link-rate", found, f"{FULL_RATE_GBPS} Gb/s", figure(rate, "Gb/s"), known.LINK, (host, ", ".join(rails), None)
                ),
                *(link for link in case.fabric.links if any((host, rail) in link.ends for rail in rails)),
            )


def judge_gids(case: Case) -> None:
    """Add a verdict for each rail whose address is no longer where the plan has it in the GID table."""
    for host in case.fabric.hosts:
        for rail in case.fabric.rails[host]:
            device, end = case.fabric.device(host, name(rail)), (host, name(rail))
            if device is None:
                case.miss("observations", host, f"nothing of {name(rail)}" if host in case.fabric.observations else "none")
                continue
            index, planned = index_of(device["gids"], rail["ipv4"], rail["netdev"]), rail["gid_index"]
            if index is None or index != planned:
                found = f"{rail['ipv4']} of {name(rail)} is at {'no index' if index is None else f'index {index}'} of the GID table"
                threshold = limit(planned, "GID index", "the plan, and the kernel's table of the node")
                wanted = f"RoCE v2 at index {planned}, as planned" if planned is not None else "a RoCE v2 GID of that address"
                case.add(
                    verdict("fabric.wrong-gid", found, wanted, figure(index, "GID index"), threshold, (host, name(rail), None)),
                    *(link for link in case.fabric.links if end in link.ends),
                )


def gid_verdict(cause: Cause, at: Place, note: str = "") -> Verdict:
    """The verdict on an error that RDMA gives for a GID that is not there or leads nowhere."""
    reason = f": {GID_ERRORS[cause.code]}" if cause.code is not None else ""
    unit = "completion error" if cause.code == 12 else "errno of ibv_modify_qp"
    threshold = limit(0, unit, "NCCL's and perftest's own word; owners of Sparks give each of them with an empty or a link-local GID")
    found, wanted = f"{cause.line}{reason}{note}", "the GID of the rail's address on both nodes"
    return verdict("fabric.wrong-gid", found, wanted, figure(cause.code, unit), threshold, at)


def memory_verdict(case: Case, cause: Cause, at: Place) -> Verdict:
    """The verdict on memory that may not be pinned: what to do depends on the kernel, where it is known."""
    seen = case.kernel.get(at[0] or "") or {}
    release, cmdline = str(seen.get("release") or ""), str(seen.get("cmdline") or "")
    remedy = ""
    if release.startswith(known.KHO_KERNEL) and "kho=off" not in cmdline.split():
        remedy = "boot with kho=off on the kernel's command line, or boot 6.17.0-1032"
    elif release:
        remedy = "give the container --ulimit memlock=-1 and --cap-add IPC_LOCK, and see that Docker may give them"
    found = f"{cause.line}{f' (kernel {release})' if release else ''}"
    threshold = limit(0, "errno", known.MEMORY)
    return verdict("fabric.memory-refused", found, "memory registered for RDMA", figure(12, "errno"), threshold, at, remedy=remedy)
