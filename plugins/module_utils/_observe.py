# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Ask a node for what `_host` and `_kernel` read. Nothing is run here: the caller lends the way to run a command, and to find it."""

from __future__ import annotations

import json
import os
import typing as t

from . import _forwarding, _host, _kernel, _roce
from ._sysfs import Sysfs
from ._tool import TIMED_OUT

# Each command's, so that a driver or a daemon that hangs does not take the node's answer with it.
SECONDS = 30
# More than a boot's messages, less than a log that a driver fills; it is the newest lines that are read.
LOG_LINES = 20000

# (words) -> (exit code, standard output, standard error)
Run = t.Callable[[list[str]], tuple[int, str, str]]
# (name of a command) -> its path, None if it is not there
Find = t.Callable[[str], t.Optional[str]]


class Node:
    """The files below `root` and the commands of a node. What is missing or may not be read is empty."""

    def __init__(self, run: Run, find: Find, root: str = "/") -> None:
        self._run = run
        self._find = find
        self._limit = find("timeout")
        self.root = root

    def has(self, command: str) -> bool:
        return self._find(command) is not None

    def ask(self, command: str, *words: str) -> t.Optional[tuple[int, str, str]]:
        """Exit code, output and errors of a command; None if there is no such command."""
        path = self._find(command)
        if path is None:
            return None
        limit = [self._limit, str(SECONDS)] if self._limit else []
        status, output, errors = self._run([*limit, path, *words])
        late = f"{command} did not answer within {SECONDS} s"
        return status, output, errors or (late if limit and status == TIMED_OUT else "")

    def answer(self, command: str, *words: str) -> str:
        """The output of a command, empty if it failed or is not there."""
        status, output, _errors = self.ask(command, *words) or (1, "", "")
        return "" if status else output

    def text(self, *names: str) -> str:
        """The content of a file."""
        try:
            with open(os.path.join(self.root, *names), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def names(self, *names: str) -> list[str]:
        """The names in a directory."""
        try:
            return sorted(os.listdir(os.path.join(self.root, *names)))
        except OSError:
            return []


def host(node: Node, paths: t.Iterable[str]) -> dict[str, t.Any]:
    """All that the module host_info returns, `paths` being those of whose file systems it is asked."""
    system = os.uname()
    found = docker(node)
    commands = [name for name in (_host.HOOK, _host.CDI_HOOK, _host.TOOLKIT) if node.has(name)]
    nodes = node.names("dev", "infiniband")
    mounts = node.text("proc", "self", "mounts")
    meminfo = node.text("proc", "meminfo")
    processes = {pid: node.text("proc", pid, "comm") for pid in node.names("proc") if pid.isdecimal()}
    return {
        "hostname": system.nodename,
        "kernel": system.release,
        "kernel_handover": _kernel.handover(node.text("proc", "cmdline"), meminfo),
        "kernel_log": kernel_log(node),
        "architecture": system.machine,
        "machine_id": node.text("etc", "machine-id").strip() or None,
        "boot_id": node.text("proc", "sys", "kernel", "random", "boot_id").strip() or None,
        **_host.memory(meminfo),
        "earlyoom": _kernel.runs("earlyoom", processes),
        "disk": [disk(path, mounts) for path in paths],
        "docker": found,
        "gpu": gpu(node),
        "gpu_ways": _host.gpu_ways(found, commands),
        "nvidia_commands": commands,
        "infiniband": {"present": bool(nodes), "nodes": nodes},
        "adapters": _kernel.adapters(Sysfs(os.path.join(node.root, "sys"))),
        **forwarding(node),
    }


def docker(node: Node) -> _host.Docker:
    said = node.ask("docker", "info", "--format", "{{json .}}")
    if said is None:
        return _host.no_docker()
    found = _host.docker(*said)
    if not found["cdi_devices"]:
        files = [os.path.join(directory, name) for directory in found["cdi_dirs"] for name in node.names(directory)]
        specifications = [node.text(path) for path in files if path.endswith((".json", ".yaml", ".yml"))]
        found["cdi_devices"] = sorted({device for text in specifications for device in _host.cdi_devices(text)})
    if found["reachable"]:
        found["containers"] = sorted(node.answer("docker", "ps", "--format", "{{.Names}}").split())
    return found


def gpu(node: Node) -> dict[str, t.Any]:
    said = node.ask("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return _host.gpu(*(said or (127, "", "the command nvidia-smi was not found")))


def kernel_log(node: Node) -> t.Optional[dict[str, t.Any]]:
    """The journal has this boot's messages from its beginning on; the kernel itself keeps the last ones only."""
    journal = ("--dmesg", "--boot", "--no-pager", "--output=short-monotonic", f"--lines={LOG_LINES}")
    found = _kernel.log(node.answer("journalctl", *journal))
    return found if found is not None else _kernel.log(node.answer("dmesg"))


def forwarding(node: Node) -> dict[str, t.Any]:
    """The addresses of the rails, the routes over them through other nodes, and whether this one passes packets on."""
    addresses, routes = (_listed(node.answer("ip", "-json", "-4", *words)) for words in (("address", "show"), ("route", "show")))
    try:
        ports = _roce.observe(os.path.join(node.root, "sys"), addresses, [])["devices"]
    except OSError:
        ports = []
    rails = sorted({port["netdev"] for port in ports if port["netdev"]})
    enabled = node.text("proc", "sys", "net", "ipv4", "ip_forward")
    return {
        "forwarding": _forwarding.passes(enabled, node.answer("iptables", "--list-rules"), rails),
        "rail_addresses": sorted({entry["address"] for port in ports for entry in port["ipv4"]}),
        "rail_routes": _forwarding.through(routes, rails),
    }


def _listed(text: str) -> list[dict[str, t.Any]]:
    """The objects of a JSON list, none where it is something else."""
    try:
        entries = json.loads(text)
    except ValueError:
        return []
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def disk(path: str, mounts: str) -> dict[str, t.Any]:
    """The file system that `path` is on or will be on; `mounts` is the content of /proc/self/mounts."""
    existing = os.path.abspath(path)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    state = os.statvfs(existing)
    return {
        "path": path,
        "existing": existing,
        "free_bytes": state.f_bavail * state.f_frsize,
        "size_bytes": state.f_blocks * state.f_frsize,
        **_host.mount_of(os.path.realpath(existing), mounts),
    }
