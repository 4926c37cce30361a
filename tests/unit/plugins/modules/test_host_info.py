# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import host_info
from tests.unit.plugins.modules.module_runner import run_module

CDI = "kind: nvidia.com/gpu\ndevices:\n- name: all\n"


LOG = "[    1.000000] spark1 kernel: Linux version 6.17.0-1014-nvidia\n[    9.500000] spark1 kernel: NVRM: Xid (PCI:000f:01:00): 79, lost\n"
PROBES = ["journalctl", "dmesg", "iptables", "ip"]


ADDRESS = {"family": "inet", "local": "192.168.100.11", "prefixlen": 24}


class Node:
    """The commands of a node: Docker with one CDI directory, nvidia-smi, and what shows the kernel's log and its firewall."""

    def __init__(self, cdi: Path) -> None:
        self.info: dict[str, t.Any] = {"ServerVersion": "29.2.1", "CDISpecDirs": [str(cdi), "/nosuch/cdi"], "Runtimes": {"runc": {}}}
        # (exit code, output, errors) by command
        self.answers: dict[str, tuple[int, str, str]] = {
            "docker ps": (0, "vllm-dsv4\nregistry\n", ""),
            "nvidia-smi": (0, "NVIDIA GB10, 580.142\n", ""),
            "journalctl": (0, LOG, ""),
            "dmesg": (1, "", "dmesg: read kernel buffer failed: Operation not permitted"),
            "iptables": (0, "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n", ""),
            "ip address": (0, json.dumps([{"ifname": "enp1s0f0np0", "addr_info": [ADDRESS]}]), ""),
            "ip route": (0, json.dumps([{"dst": "192.168.102.0/24", "gateway": "192.168.100.12", "dev": "enp1s0f0np0"}]), ""),
        }
        self.calls: list[list[str]] = []

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        self.calls.append(words)
        command, *rest = words[2:] if words[0] == "/usr/bin/timeout" else words
        name = command[len("/usr/bin/") :]
        if (name, rest[:1]) == ("docker", ["info"]):
            return 0, json.dumps(self.info), ""
        # `ip -json -4 route show`
        return self.answers[{"docker": "docker ps", "ip": f"ip {rest[2] if rest[2:] else ''}"}.get(name, name)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    (tmp_path / "cdi").mkdir()
    return Node(tmp_path / "cdi")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a node on which earlyoom runs, with kho=off and one RDMA device."""
    files = {
        "proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz root=/dev/nvme0n1p2 kho=off\n",
        "proc/meminfo": "MemTotal: 127601472 kB\nMemAvailable: 123731968 kB\nCmaTotal: 32768 kB\nCmaFree: 0 kB\n",
        "proc/1/comm": "systemd\n",
        "proc/812/comm": "earlyoom\n",
        "proc/812/cmdline": "earlyoom",
        "sys/class/infiniband/rocep1s0f0/fw_ver": "28.45.4028\n",
        "sys/class/infiniband/rocep1s0f0/board_id": "NVD0000000087\n",
        "sys/class/infiniband/rocep1s0f0/ports/1/state": "4: ACTIVE\n",
        "sys/class/infiniband/rocep1s0f0/device/net/enp1s0f0np0/mtu": "9000\n",
        "proc/sys/net/ipv4/ip_forward": "1\n",
        "dev/infiniband/uverbs0": "",
        "etc/machine-id": "3f2c9a5e\n",
    }
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "root"


def test_node_reports_what_docker_and_nvidia_smi_say(node: Node, tmp_path: Path) -> None:
    (tmp_path / "cdi" / "nvidia.yaml").write_text(CDI)
    (tmp_path / "cdi" / "notes.txt").write_text(CDI.replace("all", "note"))
    result = run_module(host_info, {}, node, binaries=["docker", "nvidia-smi", "nvidia-cdi-hook", "nvidia-ctk"], check=True)
    assert (result["failed"], result["changed"]) == (False, False)
    assert result["docker"]["cdi_devices"] == ["nvidia.com/gpu=all"]
    assert result["docker"]["containers"] == ["registry", "vllm-dsv4"]
    assert (result["gpu_ways"], result["nvidia_commands"]) == (["gpus", "cdi"], ["nvidia-cdi-hook", "nvidia-ctk"])
    assert result["gpu"] == {"present": True, "count": 1, "name": "NVIDIA GB10", "driver": "580.142", "error": None}
    assert node.calls == [
        ["/usr/bin/docker", "info", "--format", "{{json .}}"],
        ["/usr/bin/docker", "ps", "--format", "{{.Names}}"],
        ["/usr/bin/nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
    ]


def test_containers_are_not_asked_of_a_docker_that_does_not_answer(node: Node) -> None:
    node.info = {"ServerErrors": ["permission denied"]}
    assert run_module(host_info, {}, node)["docker"]["containers"] == []
    assert len(node.calls) == 1


def test_node_reports_what_the_kernel_and_its_firewall_say(node: Node, root: Path) -> None:
    result = run_module(host_info, {"root": str(root)}, node, binaries=PROBES)
    assert result["kernel_handover"] == {"disabled": True, "scratch_bytes": 0}
    assert result["kernel_log"] == {"gpu_memory_refused": 0, "xids": [79], "pcie_fatal": []}
    assert result["adapters"] == [{"device": "rocep1s0f0", "firmware": "28.45.4028", "board_id": "NVD0000000087"}]
    assert (result["earlyoom"], result["machine_id"]) == (True, "3f2c9a5e")
    assert result["forwarding"] == {"enabled": True, "policy": "DROP", "accepted": False}
    assert result["rail_addresses"] == ["192.168.100.11"]
    assert result["rail_routes"] == [{"destination": "192.168.102.0/24", "gateway": "192.168.100.12", "interface": "enp1s0f0np0"}]
    assert (result["memory_bytes"], result["infiniband"]["nodes"]) == (127601472 * 1024, ["uverbs0"])
    assert ["/usr/bin/dmesg"] not in node.calls


def test_every_command_has_its_time(node: Node) -> None:
    run_module(host_info, {}, node, binaries=["timeout", "docker", "nvidia-smi", *PROBES])
    assert len(node.calls) == 7
    assert [words for words in node.calls if words[:2] != ["/usr/bin/timeout", "30"]] == []


def test_command_that_takes_too_long_is_told(node: Node) -> None:
    node.answers["nvidia-smi"] = (124, "", "")
    result = run_module(host_info, {}, node, binaries=["timeout", "nvidia-smi"])
    assert (result["failed"], result["gpu"]["error"]) == (False, "nvidia-smi did not answer within 30 s")


@pytest.mark.parametrize(
    ("journal", "messages", "expected"),
    [
        ((0, "-- No entries --\n", ""), (0, LOG, ""), [79]),
        ((1, "", "No journal files were opened due to insufficient permissions."), (0, LOG, ""), [79]),
        ((124, LOG, ""), (0, LOG.replace("79", "13"), ""), [13]),
        ((0, "-- No entries --\n", ""), (1, "", "dmesg: read kernel buffer failed: Operation not permitted"), None),
        ((0, "\x00\ufffd garbage", ""), (0, "usage: dmesg\n", ""), None),
    ],
)
def test_kernel_is_asked_itself_where_the_journal_has_nothing_of_it(
    node: Node, journal: tuple[int, str, str], messages: tuple[int, str, str], expected: t.Optional[list[int]]
) -> None:
    node.answers.update({"journalctl": journal, "dmesg": messages})
    log = run_module(host_info, {}, node, binaries=["journalctl", "dmesg"])["kernel_log"]
    assert (log and log["xids"]) == expected


def test_firewall_that_may_not_be_asked_is_unknown(node: Node, tmp_path: Path) -> None:
    refused = "iptables v1.8.10 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)"
    node.answers["iptables"] = (4, "", refused)
    found = run_module(host_info, {"root": str(tmp_path)}, node, binaries=["iptables"])["forwarding"]
    assert found == {"enabled": None, "policy": None, "accepted": None}


@pytest.mark.parametrize("text", ["", 'Object "-json" is unknown', "{}", "[3]"])
def test_ip_that_knows_no_json_tells_no_rail(node: Node, root: Path, text: str) -> None:
    node.answers.update({"ip address": (0, text, ""), "ip route": (0, text, "")})
    result = run_module(host_info, {"root": str(root)}, node, binaries=["ip"])
    assert (result["rail_addresses"], result["rail_routes"]) == ([], [])


def test_node_without_any_tool_or_file_is_still_reported(tmp_path: Path) -> None:
    result = run_module(host_info, {"root": str(tmp_path)}, binaries=[])
    assert (result["failed"], result["docker"]["present"], result["gpu"]["present"], result["gpu_ways"]) == (False, False, False, [])
    assert "nvidia-smi was not found" in result["gpu"]["error"]
    unknown = ("kernel_log", "earlyoom", "memory_bytes", "machine_id", "boot_id")
    assert [result[name] for name in unknown] == [None] * len(unknown)
    assert result["kernel_handover"] == {"disabled": None, "scratch_bytes": None}
    assert (result["adapters"], result["nvidia_commands"], result["infiniband"]["present"]) == ([], [], False)
    assert result["forwarding"] == {"enabled": None, "policy": None, "accepted": None}
    assert (result["rail_addresses"], result["rail_routes"]) == ([], [])


def test_machine_is_what_the_kernel_says(node: Node) -> None:
    result = run_module(host_info, {}, node)
    system = os.uname()
    assert (result["hostname"], result["kernel"], result["architecture"]) == (system.nodename, system.release, system.machine)
    assert result["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < result["memory_available_bytes"] < result["memory_bytes"]


def test_disk_of_a_directory_that_is_not_there_is_that_of_the_nearest_one_above(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    paths = [str(tmp_path), str(tmp_path / "not" / "yet"), str(tmp_path / "file" / "below")]
    disk = run_module(host_info, {"paths": paths}, node)["disk"]
    assert [(entry["path"], entry["existing"]) for entry in disk] == [(path, str(tmp_path)) for path in paths]
    state = os.statvfs(tmp_path)
    assert disk[0]["size_bytes"] == state.f_blocks * state.f_frsize
    assert 0 < disk[0]["free_bytes"] <= disk[0]["size_bytes"]
    assert disk[0]["filesystem"]
