# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.dgx_spark.vllm.plugins.modules import vllm_ready

KEY = "s3cret-key"
UNIT = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "InvocationID": "ab", "NRestarts": "0"}


class Api(http.server.BaseHTTPRequestHandler):
    """An API with a key, which answers a chat with a token."""

    health = 200
    delay = 0.0

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(self.health)
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self.answer(401)
        else:
            self.answer(200, {"data": [{"id": "mini", "max_model_len": 512}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.delay)
        self.answer(200, {"choices": [{"message": {"content": None, "reasoning": "We"}}], "usage": {"completion_tokens": 8}})

    def answer(self, status: int, document: t.Optional[dict[str, t.Any]] = None) -> None:
        body = json.dumps(document).encode() if document else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        # A client that has given up meanwhile is what some tests are about.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: t.Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    # Closing waits for the answers that are under way, so that none of them runs into the next test.
    daemon_threads = False


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[type[Api]]:
    handler = type("Handler", (Api,), {})
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # A proxy that is set for the node must not be asked for the node's own API.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    handler.port = server.server_address[1]  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """A node: `unit` and `log` can be set, `commands` are those that were run."""
    found: dict[str, t.Any] = {"unit": dict(UNIT), "log": [], "commands": []}

    def run_command(module: AnsibleModule, argv: list[str], **kwargs: t.Any) -> tuple[int, str, str]:
        assert argv[:2] == ["timeout", "--kill-after=1"]
        found["commands"].append(argv[3:])
        found["environment"] = dict(module.run_command_environ_update)
        if argv[3] == "systemctl":
            return 0, "\n".join(f"{name}={value}" for name, value in {"Id": argv[-1], **found["unit"]}.items()), ""
        if argv[3] == "journalctl":
            stamp = "1795310172000000"
            return 0, "\n".join(json.dumps({"MESSAGE": text, "__REALTIME_TIMESTAMP": stamp}) for text in found["log"]), ""
        return 127, "", "not found"

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    return found


def call(capsys: pytest.CaptureFixture[str], **options: t.Any) -> dict[str, t.Any]:
    with patch_module_args({"unit": "vllm@mini.service", "timeout": 1, **options}), pytest.raises(SystemExit):
        vllm_ready.main()
    return json.loads(capsys.readouterr().out)


def head(capsys: pytest.CaptureFixture[str], api: t.Any, **options: t.Any) -> dict[str, t.Any]:
    return call(capsys, **{"api_port": api.port, "api_key": KEY, "model": "mini", "max_model_len": 512, "timeout": 5, **options})


def test_a_head_that_brings_a_token_is_ready(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], api: t.Any) -> None:
    result = head(capsys, api)

    assert (result["state"], result["phase"], result["wanted_phase"], result["changed"]) == ("ready", "token", "token", False)
    assert (result["completion"]["text"], result["completion"]["tokens"]) == ("We", 8)


def test_an_address_that_stands_for_all_is_asked_on_loopback(
    capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], api: t.Any
) -> None:
    assert head(capsys, api, api_address="0.0.0.0")["state"] == "ready"


def test_a_wrong_key_fails_at_once_and_does_not_leave(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], api: t.Any) -> None:
    result = head(capsys, api, api_key="another-key", host="spark1")

    assert result["state"] == "failed"
    assert result["evidence"][0]["host"] == "spark1"
    assert "the API key differs" in result["evidence"][0]["line"]
    assert "another-key" not in json.dumps({**result, "invocation": None})


def test_a_dead_engine_fails_at_once(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], api: t.Any) -> None:
    api.health = 503

    assert "/health answers 503" in head(capsys, api)["evidence"][0]["line"]


def test_a_slow_first_token_is_waited_for_within_the_time(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], api: t.Any) -> None:
    api.delay = 3
    started = time.monotonic()
    result = head(capsys, api, timeout=1)

    assert (result["state"], result["phase"]) == ("waiting", "api")
    assert "no token yet" in result["waiting_for"]
    assert time.monotonic() - started < 2.5


def test_nobody_listening_is_waited_for(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any]) -> None:
    result = call(capsys, api_port=9)

    assert (result["state"], result["model"], result["completion"]) == ("waiting", None, None)


def test_a_worker_needs_no_api(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any]) -> None:
    node["log"] = ["rank 1 in world size 2 is assigned as DP rank 0"]
    result = call(capsys, rank=1)

    assert (result["state"], result["rank"], result["wanted_phase"]) == ("ready", 1, "nccl")


def test_commands_run_in_utc_and_find_the_container_by_the_unit(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any]) -> None:
    call(capsys, unit="vllm@mini", rank=1)

    assert node["environment"] == {"LC_ALL": "C", "TZ": "UTC"}
    assert ["docker", "inspect", "--type", "container", "vllm-mini"] in node["commands"]
    assert node["commands"][0][-1] == "vllm@mini.service"


def test_connections_are_read_below_proc_root(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], tmp_path: Path) -> None:
    node["log"] = ["rank 1 in world size 2 is assigned as DP rank 0"]
    (tmp_path / "net").mkdir()
    options = {"rank": 1, "master_addr": "192.168.177.11", "master_port": 25000, "proc_root": str(tmp_path)}

    assert "the head is gone" in call(capsys, **options)["evidence"][0]["line"]
    (tmp_path / "net" / "tcp").write_text("0: 0CB1A8C0:C350 0BB1A8C0:61A8 01\n", encoding="utf-8")
    assert call(capsys, **options)["state"] == "ready"


@pytest.mark.parametrize(
    ("options", "piece"),
    [
        ({"timeout": 16, "rank": 1}, "timeout is 16, wanted 1 to 15"),
        ({"timeout": 0, "rank": 1}, "timeout is 0, wanted 1 to 15"),
        ({"rank": 0}, "api_port is missing"),
        ({"rank": 1, "since": "yesterday"}, "since is 'yesterday'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    capsys: pytest.CaptureFixture[str], node: dict[str, t.Any], options: dict[str, t.Any], piece: str
) -> None:
    result = call(capsys, **options)

    assert result["failed"] is True
    assert piece in result["msg"]


def test_check_mode_looks_all_the_same(capsys: pytest.CaptureFixture[str], node: dict[str, t.Any]) -> None:
    assert call(capsys, rank=1, _ansible_check_mode=True)["state"] == "waiting"
