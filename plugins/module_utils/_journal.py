# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a rank printed: journal entries made into dated lines, and secrets taken out of them."""

from __future__ import annotations

import json
import re
import typing as t

# Progress bars redraw with carriage returns and colours even where no terminal listens.
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_VALUE = r"""(\[[^\]]*\]|"[^"]*"|'[^']*'|[^\s,;}\])]+)"""
_SECRETS = (
    # vLLM prints its arguments, the API key among them: 'api_key': ['...'], VLLM_API_KEY=...
    re.compile(r"""(?i)(api[_-]?key["']?\s*[:=]\s*)(?!None\b)""" + _VALUE),
    re.compile(r"""(?i)(--api-key["']?[\s,]+)""" + _VALUE),
    re.compile(r"""(?i)((?:hf|hugging_?face_?hub)_token["']?\s*[:=]\s*)(?!None\b)""" + _VALUE),
    re.compile(r"""(?i)(\bBearer\s+)([^\s"',\]}]+)"""),
    re.compile(r"""(\b)(hf_[A-Za-z0-9]{16,})"""),
)
MASK = "********"


class Line(t.NamedTuple):
    """One printed line. `at`: seconds since the epoch, UTC, as the journal dated it."""

    at: float
    text: str


class Entry(t.NamedTuple):
    """One journal entry. `cursor` names it; `invocation` is the run of the unit that printed it, or ''."""

    cursor: str
    invocation: str
    at: float
    text: str


def redact(text: str, secrets: t.Iterable[str] = ()) -> str:
    """`text` with the values of API keys, Hugging Face tokens and bearer tokens masked, and each of `secrets` wherever it stands."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    for pattern in _SECRETS:
        text = pattern.sub(lambda match: match.group(1) + MASK, text)
    return text


def parse_journal(text: str) -> list[Entry]:
    """The entries in the output of `journalctl --output=json --all`, oldest first.

    A message with bytes that are not printable UTF-8 comes as a list of integers; one without a message is left out.
    Text that is not JSON (journalctl's own remarks) is skipped.
    """
    entries = []
    for raw in text.splitlines():
        try:
            record = json.loads(raw)
            message = _decode(record.get("MESSAGE"))
            at = int(record["__REALTIME_TIMESTAMP"]) / 1e6
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if message is not None:
            entries.append(Entry(str(record.get("__CURSOR", "")), str(record.get("_SYSTEMD_INVOCATION_ID", "")), at, message))
    return entries


def _decode(message: t.Any) -> t.Optional[str]:
    if isinstance(message, list):
        # A field given twice is a list of its values; a binary one is a list of bytes.
        if message and isinstance(message[0], int):
            return bytes(message).decode("utf-8", "replace")
        return _decode(message[-1]) if message else None
    return message if isinstance(message, str) else None


def merge(*batches: t.Iterable[Entry]) -> list[Entry]:
    """The entries of all `batches` in the order of time, each once."""
    unique = {entry.cursor or str(entry): entry for batch in batches for entry in batch}
    return sorted(unique.values(), key=lambda entry: entry.at)


def lines(entries: t.Iterable[Entry]) -> list[Line]:
    """The entries as lines: split at line breaks and carriage returns, without colours and empty pieces."""
    return [
        Line(entry.at, piece.rstrip()) for entry in entries for piece in re.split(r"[\r\n]+", _ANSI.sub("", entry.text)) if piece.strip()
    ]


def previous_run(entries: t.Iterable[Entry], invocation: str) -> list[Entry]:
    """The entries of the last run before `invocation`: what a unit that systemd has restarted died of."""
    others = [entry for entry in entries if entry.invocation and entry.invocation != invocation]
    return [entry for entry in others if entry.invocation == others[-1].invocation]
