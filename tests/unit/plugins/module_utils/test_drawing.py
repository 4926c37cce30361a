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
from tests.unit.plugins.fixtures.wires import Cluster, bare, hearing, ring_of
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


def test_what_was_heard_goes_before_what_networks_say() -> None:
    presumed = picture_of(two_cables())
    assert presumed.dashed == [True, True] and "cable to spark2 p0" in presumed.node("spark1")
    assert presumed.wires() == [
        "Cable: spark1 p0 - spark2 p0\n10.0.0.0/24\n10.0.1.0/24",
        "Cable: spark1 p1 - spark2 p1\n10.0.2.0/24\n10.0.3.0/24",
    ]
    crossed = picture_of(hearing(two_cables(), [[("spark1", 0), ("spark2", 1)], [("spark1", 1), ("spark2", 0)]]))
    assert crossed.dashed == [False, False] and "cable to spark2 p1" in crossed.node("spark1")
    assert crossed.wires() == ["Cable: spark1 p0 - spark2 p1", "Cable: spark1 p1 - spark2 p0"]


def test_between_nodes_that_probed_only_what_was_heard_is_a_cable() -> None:
    hosts = hearing(two_cables(), [[("spark1", 0), ("spark2", 0)]])
    assert picture_of(hosts).wires() == ["Cable: spark1 p0 - spark2 p0\n10.0.0.0/24\n10.0.1.0/24"]
    del hosts["spark2"]["heard"]
    assert picture_of(hosts).dashed == [False, True]


def test_cables_are_drawn_where_no_address_is_yet() -> None:
    names = ["spark1", "spark2", "spark3"]
    picture = picture_of(bare(names, ring_of(names)))
    assert picture.wires() == ["Cable: spark1 p0 - spark2 p1", "Cable: spark1 p1 - spark3 p0", "Cable: spark2 p0 - spark3 p1"]
    assert picture.dashed == [False] * 3 and picture.contents().count("no IPv4") == 12


def test_more_than_two_ports_that_hear_each_other_are_on_a_switch() -> None:
    picture = picture_of(hearing(two_cables(), [[("spark1", 0), ("spark2", 0), ("spark2", 1)]]))
    assert (len(picture.kind("switch")), len(picture.lines)) == (1, 3)
    assert picture.inside(picture.kind("switch")[0]) == ["switch", "10.0.0.0/24", "10.0.1.0/24"]
    assert picture.node("spark2").count("switch, with 2 other ports") == 2


def test_a_cable_that_no_rail_uses_is_grey() -> None:
    picture = picture_of(two_cables())
    assert picture.wire_colours == ["cable", "idle"] and "without a planned rail" in picture.contents()
    assert "without a planned rail" not in picture_of(two(spark(2))).contents()


def test_networks_that_no_cable_can_have_draw_none() -> None:
    """Of the networks of crossed ports one fits; of three ports in one network of two nodes nobody knows which are cabled."""
    crossed = {"spark1": observed(spark(1)), "spark2": observed(spark(2)), "spark3": observed(spark(3, networks=("10.9.0", "192.168.101")))}
    assert len(picture_of({**crossed, "spark2": observed(spark(2, networks=("192.168.100", "10.8.0")))}).lines) == 1
    same = {"spark1": observed(cabled(1, {0: ("10.0.0",), 1: ("10.0.0",)})), "spark2": observed(spark(2, networks=("10.0.0",)))}
    assert len(Picture(draw({**plan(same), "nodes": {}}, same)).lines) == 0
    # The plan has chosen one of the two.
    assert picture_of(same).wires() == ["Cable: spark1 p0 - spark2 p0\n10.0.0.0/24"]


def test_of_networks_that_contradict_each_other_the_planned_one_counts_and_then_the_more() -> None:
    first = change(cabled(1, {0: ("10.0.0", "10.0.1")}), RAIL, ipv4=("10.9.0.1/24", "10.0.0.1/24"))
    hosts = {"spark1": observed(first), "spark2": observed(cabled(2, {0: ("10.0.0", "10.0.1"), 1: ("10.9.0",)}))}
    found = plan(hosts)
    assert Picture(draw({**found, "nodes": {}}, hosts)).wires() == ["Cable: spark1 p0 - spark2 p0\n10.0.0.0/24\n10.0.1.0/24"]
    for node in found["nodes"].values():
        node["rails"] = [rail for rail in node["rails"] if rail["network"] == "10.9.0.0/24"]
        assert node["rails"]
    assert Picture(draw(found, hosts)).wires() == ["Cable: spark1 p0 - spark2 p1\n10.9.0.0/24"]


def test_a_port_that_is_down_has_no_cable_whatever_its_address() -> None:
    hosts = two([port.but(**DOWN) for port in spark(2)])
    assert "192.168.100.2/24" in picture_of(hosts).node("spark2") and picture_of(hosts).wires() == []


def test_what_the_functions_of_one_port_hear_is_on_one_wire() -> None:
    hosts = {f"spark{n}": {**observed(spark(n)), "heard": {}} for n in (1, 2, 3)}
    macs = {(host, device["netdev"]): device["mac"] for host in hosts for device in hosts[host]["devices"]}
    hosts["spark1"]["heard"] = {RAIL: [macs["spark2", RAIL]], TWIN: [macs["spark3", TWIN]]}
    assert [wire.splitlines()[0] for wire in picture_of(hosts).wires()] == ["Switch: spark1 p0 - spark2 p0 - spark3 p0"]


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
