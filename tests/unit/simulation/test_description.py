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


@pytest.mark.parametrize("written", ["none", {}])
def test_ports_without_addresses_for_all_nodes_or_one(written: Any) -> None:
    pair = {**PAIR, "cables": [["a/0", "b/1"]]}
    bare = parse({**pair, "fabric": written})
    assert [dict(node.fabric) for node in bare.nodes] == [{}, {}]
    assert bare.environment(bare.node("a"))["SIM_FABRIC"] == ""
    assert bare.node("a").netdevs()["enp1s0f0np0"], "the cable is in all the same"
    of_one = parse({**pair, "nodes": [{"name": "a", "id": 1, "fabric": written}, {"name": "b", "id": 2}]})
    assert [sorted(node.fabric) for node in of_one.nodes] == [[], ["enP2p1s0f1np1", "enp1s0f1np1"]]


def test_what_a_node_says_goes_before_what_the_cluster_says() -> None:
    nodes = [
        {"name": "a", "id": 1, "renderer": "nmcli", "fabric": "usual", "light": False},
        {"name": "b", "id": 2, "fabric": {"enp1s0f1np1": "10.0.0.2/30"}},
        {"name": "c", "id": 3},
    ]
    said = {"fabric": "none", "renderer": "networkd", "light": True, "cables": [["a/0", "b/1", "c/0"]]}
    a, b, c = parse({**PAIR, **said, "nodes": nodes}).nodes
    assert (a.renderer, a.light, a.fabric["enp1s0f0np0"]) == ("nmcli", False, "192.168.100.11/24")
    assert (b.renderer, b.light, b.fabric) == ("networkd", True, {"enp1s0f1np1": "10.0.0.2/30"})
    assert (c.renderer, c.light, c.fabric) == ("networkd", True, {})


def test_the_node_is_told_who_renders_its_network() -> None:
    nodes = [{"name": "a", "id": 1, "renderer": "networkd", "light": True}, {"name": "b", "id": 2, "auto_default": True}]
    cluster = parse({**PAIR, "nodes": nodes})
    told = [{key: cluster.environment(node)[key] for key in ("SIM_RENDERER", "SIM_AUTO_DEFAULT", "SIM_LIGHT")} for node in cluster.nodes]
    assert told == [
        {"SIM_RENDERER": "networkd", "SIM_AUTO_DEFAULT": "0", "SIM_LIGHT": "1"},
        {"SIM_RENDERER": "networkmanager", "SIM_AUTO_DEFAULT": "1", "SIM_LIGHT": "0"},
    ]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"renderer": "NetworkManager"}, "renderer is 'NetworkManager', wanted one of networkmanager, networkd, nmcli"),
        ({"renderer": "networkd", "auto_default": True}, "auto_default is NetworkManager's"),
        ({"fabric": "dhcp"}, "fabric is 'dhcp', wanted `none`, `usual` or addresses by netdev"),
        ({"fabric": None}, "fabric is None"),
        ({"fabric": {"enp1s0f0np0": "192.168.100.300/24"}}, "does not appear to be an IPv4 or IPv6 interface"),
    ],
)
def test_a_network_that_cannot_be_is_refused(said: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse({**PAIR, **said})


@pytest.mark.parametrize("path", sorted((HERE / "clusters").glob("*.yml")), ids=lambda path: path.stem)
def test_shipped_clusters_serve_one_inventory(path: Path) -> None:
    cluster = load(path)
    assert cluster.name == path.stem
    assert [(node.name, node.address) for node in cluster.nodes[:2]] == [("spark1", "10.77.0.11"), ("spark2", "10.77.0.12")]
    assert [node.name for node in cluster.nodes] == [f"spark{node.id}" for node in cluster.nodes]
    assert path.stem.startswith({2: "two", 3: "three", 4: "four", 8: "eight"}[len(cluster.nodes)])
    assert path.stem.endswith("_bare") == (not any(node.fabric for node in cluster.nodes))


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
