# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _preflight
from ansible_collections.dgx_spark.vllm.plugins.module_utils._preflight_ids import IDS

GIB = 1024**3
RANK = "vllm-dsv4-flash-b12x-1m"
ADAPTER = {"device": "rocep1s0f0", "firmware": "28.45.4028", "board_id": "NVD0000000087"}
UNCABLED: dict[str, t.Any] = {"infiniband": {"present": False, "nodes": []}, "adapters": []}
WANTED = {"min_memory_gib": 110, "min_available_memory_gib": 100, "min_free_disk_gib": {"/var/lib/docker": 40}}


def node(number: int) -> dict[str, t.Any]:
    """host_info of a node that is well."""
    return {
        "kernel": "6.17.0-1014-nvidia",
        "architecture": "aarch64",
        "memory_bytes": 121 * GIB,
        "memory_available_bytes": 118 * GIB,
        "machine_id": f"machine{number}",
        "boot_id": f"boot{number}",
        "disk": [{"path": "/var/lib/docker", "free_bytes": 900 * GIB, "filesystem": "ext4", "mount_point": "/"}],
        "docker": {
            "present": True,
            "reachable": True,
            "version": "29.2.1",
            "error": None,
            "cdi_dirs": ["/etc/cdi", "/var/run/cdi"],
            "containers": [],
        },
        "gpu": {"present": True, "name": "NVIDIA GB10", "driver": "580.142", "error": None},
        "gpu_ways": ["gpus", "cdi"],
        "nvidia_commands": ["nvidia-container-runtime-hook", "nvidia-ctk"],
        "infiniband": {"present": True, "nodes": ["rdma_cm", "uverbs0"]},
        "adapters": [dict(ADAPTER)],
        "kernel_handover": {"disabled": False, "scratch_bytes": 0},
        "kernel_log": {"gpu_memory_refused": 0, "xids": [], "pcie_fatal": []},
        "earlyoom": False,
        "forwarding": {"enabled": True, "policy": "DROP", "accepted": False},
        "rail_addresses": [f"192.168.100.{number}"],
        "rail_routes": [],
    }


def changed(seen: dict[str, t.Any], change: t.Optional[dict[str, t.Any]]) -> dict[str, t.Any]:
    """`seen` with other values, {path with dots: value}."""
    for path, value in copy.deepcopy(change or {}).items():
        *parents, last = path.split(".")
        entry: t.Any = seen
        for parent in parents:
            entry = entry[int(parent)] if parent.isdigit() else entry[parent]
        entry[last] = value
    return seen


def judge(change: t.Optional[dict[str, t.Any]] = None, **wanted: t.Any) -> dict[str, t.Any]:
    """Judge two nodes, the second of which differs by `change`."""
    hosts = {"spark1": node(1), "spark2": changed(node(2), change)}
    return _preflight.judge(hosts, _preflight.Wanted(**{**WANTED, **wanted}))


def test_two_nodes_that_are_well_and_alike_give_no_finding() -> None:
    result = judge()
    assert (result["findings"], result["gpu"]) == ([], {"spark1": "gpus", "spark2": "gpus"})


def test_more_nodes_without_a_cable_than_can_be_spares_are_all_told() -> None:
    hosts = {f"spark{number}": changed(node(number), UNCABLED if number > 1 else None) for number in (1, 2, 3)}
    found = _preflight.judge(hosts, _preflight.Wanted(spares=1))["findings"]
    assert [(finding["id"], finding["host"]) for finding in found] == [("host.infiniband-missing", host) for host in ("spark2", "spark3")]


def test_a_recipe_on_the_cpu_needs_no_gpu() -> None:
    bare = {"gpu": {"present": False, "name": None, "driver": None, "error": "no nvidia-smi"}, "gpu_ways": []}
    assert [finding["id"] for finding in judge(bare)["findings"]] == ["host.driver-missing", "host.gpu-not-available-to-docker"]
    assert judge(bare, check_gpu=False)["findings"] == []


DOWN: dict[str, t.Any] = {"docker.reachable": False, "docker.version": None, "docker.error": "permission denied", "gpu_ways": []}


