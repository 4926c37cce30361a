# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drawing of a cluster shows, and of which node. For its problems and its geometry see the files beside this one."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing import draw
from ansible_collections.dgx_spark.vllm.plugins.module_utils._findings import finding
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.picture import SVG, Picture
from tests.unit.plugins.fixtures.spark import DOWN, cabled, change, mapped, observed, spark
from tests.unit.plugins.fixtures.wires import Cluster, hearing
from tests.unit.plugins.module_utils.test_ring import ring

RAIL, TWIN, OTHER = "enp1s0f0np0", "enP2p1s0f0np0", "enp1s0f1np1"


def two(second: Any, first: Any = None) -> Cluster:
    return {"spark1": observed(first or spark(1)), "spark2": observed(second) if isinstance(second, list) else second}


def two_cables() -> Cluster:
    return {f"spark{n}": observed(cabled(n, {0: ("10.0.0", "10.0.1"), 1: ("10.0.2", "10.0.3")})) for n in (1, 2)}


def switch(nodes: int) -> Cluster:
    """Cabled in port 0 or 1."""
    return {f"spark{n}": observed(cabled(n, {n % 2: ("10.0.0", "10.0.1")})) for n in range(1, nodes + 1)}


def picture_of(hosts: Cluster, findings: Any = ()) -> Picture:
    return Picture(draw(plan(hosts), hosts, findings))


@pytest.mark.parametrize(
    "hosts", [two(spark(2, 1)), ring("abc"), ring("abcd"), switch(8)], ids=["pair", "ring of 3", "ring of 4", "switch of 8"]
)
def test_each_node_port_address_and_gid_is_there_once(hosts: Cluster) -> None:
    picture = picture_of(hosts)
    for host, planned in plan(hosts)["nodes"].items():
        assert picture.contents().count(host) == 1
        texts = picture.node(host)
        part = f"{'worker' if planned['rank'] else 'head'}, rank {planned['rank']}"
        assert f"{part} · {planned['host_ip']} on {planned['socket_ifname']}" in texts
        assert [text for text in texts if text in ("p0", "p1")] == ["p0", "p1"]
        for device in hosts[host]["devices"]:
            words = " ".join(texts[2:]).split()
            assert [words.count(name) for name in (f"{device['device']}:1", device["netdev"])] == [1, 1]
        for rail in planned["rails"]:
            gid = ipaddress.IPv6Address(mapped(rail["ipv4"])).compressed
            assert picture.function(host, f"{rail['device']}:1") == [
                f"{rail['device']}:1",
                "200 Gb/s · rail",
                rail["netdev"],
                "MTU 9000",
                f"{rail['ipv4']}/24",
                gid,
                "GID 3",
            ]
            assert [picture.contents().count(text) for text in (f"{rail['ipv4']}/24", gid)] == [1, 1]
            assert len([title for title in picture.titles() if f"GID 3 (v2): {mapped(rail['ipv4'])}" in title]) == 1


def test_what_a_port_is_doing_is_said_in_words() -> None:
    hosts = two_cables()
    hosts["spark2"] = observed(change(cabled(2, {0: ("10.0.0", "10.0.1"), 1: ("10.0.2", "10.0.3")}), OTHER, **DOWN))
    picture = picture_of(hosts)
    assert "200 Gb/s · rail" in picture.function("spark2", "rocep1s0f0:1")
    assert "200 Gb/s · up" in picture.function("spark2", "roceP2p1s0f1:1")
    colours = {(text.content, text.colour) for text in picture.texts if text.content.startswith("200 Gb/s")}
    assert colours == {("200 Gb/s · rail", "active"), ("200 Gb/s · up", "soft")}
    # The rate and the GID of a port that is down say nothing; its address is what somebody wanted.
    assert picture.function("spark2", f"rocep1s0f1:1 {OTHER}") == [f"rocep1s0f1:1 {OTHER}", "down", "10.0.2.2/24", "rail.twin-down"]


def test_the_planned_address_comes_first_with_the_planned_gid() -> None:
    hosts = two(change(spark(2), RAIL, ipv4=("172.16.0.9/12", "192.168.100.2/24")))
    assert plan(hosts)["nodes"]["spark2"]["rails"][0]["gid_index"] == 5
    shown = picture_of(hosts).function("spark2", "rocep1s0f0:1")
    assert shown[4:] == ["192.168.100.2/24", "172.16.0.9/12", "::ffff:c0a8:6402", "GID 5"]


def test_nodes_stand_in_the_order_of_ranks() -> None:
    hosts = two(spark(2))
    contents = Picture(draw(plan(hosts, head="spark2"), hosts)).contents()
    assert contents.index("spark2") < contents.index("spark1")


