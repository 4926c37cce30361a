# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Is each node fit to run a rank, and are the nodes alike? What was observed against what is wanted; nothing is put right here."""

from __future__ import annotations

import typing as t

from . import _host, _preflight_forwarding, _preflight_parity, _preflight_state
from ._preflight_check import GIB, Check, Host, finding_of, table

GPU_CHOICES = ("auto", "gpus", "cdi", "runtime")
DEPLOYED_DISK_GIB = 1
"""What a node needs on each file system once it has the images, for which the rest of the space is."""


class PreflightError(ValueError):
    """The filter was asked for something that cannot be; the text says what was found and wanted."""


class Wanted(t.NamedTuple):
    """What a node must have; the documentation of the filter says what each field means."""

    min_memory_gib: t.Optional[float] = None
    min_available_memory_gib: t.Optional[float] = None
    memory_share: t.Optional[float] = None
    rank_container: str = ""
    min_free_disk_gib: t.Mapping[str, float] = {}
    deployed: t.Collection[str] = ()
    gpu: str = "auto"
    check_gpu: bool = True
    check_infiniband: bool = True
    spares: int = 0


def judge(hosts: t.Mapping[str, Host], wanted: Wanted) -> dict[str, t.Any]:
    """Judge the results of host_info, {name of the host: result}.

    Returns `findings`, `rows` (the table, as aligned lines: host, check, found, wanted, verdict) and `gpu` {host: the chosen way or None}.
    """
    if wanted.gpu not in GPU_CHOICES:
        raise PreflightError(f"gpu is {wanted.gpu!r}, wanted one of {', '.join(GPU_CHOICES)}")
    uncabled = [host for host, seen in hosts.items() if not seen["infiniband"]["present"] and not seen["adapters"]]
    spares = uncabled if len(uncabled) <= wanted.spares else []
    checks = [check for host, seen in hosts.items() for check in _of_host(host, seen, wanted, host in spares)]
    checks += [*_preflight_forwarding.checks(hosts), *_preflight_parity.checks(hosts)]
    return {
        "findings": [finding_of(check) for check in checks if check.id],
        "rows": table([("host", "check", "found", "wanted", "verdict"), *((*check[:4], check.severity) for check in checks)]),
        "gpu": {host: _chosen(seen, wanted.gpu) for host, seen in hosts.items()},
    }


def _of_host(host: str, seen: Host, wanted: Wanted, spare: bool) -> t.Iterator[Check]:
    rank_runs = wanted.rank_container in seen["docker"]["containers"]
    yield _docker(host, seen["docker"])
    if wanted.check_gpu:
        yield _driver(host, seen["gpu"])
        yield from _preflight_state.driver(host, seen)
        yield from _preflight_state.gpu_log(host, seen, rank_runs)
    if wanted.check_gpu and seen["docker"]["reachable"]:
        yield _gpu_way(host, seen, wanted.gpu)
    if wanted.check_infiniband:
        yield _infiniband(host, seen["infiniband"], spare)
        yield from _preflight_state.pcie_log(host, seen)
    # Memory is registered for RDMA by the ranks' NCCL, which there is on GPUs only.
    if wanted.check_infiniband and wanted.check_gpu:
        yield from _preflight_state.kernel(host, seen)
    yield from _preflight_state.earlyoom(host, seen)
    yield from _memory(host, seen, wanted)
    yield from _available_memory(host, seen, wanted, rank_runs)
    for path, gib in wanted.min_free_disk_gib.items():
        yield _disk(host, seen["disk"], path, min(gib, DEPLOYED_DISK_GIB) if host in wanted.deployed else gib)


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
    wanted = "one of gpus, cdi, runtime" if gpu == "auto" else gpu
    if ways:
        remedy = "set preflight_gpu to auto or to a way that the node has"
        return row._replace(found=f"only {', '.join(ways)}", wanted=wanted, id="host.gpu-not-available-to-docker", remedy=remedy)
    return row._replace(found=_no_way(seen), wanted=wanted, id="host.gpu-not-available-to-docker", remedy=_way_remedy(seen))


def _no_way(seen: Host) -> str:
    """What each way lacks. That the runtime `nvidia` is not registered is no fault by itself: a DGX Spark comes without it."""
    docker, folders = seen["docker"], ", ".join(seen["docker"]["cdi_dirs"])
    # With the other hook there is a way; this one needs a CDI device.
    hook = f"only {_host.CDI_HOOK}" if _host.CDI_HOOK in seen["nvidia_commands"] else "no hook of NVIDIA's"
    cdi = f"no CDI device of NVIDIA's in {folders}" if folders else f"no CDI in Docker {docker['version']}"
    return f"{hook} on PATH; {cdi}; no runtime nvidia"


def _way_remedy(seen: Host) -> str:
    """The next step where the toolkit is there and has been given nothing to do; empty otherwise, for the general one."""
    docker = seen["docker"]
    if _host.TOOLKIT in seen["nvidia_commands"] and docker["cdi_dirs"]:
        return f"write a CDI specification: nvidia-ctk cdi generate --output={docker['cdi_dirs'][0]}/nvidia.yaml"
    return ""


def _chosen(seen: Host, gpu: str) -> t.Optional[str]:
    ways = seen["gpu_ways"]
    if gpu == "auto":
        return ways[0] if ways else None
    return gpu if gpu in ways else None


def _infiniband(host: str, infiniband: Host, spare: bool) -> Check:
    """A node from which the card is gone can't get a rank, and so can be one of the spares, if not more are."""
    row = Check(host, "rdma devices", f"{len(infiniband['nodes'])} in /dev/infiniband", "/dev/infiniband")
    missing = row._replace(found="no RDMA device", id="host.uncabled" if spare else "host.infiniband-missing")
    return row if infiniband["present"] else missing


def _memory(host: str, seen: Host, wanted: Wanted) -> t.Iterator[Check]:
    if wanted.min_memory_gib:
        size = seen["memory_bytes"] or 0
        row = Check(host, "memory", f"{size / GIB:.1f} GiB", f"at least {wanted.min_memory_gib:g} GiB")
        yield row if size >= wanted.min_memory_gib * GIB else row._replace(id="host.memory-small")


def _available_memory(host: str, seen: Host, wanted: Wanted, rank_runs: bool) -> t.Iterator[Check]:
    """vLLM does not start where less is free than the share that it is to take. A rank that runs has taken its own."""
    available = seen["memory_available_bytes"]
    needed = (wanted.min_available_memory_gib or 0) * GIB or (wanted.memory_share or 0) * (seen["memory_bytes"] or 0)
    if not needed or available is None:
        return
    row = Check(host, "free memory", f"{available / GIB:.1f} GiB", f"at least {needed / GIB:.4g} GiB")
    if available >= needed:
        yield row
    elif rank_runs:
        yield row._replace(found=f"{row.found} beside the rank that runs")
    else:
        running = ", ".join(seen["docker"]["containers"])
        yield row._replace(found=f"{row.found}{f', while these containers run: {running}' if running else ''}", id="host.memory-busy")


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
