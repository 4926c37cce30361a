# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import re
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _preflight

GIB = 1024**3
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
        "docker": {"present": True, "reachable": True, "version": "29.2.1", "error": None},
        "gpu": {"present": True, "name": "NVIDIA GB10", "driver": "580.142", "error": None},
        "gpu_ways": ["gpus", "cdi"],
        "infiniband": {"present": True, "nodes": ["rdma_cm", "uverbs0"]},
    }


def judge(change: t.Optional[dict[str, t.Any]] = None, **wanted: t.Any) -> dict[str, t.Any]:
    """Judge two nodes, the second of which differs by `change` ({path with dots: value})."""
    hosts = {"spark1": node(1), "spark2": node(2)}
    for path, value in copy.deepcopy(change or {}).items():
        *parents, last = path.split(".")
        entry: t.Any = hosts["spark2"]
        for parent in parents:
            entry = entry[int(parent)] if parent.isdigit() else entry[parent]
        entry[last] = value
    return _preflight.judge(hosts, _preflight.Wanted(**{**WANTED, **wanted}))


def test_two_nodes_that_are_well_and_alike_give_no_finding() -> None:
    result = judge()
    assert (result["findings"], result["gpu"]) == ([], {"spark1": "gpus", "spark2": "gpus"})


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
        ({"gpu.driver": "580.159.03"}, {}, [("host.driver-differs", "warning", None)]),
        ({"kernel": "7.0.0-1019-nvidia"}, {}, [("host.kernel-differs", "warning", None)]),
        ({"architecture": "x86_64"}, {}, [("host.architecture-differs", "error", None)]),
        ({"infiniband": {"present": False, "nodes": []}}, {}, [("host.infiniband-missing", "error", "spark2")]),
        ({"infiniband": {"present": False, "nodes": []}}, {"check_infiniband": False}, []),
        ({"memory_bytes": 110 * GIB - 1}, {}, [("host.memory-small", "error", "spark2")]),
        ({"memory_bytes": 110 * GIB}, {}, []),
        ({"memory_bytes": None}, {}, [("host.memory-small", "error", "spark2")]),
        ({"memory_bytes": 0}, {"min_memory_gib": None}, []),
        ({"memory_available_bytes": 99 * GIB}, {}, [("host.memory-busy", "warning", "spark2")]),
        ({"disk.0.free_bytes": 40 * GIB - 1}, {}, [("host.disk-small", "error", "spark2")]),
        ({"disk.0.free_bytes": 0}, {"min_free_disk_gib": {}}, []),
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
    (finding,) = judge({"kernel": "7.0.0-1019-nvidia"})["findings"]
    assert finding["found"] == "6.17.0-1014-nvidia on spark1; 7.0.0-1019-nvidia on spark2"


def test_no_remedy_upgrades_the_system() -> None:
    everything: dict[str, t.Any] = {
        "docker.reachable": False, "docker.present": False, "docker.error": "x", "gpu.present": False, "gpu.error": "x",
        "kernel": "7", "architecture": "x86_64", "gpu.driver": "1", "infiniband": {"present": False, "nodes": []}, "memory_bytes": 0,
        "memory_available_bytes": 0, "disk.0.free_bytes": 0,
    }  # fmt: skip
    nothing: dict[str, t.Any] = {"gpu_ways": []}
    remedies = [finding["remedy"] for change in [everything, nothing] for finding in judge(change)["findings"]]
    assert len(remedies) == 10
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
