# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a node is, read out of the words of the kernel, of docker and of nvidia-smi. A tool that is missing is a fact like any other."""

from __future__ import annotations

import json
import re
import typing as t

# dockerd 29 gives `--gpus` by CDI where the hook is missing; before, the hook is the only way (moby/moby#50228).
_GPUS_BY_CDI = (29,)
_CDI = (25,)
HOOK = "nvidia-container-runtime-hook"
CDI_HOOK = "nvidia-cdi-hook"
# The command of NVIDIA's container toolkit that writes CDI specifications.
TOOLKIT = "nvidia-ctk"


class Docker(t.TypedDict):
    present: bool
    reachable: bool
    version: t.Optional[str]
    client_version: t.Optional[str]
    error: t.Optional[str]
    runtimes: list[str]
    default_runtime: t.Optional[str]
    cdi_dirs: list[str]
    cdi_devices: list[str]
    cgroup_driver: t.Optional[str]
    cgroup_version: t.Optional[str]
    storage_driver: t.Optional[str]
    root_dir: t.Optional[str]
    containers: list[str]


def memory(meminfo: str) -> dict[str, t.Optional[int]]:
    """Total and available memory in bytes out of /proc/meminfo, whose "kB" are KiB."""
    found = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)}
    return {"memory_bytes": found.get("MemTotal"), "memory_available_bytes": found.get("MemAvailable")}


def mount_of(path: str, mounts: str) -> dict[str, t.Optional[str]]:
    """Mount point and type of the file system that holds `path`, out of /proc/self/mounts. A later mount hides an earlier one."""
    best: tuple[str, t.Optional[str]] = ("", None)
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), fields[1])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, fields[2])
    return {"mount_point": best[0] or None, "filesystem": best[1]}


def docker(status: int, info: str, errors: str) -> Docker:
    """Read `docker info --format '{{json .}}'`, which prints what it can even when the daemon does not answer.

    `cdi_devices` holds what the daemon says itself; older ones say nothing, then read the files of `cdi_dirs`. `containers` is left empty:
    the daemon tells their number only.
    """
    try:
        said = json.loads(info)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    complaints = [*(said.get("ServerErrors") or []), *errors.strip().splitlines()[-1:]]
    reachable = bool(said.get("ServerVersion"))
    return {
        "present": True,
        "reachable": reachable,
        "version": said.get("ServerVersion") or None,
        "client_version": (said.get("ClientInfo") or {}).get("Version"),
        "error": None if reachable else (complaints[0] if complaints else f"docker info ended with exit code {status} and said nothing"),
        "runtimes": sorted(said.get("Runtimes") or {}),
        "default_runtime": said.get("DefaultRuntime") or None,
        "cdi_dirs": list(said.get("CDISpecDirs") or []),
        "cdi_devices": sorted(device["ID"] for device in said.get("DiscoveredDevices") or [] if device.get("Source") == "cdi"),
        "cgroup_driver": said.get("CgroupDriver") or None,
        "cgroup_version": said.get("CgroupVersion") or None,
        "storage_driver": said.get("Driver") or None,
        "root_dir": said.get("DockerRootDir") or None,
        "containers": [],
    }


def no_docker() -> Docker:
    """The same shape for a node without the docker command."""
    return {**docker(0, "", "the command docker was not found"), "present": False}


def cdi_devices(specification: str) -> list[str]:
    """The devices of one CDI specification (JSON, or YAML as nvidia-ctk writes it), such as `nvidia.com/gpu=all`.

    Nodes have no YAML parser, and only the kind and the names of the devices are wanted: the list under the top-level key `devices`, and of
    each of its entries the key `name` at the entry's own level.
    """
    try:
        document = json.loads(specification)
        return [f"{document['kind']}={device['name']}" for device in document["devices"]]
    except (ValueError, KeyError, TypeError):
        pass
    kind = re.search(r"^kind:\s*[\"']?([^\s\"'#]+)", specification, re.MULTILINE)
    section = re.search(r"^devices:[^\n]*\n((?:(?:[ -].*)?\n?)*)", specification, re.MULTILINE)
    if kind is None or section is None:
        return []
    names = []
    dash: t.Optional[int] = None
    for line in section.group(1).splitlines():
        text = line.lstrip(" ")
        column = len(line) - len(text)
        if text.startswith("- ") and (dash is None or column == dash):
            dash = column
            text = text[2:].lstrip(" ")
            column = len(line) - len(text)
            level = column
        if dash is not None and column == level and text.startswith("name:"):
            names.append(text[len("name:") :].split("#")[0].strip().strip("\"'"))
    return [f"{kind.group(1)}={name}" for name in names]


def gpu(status: int, output: str, errors: str) -> dict[str, t.Any]:
    """Read `nvidia-smi --query-gpu=name,driver_version --format=csv,noheader`. A GB10 answers [N/A] to questions about its memory."""
    rows = [[field.strip() for field in line.split(",")] for line in output.splitlines() if line.count(",") >= 1]
    if status != 0 or not rows:
        words = (errors.strip() or output.strip() or "nvidia-smi said nothing").splitlines()
        return {"present": False, "count": 0, "name": None, "driver": None, "error": words[0]}
    name, driver = (None if field in ("[N/A]", "N/A", "") else field for field in rows[0][:2])
    return {"present": True, "count": len(rows), "name": name, "driver": driver, "error": None}


def gpu_ways(found: Docker, hooks: t.Collection[str]) -> list[str]:
    """The ways in which this Docker can give GPUs to a container, best first; `hooks` are NVIDIA's commands that are on PATH.

    `gpus` (--gpus all), `cdi` (--device nvidia.com/gpu=all), `runtime` (--runtime nvidia). A DGX Spark comes without the last.
    """
    if not found["reachable"]:
        return []
    version = version_numbers(found["version"])
    has_cdi = any(device.startswith("nvidia.com/gpu=") for device in found["cdi_devices"])
    ways = {
        "gpus": HOOK in hooks or (CDI_HOOK in hooks and has_cdi and version >= _GPUS_BY_CDI),
        "cdi": has_cdi and version >= _CDI,
        "runtime": "nvidia" in found["runtimes"],
    }
    return [way for way, possible in ways.items() if possible]


def version_numbers(version: t.Optional[str]) -> tuple[int, ...]:
    """`20.10.24+dfsg1` -> (20, 10, 24); () for no version."""
    match = re.match(r"\d+(?:\.\d+)*", version or "")
    return tuple(int(number) for number in match.group().split(".")) if match else ()
