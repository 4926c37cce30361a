# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The elements and the style of a drawing: colours for light and dark, texts that fit, and symbols that are told apart without colour."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

Point = tuple[float, float]

COLOURS = {
    "paper": ("#ffffff", "#0f172a"),
    "node": ("#f4f6f9", "#1b2538"),
    "cage": ("#e3e8ef", "#2a3750"),
    "tile": ("#ffffff", "#131c2e"),
    "line": ("#8694a8", "#64748b"),
    "ink": ("#1c2430", "#f1f5f9"),
    "soft": ("#4a5568", "#b6c2d2"),
    "cable": ("#1d5fae", "#6cb2f7"),
    "idle": ("#6b7789", "#8c9bb0"),
    "active": ("#166534", "#6ee79a"),
    "error": ("#b3151f", "#ff9a9a"),
    "warning": ("#8a4b00", "#fbc75a"),
    "info": ("#1d4ed8", "#93c5fd"),
}
"""Of each name, on light and on dark."""

MONO, SANS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace", "system-ui, 'DejaVu Sans', sans-serif"

TEXTS = {"title": (18, SANS, 600), "name": (14, MONO, 600), "device": (12, MONO, 600), "id": (12, MONO, 400), "word": (11.5, SANS, 400)}
"""Size in pixels, family and weight of each kind of text."""

BEND = 8
"""Radius of a bend in a cable."""
SYMBOL = 14
"""Width and height of a symbol."""


class Box(t.NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def style() -> str:
    """Return the style sheet. The colours for light are those of whatever knows no other."""
    colours = [(name, *pair) for name, pair in COLOURS.items()]
    paint = ".cluster .f-{0} {{ fill: {1} }} .cluster .s-{0} {{ stroke: {1} }}".format
    light = " ".join(paint(name, colour) for name, colour, _dark in colours)
    dark = " ".join(paint(name, colour) for name, _light, colour in colours)
    rules = [f".cluster .{kind} {{ font: {weight} {size}px {family} }}" for kind, (size, family, weight) in TEXTS.items()]
    rules.append(".cluster .cable { fill: none; stroke-width: 3 } .cluster .presumed { stroke-dasharray: 9 4 }")
    rules.append(".cluster .mark { fill: none; stroke-width: 1.8; stroke-linecap: round }")
    return "\n".join(["", *rules, light, f"@media (prefers-color-scheme: dark) {{ {dark} }}", ""])


def element(parent: ElementTree.Element, tag: str, content: str = "", **attributes: t.Any) -> ElementTree.Element:
    """Add an element. `class_` and `stroke_width` are written as in SVG; numbers without useless digits."""
    made = ElementTree.SubElement(parent, tag)
    for name, value in attributes.items():
        made.set(name.rstrip("_").replace("_", "-"), plain(value) if isinstance(value, (int, float)) else clean(str(value)))
    if content:
        made.text = clean(content)
    return made


def plain(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def clean(text: str) -> str:
    """Without the characters that XML has no way to write, or that would show a name as another than it is; lines stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def box(parent: ElementTree.Element, place: Box, class_: str, radius: float = 6, width: float = 1) -> None:
    """Add a rectangle whose line is within `place`."""
    made = element(parent, "rect", class_=class_, x=place.x + width / 2, y=place.y + width / 2, rx=radius, stroke_width=width)
    made.set("width", plain(place.width - width))
    made.set("height", plain(place.height - width))


def text(parent: ElementTree.Element, x: float, y: float, content: str, kind: str, colour: str = "ink", end: bool = False) -> None:
    """Add one line of text that begins at `x`, or ends there; nothing for an empty one."""
    if not content:
        return
    made = element(parent, "text", content, class_=f"{kind} f-{colour}", x=x, y=y)
    if end:
        made.set("text-anchor", "end")


def width_of(content: str, kind: str) -> float:
    """How wide a text is at most, whichever of the families is there."""
    size, family, _weight = TEXTS[kind]
    return size * sum(_em(char, family == MONO) for char in clean(content))


def _em(char: str, mono: bool) -> float:
    if ord(char) >= (0x250 if mono else 0x7F):
        return 1.05
    if mono:
        return 0.62
    return 0.35 if char in " .,:;'|ijl()/-" else 1.0 if char in "mwMW@%" else 0.8 if char.isupper() else 0.66


def wrap(content: str, kind: str, room: float) -> list[str]:
    """Return the text in lines of words that fit into `room`; a word that does not fit is broken. Nothing is left out."""
    lines = [""]
    for word in content.split():
        if not lines[-1] or width_of(f"{lines[-1]} {word}", kind) > room:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
        while len(lines[-1]) > 1 and width_of(lines[-1], kind) > room:
            fits = next(length for length in range(1, len(lines[-1])) if width_of(lines[-1][: length + 1], kind) > room)
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return lines[1:]


def cable(parent: ElementTree.Element, one: Point, other: Point, x: float, class_: str) -> None:
    """Add a line from one point to another, or, where they are at different heights, by way of `x`."""
    way = ""
    if one[1] != other[1]:
        before = x - BEND if x > one[0] else x + BEND
        bends = (before, one[1]), (x, one[1]), (x, one[1] + BEND), (x, other[1] - BEND), (x, other[1]), (before, other[1])
        way = "L{} Q{} {} L{} Q{} {} ".format(*(f"{plain(bend_x)} {plain(y)}" for bend_x, y in bends))
    path = f"M{plain(one[0])} {plain(one[1])} {way}L{plain(other[0])} {plain(other[1])}"
    element(parent, "path", class_=f"cable {class_}", d=path)


def symbol(parent: ElementTree.Element, x: float, y: float, kind: str) -> None:
    """Add a symbol with its upper left corner at `x`, `y`: a severity in a shape of its own, or the state of a port; else nothing."""
    cx, cy = x + SYMBOL / 2, y + SYMBOL / 2
    if kind in ("rail", "up"):
        colour = "f-active s-active" if kind == "rail" else "s-soft"
        element(parent, "circle", class_=f"mark {colour}" if kind == "up" else colour, cx=cx, cy=cy, r=4)
    elif kind == "down":
        element(parent, "path", class_="mark s-soft", d=f"M{plain(cx - 4)} {plain(cy)}h8")
    elif kind == "warning":
        element(parent, "path", class_="f-warning", d=f"M{plain(cx)} {plain(y)}l7 13h-14z")
        element(parent, "path", class_="mark s-tile", d=f"M{plain(cx)} {plain(y + 5)}v3.5m0 2.3v.2")
    elif kind == "error":
        element(parent, "path", class_="f-error", d=f"M{plain(x + 4)} {plain(y)}h6l4 4v6l-4 4h-6l-4 -4v-6z")
        element(parent, "path", class_="mark s-tile", d=f"M{plain(cx - 2.7)} {plain(cy - 2.7)}l5.4 5.4m0 -5.4l-5.4 5.4")
    elif kind == "info":
        element(parent, "circle", class_="f-info", cx=cx, cy=cy, r=7)
        element(parent, "path", class_="mark s-tile", d=f"M{plain(cx)} {plain(cy + 0.2)}v3m0 -6.2v.2")
