# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the API's answers mean for readiness.

`/health` alone never counts: it stays 200 while a worker is dead or the engine stands still.
"""

from __future__ import annotations

import json
import typing as t

PROMPT = "Reply with one word: ready"
MAX_TOKENS = 1


class Answer(t.NamedTuple):
    """One HTTP answer. `status` 0: there was none, and `error` says why (`refused` where nobody listens)."""

    status: int
    text: str = ""
    error: str = ""


class Probe(t.NamedTuple):
    """What the API showed: `problem` (wrong for good), `waiting` (not yet), the matching `model`, and the `completion` that came."""

    problem: str = ""
    waiting: str = ""
    model: t.Optional[dict[str, t.Any]] = None
    completion: t.Optional[dict[str, t.Any]] = None


Fetch = t.Callable[[str, str, t.Optional[str]], Answer]


def probe(fetch: Fetch, model: t.Optional[str], max_model_len: t.Optional[int], want_token: bool) -> Probe:
    """Ask the API, through `fetch(method, path, body)`, as far as it answers well: health, models, and with `want_token` a completion."""
    health = fetch("GET", "/health", None)
    if health.status == 503:
        return Probe(problem="/health answers 503: the engine is dead; restart all ranks")
    if health.status == 0:
        return Probe(waiting=f"the API does not answer yet ({health.error})")
    found, problem, waiting = models(fetch("GET", "/v1/models", None), model, max_model_len)
    if problem or waiting or not want_token or found is None:
        return Probe(problem, waiting, found)
    answer = fetch("POST", *completion_request(str(found["id"]), chat=True))
    if not_a_chat_model(answer):
        answer = fetch("POST", *completion_request(str(found["id"]), chat=False))
    token, problem, waiting = completion(answer)
    return Probe(problem, waiting, found, token)


def models(answer: Answer, model: t.Optional[str], max_model_len: t.Optional[int]) -> tuple[t.Optional[dict[str, t.Any]], str, str]:
    """Judge an answer of /v1/models.

    Returns (`{id, max_model_len}` or null, what is wrong for good, what to wait for); at most one of the two texts is not empty.
    """
    if answer.status == 0:
        return None, "", f"the API does not answer yet ({answer.error})"
    if answer.status in (401, 403):
        return None, f"/v1/models answers {answer.status}: the API key differs from the one that was given; compare secret.env", ""
    listed = _json(answer.text).get("data")
    if answer.status != 200 or not isinstance(listed, list):
        return None, "", f"/v1/models answers {answer.status}: {answer.text[:120]!r}"
    found = [{"id": entry.get("id"), "max_model_len": entry.get("max_model_len")} for entry in listed if isinstance(entry, dict)]
    chosen = next((entry for entry in found if entry["id"] == model or model is None), None)
    if chosen is None:
        names = ", ".join(str(entry["id"]) for entry in found) or "no model"
        return None, f"/v1/models lists {names}, wanted {model}; another server has this port, or the recipe has changed", ""
    if max_model_len is not None and chosen["max_model_len"] != max_model_len:
        return chosen, f"{chosen['id']} has max_model_len {chosen['max_model_len']}, wanted {max_model_len}; restart all ranks", ""
    return chosen, "", ""


def completion_request(model: str, chat: bool) -> tuple[str, str]:
    """Path and JSON body of a request for a few tokens, at temperature 0."""
    common = {"model": model, "max_tokens": MAX_TOKENS, "temperature": 0}
    if chat:
        return "/v1/chat/completions", json.dumps({**common, "messages": [{"role": "user", "content": PROMPT}]})
    return "/v1/completions", json.dumps({**common, "prompt": PROMPT})


def not_a_chat_model(answer: Answer) -> bool:
    """Whether the chat route is not there or refuses for want of a template: ask /v1/completions then."""
    return answer.status in (404, 405) or (answer.status == 400 and "chat template" in answer.text.lower())


def completion(answer: Answer) -> tuple[t.Optional[dict[str, t.Any]], str, str]:
    """Judge an answer to a completion request.

    Returns (`{text, tokens}` or null, what is wrong for good, what to wait for). A token came when `usage` counts one or there is any text;
    a reasoning model may put all of it in `reasoning` or `reasoning_content` and leave `content` null.
    """
    if answer.status == 0:
        return None, "", f"no token yet ({answer.error}); the first request compiles kernels"
    if answer.status in (401, 403):
        return None, f"the completion answers {answer.status}: the API key differs from the one that was given", ""
    if answer.status != 200:
        final = answer.status in (400, 404, 422, 500)
        text = f"the completion answers {answer.status}: {answer.text[:200]!r}"
        return None, text if final else "", "" if final else text
    document = _json(answer.text)
    choice = next(iter(document.get("choices") or []), None) or {}
    message = choice.get("message") or {}
    pieces = (choice.get("text"), message.get("content"), message.get("reasoning"), message.get("reasoning_content"))
    text = next((piece for piece in pieces if isinstance(piece, str) and piece), "")
    tokens = (document.get("usage") or {}).get("completion_tokens") or 0
    if not text and not tokens:
        return None, "", "the completion came without a token"
    return {"text": text, "tokens": tokens or 1}, "", ""


def _json(text: str) -> dict[str, t.Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
