# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a thinking model's output is divided, as vLLM 0.21.0 does for DeepSeek-V4.

Two places decide, and they look at different things.  The prompt is made by the tokenizer (tokenizers/deepseek_v4.py), for which
`reasoning_effort: none` turns thinking off.  The output is read by the reasoning parser (reasoning/deepseek_v3_reasoning_parser.py),
which looks at the chat template's arguments only: while those say `thinking`, an output without `</think>` is all reasoning, and the
content null.  A stream is right all the same: there the end of the prompt is looked at too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

# entrypoints/openai/chat_completion/protocol.py
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
PARSERS = ("deepseek_v3", "deepseek_v4")
END = "</think>"
THOUGHTS = ["Two", "nodes", "?"]


class Chat(NamedTuple):
    """`thinks`: the model begins with thoughts; `parsed`: its output is taken for reasoning until they end."""

    thinks: bool
    parsed: bool


def refusal(effort: Any) -> Optional[str]:
    """The message of the 400 for a value that is none of vLLM's; None for one that is, or for none given."""
    if effort is None or effort in EFFORTS:
        return None
    listed = ", ".join(repr(name) for name in EFFORTS[:-1]) + f" or {EFFORTS[-1]!r}"
    error = {"type": "literal_error", "loc": ("body", "reasoning_effort"), "msg": f"Input should be {listed}", "input": effort}
    return f"1 validation error:\n  {error}"


def chat_of(request: Mapping[str, Any], defaults: Mapping[str, Any], parser: str) -> Chat:
    """What a chat request, the server's --default-chat-template-kwargs and its --reasoning-parser make of each other."""
    merged = {**defaults, **(request.get("chat_template_kwargs") or {})}
    if request.get("reasoning_effort") is not None:
        merged["reasoning_effort"] = request["reasoning_effort"]
    thinking = bool(merged.get("thinking") or merged.get("enable_thinking"))
    return Chat(thinks=thinking and merged.get("reasoning_effort") != "none", parsed=thinking and parser in PARSERS)


def output(chat: Chat, words: list[str], count: int) -> list[str]:
    """`count` tokens: thoughts first, if there are any, then the answer, over and over if it is asked for more."""
    tokens = [*THOUGHTS, END] if chat.thinks else []
    while len(tokens) < count:
        tokens += words
    return tokens[:count]


def message(chat: Chat, tokens: list[str]) -> dict[str, Optional[str]]:
    """`reasoning` and `content` of a whole answer."""
    if not chat.parsed:
        return {"reasoning": None, "content": " ".join(tokens)}
    if END not in tokens:
        return {"reasoning": " ".join(tokens), "content": None}
    end = tokens.index(END)
    return {"reasoning": " ".join(tokens[:end]), "content": " ".join(tokens[end + 1 :]) or None}


def delta(chat: Chat, tokens: list[str], number: int) -> Optional[dict[str, str]]:
    """What the stream says at token `number`; None where it says nothing, as at the end of the thoughts."""
    token = tokens[number]
    if chat.parsed and token == END:
        return None
    text = token if number == 0 or tokens[number - 1] == END else " " + token
    ended = END in tokens[:number]
    return {"reasoning" if chat.parsed and chat.thinks and not ended else "content": text}
