# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trap printed with a write-up's way (red) and with ours (green): checked now, and held to what docs/traps/evidence.json says.

With RECORD_TRAPS=FILE in the environment what was seen is appended to that file instead of being compared, from where
`hacking/traps --record` takes it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.acceptance.harness import ROOT

EVIDENCE = ROOT / "docs" / "traps" / "evidence.json"
# What differs from one run to the next, and what stands for it in the table.
CHANGING = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"pid=\d+", "pid=N"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "YYYY-MM-DD HH:MM:SS"),
    (r"\b\d\d-\d\d \d\d:\d\d:\d\d", "MM-DD HH:MM:SS"),
    (r"(spark\d):\d+:\d+", r"\1:PID:TID"),
    (r"\b[0-9a-f]{64}\b", "ID"),
    (r"dgx-spark/vllm:[0-9a-f]{16}", "dgx-spark/vllm:KEY"),
    (r"caches/[0-9a-f]{16}", "caches/KEY"),
    (r"snapshots/[0-9a-f]{40}", "snapshots/COMMIT"),
    (r"\b0x[0-9a-f]+", "0x"),
    (r", time \d+ms", ""),
    (r"127\.0\.0\.1:\d{5}", "127.0.0.1:PORT"),
)
LONGEST = 600


def normalized(line: str) -> str:
    """The line without what differs from run to run."""
    for pattern, name in CHANGING:
        line = re.sub(pattern, name, line)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


class Trap:
    """One trap, by the number in docs/traps/traps.yml."""

    def __init__(self, number: int) -> None:
        self.number = number

    def red(self, command: str, output: str, *patterns: str) -> None:
        """A write-up's way: each pattern (a regular expression) is in some line of what it printed."""
        self._hold("red", command, output, patterns)

    def green(self, command: str, output: str, *patterns: str) -> None:
        """Ours."""
        self._hold("green", command, output, patterns)

    def _hold(self, colour: str, command: str, output: str, patterns: tuple[str, ...]) -> None:
        lines = output.splitlines()
        printed = []
        for pattern in patterns:
            found = next((line for line in lines if re.search(pattern, line)), None)
            assert found is not None, f"trap {self.number}, {colour}: no line with {pattern!r} in\n{output[-4000:]}"
            printed.append(normalized(found))
        entry = {"trap": self.number, "colour": colour, "command": command, "printed": printed}
        if os.environ.get("RECORD_TRAPS"):
            with Path(os.environ["RECORD_TRAPS"]).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            return
        # Words may differ with the versions of Docker and ssh; that they match the same patterns is what the table claims.
        known = [other for other in committed() if all(other[key] == entry[key] for key in ("trap", "colour", "command"))]
        fits = any(all(map(re.search, patterns, other["printed"])) for other in known if len(other["printed"]) == len(patterns))
        assert fits, f"not so in docs/traps/evidence.json: {entry}; `make traps` records it"


def committed() -> list[dict[str, Any]]:
    """The entries of docs/traps/evidence.json."""
    return list(json.loads(EVIDENCE.read_text())) if EVIDENCE.exists() else []
