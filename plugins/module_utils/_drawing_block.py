# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Boxes of lines of text, one in the other: how much room each takes, and how it is drawn. Nothing is cut off; a box grows."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from ._drawing_svg import SYMBOL, Box, box, element, symbol, text, width_of, wrap

LINE = 17
BASE = 12
"""From the upper edge of a line to the foot of its letters."""
PAD, GAP = 8, 6
SIGN = SYMBOL + 5


class Row(t.NamedTuple):
    """A line of text, what stands at its right end, and the sign before it: a severity, the state of a port, or ``blank`` for its room."""

    left: str
    right: str = ""
    kind: str = "id"
    colour: str = "ink"
    right_colour: str = "soft"
    sign: str = ""


class Block(t.NamedTuple):
    """`look` are the classes of its box; `inside` stands below the rows, in so many columns; `title` is told where the pointer rests."""

    look: str
    thick: float
    rows: list[Row]
    inside: list[Block]
    columns: int = 1
    title: str = ""


class Placed(t.NamedTuple):
    block: Block
    box: Box
    rows: list[Row]
    inside: list[Placed]


def placed(block: Block, x: float, y: float, width: float) -> Placed:
    """Return the block with its upper left corner at `x`, `y`, as high as its content. What stands in one row has one height."""
    rows = fitted(block.rows, width - 2 * PAD)
    bottom = y + PAD + LINE * len(rows) + (0 if block.inside else PAD)
    each = (width - GAP * (block.columns + 1)) / block.columns
    inside: list[Placed] = []
    for start in range(0, len(block.inside), block.columns):
        made = [placed(one, x + GAP + (each + GAP) * n, bottom, each) for n, one in enumerate(block.inside[start : start + block.columns])]
        height = max(one.box.height for one in made)
        inside += [one._replace(box=one.box._replace(height=height)) for one in made]
        bottom += height + GAP
    return Placed(block, Box(x, y, width, bottom - y), rows, inside)


def fitted(rows: t.Sequence[Row], room: float) -> list[Row]:
    """Return the rows in as many lines as they need: what does not fit beside the text stands below it."""
    lines: list[Row] = []
    for row in rows:
        free = room - (SIGN if row.sign else 0)
        if width_of(row.left, row.kind) + (width_of(row.right, "word") + PAD if row.right else 0) <= free:
            lines.append(row)
            continue
        pieces = [row._replace(left=piece, right="") for piece in wrap(row.left, row.kind, free)]
        pieces += [row._replace(left="", right=piece) for piece in wrap(row.right, "word", free)]
        lines += [pieces[0], *(piece._replace(sign=row.sign and "blank") for piece in pieces[1:])]
    return lines


def draw_block(parent: ElementTree.Element, one: Placed) -> None:
    group = element(parent, "g")
    if one.block.title:
        element(group, "title", one.block.title)
    box(group, one.box, one.block.look, width=one.block.thick)
    draw_rows(group, one.rows, one.box.x + PAD, one.box.right - PAD, one.box.y + PAD)
    for inner in one.inside:
        draw_block(group, inner)


def draw_rows(parent: ElementTree.Element, rows: t.Sequence[Row], left: float, right: float, top: float) -> float:
    """Draw rows that `fitted` returned. Return where they end."""
    for number, row in enumerate(rows):
        y = top + LINE * number + BASE
        symbol(parent, left, y - SYMBOL + 3, row.sign)
        text(parent, left + (SIGN if row.sign else 0), y, row.left, row.kind, row.colour)
        text(parent, right, y, row.right, "word", row.right_colour, end=True)
    return top + LINE * len(rows)