def test_without_a_plan_what_was_found_is_drawn() -> None:
    hosts: Cluster = {"spark1": observed(spark(1)), "spark2": {"msg": "unreachable"}, "spark3": observed([]), "spark4": None}  # type: ignore[dict-item]
    found = plan(hosts, order=["spark1", "spark5"])
    picture = Picture(draw(found, hosts))
    assert "5 nodes, no plan" in picture.contents()
    for host in ("spark2", "spark4", "spark5"):
        assert picture.node(host) == [host, "no rank · nothing was observed on this node", "observation.missing"]
    assert picture.node("spark3") == ["spark3", "no rank · no RDMA device", "rdma.none"]
    assert picture.function("spark1", "rocep1s0f0:1")[1] == "200 Gb/s · up" and "GID 3" in picture.function("spark1", "rocep1s0f0:1")


def test_infiniband_and_a_port_without_interface_are_told() -> None:
    hosts = two([port.but(link_layer="InfiniBand") for port in spark(2)])
    hosts["spark1"]["devices"][0].update(netdev=None, mac=None, mtu=None, ipv4=[], gids=[], gid_index=None, rate_gbps=None)
    picture = picture_of(hosts)
    assert "link layer InfiniBand" in picture.function("spark2", "rocep1s0f0:1")
    assert picture.function("spark1", "rocep1s0f0:1") == ["rocep1s0f0:1", "up", "no interface", "no IPv4", "rail.no-netdev"]


HOSTILE = ["</text><script>alert(1)</script>", "a&b\"'<!--", "\x00\x1b[31m\u202egpj.exe\ud800", "]]>", "x" * 300]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_and_nothing_else(name: str) -> None:
    hosts = {name: observed(spark(1)), "spark2": observed(spark(2))}
    for device in hosts[name]["devices"]:
        device.update(device=device["device"] + name, netdev=device["netdev"] + name, phys_port_name=name)
    given = [{**finding("test.some", "error", host, name, name, name), "rail": name, "peer": name} for host in (name, None)]
    document = draw(plan(hosts), hosts, given)
    document.encode()
    picture = Picture(document)
    known = {f"{SVG}{tag}" for tag in ("svg", "title", "desc", "style", "rect", "g", "text", "path", "circle")}
    assert {element.tag for element in picture.root.iter()} == known
    plain = {name for element in ElementTree.fromstring(draw(plan(two(spark(2))), two(spark(2)))).iter() for name in element.attrib}
    assert {name for element in picture.root.iter() for name in element.attrib} == plain


def test_the_picture_needs_nothing_else_and_says_what_it_is() -> None:
    hosts = two(change(spark(2), RAIL, mtu=1500))
    document = draw(plan(hosts), hosts)
    root = ElementTree.fromstring(document)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "cluster-title cluster-desc")
    assert [(root.find(f"{SVG}{tag}").get("id"), root.findtext(f"{SVG}{tag}")) for tag in ("title", "desc")] == [  # type: ignore[union-attr]
        ("cluster-title", "Pair of 2 nodes"),
        ("cluster-desc", "Nodes: spark1 (rank 0), spark2 (rank 1). Cable: spark1 p0 - spark2 p0. Error: mtu.mismatch cluster."),
    ]
    assert len(list(root.iter(f"{SVG}style"))) == 1
    assert document.count("http") == 1 and not any(
        word in document for word in ("url(", "@import", "@font-face", "href", "<script", "<image")
    )


def test_the_same_input_gives_the_same_bytes() -> None:
    hosts = hearing(switch(8), [[(f"spark{n}", n % 2) for n in range(1, 9)]])
    found = plan(hosts)
    program = (
        "import json, sys; from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing import draw; "
        "sys.stdout.write(draw(*json.load(sys.stdin)))"
    )
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "collections", "PYTHONIOENCODING": "utf-8"}
        data = json.dumps([found, hosts]).encode()
        outputs.add(subprocess.run([sys.executable, "-c", program], input=data, env=environment, check=True, capture_output=True).stdout)
    assert outputs == {draw(found, hosts).encode()}


def test_a_switch_has_the_name_that_it_gives_itself() -> None:
    hosts = hearing(switch(3), [[(f"spark{n}", n % 2) for n in range(1, 4)]])
    assert "switch1" not in draw(plan(hosts), hosts)
    for observation in hosts.values():
        for port in observation["devices"]:
            port["lldp"] = {"system": "switch1", "port": "swp5"}
    document = draw(plan(hosts), hosts)
    assert ">switch1<" in document and "Switch switch1: " in document