@pytest.mark.parametrize(
    ("change", "wanted", "expected"),
    [
        ({**DOWN, "docker.present": False}, {}, [("host.docker-missing", "error", "spark2")]),
        (DOWN, {}, [("host.docker-not-reachable", "error", "spark2")]),
        ({"gpu_ways": []}, {}, [("host.gpu-not-available-to-docker", "error", "spark2")]),
        ({"gpu_ways": ["cdi"]}, {"gpu": "gpus"}, [("host.gpu-not-available-to-docker", "error", "spark2")]),
        ({"gpu_ways": ["cdi"]}, {}, []),
        ({"gpu.present": False, "gpu.driver": None, "gpu.error": "no nvidia-smi"}, {}, [("host.driver-missing", "error", "spark2")]),
        ({"gpu.driver": "580.173.02"}, {}, [("host.driver-differs", "warning", None)]),
        ({"kernel": "6.17.0-1032-nvidia"}, {}, [("host.kernel-differs", "warning", None)]),
        ({"architecture": "x86_64"}, {}, [("host.architecture-differs", "error", None)]),
        ({"infiniband": {"present": False, "nodes": []}}, {}, [("host.infiniband-missing", "error", "spark2")]),
        ({"infiniband": {"present": False, "nodes": []}}, {"check_infiniband": False}, []),
        # Only where the card is gone, and the others are enough.
        ({"infiniband": {"present": False, "nodes": []}}, {"spares": 1}, [("host.infiniband-missing", "error", "spark2")]),
        ({**UNCABLED}, {"spares": 1}, [("host.uncabled", "warning", "spark2")]),
        ({**UNCABLED}, {"spares": 0}, [("host.infiniband-missing", "error", "spark2")]),
        ({"memory_bytes": 110 * GIB - 1}, {}, [("host.memory-small", "error", "spark2")]),
        ({"memory_bytes": 110 * GIB}, {}, []),
        ({"memory_bytes": None}, {}, [("host.memory-small", "error", "spark2")]),
        ({"memory_bytes": 0}, {"min_memory_gib": None}, []),
        ({"memory_available_bytes": 100 * GIB - 1}, {}, [("host.memory-busy", "warning", "spark2")]),
        ({"memory_available_bytes": 100 * GIB}, {}, []),
        ({"memory_available_bytes": 100 * GIB}, {"memory_share": 0.9}, []),
        ({"memory_available_bytes": None}, {}, []),
        ({"adapters.0.firmware": "28.40.1000"}, {}, [("host.firmware-differs", "warning", None)]),
        ({"adapters.0.firmware": "28.40.1000", "adapters.0.board_id": "DEL0000000033"}, {}, []),
        ({"adapters.0.firmware": None}, {}, []),
        ({"adapters.0.board_id": None}, {}, []),
        ({"adapters": []}, {}, []),
        ({"earlyoom": True}, {}, [("host.earlyoom", "info", "spark2")]),
        ({"earlyoom": None}, {}, []),
        ({"disk.0.free_bytes": 40 * GIB - 1}, {}, [("host.disk-small", "error", "spark2")]),
        ({"disk.0.free_bytes": 0}, {"min_free_disk_gib": {}}, []),
        ({"disk.0.free_bytes": 40 * GIB - 1}, {"deployed": ["spark1"]}, [("host.disk-small", "error", "spark2")]),
        ({"disk.0.free_bytes": GIB}, {"deployed": ["spark2"]}, []),
        ({"disk.0.free_bytes": GIB - 1}, {"deployed": ["spark2"]}, [("host.disk-small", "error", "spark2")]),
        ({"disk.0.free_bytes": GIB // 2}, {"deployed": ["spark2"], "min_free_disk_gib": {"/var/lib/docker": 0.5}}, []),
        ({"machine_id": "machine1", "boot_id": "boot1"}, {}, [("host.same-machine", "error", None)]),
        ({"machine_id": "machine1"}, {}, []),
        ({"machine_id": None, "boot_id": None}, {}, []),
    ],
)
def test_what_a_node_lacks_becomes_one_finding(
    change: dict[str, t.Any], wanted: dict[str, t.Any], expected: list[tuple[str, str, t.Optional[str]]]
) -> None:
    findings = judge(change, **wanted)["findings"]
    assert [(finding["id"], finding["severity"], finding["host"]) for finding in findings] == expected


def test_kernels_that_differ_are_named_with_their_hosts() -> None:
    (finding,) = judge({"kernel": "6.17.0-1032-nvidia"})["findings"]
    assert finding["found"] == "6.17.0-1014-nvidia on spark1; 6.17.0-1032-nvidia on spark2"


def test_firmware_is_compared_among_the_nodes_with_one_board() -> None:
    second = {**ADAPTER, "device": "roceP2p1s0f0", "firmware": "28.40.1000"}
    (finding,) = judge({"adapters": [ADAPTER, second]})["findings"]
    assert finding["found"] == "28.45.4028 on spark1; 28.40.1000 and 28.45.4028 on spark2"
    assert finding["wanted"] == "the same on all nodes with board NVD0000000087"


def test_share_of_the_memory_that_vllm_takes_is_that_of_each_node() -> None:
    share = {"min_available_memory_gib": 0, "memory_share": 0.82}
    assert judge({"memory_available_bytes": int(0.82 * 121 * GIB) + 1}, **share)["findings"] == []
    busy = {"memory_available_bytes": int(0.82 * 121 * GIB) - 1, "docker.containers": ["vllm_node", "web"]}
    (finding,) = judge(busy, **share)["findings"]
    assert (finding["id"], finding["wanted"]) == ("host.memory-busy", "at least 99.22 GiB")
    assert finding["found"] == "99.2 GiB, while these containers run: vllm_node, web"
    assert "drop_caches" in finding["remedy"]
    assert judge({"memory_available_bytes": 0, "memory_bytes": None}, min_memory_gib=None, **share)["findings"] == []


def test_memory_that_the_rank_itself_holds_is_nobody_elses() -> None:
    serving = {"memory_available_bytes": 9 * GIB, "docker.containers": [RANK]}
    assert judge(serving, rank_container=RANK)["findings"] == []
    assert [finding["id"] for finding in judge(serving, rank_container="vllm-other")["findings"]] == ["host.memory-busy"]


NO_HOOK = "no hook of NVIDIA's on PATH"
NO_DEVICE = "no CDI device of NVIDIA's in"


@pytest.mark.parametrize(
    ("changes", "ways"),
    [
        ({"nvidia_commands": []}, f"{NO_HOOK}; {NO_DEVICE} /etc/cdi, /var/run/cdi"),
        ({"nvidia_commands": ["nvidia-cdi-hook"]}, f"only nvidia-cdi-hook on PATH; {NO_DEVICE} /etc/cdi, /var/run/cdi"),
        ({"nvidia_commands": [], "docker.cdi_dirs": [], "docker.version": "24.0.9"}, f"{NO_HOOK}; no CDI in Docker 24.0.9"),
    ],
)
def test_where_there_is_no_way_to_give_a_gpu_it_is_told_what_each_lacks(changes: dict[str, t.Any], ways: str) -> None:
    (finding,) = judge({"gpu_ways": [], **changes})["findings"]
    assert finding["found"] == f"{ways}; no runtime nvidia"
    assert finding["remedy"].startswith("see that the NVIDIA Container Toolkit")


def test_toolkit_without_a_specification_is_given_one() -> None:
    (finding,) = judge({"gpu_ways": [], "nvidia_commands": ["nvidia-ctk"]})["findings"]
    assert finding["remedy"] == "write a CDI specification: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    (finding,) = judge({"gpu_ways": [], "nvidia_commands": ["nvidia-ctk"], "docker.cdi_dirs": []})["findings"]
    assert finding["remedy"].startswith("see that the NVIDIA Container Toolkit")


def test_a_spark_as_it_comes_lacks_nothing() -> None:
    assert judge({"gpu_ways": ["gpus"], "nvidia_commands": ["nvidia-container-runtime-hook"]})["findings"] == []


def test_no_remedy_upgrades_the_system() -> None:
    everything: dict[str, t.Any] = {
        "docker.reachable": False, "docker.present": False, "docker.error": "x", "gpu.present": False, "gpu.error": "x",
        "kernel": "7", "architecture": "x86_64", "gpu.driver": "580.159.03", "infiniband": {"present": False, "nodes": []},
        "memory_bytes": 0, "memory_available_bytes": 0, "disk.0.free_bytes": 0, "adapters.0.firmware": "1", "earlyoom": True,
        "kernel_log": {"gpu_memory_refused": 1, "xids": [1], "pcie_fatal": ["0000:00:00.0"]}, "machine_id": "machine1", "boot_id": "boot1",
        "rail_routes": [{"destination": "192.168.102.0/24", "gateway": "192.168.100.1", "interface": "enp1s0f0np0"}],
    }  # fmt: skip
    others: list[dict[str, t.Any]] = [
        {"gpu_ways": []},
        {"docker.reachable": False, "docker.error": "x"},
        {"kernel": "7.0.0-1019-nvidia"},
        {"kernel_handover.scratch_bytes": 9 * GIB},
    ]
    findings = [finding for change in [everything, *others] for finding in judge(change)["findings"]]
    findings += judge(UNCABLED, spares=1)["findings"]
    assert {finding["id"] for finding in findings} == set(IDS)
    remedies = [finding["remedy"] for finding in findings]
    assert [
        text for text in remedies if re.search(r"dist-upgrade|full-upgrade|apt(-get)? (install|upgrade)|do-release-upgrade", text)
    ] == []


def test_table_shows_found_wanted_and_verdict_in_columns() -> None:
    rows = judge({"memory_bytes": 64 * GIB})["rows"]
    assert rows[0].split() == ["host", "check", "found", "wanted", "verdict"]
    column = rows[0].index("verdict")
    assert {row[column:] for row in rows[1:]} == {"ok", "error"}
    (bad,) = [row for row in rows if row.endswith("error")]
    assert bad.split() == ["spark2", "memory", "64.0", "GiB", "at", "least", "110", "GiB", "error"]


def test_way_that_was_asked_for_is_chosen_where_it_is_there() -> None:
    assert judge({"gpu_ways": ["gpus"]}, gpu="cdi")["gpu"] == {"spark1": "cdi", "spark2": None}


def test_single_node_has_no_one_to_differ_from() -> None:
    result = _preflight.judge({"spark1": node(1)}, _preflight.Wanted())
    assert result["findings"] == []
    assert [row for row in result["rows"] if "all nodes" in row] == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [({"gpu": "all"}, "wanted one of auto"), ({"min_free_disk_gib": {"/srv": 1}}, r"names /srv.*looked at: /var/lib/docker")],
)
def test_wish_that_cannot_be_judged_is_refused(wanted: dict[str, t.Any], words: str) -> None:
    with pytest.raises(_preflight.PreflightError, match=words):
        judge(**wanted)
