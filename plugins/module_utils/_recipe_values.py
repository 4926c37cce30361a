# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether the value of one argument of a recipe is of the kind that an option of vLLM takes (`_vllm_options` says what an option is)."""

from __future__ import annotations

import json
import re
import typing as t

from ._recipe_words import shown
from ._vllm_options import takes_several

_NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")
_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")
_SIZE = re.compile(r"[0-9]+(\.[0-9]+)?[kmgtKMGT]")
# vLLM reads this word as "not set" where an option may be unset.
_UNSET = "None"
_LONGEST = 100
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "size": "a whole number, such as 8192 or 8k",
    "size-or-auto": "a whole number, such as 8192 or 8k, or auto",
    "json": "a mapping",
    "json-or-text": "a mapping or text",
    "text": "text or a number",
}


def problem(option: dict[str, t.Any], value: t.Any) -> t.Optional[str]:
    """`found ..., wanted ...` for a value, which is neither null, false nor empty; None if the option takes it."""
    if option["kind"] != "value":
        return None if value is True else f"found {shown(value)}, wanted true, for the option takes no value"
    kind = option.get("type", "text")
    if value is True:
        return None if option.get("nargs") == "?" else f"found true, wanted {_WORDS[kind]}, for the option takes a value"
    if isinstance(value, list) and takes_several(option):
        return _several_problem(option, value)
    # argparse takes it for the next option, except a number and what has a space in it.
    if isinstance(value, str) and value.startswith("-") and " " not in value and not _NEGATIVE.fullmatch(value):
        return f"found {shown(value)}, wanted {_WORDS[kind]} that does not begin with a dash"
    if kind in ("json", "json-or-text"):
        return _json_problem(value, kind, "keys" in option)
    return None if _is(kind, value) else f"found {shown(value)}, wanted {_WORDS[kind]}"


def _several_problem(option: dict[str, t.Any], values: list[t.Any]) -> t.Optional[str]:
    kind = option.get("type", "text")
    if not values:
        return f"found an empty list, wanted in it {_WORDS[kind]}, once or more often"
    one = {**option, "nargs": None}
    for number, value in enumerate(values):
        if value is None or value == "" or isinstance(value, bool) or problem(one, value):
            return f"found {shown(value)} as item {number} of the list, wanted {_WORDS[kind]}"
    return None


def count_problems(where: str, name: str, value: dict[str, t.Any]) -> t.Iterator[str]:
    """What vLLM looks at only when it has read the model."""
    tokens = value.get("num_speculative_tokens")
    if name == "speculative-config" and tokens is not None and (not isinstance(tokens, int) or tokens is True or tokens < 1):
        yield f"{where}.num_speculative_tokens: found {shown(tokens)}, wanted a whole number from 1 on"


def _is(kind: str, value: t.Any) -> bool:
    if isinstance(value, (dict, list)):
        return False
    if kind == "text" or value == _UNSET:
        return True
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return True
    if isinstance(value, float):
        return kind == "float"
    text = str(value)
    if kind == "float":
        return _is_float(text)
    suffixed = kind.startswith("size") and _SIZE.fullmatch(text.strip())
    return bool(_WHOLE.fullmatch(text) or suffixed or (kind == "size-or-auto" and text.strip().lower() == "auto"))


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json_problem(value: t.Any, kind: str, keys: bool) -> t.Optional[str]:
    if isinstance(value, dict) or (isinstance(value, list) and kind == "json" and not keys):
        return None
    if isinstance(value, str) and value != _UNSET:
        try:
            holds = json.loads(value)
        except (ValueError, RecursionError):
            holds = None
        if isinstance(holds, (dict, list)) or value.lstrip()[:1] == "{":
            return f"found JSON as text: {shown(value)}, wanted it in YAML (a mapping such as {{key: value}}), from which the JSON is made"
    takes_text = kind == "json-or-text" and not isinstance(value, (list, float, int))
    return None if takes_text or value == _UNSET else f"found {shown(value)}, wanted {_WORDS[kind]}"


def brief(name: str) -> str:
    """A name that a user wrote, in a message: as it is, if that can be read."""
    return name if len(name) <= _LONGEST and name.isprintable() else shown(name)
