# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from simulation import nccl_wheel
from simulation.access import HERE
from simulation.description import load, parse
from simulation.images import content_hash

PAIR: dict[str, Any] = {"name": "pair", "lan": "10.77.0.0/24", "nodes": [{"name": "a", "id": 1}, {"name": "b", "id": 2}]}


def test_each_half_of_a_cable_gets_its_own_subnet() -> None:
    first, second = parse({**PAIR, "cables": [["a/0", "b/1"]]}).nodes
    assert first.fabric == {"enp1s0f0np0": "192.168.100.11/24", "enP2p1s0f0np0": "192.168.101.11/24"}
    assert second.fabric == {"enp1s0f1np1": "192.168.100.12/24", "enP2p1s0f1np1": "192.168.101.12/24"}
    assert second.netdevs() == {"enp1s0f0np0": False, "enp1s0f1np1": True, "enP2p1s0f0np0": False, "enP2p1s0f1np1": True}


def test_a_second_cable_gets_the_next_two_subnets() -> None:
    first, _ = parse({**PAIR, "cables": [["a/0", "b/0"], ["a/1", "b/1"]]}).nodes
    assert first.fabric["enp1s0f1np1"] == "192.168.102.11/24"
    assert first.fabric["enP2p1s0f1np1"] == "192.168.103.11/24"


@pytest.mark.parametrize("cables", [[["a/0", "b/2"]], [["a/0", "b/0"], ["a/0", "b/1"]]])
def test_a_cable_needs_a_free_port(cables: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="is no free QSFP port"):
        parse({**PAIR, "cables": cables})


@pytest.mark.parametrize("path", sorted((HERE / "clusters").glob("*.yml")), ids=lambda path: path.stem)
def test_shipped_clusters_serve_one_inventory(path: Path) -> None:
    cluster = load(path)
    assert cluster.name == path.stem
    assert [(node.name, node.address) for node in cluster.nodes[:2]] == [("spark1", "10.77.0.11"), ("spark2", "10.77.0.12")]
    assert [node.name for node in cluster.nodes] == [f"spark{node.id}" for node in cluster.nodes]
    assert path.stem.startswith({2: "two", 3: "three", 4: "four"}[len(cluster.nodes)])


def test_mixed_cluster_numbers_devices_against_the_order_of_ports() -> None:
    node = load(HERE / "clusters" / "two_spark_mixed.yml").node("spark2")
    assert node.devices()["mlx5_0"] == "enp1s0f1np1"
    assert node.default_route == "wifi"


def test_image_tag_changes_with_any_byte_or_mode(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("one")
    seen = {content_hash(tmp_path)}
    script.chmod(0o755)
    seen.add(content_hash(tmp_path))
    script.write_text("two")
    seen.add(content_hash(tmp_path))
    seen.add(content_hash(tmp_path, "another base"))
    assert len(seen) == 4


def test_wheel_holds_the_library_and_a_record_of_everything() -> None:
    with zipfile.ZipFile(BytesIO(nccl_wheel.wheel_bytes(b"library", "aarch64"))) as wheel:
        assert wheel.read("nvidia/nccl/lib/libnccl.so.2") == b"library"
        recorded = {line.split(",")[0] for line in wheel.read("nvidia_nccl_cu13-2.30.4.dist-info/RECORD").decode().splitlines()}
        assert recorded == set(wheel.namelist())
        assert b"Tag: py3-none-manylinux_2_18_aarch64" in wheel.read("nvidia_nccl_cu13-2.30.4.dist-info/WHEEL")
