# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a node, over ssh: prints as JSON what the self-test compares.  Standard library only; imports nothing of ours."""

from __future__ import annotations

import glob
import json
import os
import socket
import subprocess
import sys
from typing import Any, Optional


def read(path: str) -> Optional[str]:
    try:
        with open(path) as text:
            return text.read().strip()
    except OSError:
        return None


def netdev(name: str) -> dict[str, Any]:
    at = f"/sys/class/net/{name}/"
    fields = ("carrier", "mtu", "phys_port_name", "phys_switch_id", "speed")
    found: dict[str, Any] = {field: read(at + field) for field in fields}
    found["wireless"] = os.path.isdir(at + "wireless")
    found["pci_address"] = os.path.basename(os.path.realpath(at + "device"))
    return found


def rdma(device: str) -> dict[str, Any]:
    port = f"/sys/class/infiniband/{device}/ports/1/"
    gids = {}
    for index in map(int, os.listdir(port + "gids")):
        gid = read(f"{port}gids/{index}")
        if gid and gid.strip("0:"):
            gids[index] = [gid, read(f"{port}gid_attrs/types/{index}"), read(f"{port}gid_attrs/ndevs/{index}")]
    return {"state": read(port + "state"), "rate": read(port + "rate"), "gids": gids, "entries": len(os.listdir(port + "gids"))}


def output(*command: str) -> list[Any]:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [done.returncode, done.stdout.strip()]


def addresses() -> dict[str, list[str]]:
    found = {}
    for link in json.loads(output("ip", "-json", "-4", "address")[1]):
        found[link["ifname"]] = [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]]
    return found


def daemons() -> dict[str, str]:
    """Whether each of the two that could have a device runs: active, inactive, failed."""
    return {name: output("systemctl", "is-active", name)[1] for name in ("NetworkManager", "systemd-networkd")}


def owners() -> dict[str, dict[str, str]]:
    """Device: state and profile's file by NetworkManager, and the same by systemd-networkd; nothing of one that does not run."""
    found: dict[str, dict[str, str]] = {}
    status, devices = output("nmcli", "-t", "-f", "DEVICE,STATE", "device", "status")
    for line in devices.splitlines() if status == 0 else []:
        device, state = line.split(":", 1)
        found.setdefault(device, {})["nm_state"] = state
    status, profiles = output("nmcli", "-t", "-f", "DEVICE,FILENAME", "connection", "show", "--active")
    for line in profiles.splitlines() if status == 0 else []:
        device, file = line.split(":", 1)
        found.setdefault(device, {})["nm_file"] = file
    status, links = output("networkctl", "--json=short", "list")
    for link in json.loads(links)["Interfaces"] if status == 0 else []:
        entry = found.setdefault(link["Name"], {})
        entry["networkd_state"] = link["AdministrativeState"]
        entry["networkd_file"] = link.get("NetworkFile", "")
    return found


def profiles() -> list[str]:
    """NetworkManager's, active or not, by name."""
    status, names = output("nmcli", "-t", "-f", "NAME", "connection", "show")
    return str(names).splitlines() if status == 0 else []


def main(image: str, peers: list[str]) -> dict[str, Any]:
    inside = ["docker", "run", "--rm", "--network", "host", "--gpus", "all", "--device", "/dev/infiniband", "--ulimit", "memlock=-1"]
    return {
        "hostname": socket.gethostname(),
        "machine_id": read("/etc/machine-id"),
        "netdevs": {name: netdev(name) for name in os.listdir("/sys/class/net")},
        "addresses": addresses(),
        "default_route": output("ip", "route", "show", "default")[1],
        "rdma": {os.path.basename(path): rdma(os.path.basename(path)) for path in glob.glob("/sys/class/infiniband/*")},
        "product": read("/sys/class/dmi/id/product_name"),
        "daemons": daemons(),
        "owners": owners(),
        "profiles": profiles(),
        "gpu": output("nvidia-smi", "-L"),
        "pings": {peer: output("ping", "-q", "-c1", "-W2", "-M", "do", "-s", "8972", peer)[0] for peer in peers},
        "image": output("docker", "image", "inspect", "-f", "{{.Id}}", image)[1] if image else "",
        "inside": output(*inside, image, "bash", "-c", "ls -x /sys/class/infiniband") if image else [0, ""],
    }


print(json.dumps(main(sys.argv[1], sys.argv[2:])))
