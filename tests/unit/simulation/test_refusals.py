# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in refuses what refusals.yml says, with those words: one row, one test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.simulation.pair import Pair

TABLE = yaml.safe_load(Path(__file__).with_name("refusals.yml").read_text())["refusals"]
CLASSES = {"nccl-log", "source", "report", "real-program", "assumed"}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    processes = Pair(tmp_path)
    yield processes
    processes.kill()


def start(pair: Pair, row: dict[str, Any]) -> None:
    for rank in (0, 1):
        given = row.get("ranks", {}).get(rank, {})
        if not given.get("skip"):
            pair.launch(rank, given.get("arguments", []), given.get("environment", {}), given.get("may_lock", True))


def prepare(pair: Pair, row: dict[str, Any]) -> None:
    if "weights" in row:
        path = next((pair.tmp_path / "hf").glob("hub/*/snapshots/*/config.json"))
        settings = {**json.loads(path.read_text()), **row["weights"]}
        path.unlink()
        path.write_text(json.dumps(settings))
    if "caches_of" in row:
        for rank in (0, 1):
            pair.start(rank, STAND_IN_BUILD=row["caches_of"], STAND_IN_NCCL="2.30.4+cuda13.2")
        pair.wait_for(0, "Application startup complete")
        pair.kill()


def ask(pair: Pair, question: dict[str, Any]) -> None:
    pair.wait_for(0, "Application startup complete")
    status, answer = pair.ask(question["path"], question["body"])
    assert status == question["status"], answer
    assert question.get("answer", "") in answer.decode()


@pytest.mark.parametrize("row", TABLE, ids=[row["id"] for row in TABLE])
def test_the_stand_in_refuses_with_the_words_of_the_table(pair: Pair, row: dict[str, Any]) -> None:
    prepare(pair, row)
    start(pair, row)
    if "ask" in row:
        ask(pair, row["ask"])
    for rank, patterns in row.get("says", {}).items():
        for pattern in patterns:
            pair.wait_for_line(rank, pattern)
    for rank, outcome in row["outcome"].items():
        if outcome == "serves":
            pair.wait_for(rank, "Application startup complete")
        elif outcome == "hangs":
            assert pair.hangs(rank), pair.log(rank)
        else:
            assert pair.ends(rank) == outcome, pair.log(rank)
    for rank, patterns in row.get("never", {}).items():
        assert [pattern for pattern in patterns if re.search(pattern, pair.log(rank), re.MULTILINE)] == []


def test_each_row_names_where_it_is_known_from() -> None:
    assert len({row["id"] for row in TABLE}) == len(TABLE)
    assert {row["source"]["class"] for row in TABLE} <= CLASSES
    assert all(row["source"]["where"] for row in TABLE)
    assert sum(row["source"]["class"] == "assumed" for row in TABLE) <= 5
