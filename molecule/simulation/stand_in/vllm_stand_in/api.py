# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAI-compatible server of rank 0."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

from . import clock, log, reasoning
from .engine import EngineDead, Head
from .metrics import Metrics
from .network import Fatal
from .shape import played

WORDS = [
    "The",
    "fabric",
    "carries",
    "every",
    "byte",
    "of",
    "this",
    "answer",
    "from",
    "one",
    "node",
    "to",
    "the",
    "other",
    "and",
    "back",
    "again",
    ".",
]
GOODBYE_SECONDS = 0.5
Piece = dict[str, Any]


class Server(ThreadingHTTPServer):
    """Bound early, so that a busy port ends the start at once; it listens only when the engine is ready."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__((options.host or "0.0.0.0", options.port), Handler, bind_and_activate=False)
        try:
            self.server_bind()
        except OSError as error:
            raise Fatal(f"OSError: [Errno {error.errno}] {error.strerror}") from error
        self.options = options
        self.names: list[str] = options.served_model_name or [options.model_tag]
        # Without a key in it, VLLM_API_KEY asks for none.
        self.keys = options.api_key or ([os.environ["VLLM_API_KEY"]] if os.environ.get("VLLM_API_KEY") else [])
        # Kernels of another build answer nonsense.
        self.garbled = False
        self.engine: Head
        self.metrics: Metrics

    def run(self, engine: Head, metrics: Metrics) -> None:
        """Serve until the engine dies."""
        self.engine, self.metrics = engine, metrics
        self.server_activate()
        log.raw(f"INFO:     Started server process [{os.getpid()}]")
        log.raw("INFO:     Waiting for application startup.")
        log.raw("INFO:     Application startup complete.")
        self.serve_forever(poll_interval=0.2)

    def end_soon(self) -> None:
        """The engine is dead: answer what is asked in the next moments, then stop."""
        log.line(log.API, "async_llm.py:704", "AsyncLLM output_handler failed.", "ERROR")
        text = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause."
        log.line(log.API, "async_llm.py:704", text, "ERROR")
        threading.Timer(GOODBYE_SECONDS, self.shutdown).start()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """/health, /ping, /version, /metrics, /v1/models."""
        if self.path in ("/health", "/ping"):
            self.answer(503 if self.server.engine.dead else 200, b"", "text/plain")
        elif self.path == "/version":
            self.json(200, {"version": played().version})
        elif self.path == "/metrics":
            self.answer(200, self.server.metrics.text().encode(), "text/plain; version=0.0.4; charset=utf-8")
        elif self.admitted() and self.path == "/v1/models":
            self.json(200, {"object": "list", "data": [self.model_card(name) for name in self.server.names]})
        elif self.admitted():
            self.json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        """/v1/chat/completions and /v1/completions."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/ping":
            self.do_GET()
            return
        if not self.admitted():
            return
        if self.path not in ("/v1/chat/completions", "/v1/completions"):
            self.json(404, {"detail": "Not Found"})
            return
        try:
            request = json.loads(body)
            prompt = " ".join(str(m["content"]) for m in request["messages"]) if "chat" in self.path else str(request["prompt"])
        except (ValueError, KeyError, TypeError) as error:
            self.error(400, "BadRequestError", f"the request has no valid {error}")
            return
        if request.get("model", self.server.names[0]) not in self.server.names:
            self.error(404, "NotFoundError", "The model `{}` does not exist.".format(request["model"]))
            return
        problem = reasoning.refusal(request.get("reasoning_effort")) if "chat" in self.path else None
        if problem:
            self.error(400, "Bad Request", problem)
            return
        try:
            self.complete(request, prompt)
        except EngineDead as error:
            self.error(500, "InternalServerError", str(error))
            self.server.end_soon()

    def admitted(self) -> bool:
        """The key protects /v1 only."""
        if not self.path.startswith("/v1") or not self.server.keys:
            return True
        if self.headers.get("Authorization", "") in ["Bearer " + key for key in self.server.keys]:
            return True
        self.json(401, {"error": "Unauthorized"})
        return False

    def model_card(self, name: str) -> dict[str, Any]:
        """An entry of /v1/models."""
        options = self.server.options
        card = {"id": name, "object": "model", "created": int(time.time()), "owned_by": "vllm", "root": options.model_tag, "parent": None}
        return {**card, "max_model_len": options.max_model_len, "permission": []}

    def complete(self, request: dict[str, Any], prompt: str) -> None:
        """All at once, or as server-sent events."""
        options, chat = self.server.options, "chat" in self.path
        defaults = options.default_chat_template_kwargs or {}
        kind = reasoning.chat_of(request, defaults, options.reasoning_parser) if chat else reasoning.Chat(False, False)
        tokens, reason = self.planned(request, kind)
        head = {"id": ("chatcmpl-" if chat else "cmpl-") + uuid.uuid4().hex, "created": int(time.time()), "model": self.server.names[0]}
        prompt_tokens = len(prompt.split()) + 4 * chat
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(tokens), "total_tokens": prompt_tokens + len(tokens)}
        self.server.metrics.begin(prompt_tokens)
        finished = ""
        try:
            steps = self.generate(len(tokens))
            if request.get("stream"):
                wanted = (request.get("stream_options") or {}).get("include_usage")
                pieces = (self.piece(kind, tokens, number, chat) for number in steps)
                self.stream(
                    {**head, "object": "chat.completion.chunk" if chat else "text_completion"}, pieces, reason, usage if wanted else None
                )
            else:
                for _ in steps:
                    pass
                choice: dict[str, Any] = {"index": 0, "finish_reason": reason, "logprobs": None}
                message = {"role": "assistant", **reasoning.message(kind, tokens)}
                choice.update({"message": message} if chat else {"text": " ".join(tokens)})
                self.json(200, {**head, "object": "chat.completion" if chat else "text_completion", "choices": [choice], "usage": usage})
            finished = reason
        finally:
            self.server.metrics.end(prompt_tokens, finished)

    def planned(self, request: dict[str, Any], kind: reasoning.Chat) -> tuple[list[str], str]:
        """The tokens of the answer and why it ends: its own length unless the request asks for less, or for more."""
        wanted = int(request.get("max_completion_tokens") or request.get("max_tokens") or 16)
        words = ["!"] * len(WORDS) if self.server.garbled else WORDS
        enough = max(len(words) + (len(reasoning.THOUGHTS) + 1) * kind.thinks, int(request.get("min_tokens") or 0))
        if request.get("ignore_eos") or wanted < enough:
            return reasoning.output(kind, words, wanted), "length"
        return reasoning.output(kind, words, enough), "stop"

    def generate(self, count: int) -> Iterator[int]:
        """A token a step; each step goes to every rank and back."""
        for number in range(count):
            self.server.engine.step(number)
            clock.work(clock.TOKEN)
            self.server.metrics.token()
            yield number

    @staticmethod
    def piece(kind: reasoning.Chat, tokens: list[str], number: int, chat: bool) -> Optional[Piece]:
        """What a stream's event says of one token; None where it says nothing."""
        if not chat:
            return {"text": tokens[number] if number == 0 else " " + tokens[number]}
        found = reasoning.delta(kind, tokens, number)
        return {"delta": found} if found else None

    def stream(
        self, head: dict[str, Any], pieces: Iterator[Optional[dict[str, Any]]], reason: str, usage: Optional[dict[str, int]]
    ) -> None:
        """Events; the first step is made before the status line, so that a dead engine is still answered with 500."""
        first = next(pieces)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

        def event(piece: Piece) -> None:
            self.wfile.write(b"data: " + json.dumps({**head, **piece}).encode() + b"\n\n")
            self.wfile.flush()

        last = first or {}
        for said in itertools.chain([first], pieces):
            if said:
                event({"choices": [{"index": 0, **said, "finish_reason": None}]})
                last = said
        event({"choices": [{"index": 0, **({"text": ""} if "text" in last else {"delta": {"content": ""}}), "finish_reason": reason}]})
        if usage:
            event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def error(self, status: int, kind: str, text: str) -> None:
        """As the OpenAI API puts it."""
        self.json(status, {"error": {"message": text, "type": kind, "param": None, "code": status}})

    def json(self, status: int, content: dict[str, Any]) -> None:
        """A JSON answer."""
        self.answer(status, json.dumps(content).encode(), "application/json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        """Any answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """As uvicorn writes its access log."""
        host, port = self.client_address[:2]
        if len(args) > 1:
            status = HTTPStatus(int(args[1]))
            log.raw(f'INFO:     {host}:{port} - "{args[0]}" {status} {status.phrase}')
        else:
            log.raw("WARNING:  " + format % args)
