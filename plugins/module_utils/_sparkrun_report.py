# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What became of each key of a recipe that was converted."""

from __future__ import annotations

import textwrap
import typing as t

from ._preflight_check import table

Entry = dict[str, str]
"""`key` (path in the source; empty where the source is silent), `what` (one of `WHAT`), `to` (path in our recipe, or empty), `note`."""

WHAT = {
    "kept": "Kept as it was",
    "mapped": "Said in another way",
    "assumed": "Assumed, because the source does not say it",
    "dropped": "Dropped",
    "unknown": "Unknown, and so dropped",
}
_WIDTH = 140


class SparkrunError(ValueError):
    """A recipe cannot be converted; the text names the key, what was found and what was wanted."""


class Report:
    """Entries in the order in which they were made."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def kept(self, key: str, to: str, note: str = "") -> None:
        self._add("kept", key, to, note)

    def mapped(self, key: str, to: str, note: str) -> None:
        self._add("mapped", key, to, note)

    def assumed(self, to: str, note: str, key: str = "") -> None:
        self._add("assumed", key, to, note)

    def dropped(self, key: str, note: str) -> None:
        self._add("dropped", key, "", note)

    def unknown(self, key: str, note: str) -> None:
        self._add("unknown", key, "", note)

    def source_of(self, place: str) -> str:
        """The key from which a place in our recipe comes, which may be inside of what the key became; empty if the source is silent."""
        keys = [entry["key"] for entry in self.entries if entry["to"] and f"{place}.".startswith(f"{entry['to']}.")]
        last = place.rpartition(".")[2]
        return next((key for key in keys if key.endswith(f".{last}")), keys[0] if keys else "")

    def _add(self, what: str, key: str, to: str, note: str) -> None:
        entry = {"key": one_line(key), "what": what, "to": one_line(to), "note": one_line(note)}
        if entry not in self.entries:
            self.entries.append(entry)


def one_line(value: t.Any, most: int = 200) -> str:
    """The text of a value on one line, of printable characters, cut where it is longer than `most` of them."""
    text = " ".join(str(value).split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def lines(entries: t.Sequence[Entry]) -> list[str]:
    """A table for people, one line for each entry."""
    rows = [("WHAT", "IN SPARKRUN'S RECIPE", "HERE", "NOTE")]
    rows += [(entry["what"], entry["key"] or "-", entry["to"] or "-", entry["note"]) for entry in entries]
    return table(rows)


def comments(entries: t.Sequence[Entry]) -> list[str]:
    """Lines for the top of the file that say what is not as in the source; what was kept speaks for itself."""
    found = []
    for what, heading in WHAT.items():
        those = [] if what == "kept" else [entry for entry in entries if entry["what"] == what]
        if those:
            found += ["", f"{heading}:"]
        for entry in those:
            place = " -> ".join(part for part in (entry["key"], entry["to"]) if part)
            found += textwrap.wrap(
                f"- {place}: {entry['note']}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
    return found
