# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On which side of the nodes a wire runs, and how far from them."""

from __future__ import annotations

from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing_tracks import LANE, LEFT, RIGHT, Span, tracks_of


def cable(top: float, bottom: float) -> Span:
    return Span(top, bottom, [top, bottom], 0)


def switch(*heights: float) -> Span:
    return Span(heights[0] - 16, heights[-1] + 16, list(heights), 148)


def test_cables_that_do_not_meet_share_a_lane() -> None:
    assert tracks_of([cable(0, 100), cable(120, 300)]) == [(RIGHT, LANE), (RIGHT, LANE)]


def test_the_longer_of_two_cables_runs_outside_and_one_that_would_cross_on_the_other_side() -> None:
    assert tracks_of([cable(0, 300), cable(100, 200)]) == [(RIGHT, 2 * LANE), (RIGHT, LANE)]
    assert tracks_of([cable(0, 200), cable(100, 350)]) == [(RIGHT, LANE), (LEFT, LANE)]


def test_what_crosses_one_on_either_side_has_a_lane_of_its_own() -> None:
    assert tracks_of([cable(0, 200), cable(-50, 160), cable(-150, 100)]) == [(RIGHT, LANE), (LEFT, LANE), (RIGHT, 2 * LANE)]


def test_a_cable_runs_between_nodes_and_switches() -> None:
    tracks = tracks_of([switch(10, 250, 490), switch(60, 260, 520), cable(100, 400)])
    assert tracks == [(RIGHT, 2 * LANE), (LEFT, LANE), (RIGHT, LANE)]


def test_a_switch_crosses_cables_rather_than_another_switch() -> None:
    cables = [cable(100, 200), cable(150, 260), cable(140, 270)]
    tracks = tracks_of([*cables, switch(50, 300, 484), switch(30, 205, 510)])
    assert tracks == [(RIGHT, LANE), (LEFT, LANE), (LEFT, 2 * LANE), (RIGHT, 2 * LANE), (LEFT, 3 * LANE)]
