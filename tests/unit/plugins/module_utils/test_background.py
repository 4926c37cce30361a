# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that run side by side and behind one's back: real ones, none of which may be left over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _background, _ports

LONG = 600


def alive(pid: int) -> bool:
    """Whether a process is there and is no zombie that only waits to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "measurement")


def test_commands_run_at_the_same_time_and_say_how_they_ended(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Each end of a pipe waits for the other: one after the other they would never end.
    found = _background.together([["cat", str(pipe)], ["sh", "-c", f"echo met >{pipe}; echo wrong >&2; exit 3"]], 30)
    assert found == [{"rc": 0, "output": "met\n"}, {"rc": 3, "output": "wrong\n"}]


def test_a_command_that_is_not_there_or_must_not_run_is_an_outcome() -> None:
    absent, refused = _background.together([["ib_write_bw-of-nobody", "-F"], ["/etc/passwd"]], 30)
    assert absent == {"rc": 127, "output": "ib_write_bw-of-nobody: command not found"}
    assert refused == {"rc": 126, "output": "/etc/passwd: Permission denied"}


def test_a_command_is_ended_with_its_children_when_its_time_is_over(tmp_path: Path) -> None:
    script = f"trap '' TERM; sleep {LONG} & echo $! >{tmp_path}/child; echo begun; wait"
    begun = time.monotonic()
    assert _background.together([["sh", "-c", script]], 0.5) == [{"rc": 124, "output": "begun\n"}]
    assert time.monotonic() - begun < 30
    assert not alive(int((tmp_path / "child").read_text()))


def test_steps_run_in_their_order_and_the_end_is_run_in_any_case(folder: str, tmp_path: Path) -> None:
    _background.start(
        folder, [[["echo", "1"], ["echo", "2"]], [["sh", "-c", f"test ! -e {tmp_path}/end; echo $?"]]], 30, [["touch", f"{tmp_path}/end"]]
    )
    assert [[each["output"] for each in step] for step in _background.collect(folder, 30)] == [["1\n", "2\n"], ["0\n"]]
    assert (tmp_path / "end").exists() and not os.path.exists(folder)


def test_what_is_over_time_is_ended_when_it_is_asked_for_and_what_came_before_is_kept(folder: str, tmp_path: Path) -> None:
    script = f"echo $$ >{tmp_path}/pid; exec sleep {LONG}"
    _background.start(folder, [[["echo", "1"]], [["sh", "-c", script]]], LONG, [["touch", f"{tmp_path}/end"]])
    assert _background.collect(folder, 1) == [[{"rc": 0, "output": "1\n"}]]
    assert (tmp_path / "end").exists() and not os.path.exists(folder)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_it_ends_by_itself_if_nobody_comes_back(folder: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    _background.start(folder, [[["sleep", str(LONG)]]], 0.2, [["sh", "-c", f"echo >{tmp_path}/pipe"]])
    # Whoever opens the pipe waits for the other end.
    assert (tmp_path / "pipe").read_text() == "\n"
    assert _background.collect(folder, 30) == [[{"rc": 124, "output": ""}]]


def test_nothing_that_was_started_is_no_outcome(folder: str) -> None:
    assert _background.collect(folder, 30) == []


def test_one_of_a_name_only(folder: str) -> None:
    _background.start(folder, [[["sleep", str(LONG)]]], LONG)
    with pytest.raises(FileExistsError):
        _background.start(folder, [[["true"]]], LONG)
    assert _background.collect(folder, 0) == []


def test_start_waits_for_whoever_listens(folder: str) -> None:
    port = subprocess.run(
        [sys.executable, "-c", "import socket; print(socket.create_server(('127.0.0.1', 0)).getsockname()[1])"],
        check=True,
        capture_output=True,
        text=True,
    )
    number = int(port.stdout)
    program = f"import socket, time; time.sleep(0.5); s = socket.create_server(('127.0.0.1', {number})); print(s.accept()[0].recv(9))"
    _background.start(folder, [[[sys.executable, "-c", program]]], 60, ports=[number])
    assert number in {listener.port for listener in _ports.listeners()}
    subprocess.run([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {number})).send(b'met')"], check=True)
    assert _background.collect(folder, 30) == [[{"rc": 0, "output": "b'met'\n"}]]


def test_start_does_not_wait_for_what_has_ended(folder: str) -> None:
    begun = time.monotonic()
    _background.start(folder, [[["true"]]], 60, ports=[1])
    assert time.monotonic() - begun < _background.LISTEN_SECONDS / 2
    assert _background.collect(folder, 30) == [[{"rc": 0, "output": ""}]]
