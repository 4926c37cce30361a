# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things stand in the drawing of a cluster: nothing overlaps, texts fit, cables pass beside the nodes, colours have contrast."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing import draw
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.picture import Picture, Rect, contrast
from tests.unit.plugins.fixtures.spark import DOWN, cabled, change, observed, spark
from tests.unit.plugins.fixtures.wires import Cluster, hearing, ring_of
from tests.unit.plugins.module_utils.test_ring import ring


def star(nodes: int, cages: int = 1) -> Cluster:
    """Nodes on a switch, or with two ports on one each."""
    networks = {cage: (f"10.{cage}.0", f"10.{cage}.1") for cage in range(cages)}
    return {f"spark{number}": _observed(number, tuple(networks.items())) for number in range(1, nodes + 1)}


@functools.cache
def _observed(number: int, networks: tuple[tuple[int, tuple[str, ...]], ...]) -> dict[str, Any]:
    return observed(cabled(number, dict(networks)))


def crossed_cables() -> Cluster:
    first = observed(cabled(1, {0: ("10.0.0", "10.0.1"), 1: ("10.0.2", "10.0.3")}))
    return {"spark1": first, "spark2": observed(cabled(2, {1: ("10.0.0", "10.0.1"), 0: ("10.0.2", "10.0.3")}))}


def chain(nodes: int) -> Cluster:
    """Cabled one to the next, which no plan can use."""
    names = "abcdefghijklmnop"[:nodes]
    hosts = ring(names)
    hosts["a"] = observed(cabled(1, {0: ("10.0.0", "10.1.0")}))
    hosts[names[-1]] = observed(cabled(nodes, {1: (f"10.0.{2 * nodes - 4}", f"10.1.{2 * nodes - 4}")}))
    return hosts


def broken() -> Cluster:
    """Problems of several nodes and ports."""
    return {
        "spark1": observed(change(change(spark(1), "enp1s0f0np0", rate="100 Gb/sec (1X NDR)"), "enP2p1s0f0np0", ipv4=())),
        "spark2": observed(change(change(spark(2), "enp1s0f0np0", mtu=1500), "enP2p1s0f0np0", **DOWN)),
    }


def unplanned() -> Cluster:
    return {"spark1": observed(spark(1)), "spark2": {"msg": "unreachable"}, "spark3": observed([])}


def wide() -> Cluster:
    """Every value as long as the kernel and the DNS let it be, or nearly."""
    long, address = "enP2p1s0f0np0v9", "192.168.100.100/24"
    ports = [port.but(netdev=f"{long[:14]}{number}", device=f"rocep{'9' * 57}{number}") for number, port in enumerate(spark(100))]
    first = change(ports, f"{long[:14]}0", ipv4=(address, "100.100.100.100/32"), mtu=65520, rate="199.5 Gb/sec (2X NDR)")
    return {f"{'long-' * 12}abc": observed(first), "日本語の名前のとても長いノードです": observed(spark(2)), "W" * 255: observed(spark(3))}


def unshared() -> Cluster:
    """No plan, since no network is on all nodes."""
    return {f"spark{number}": observed(spark(number, networks=(f"10.{number}.0", f"10.{number}.1"))) for number in (1, 2, 3)}


def heard(names: str) -> Cluster:
    return hearing(ring(names), ring_of(names))


UNPLANNED: dict[str, Any] = {"schema": 1, "topology": None, "master_addr": None, "hash": "0" * 64, "findings": [], "nodes": {}}
CLUSTERS: dict[str, Callable[[], Cluster]] = {
    "pair": lambda: star(2),
    "two cables": lambda: star(2, 2),
    "crossed cables": crossed_cables,
    **{f"ring of {nodes}": functools.partial(heard, "abcdefghijklmnop"[:nodes]) for nodes in (3, 4, 5, 6, 16)},
    **{f"switch of {nodes}": functools.partial(star, nodes) for nodes in (3, 4, 8, 16)},
    **{f"two switches of {nodes}": functools.partial(star, nodes, 2) for nodes in (4, 7)},
    "chain of 6": functools.partial(chain, 6),
    "broken": broken,
    "unplanned": unplanned,
    "unshared": unshared,
    "wide": wide,
    "nobody": dict,
}


@functools.cache
def picture_of(name: str) -> Picture:
    hosts = CLUSTERS[name]()
    return Picture(draw(plan(hosts), hosts))


def assert_in_order(picture: Picture) -> None:
    """No two boxes overlap, and each is in one of the kind around it."""
    paper = picture.kind("paper")
    around = {"node": paper, "switch": paper, "cage": picture.kind("node"), "function": picture.kind("cage")}
    assert len(picture.rects) == 1 + sum(len(picture.kind(kind)) for kind in around)
    for kind, outers in around.items():
        boxes = picture.kind(kind) + (picture.kind("switch") if kind == "node" else [])
        assert [(one, other) for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)] == []
        assert [box for box in boxes if not any(outer.contains(box) for outer in outers)] == []


