# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that lets through what the neighbours in a ring send each other."""

from __future__ import annotations

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _forward_unit


def test_every_way_between_two_different_interfaces_is_let_through() -> None:
    assert _forward_unit.pairs_of(["a", "b", "a"]) == [("a", "b"), ("b", "a")]
    assert len(_forward_unit.pairs_of("abcd")) == 12
    assert _forward_unit.pairs_of(["a"]) == []


def test_what_the_unit_adds_it_removes() -> None:
    lines = _forward_unit.text([("a", "b"), ("b", "a")]).splitlines()
    added = [line.split(" --insert ")[1] for line in lines if line.startswith("ExecStart=")]
    removed = [line.split(" --delete ")[1] for line in lines if line.startswith("ExecStopPost=-")]
    assert added == removed and len(added) == 2
    assert added[0].startswith("DOCKER-USER --in-interface a --out-interface b ") and added[0].endswith(" --jump ACCEPT")


def test_without_a_way_there_is_no_unit() -> None:
    assert _forward_unit.text([]) == ""
