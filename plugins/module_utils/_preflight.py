# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Is each node fit to run a rank, and are the nodes alike? What was observed against what is wanted; nothing is put right here."""

from __future__ import annotations

import collections
import typing as t

from ._findings import Finding, finding
from ._preflight_ids import IDS

GIB = 1024**3
GPU_CHOICES = ("auto", "gpus", "cdi", "runtime")
Host = dict[str, t.Any]


class PreflightError(ValueError):
    """The filter was asked for something that cannot be; the text says what was found and wanted."""


class Check(t.NamedTuple):
    """One line of the table; `id` is empty where all is well, `remedy` where the id says enough."""

    host: str
    name: str
    found: str
    wanted: str
    id: str = ""
    remedy: str = ""

    @property
    def severity(self) -> str:
        return IDS[self.id].severity if self.id else "ok"


class Wanted(t.NamedTuple):
    min_memory_gib: t.Optional[float] = None
    min_available_memory_gib: t.Optional[float] = None
    min_free_disk_gib: t.Mapping[str, float] = {}
    gpu: str = "auto"
    check_gpu: bool = True
    check_infiniband: bool = True


def judge(hosts: t.Mapping[str, Host], wanted: Wanted) -> dict[str, t.Any]:
    """Judge the results of host_info, {name of the host: result}.

    Returns `findings`, `rows` (the table, as aligned lines: host, check, found, wanted, verdict) and `gpu` {host: the chosen way or None}.
    """
    if wanted.gpu not in GPU_CHOICES:
        raise PreflightError(f"gpu is {wanted.gpu!r}, wanted one of {', '.join(GPU_CHOICES)}")
    checks = [check for host, seen in hosts.items() for check in _of_host(host, seen, wanted)]
    checks += _parity(hosts)
    return {
        "findings": [_finding(check) for check in checks if check.id],
        "rows": table([("host", "check", "found", "wanted", "verdict"), *((*check[:4], check.severity) for check in checks)]),
        "gpu": {host: _chosen(seen, wanted.gpu) for host, seen in hosts.items()},
    }


def table(rows: t.Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of text with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _finding(check: Check) -> Finding:
    host = check.host if check.host != "all" else None
    return finding(check.id, check.severity, host, check.found, check.wanted, check.remedy or IDS[check.id].remedy)


def _of_host(host: str, seen: Host, wanted: Wanted) -> t.Iterator[Check]:
    yield _docker(host, seen["docker"])
    if wanted.check_gpu:
        yield _driver(host, seen["gpu"])
    if wanted.check_gpu and seen["docker"]["reachable"]:
        yield _gpu_way(host, seen, wanted.gpu)
    if wanted.check_infiniband:
        yield _infiniband(host, seen["infiniband"])
    yield from _memory(host, seen, wanted)
    for path, gib in wanted.min_free_disk_gib.items():
        yield _disk(host, seen["disk"], path, gib)


def _docker(host: str, docker: Host) -> Check:
    row = Check(host, "docker", f"Docker {docker['version']}", "a Docker that answers")
    if docker["reachable"]:
        return row
    if not docker["present"]:
        return row._replace(found="no docker command", id="host.docker-missing")
    return row._replace(found=docker["error"], id="host.docker-not-reachable")


def _driver(host: str, gpu: Host) -> Check:
    row = Check(host, "driver", f"{gpu['name']}, driver {gpu['driver']}", "a GPU that nvidia-smi sees")
    return row if gpu["present"] else row._replace(found=gpu["error"], id="host.driver-missing")


def _gpu_way(host: str, seen: Host, gpu: str) -> Check:
    ways = seen["gpu_ways"]
    row = Check(host, "gpu for docker", ", ".join(ways), "any way" if gpu == "auto" else gpu)
    if _chosen(seen, gpu) is not None:
        return row
    found = f"only {', '.join(ways)}" if ways else "no way"
    remedy = "set preflight_gpu to auto or to a way that the node has" if ways else ""
    wanted = "one of gpus, cdi, runtime" if gpu == "auto" else gpu
    return row._replace(found=found, wanted=wanted, id="host.gpu-not-available-to-docker", remedy=remedy)


def _chosen(seen: Host, gpu: str) -> t.Optional[str]:
    ways = seen["gpu_ways"]
    if gpu == "auto":
        return ways[0] if ways else None
    return gpu if gpu in ways else None


def _infiniband(host: str, infiniband: Host) -> Check:
    row = Check(host, "rdma devices", f"{len(infiniband['nodes'])} in /dev/infiniband", "/dev/infiniband")
    return row if infiniband["present"] else row._replace(found="no RDMA device", id="host.infiniband-missing")


def _memory(host: str, seen: Host, wanted: Wanted) -> t.Iterator[Check]:
    asked = [
        ("memory", "memory_bytes", wanted.min_memory_gib, "host.memory-small"),
        ("free memory", "memory_available_bytes", wanted.min_available_memory_gib, "host.memory-busy"),
    ]
    for name, key, gib, identifier in asked:
        if not gib:
            continue
        size = seen[key] or 0
        row = Check(host, name, f"{size / GIB:.1f} GiB", f"at least {gib:g} GiB")
        yield row if size >= gib * GIB else row._replace(id=identifier)


def _disk(host: str, disk: list[Host], path: str, gib: float) -> Check:
    entry = next((entry for entry in disk if entry["path"] == path), None)
    if entry is None:
        paths = ", ".join(entry["path"] for entry in disk) or "none"
        raise PreflightError(f"min_free_disk_gib names {path}, and host_info on {host} looked at: {paths}; add it to paths")
    where = f"{entry['filesystem']} at {entry['mount_point']}"
    row = Check(host, f"disk {path}", f"{entry['free_bytes'] / GIB:.1f} GiB free ({where})", f"at least {gib:g} GiB free")
    if entry["free_bytes"] >= gib * GIB:
        return row
    return row._replace(id="host.disk-small", remedy=f"free space for {path}, or give it a larger file system")


def _parity(hosts: t.Mapping[str, Host]) -> t.Iterator[Check]:
    """What has to be alike on all nodes, one line for all of them."""
    yield from _alike("architecture", "host.architecture-differs", {host: seen["architecture"] for host, seen in hosts.items()})
    yield from _alike("kernel", "host.kernel-differs", {host: seen["kernel"] for host, seen in hosts.items()})
    drivers = {host: seen["gpu"]["driver"] for host, seen in hosts.items() if seen["gpu"]["driver"]}
    yield from _alike("driver", "host.driver-differs", drivers)
    machines = collections.defaultdict(list)
    for host, seen in hosts.items():
        if seen["machine_id"] and seen["boot_id"]:
            machines[(seen["machine_id"], seen["boot_id"])].append(host)
    for names in machines.values():
        if len(names) > 1:
            found = f"{', '.join(names)} are one machine"
            yield Check("all", "machines", found, "one machine per name", "host.same-machine")


def _alike(name: str, identifier: str, values: dict[str, str]) -> t.Iterator[Check]:
    if len(values) < 2:
        return
    by_value = collections.defaultdict(list)
    for host, value in values.items():
        by_value[value].append(host)
    if len(by_value) == 1:
        yield Check("all", name, ", ".join(by_value), "the same on all nodes")
        return
    found = "; ".join(f"{value} on {', '.join(names)}" for value, names in by_value.items())
    yield Check("all", name, found, "the same on all nodes", identifier)