def assert_cables_pass(picture: Picture) -> None:
    """A cable begins and ends at the edge of a cage or of a switch, meets no other box, and runs on no other cable.

    Of more than two switches side by side a third has no side of its own.
    """
    ends = [*picture.kind("cage"), *picture.kind("switch")]
    runs: list[Rect] = []
    for line in picture.lines:
        mine = [box for box in (*ends, *picture.kind("node")) if any(_touches(box, point) for point in (line[0], line[-1]))]
        assert sum(box in ends for box in mine) == 2, line
        own = [_run(one, other) for one, other in itertools.pairwise(line)]
        kinds = ("node", "switch") if len(picture.kind("switch")) < 3 else ("node",)
        others = [box for box in picture.rects if box.kind in kinds and box not in mine] + picture.kind("function")
        assert [(run, box) for run in own for box in others if run.overlaps(box)] == []
        assert [(one, other) for one in own for other in runs if _side_by_side(one, other)] == []
        runs += own


def _touches(box: Rect, point: tuple[float, float]) -> bool:
    x, y = point
    return box.left - 0.1 <= x <= box.right + 0.1 and box.top - 0.1 <= y <= box.bottom + 0.1


def _run(one: tuple[float, float], other: tuple[float, float]) -> Rect:
    """A piece of a cable with its thickness."""
    (x1, y1), (x2, y2) = one, other
    return Rect("run", min(x1, x2) - 1.5, min(y1, y2) - 1.5, max(x1, x2) + 1.5, max(y1, y2) + 1.5)


def _side_by_side(one: Rect, other: Rect) -> bool:
    """Whether two pieces cover each other, more than where cables cross."""
    width, height = min(one.right, other.right) - max(one.left, other.left), min(one.bottom, other.bottom) - max(one.top, other.top)
    return width > 0 and height > 0 and max(width, height) > 8


@pytest.mark.parametrize("name", CLUSTERS)
def test_nothing_overlaps(name: str) -> None:
    assert_in_order(picture_of(name))
    assert_cables_pass(picture_of(name))


@pytest.mark.parametrize("name", [name for name in CLUSTERS if name not in ("ring of 3", "ring of 5")])
def test_no_cable_crosses_another(name: str) -> None:
    assert crossings(picture_of(name)) == 0


@pytest.mark.parametrize("name", ["ring of 3", "ring of 5"])
def test_in_a_ring_of_an_odd_number_two_cables_cross_once(name: str) -> None:
    assert crossings(picture_of(name)) == 1


def crossings(picture: Picture) -> int:
    """How many pairs of cables meet."""
    lines = [[_run(one, other) for one, other in itertools.pairwise(line)] for line in picture.lines]
    return sum(any(one.overlaps(other) for one in ours for other in theirs) for ours, theirs in itertools.combinations(lines, 2))


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_text_fits_where_it_stands(name: str) -> None:
    assert_texts_fit(picture_of(name))


def assert_texts_fit(picture: Picture) -> None:
    assert [text.content for text in picture.texts if not picture.ground(text.room).contains(text.room)] == []
    rooms = [text.room for text in picture.texts]
    assert [(one, other) for one, other in itertools.combinations(rooms, 2) if one.overlaps(other)] == []


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["pair", "broken", "unplanned", "two switches of 4", "chain of 6"])
def test_texts_and_cables_have_contrast(name: str, mode: int) -> None:
    picture = picture_of(name)
    colours = {key: pair[mode] for key, pair in picture.colours.items()}
    grounds = {(text.colour, picture.ground(text.room).fill) for text in picture.texts}
    assert [pair for pair in sorted(grounds) if contrast(colours[pair[0]], colours[pair[1]]) < 4.5] == []
    signs = [(sign, ground) for sign in ("cable", "idle", "error", "warning", "line") for ground in ("paper", "node")]
    assert [pair for pair in signs if contrast(colours[pair[0]], colours[pair[1]]) < (2.5 if pair[0] == "line" else 3)] == []


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_picture_is_as_wide_as_a_page(name: str) -> None:
    """Nodes stand one below the other, in the order of ranks."""
    picture = picture_of(name)
    nodes = picture.kind("node")
    assert len({node.left for node in nodes}) < 2 and [node.top for node in nodes] == sorted(node.top for node in nodes)
    assert 700 <= picture.kind("paper")[0].right <= 1060


def test_a_switch_stands_beside_its_nodes_and_a_second_one_on_the_other_side() -> None:
    picture = picture_of("switch of 8")
    (switch,) = picture.kind("switch")
    assert len(picture.lines) == 8 and switch.left > picture.kind("node")[0].right
    assert all(len({y for _x, y in line}) == 1 for line in picture.lines)
    picture = picture_of("two switches of 7")
    assert len(picture.lines) == 14
    assert sorted(box.left > picture.kind("node")[0].right for box in picture.kind("switch")) == [False, True]


def test_a_switch_is_as_high_as_what_is_written_in_it() -> None:
    hosts = hearing({f"n{number}": observed(spark(number)) for number in (1, 2, 3)}, [[("n1", 0), ("n2", 0), ("n3", 0)]])
    for device in (hosts[host]["devices"][number] for host in ("n1", "n3") for number in (0, 2)):
        twin = int(device["netdev"].startswith("enP"))
        networks = [f"10.{twin}.{number}" for number in range(120)]
        device["ipv4"] = [{"address": f"{one}.1", "prefix_length": 24, "network": f"{one}.0/24"} for one in networks]
    picture = Picture(draw(UNPLANNED, hosts))
    assert_in_order(picture)
    assert_texts_fit(picture)
    (switch,) = picture.kind("switch")
    assert len(picture.inside(switch)) == 241
    legend = next(text.room for text in picture.texts if text.content == "rail of the plan")
    assert max(node.bottom for node in picture.kind("node")) < switch.bottom < legend.top
