# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Where each wire runs: nodes stand one below the other, and wires beside them, on the side where they cross the fewest others."""

from __future__ import annotations

import typing as t

RIGHT, LEFT = 1, -1
LANE = 22
"""From a node to a cable, and from one cable to the next."""
CLEAR = 6
"""Between the end of a cable and the begin of another that runs in the same lane."""


class Span(t.NamedTuple):
    """From where to where a wire runs, and at which heights its cables come; `width` is what a switch takes, 0 for a cable."""

    top: float
    bottom: float
    heights: list[float]
    width: float


class Track(t.NamedTuple):
    """On which side a wire runs, and how far from the nodes it, or the switch, begins."""

    side: int
    start: float

    def end(self, span: Span) -> float:
        return self.start + span.width


def tracks_of(spans: t.Sequence[Span]) -> list[Track]:
    """Return the tracks in the order of `spans`: the shortest next to the nodes, and switches outside, so that no cable crosses one."""
    tracks: dict[int, Track] = {}
    for number in sorted(range(len(spans)), key=lambda number: (spans[number].width, spans[number].bottom - spans[number].top)):
        choices = [_choice(spans, tracks, number, side) for side in (RIGHT, LEFT)]
        tracks[number] = min(choices, key=lambda choice: choice[0])[1]
    return [tracks[number] for number in range(len(spans))]


def _choice(spans: t.Sequence[Span], tracks: t.Mapping[int, Track], number: int, side: int) -> tuple[int, Track]:
    """The next track on a side, and how much that crosses; a switch counts more than any number of cables."""
    span = spans[number]
    beside = [
        other
        for other, track in tracks.items()
        if track.side == side and spans[other].top < span.bottom + CLEAR and span.top < spans[other].bottom + CLEAR
    ]
    crossed = [spans[other] for other in beside for height in span.heights if spans[other].top < height < spans[other].bottom]
    start = LANE + max((tracks[other].end(spans[other]) for other in beside), default=0)
    return sum(1000 if other.width else 1 for other in crossed), Track(side, start)


def widest(spans: t.Sequence[Span], tracks: t.Sequence[Track], side: int) -> float:
    """How much room the wires of a side take."""
    return max((track.end(span) + CLEAR for span, track in zip(spans, tracks) if track.side == side), default=0)
