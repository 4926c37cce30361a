# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._answer import Answer, Probe, probe

MODELS = Answer(200, json.dumps({"object": "list", "data": [{"id": "deepseek-v4-flash", "max_model_len": 1000000, "root": "/m"}]}))
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def chat(message: t.Optional[dict[str, t.Any]], tokens: t.Optional[int] = 3, status: int = 200) -> Answer:
    usage = {} if tokens is None else {"usage": {"completion_tokens": tokens}}
    return Answer(status, json.dumps({"choices": [{"index": 0, "message": message}], **usage}))


class Server:
    """Answers from a table, and notes what was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = {"/health": Answer(200), "/v1/models": MODELS, CHAT: chat({"content": "ready"})}
        self.answers.update({path.replace("_", "/"): answer for path, answer in answers.items()})
        self.asked: list[tuple[str, str, t.Any]] = []

    def __call__(self, method: str, path: str, body: t.Optional[str]) -> Answer:
        self.asked.append((method, path, body and json.loads(body)))
        return self.answers[path]


def ask(server: Server, model: t.Optional[str] = "deepseek-v4-flash", length: t.Optional[int] = 1000000, token: bool = True) -> Probe:
    return probe(server, model, length, token)


def test_a_token_is_asked_for_and_found() -> None:
    server = Server()

    assert ask(server) == Probe("", "", {"id": "deepseek-v4-flash", "max_model_len": 1000000}, {"text": "ready", "tokens": 3})
    method, path, body = server.asked[-1]
    assert (method, path, body["model"], body["max_tokens"], body["temperature"]) == ("POST", CHAT, "deepseek-v4-flash", 1, 0)


def test_health_alone_never_counts() -> None:
    found = ask(Server(_v1_models=Answer(0, error="connection refused")))

    assert found.model is None and found.completion is None and "connection refused" in found.waiting


def test_no_token_is_asked_for_where_none_is_wanted() -> None:
    server = Server()

    assert ask(server, token=False).completion is None
    assert [path for _method, path, _body in server.asked] == ["/health", "/v1/models"]


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_reasoning_is_a_token_too(key: str) -> None:
    server = Server()
    server.answers[CHAT] = chat({"content": None, key: "We need"}, tokens=None)

    assert ask(server).completion == {"text": "We need", "tokens": 1}


def test_a_counted_token_without_text_counts() -> None:
    server = Server()
    server.answers[CHAT] = chat({"content": ""}, tokens=1)

    assert ask(server).completion == {"text": "", "tokens": 1}


def test_a_completion_without_a_token_does_not_count() -> None:
    server = Server()
    server.answers[CHAT] = chat({"content": None}, tokens=0)

    found = ask(server)
    assert found.completion is None and not found.problem and "without a token" in found.waiting


@pytest.mark.parametrize(
    "refusal", [Answer(404, "Not Found"), Answer(400, '{"message": "default Chat Template is no longer allowed"}'), Answer(405)]
)
def test_a_model_without_chat_is_asked_for_text(refusal: Answer) -> None:
    server = Server()
    server.answers[CHAT] = refusal
    server.answers[TEXT] = Answer(200, json.dumps({"choices": [{"text": " ready"}], "usage": {"completion_tokens": 8}}))

    assert ask(server).completion == {"text": " ready", "tokens": 8}
    assert server.asked[-1][2]["prompt"]


@pytest.mark.parametrize(
    ("path", "answer", "piece"),
    [
        ("/health", Answer(503), "/health answers 503"),
        ("/v1/models", Answer(401, '{"error":"Unauthorized"}'), "the API key differs"),
        (CHAT, Answer(401), "the API key differs"),
        (CHAT, Answer(500, "Internal Server Error"), "the completion answers 500: 'Internal Server Error'"),
        (CHAT, Answer(400, "max_tokens is too large"), "the completion answers 400"),
        ("/v1/models", Answer(200, '{"data": [{"id": "tiny"}]}'), "lists tiny, wanted deepseek-v4-flash"),
        ("/v1/models", Answer(200, '{"data": []}'), "lists no model, wanted deepseek-v4-flash"),
        ("/v1/models", Answer(200, MODELS.text.replace("1000000", "262144")), "max_model_len 262144, wanted 1000000"),
    ],
)
def test_what_will_not_get_better_is_a_problem(path: str, answer: Answer, piece: str) -> None:
    server = Server()
    server.answers[path] = answer

    found = ask(server)
    assert piece in found.problem and not found.waiting and found.completion is None


@pytest.mark.parametrize(
    ("path", "answer", "piece"),
    [
        ("/health", Answer(0, error="connection refused"), "connection refused"),
        ("/v1/models", Answer(502, "<html>"), "/v1/models answers 502"),
        ("/v1/models", Answer(200, "not JSON"), "/v1/models answers 200"),
        (CHAT, Answer(0, error="no answer within 9 s"), "no token yet (no answer within 9 s)"),
        (CHAT, Answer(429), "the completion answers 429"),
        (CHAT, Answer(503), "the completion answers 503"),
        (CHAT, Answer(200, "[]"), "without a token"),
    ],
)
def test_what_may_get_better_is_waited_for(path: str, answer: Answer, piece: str) -> None:
    server = Server()
    server.answers[path] = answer

    found = ask(server)
    assert piece in found.waiting and not found.problem and found.completion is None


def test_any_model_and_length_will_do_where_none_is_named() -> None:
    assert ask(Server(), model=None, length=None).completion
