# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a client has to know of a model that thinks, so that its answers do not come back empty.

Read in vLLM 0.21.0 (entrypoints/openai/chat_completion/protocol.py, tokenizers/deepseek_v4.py, reasoning/deepseek_v3_reasoning_parser.py):
`reasoning_effort: none` keeps the model from thinking, but while the chat template's arguments say `thinking`, the parser takes the whole
answer for reasoning, and `content` is null. `chat_template_kwargs: {"thinking": false}` is seen by both.
"""

from __future__ import annotations

import json
import typing as t

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""What vLLM takes for `reasoning_effort`; anything else, such as `non-think`, is answered with 400."""

# Parsers that look at `thinking` and `enable_thinking` of the chat template's arguments.
_SWITCHED = ("deepseek_v3", "deepseek_v4")


def of_arguments(arguments: t.Mapping[str, t.Any]) -> t.Optional[dict[str, t.Any]]:
    """`parser` and `thinking` (whether the model thinks unless a request says otherwise) of vLLM's arguments; None without a parser."""
    parser = arguments.get("reasoning-parser")
    if not parser:
        return None
    defaults = _mapping(arguments.get("default-chat-template-kwargs"))
    return {"parser": str(parser), "thinking": bool(defaults.get("thinking") or defaults.get("enable_thinking"))}


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    """The value as vLLM takes it: a mapping, or JSON text of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, t.Mapping) else {}


def hints(reasoning: t.Optional[t.Mapping[str, t.Any]]) -> list[str]:
    """Sentences for clients of a server with this parser; none where nothing is known of it."""
    if not reasoning or reasoning.get("parser") not in _SWITCHED:
        return []
    switch = "false" if reasoning["thinking"] else "true"
    found = [
        f"the model {'thinks' if reasoning['thinking'] else 'does not think'} unless a request says "
        f'"chat_template_kwargs": {{"thinking": {switch}}}; thoughts come in the field reasoning, not in content',
        f"reasoning_effort is one of {', '.join(EFFORTS)}; any other value is answered with 400",
    ]
    if reasoning["thinking"]:
        found.append(
            "reasoning_effort none puts the whole answer into reasoning and leaves content empty; turn thinking off as above instead"
        )
    return found
