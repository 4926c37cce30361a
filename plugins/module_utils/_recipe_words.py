# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How a value and its place are named in a message about a recipe, and what is said of the traps of YAML."""

from __future__ import annotations

import json
import math
import re
import typing as t

from ._findings import did_you_mean

# What neither a file of lines nor a process takes: control characters, other ends of a line, halves of a character.
_LINE = re.compile("[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*")
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d{1,2}")
# What every reader of JSON takes for a whole number, and far more levels than an option has.
WHOLE_LIMIT = 2**63
_DEPTH = 20
_SHOWN = 100


def line(text: str) -> bool:
    """Whether the text, which may be empty, is one line that can be read."""
    return bool(_LINE.fullmatch(text))


def suggestion(word: str, known: t.Iterable[str], cutoff: float = 0.5) -> str:
    """` (did you mean X?)` for the known word nearest to `word`, or nothing; `cutoff` as for `did_you_mean`."""
    text = did_you_mean(word[:_SHOWN], known, cutoff)
    return f" ({text})" if text else ""


def shown(value: t.Any) -> str:
    """A value in a message: as Python writes it, except null, true and false; the middle of a long one is left out."""
    if value is None or value is True or value is False:
        return json.dumps(value)
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return "something too long to show"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} ... {text[-_SHOWN // 4 :]}"


def step(path: str, key: t.Any) -> str:
    """The path of what is under `key`; a key that would make it unreadable is shown as a value."""
    return ".".join(filter(None, [path, str(key)])) if readable(key) else f"{path}[{shown(key)}]"


def readable(key: t.Any) -> bool:
    """Whether a message can name a key as it is written."""
    return isinstance(key, str) and 0 < len(key) <= _SHOWN and key.isprintable()


def one_of(words: t.Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def near(key: t.Any, known: t.Iterable[str]) -> str:
    """`suggestion` for a key of a mapping, which may be no text."""
    return suggestion(key, known) if isinstance(key, str) else ""


def quotes(value: t.Any) -> str:
    """What to do with a value that YAML did not read as text."""
    if isinstance(value, bool):
        return "; yes, no, on, off, true and false are text only in quotes"
    return "" if value is None or isinstance(value, (str, list, dict)) else "; put it in quotes"


def no_quotes(value: t.Any) -> str:
    """What to do with a number that YAML did not read as a whole one."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return f"; YAML reads {value} as text: write {_plain(value)}"
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value):
        return ", without quotes"
    return ""


def _plain(text: str) -> str:
    """`1e6` as YAML reads it for a number: `1000000`, and `1e-5` as `1.0e-05`."""
    number = float(text)
    if number == int(number) and abs(number) < 1e18:
        return str(int(number))
    mantissa, exponent = f"{number:e}".split("e")
    return f"{mantissa.rstrip('0').ljust(mantissa.index('.') + 2, '0')}e{exponent}"


def json_problems(value: t.Any, path: str, depth: int = _DEPTH) -> list[str]:
    """What of a value JSON or a command line can not say."""
    if depth == 0:
        return [f"{path}: found more than {_DEPTH} levels, one in the other"]
    if isinstance(value, list):
        return [problem for number, item in enumerate(value) for problem in json_problems(item, f"{path}[{number}]", depth - 1)]
    if isinstance(value, dict):
        found = [f"{step(path, key)} is no text{quotes(key)}" for key in value if not isinstance(key, str) or not line(key)]
        return found + [problem for key, item in value.items() for problem in json_problems(item, step(path, key), depth - 1)]
    if isinstance(value, str):
        # Inside of JSON the end of a line is two characters of one line.
        inside = depth < _DEPTH
        if not line(re.sub("[\n\t]", "", value) if inside else value):
            return [f"{path}: found {shown(value)}, wanted text {'' if inside else 'of one line '}without control characters"]
        if _EXPONENT.fullmatch(value):
            return [f"{path}: found {shown(value)}; YAML reads that as text, not as a number: write {_plain(value)}"]
        return []
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, int):
        small = abs(value) < WHOLE_LIMIT
        return [] if small else [f"{path}: found {shown(value)}, wanted a number of at most 63 bits"]
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{path}: found {shown(value)}, wanted a number that is finite"]
    return [f"{path}: found {shown(value)}, wanted text, a number, true, a list or a mapping{quotes(value)}"]
