# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the drawing of a cluster shows what is wrong: at the port that a finding names, at its node, or below."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._findings import finding
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.picture import SVG
from tests.unit.plugins.fixtures.spark import DOWN, change, link_local, pair, spark
from tests.unit.plugins.fixtures.wires import hearing
from tests.unit.plugins.module_utils.test_drawing import RAIL, TWIN, picture_of, two, two_cables


@pytest.mark.parametrize(
    ("second", "host", "device", "expected"),
    [
        (change(spark(2), RAIL, rate="100 Gb/sec (1X NDR)"), "spark2", "rocep1s0f0:1", "link.slow"),
        (change(spark(2), TWIN, **DOWN), "spark2", f"roceP2p1s0f0:1 {TWIN}", "rail.twin-down"),
        (change(spark(2), TWIN, ipv4=()), "spark2", "roceP2p1s0f0:1", "rail.no-ipv4"),
        (change(spark(2), RAIL, gids=pair(0, link_local("02:00:5e:10:02:00"), RAIL)), "spark2", "rocep1s0f0:1", "gid.missing"),
        (spark(2, networks=("192.168.100", "192.168.100")), "spark2", "roceP2p1s0f0:1", "rail.same-network"),
        # It names the interface of the other node too, which has the same name as one that is not meant.
        (change(spark(2), TWIN, ipv4=("192.168.100.1/24",)), "spark2", "roceP2p1s0f0:1", "address.duplicate"),
    ],
)
def test_a_problem_stands_at_its_port(second: Any, host: str, device: str, expected: str) -> None:
    picture = picture_of(two(second))
    assert expected in picture.function(host, device)
    assert picture.node(host).count(expected) == sum(entry["id"] == expected for entry in plan(two(second))["findings"])


def test_the_severity_is_in_colour_and_shape() -> None:
    picture = picture_of(two(change(spark(2), RAIL, gids=pair(0, link_local("02:00:5e:10:02:00"), RAIL), rate="100 Gb/sec (1X NDR)")))
    assert {text.content: text.colour for text in picture.texts if text.content in ("gid.missing", "link.slow")} == {
        "gid.missing": "error",
        "link.slow": "warning",
    }
    # Each stands at the port, and below.
    shapes = {name: [e.get("d") for e in picture.root.iter(f"{SVG}path") if e.get("class") == name] for name in ("f-error", "f-warning")}
    assert len(shapes["f-error"]) == len(shapes["f-warning"]) == 2 and shapes["f-error"] != shapes["f-warning"]
    lines = [(e.get("class") or "").split() for e in picture.root.iter(f"{SVG}rect")]
    assert [classes[-1] for classes in lines if classes[0] == "node"] == ["s-line", "s-error"]
    assert [classes[-1] for classes in lines if classes[0] == "function"] == [*["s-line"] * 4, "s-error", *["s-line"] * 3]


@pytest.mark.parametrize(
    ("found", "where"),
    [
        ("rocep1s0f0:1 and others", "rocep1s0f0:1"),
        ("enP2p1s0f0np0.7 is a VLAN, enp1s0f0np0 is not", "rocep1s0f0:1"),
        ("its enP2p1s0f0np0.", "roceP2p1s0f0:1"),
        ("xenp1s0f0np0, enp1s0f0np01 and rocep1s0f0x", None),
        ("rocep1s0f0, rocep1s0f1, roceP2p1s0f0 and roceP2p1s0f1", None),
        ("nothing that has a name", None),
    ],
)
def test_a_port_is_meant_where_its_name_stands_as_a_word(found: str, where: Optional[str]) -> None:
    picture = picture_of(two(spark(2)), findings=[finding("test.some", "warning", "spark2", found, "w", "r")])
    assert picture.node("spark2").count("test.some") == 1
    at = [
        name for name in ("rocep1s0f0:1", "roceP2p1s0f0:1", "rocep1s0f1:1 enp1s0f1np1") if "test.some" in picture.function("spark2", name)
    ]
    assert at == ([where] if where else [])


