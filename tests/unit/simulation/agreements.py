# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays a row of agreements.yml with two ranks, which may be the real vLLM's or the stand-in's, and compares what they say and do."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Protocol

import yaml

TABLE: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("agreements.yml").read_text())["agreements"]
STARTED = "Application startup complete"


class Ranks(Protocol):
    """What plays a row. `names` are the values of the table's placeholders; `quiet_seconds` is how long a rank that hangs is watched."""

    @property
    def names(self) -> Mapping[str, str]: ...

    @property
    def quiet_seconds(self) -> float: ...

    def launch(
        self,
        rank: int,
        words: Sequence[str],
        environ: Mapping[str, str],
        *,
        headless: Optional[bool],
        before: Sequence[str],
    ) -> None: ...

    def log(self, rank: int) -> str: ...

    def wait_for_line(self, rank: int, pattern: str) -> None: ...

    def ended(self, rank: int) -> Optional[int]: ...

    def ends(self, rank: int) -> int: ...

    def kill_rank(self, rank: int) -> None: ...

    def occupy_master_port(self) -> None: ...

    def remove_default_routes(self) -> None: ...

    def snapshot(self) -> Path: ...

    def ask(self, path: str, body: Any = None) -> tuple[int, bytes]: ...


def fill(text: str, names: Mapping[str, str], pattern: bool = False) -> str:
    """The text with <head>, <nobody>, <port>, <interface> replaced; in a regular expression their dots are dots."""
    for name, value in names.items():
        text = text.replace(f"<{name}>", re.escape(value) if pattern else value)
    return text


def spoil(snapshot: Path, change: str) -> None:
    """Make the model of that folder wrong."""
    second = sorted(snapshot.glob("*.safetensors"))[1]
    if change == "config-dangles":
        (snapshot / "config.json").unlink()
        (snapshot / "config.json").symlink_to("../../blobs/nothing")
    elif change == "shard-missing":
        second.unlink()
    elif change == "shard-cut-off":
        data = second.read_bytes()
        second.unlink()
        second.write_bytes(data[:-8])
    else:
        raise ValueError(f"no way to spoil a model is called {change}")


def start(ranks: Ranks, row: Mapping[str, Any]) -> None:
    if "model" in row:
        spoil(ranks.snapshot(), row["model"])
    if row.get("master_port_occupied"):
        ranks.occupy_master_port()
    if row.get("no_default_route"):
        ranks.remove_default_routes()
    for rank in (1, 0):
        given = row.get("ranks", {}).get(rank, {})
        if rank in row.get("alone", [0, 1]):
            words = [fill(str(word), ranks.names) for word in given.get("arguments", [])]
            environ = {name: fill(value, ranks.names) for name, value in given.get("environment", {}).items()}
            ranks.launch(rank, words, environ, headless=given.get("headless"), before=given.get("before", []))


def play(ranks: Ranks, row: Mapping[str, Any], who: str) -> None:
    """Start, do what the row does to a cluster that serves, then compare.  `who` is `real` or `stand_in`."""
    start(ranks, row)
    if "when_serving" in row:
        ranks.wait_for_line(0, STARTED)
        doing = row["when_serving"]
        if "kill" in doing:
            ranks.kill_rank(doing["kill"])
        for question in doing.get("ask", []):
            status, answer = ranks.ask(question["path"], question.get("body"))
            assert status == question["status"], answer
    for rank, patterns in {**row.get("says", {}), **row.get(f"{who}_says", {})}.items():
        for pattern in patterns:
            ranks.wait_for_line(rank, fill(pattern, ranks.names, pattern=True))
    for rank, outcome in row.get(f"{who}_outcome", row["outcome"]).items():
        compare(ranks, rank, outcome)


def compare(ranks: Ranks, rank: int, outcome: Any) -> None:
    if outcome == "serves":
        ranks.wait_for_line(rank, STARTED)
    elif outcome == "hangs":
        time.sleep(ranks.quiet_seconds)  # that nothing happens can only be seen by letting time pass
        assert ranks.ended(rank) is None, ranks.log(rank)[-3000:]
        assert STARTED not in ranks.log(rank)
    elif outcome == "stays":
        time.sleep(ranks.quiet_seconds)
        assert ranks.ended(rank) is None, ranks.log(rank)[-3000:]
    else:
        assert ranks.ends(rank) == outcome, ranks.log(rank)[-3000:]
