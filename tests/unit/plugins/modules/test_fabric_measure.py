# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import fabric_measure
from tests.unit.plugins.modules.module_runner import run_module

TOKEN = uuid.uuid4().hex


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fabric_measure, "FOLDER", str(tmp_path / "measure"))
    return tmp_path


def measure(check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(fabric_measure, options, binaries=[], check=check)


def test_one_end_waits_behind_the_back_until_it_is_asked_for(folder: Path) -> None:
    port = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"
    ((found,),) = measure(steps=[[["python3", "-c", port]]])["outcomes"]
    number = int(found["output"])
    listen = f"import socket; print(socket.create_server(('127.0.0.1', {number})).accept()[0].recv(9))"
    call = f"import socket; socket.create_connection(('127.0.0.1', {number})).send(b'met')"
    assert measure(state="started", token=TOKEN, steps=[[["python3", "-c", listen]]], ports=[number]) == {"failed": False, "changed": False}
    assert "runs on this node already" in measure(state="started", token=TOKEN, steps=[[["true"]]])["msg"]
    assert measure(steps=[[["python3", "-c", call]]])["outcomes"] == [[{"rc": 0, "output": ""}]]
    assert measure(state="finished", token=TOKEN)["outcomes"] == [[{"rc": 0, "output": "b'met'\n"}]]
    assert measure(state="finished", token=TOKEN)["outcomes"] == []
    assert list((folder / "measure").iterdir()) == []


def test_check_mode_runs_nothing(folder: Path) -> None:
    assert measure(check=True, steps=[[["touch", f"{folder}/run"]]]) == {"failed": False, "changed": False, "outcomes": []}
    assert not (folder / "run").exists()


@pytest.mark.parametrize("token", ["", "../x", "a b", "a" * 65])
def test_a_token_is_no_path(token: str) -> None:
    assert "wanted up to 64 letters and digits" in measure(state="finished", token=token)["msg"]


def test_a_command_without_words_is_refused() -> None:
    assert "without words" in measure(steps=[[[]]])["msg"]


def test_a_folder_that_can_not_be_made_is_said(folder: Path) -> None:
    (folder / "measure").write_text("")
    assert "become: true" in measure(steps=[[["true"]]])["msg"]
