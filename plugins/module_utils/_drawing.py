# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""A picture of the cluster as it was found: nodes, ports, cables and switches, and what is wrong at the place where it is."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from ._drawing_block import GAP, LINE, PAD, Placed, Row, draw_block, draw_rows, fitted, placed
from ._drawing_model import Node, Observations, Plan, nodes_of
from ._drawing_node import block_of
from ._drawing_svg import SYMBOL, Box, Point, box, cable, element, plain, style, symbol, text, width_of
from ._drawing_tracks import LANE, RIGHT, Span, Track, tracks_of, widest
from ._drawing_wires import End, Wire, wires_of
from ._findings import SEVERITIES, Finding

MARGIN, TOP, BETWEEN = 20, 72, 22
NODE_WIDTH = 660
SWITCH_WIDTH = 148
PLUG = 16
"""From the first cable of a switch to the switch's edge."""

STATES = {"rail": "rail of the plan", "up": "up, not in the plan", "down": "down"}


def draw(plan: Plan, observations: Observations, findings: t.Sequence[Finding] = ()) -> str:
    """Return an SVG document, for `plan` as `_plan.plan` made it of `observations` (by host, what `_roce.observe` returned, and `heard`).

    `findings` are further ones, such as verdicts, which may have `rail` (``device:port``, or several with commas) and `peer` (a host).
    Errors and warnings are shown at their port or node, and told below with those of the cluster; an info of a node is no problem.
    Raise KeyError, TypeError or ValueError for input of another shape. The same input gives the same text.
    """
    told = [*plan["findings"], *(entry for entry in findings if entry not in plan["findings"])]
    told = [entry for entry in told if entry["severity"] != "info" or entry["host"] is None]
    told.sort(key=lambda entry: SEVERITIES.index(entry["severity"]))
    nodes = nodes_of(plan, observations, told)
    wires = wires_of(nodes, observations)
    boxes, spans, bottom = _laid_out(nodes, wires)
    tracks = tracks_of(spans)
    left, right = (widest(spans, tracks, side) for side in (-RIGHT, RIGHT))
    width = left + NODE_WIDTH + right

    root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "cluster", "role": "img"})
    root.set("aria-labelledby", "cluster-title cluster-desc")
    element(root, "title", _title(plan, nodes), id="cluster-title")
    element(root, "desc", _description(nodes, wires, told), id="cluster-desc")
    ElementTree.SubElement(root, "style").text = style()
    element(root, "rect", class_="paper f-paper", width="100%", height="100%")
    text(root, MARGIN, 34, _title(plan, nodes), "title")
    text(root, MARGIN, 54, _subtitle(plan), "word", "soft")
    picture = element(root, "g", transform=f"translate({plain(MARGIN + left)} {TOP})")
    for node in boxes:
        draw_block(picture, node)
    ends = _ends(nodes, boxes)
    for wire, span, track in zip(wires, spans, tracks):
        _draw_wire(picture, wire, span, track, [ends[end] for end in wire.ends])
    bottom = _draw_legend(root, wires, TOP + bottom + BETWEEN, width)
    for entry in told:
        bottom = draw_rows(root, _told(entry, width), MARGIN, MARGIN + width, bottom + PAD)
    root.set("width", plain(width + 2 * MARGIN))
    root.set("height", plain(bottom + MARGIN))
    root.set("viewBox", f"0 0 {root.get('width')} {root.get('height')}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _laid_out(nodes: t.Sequence[Node], wires: t.Sequence[Wire]) -> tuple[list[Placed], list[Span], float]:
    """The boxes of the nodes, one below the other, the spans of the wires, and where the lowest of them ends."""
    boxes: list[Placed] = []
    y: float = 0
    for node in nodes:
        boxes.append(placed(block_of(node, wires), 0, y, NODE_WIDTH))
        y = boxes[-1].box.bottom + BETWEEN
    ends = _ends(nodes, boxes)
    spans = []
    for wire in wires:
        heights = [ends[end].middle for end in wire.ends]
        top, bottom = min(heights), max(heights)
        if wire.is_switch:
            top -= PLUG
            bottom = max(bottom + PLUG, top + 2 * PAD + LINE * len(_switch_rows(wire)))
        spans.append(Span(top, bottom, heights, SWITCH_WIDTH if wire.is_switch else 0))
    return boxes, spans, max([y - BETWEEN, *(span.bottom for span in spans)])


def _ends(nodes: t.Sequence[Node], boxes: t.Sequence[Placed]) -> dict[End, Box]:
    return {(node.host, cage.name): one.box for node, made in zip(nodes, boxes) for cage, one in zip(node.cages, made.inside)}


def _draw_wire(parent: ElementTree.Element, wire: Wire, span: Span, track: Track, cages: t.Sequence[Box]) -> None:
    group = element(parent, "g")
    element(group, "title", "\n".join([_name(wire), *wire.networks]))
    colour = "cable" if wire.used else "idle"
    x = NODE_WIDTH + track.start if track.side == RIGHT else -track.start
    plugs: list[Point] = [(cage.right if track.side == RIGHT else cage.x, cage.middle) for cage in cages]
    if wire.is_switch:
        place = Box(x if track.side == RIGHT else x - SWITCH_WIDTH, span.top, SWITCH_WIDTH, span.bottom - span.top)
        box(group, place, f"switch f-cage s-{colour}", 8, 2)
        draw_rows(group, _switch_rows(wire), place.x + PAD, place.right - PAD, place.y + PAD)
    for one, other in [(plug, (x, plug[1])) for plug in plugs] if wire.is_switch else [(plugs[0], plugs[1])]:
        cable(group, one, other, x, f"s-{colour}{'' if wire.heard else ' presumed'}")
        for end_x, end_y in (one, other):
            element(group, "circle", class_=f"f-{colour}", cx=end_x, cy=end_y, r=4.5)


def _switch_rows(wire: Wire) -> list[Row]:
    rows = [Row(wire.system or "switch", kind="device"), *(Row(network, colour="soft") for network in wire.networks)]
    return fitted(rows, SWITCH_WIDTH - 2 * PAD)


def _draw_legend(root: ElementTree.Element, wires: t.Sequence[Wire], y: float, width: float) -> float:
    """What the signs mean. Return where it ends."""
    group = element(root, "g")
    element(group, "path", class_="s-line", d=f"M{MARGIN} {plain(y)}h{plain(width)}")
    heard, used = {wire.heard for wire in wires}, {wire.used for wire in wires}
    colour = "s-cable" if True in used else "s-idle"
    samples = [*STATES.items()]
    samples += [(colour, "cable, frames were heard")] if True in heard else []
    samples += [(f"{colour} presumed", "cable, by the networks of its ends")] if False in heard else []
    samples += [("s-idle", "without a planned rail")] if len(used) > 1 else []
    x, y = float(MARGIN), y + LINE + GAP
    for sign, meaning in samples:
        sign_width = SYMBOL if sign in STATES else 2 * LANE
        room = sign_width + GAP + width_of(meaning, "word")
        if x + room > MARGIN + width:
            x, y = float(MARGIN), y + LINE
        if sign in STATES:
            symbol(group, x, y - SYMBOL + 3, sign)
        else:
            cable(group, (x, y - 4), (x + sign_width, y - 4), x, sign)
        text(group, x + sign_width + GAP, y, meaning, "word", "soft")
        x += room + 2 * PAD
    return y + PAD


def _told(entry: Finding, width: float) -> list[Row]:
    where = " ".join(str(entry[key]) for key in ("host", "rail") if entry.get(key)) or "cluster"
    head = Row(entry["id"], where, "device", entry["severity"], sign=entry["severity"])
    return fitted([head, *(Row(f"{key}: {entry[key]}", kind="word", sign="blank") for key in ("found", "wanted", "remedy"))], width)


def _title(plan: Plan, nodes: t.Sequence[Node]) -> str:
    spares = sum(node.spare for node in nodes)
    count = _number(len(nodes) - spares, "node") + (f" and {_number(spares, 'spare')}" if spares else "")
    return f"{plan['topology']} of {count}".capitalize() if plan["topology"] else f"{count}, no plan"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _subtitle(plan: Plan) -> str:
    return f"plan {plan['hash'][:16]}, master {plan['master_addr']}" if plan["nodes"] else "no rails could be chosen, see the findings"


def _name(wire: Wire) -> str:
    kind = f"Switch {wire.system}" if wire.is_switch and wire.system else "Switch" if wire.is_switch else "Cable"
    return f"{kind}: {' - '.join(' '.join(end) for end in wire.ends)}"


def _description(nodes: t.Sequence[Node], wires: t.Sequence[Wire], findings: t.Sequence[Finding]) -> str:
    """The picture for who does not see it."""
    names = [f"{node.host} (rank {node.planned['rank']})" if node.planned else node.host + " (spare)" * node.spare for node in nodes]
    told = [f"Nodes: {', '.join(names) or 'none'}.", *(f"{_name(wire)}." for wire in wires)]
    for severity in SEVERITIES:
        entries = [f"{entry['id']} {entry['host'] or 'cluster'}" for entry in findings if entry["severity"] == severity]
        if entries:
            told.append(f"{severity.capitalize()}: {', '.join(entries)}.")
    return " ".join(told)
