# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in says and does what the real vLLM was seen to say and do: one row of agreements.yml, one test."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.unit.simulation.agreements import TABLE, fill, play
from tests.unit.simulation.pair import Pair


class PlayedPair(Pair):
    """The stand-in's ranks on the loop-back interface."""

    quiet_seconds = 1.0

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path)
        self.names = {"head": "127.0.0.1", "port": str(self.master), "interface": "lo"}
        self.occupant: Optional[socket.socket] = None

    def snapshot(self) -> Path:
        return next((self.tmp_path / "hf").glob("hub/*/snapshots/*"))

    def ended(self, rank: int) -> Optional[int]:
        return self.ranks[rank].poll()

    def kill_rank(self, rank: int) -> None:
        self.ranks[rank].kill()
        self.ranks[rank].wait()

    def occupy_master_port(self) -> None:
        self.occupant = socket.create_server(("0.0.0.0", self.master))

    def remove_default_routes(self) -> None:
        raise NotImplementedError("the loop-back interface has none, and the machine's own stays")

    def kill(self) -> None:
        super().kill()
        if self.occupant:
            self.occupant.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[PlayedPair]:
    processes = PlayedPair(tmp_path)
    yield processes
    processes.kill()


def marked(row: dict[str, Any]) -> Any:
    """A row that the stand-in can not play is skipped, one that it is known to get wrong must fail; the table says why."""
    marks = []
    if "stand_in_absent" in row:
        marks.append(pytest.mark.skip(reason=row["stand_in_absent"]))
    if "stand_in_differs" in row:
        marks.append(pytest.mark.xfail(reason=row["stand_in_differs"], strict=True))
    return pytest.param(row, id=row["id"], marks=marks)


@pytest.mark.parametrize("row", [marked(row) for row in TABLE])
def test_the_stand_in_agrees_with_the_real_vllm(pair: PlayedPair, row: dict[str, Any]) -> None:
    play(pair, row, "stand_in")


def test_the_table_is_sound() -> None:
    known = {"id", "alone", "ranks", "model", "master_port_occupied", "no_default_route", "when_serving", "says", "outcome", "in_0_21"}
    known |= {"real_says", "stand_in_says", "stand_in_outcome", "because", "stand_in_differs", "stand_in_absent"}
    assert len({row["id"] for row in TABLE}) == len(TABLE)
    assert [key for row in TABLE for key in row if key not in known] == []
    assert [row["id"] for row in TABLE if {"real_says", "stand_in_says", "stand_in_outcome"} & set(row) and not row.get("because")] == []
    assert [row["id"] for row in TABLE if not row["outcome"]] == []


def test_dots_of_an_address_match_only_dots() -> None:
    assert fill("to <head>:<port>$", {"head": "10.0.0.1", "port": "1"}, pattern=True) == r"to 10\.0\.0\.1:1$"
    assert fill("<head>", {"head": "10.0.0.1"}) == "10.0.0.1"
