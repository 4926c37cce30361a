# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cables and switches are drawn: by what was heard, else by the networks that ports share."""

from __future__ import annotations

from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing import draw
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.picture import Picture
from tests.unit.plugins.fixtures.spark import DOWN, cabled, change, observed, spark
from tests.unit.plugins.fixtures.wires import bare, hearing, ring_of
from tests.unit.plugins.module_utils.test_drawing import RAIL, TWIN, picture_of, two, two_cables


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
    first = change(cabled(1, {0: ("10.0.0", "10.0.1")}), RAIL, ipv4=("10.9.0.1/24", "10.0.0.1/24", "10.0.2.1/24"))
    second = change(cabled(2, {0: ("10.0.0", "10.0.1"), 1: ("10.9.0",)}), RAIL, ipv4=("10.0.0.2/24", "10.0.2.2/24"))
    hosts = {"spark1": observed(first), "spark2": observed(second)}
    found = plan(hosts)
    assert Picture(draw({**found, "nodes": {}}, hosts)).wires() == ["Cable: spark1 p0 - spark2 p0\n10.0.0.0/24\n10.0.2.0/24\n10.0.1.0/24"]
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