@pytest.mark.parametrize(
    ("rail", "expected"),
    [
        ("rocep1s0f0:1", ["rocep1s0f0:1"]),
        ("roceP2p1s0f0", ["roceP2p1s0f0:1"]),
        (TWIN, ["roceP2p1s0f0:1"]),
        ("rocep1s0f0:1,roceP2p1s0f0:1", ["rocep1s0f0:1", "roceP2p1s0f0:1"]),
        ("rocep1s0f9:1", []),
    ],
)
def test_a_verdict_stands_at_its_rails_and_names_its_peer(rail: str, expected: list[str]) -> None:
    """Whatever else its words name."""
    verdict = {**finding("fabric.slow", "error", "spark2", "enp1s0f1np1 is slow", "w", "r"), "rail": rail, "peer": "spark1"}
    picture = picture_of(two(spark(2)), [verdict])
    at = [name for name in ("rocep1s0f0:1", "roceP2p1s0f0:1") if "fabric.slow" in picture.function("spark2", name)]
    assert at == expected
    assert picture.node("spark2").count("fabric.slow") == picture.node("spark2").count("with spark1") == max(1, len(expected))
    assert "fabric.slow" not in picture.node("spark1") and f"spark2 {rail}" in picture.contents()


def test_a_problem_of_the_cluster_stands_at_each_port_that_it_names_after_its_host() -> None:
    picture = picture_of(two(change(spark(2), RAIL, mtu=1500)))
    for host in ("spark1", "spark2"):
        assert picture.node(host).count("mtu.mismatch") == 1 and "mtu.mismatch" in picture.function(host, "rocep1s0f0:1")


def test_a_network_that_no_wire_connects_is_marked_at_its_own_ports() -> None:
    """Though what is on one wire is told with it."""
    hosts = hearing(two_cables(), [[("spark1", 0), ("spark2", 1)], [("spark1", 1), ("spark2", 0)]])
    assert [entry["id"] for entry in plan(hosts)["findings"]].count("rail.miswired") == 4
    picture = picture_of(hosts)
    for host in hosts:
        assert picture.node(host).count("rail.miswired") == 4
        assert (
            picture.function(host, "rocep1s0f0:1").count("rail.miswired")
            == picture.function(host, "roceP2p1s0f1:1").count("rail.miswired")
            == 1
        )


def test_every_problem_is_told_below_the_worst_first_and_infos_of_a_node_are_none() -> None:
    findings = [
        finding("test.info", "info", "spark1", "f", "w", "r"),
        finding("test.low", "info", None, f"spark1 {RAIL} is low", "w", "r"),
        finding("test.late", "warning", "spark9", "late", "w", "r"),
    ]
    hosts = two(change(spark(2), RAIL, mtu=1500))
    picture = picture_of(hosts, [*findings, plan(hosts)["findings"][0]])
    assert "test.info" not in picture.contents() and picture.contents().count("test.low") == 1
    lowest = max(box.bottom for box in picture.kind("node"))
    below = [text.content for text in picture.texts if text.room.top > lowest]
    start = below.index("mtu.mismatch")
    assert below[start : start + 5] == [
        "mtu.mismatch",
        "cluster",
        "found: different MTUs in 192.168.100.0/24: spark1 enp1s0f0np0 9000, spark2 enp1s0f0np0 1500",
        "wanted: one MTU on the whole network (large messages hang otherwise)",
        "remedy: set MTU 9000 on each of them, and on the switch if there is one",
    ]
    assert [text for text in below[start:] if text.startswith(("mtu.", "test."))] == ["mtu.mismatch", "test.late", "test.low"]
    assert picture.node("spark9") == ["spark9", "no rank · nothing was observed on this node", "test.late"]


def test_a_long_text_is_told_whole() -> None:
    words = " ".join(f"word{number}" for number in range(200))
    picture = picture_of(two(spark(2)), [finding("test.long", "error", None, words + " " + "x" * 500, "w", "r")])
    told = " ".join(picture.contents())
    assert words in told and told.count("x" * 20) > 5 and sum(set(text) == {"x"} and len(text) for text in picture.contents()) == 500
