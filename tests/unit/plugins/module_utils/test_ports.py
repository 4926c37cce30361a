# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens where, after the kernel's tables."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _ports
from ansible_collections.dgx_spark.vllm.plugins.module_utils._ports import Listener

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0"


def table(folder: Path, *rows: tuple[str, str]) -> str:
    """A table of the kernel with these (local address, state); the inodes are 100, 101 and so on."""
    path = folder / f"tcp{len(list(folder.iterdir()))}"
    lines = [f"   {number}: {local} 00000000:0000 {state} {REST} {100 + number} 1\n" for number, (local, state) in enumerate(rows)]
    path.write_text(HEAD + "".join(lines))
    return str(path)


def test_the_tables_are_read(tmp_path: Path) -> None:
    four = table(tmp_path, ("0100007F:4853", "0A"), ("0100007F:4854", "01"), ("00000000:1F40", "0A"))
    mapped = "0000000000000000FFFF00000164A8C0:0016"
    six = table(tmp_path, ("00000000000000000000000000000000:61A8", "0A"), ("00000000000000000000000001000000:0050", "0A"), (mapped, "0A"))
    assert _ports.listeners([four, six, str(tmp_path / "none")]) == [
        Listener("127.0.0.1", 18515, "100"),
        Listener("0.0.0.0", 8000, "102"),
        Listener("::", 25000, "100"),
        Listener("::1", 80, "101"),
        Listener("192.168.100.1", 22, "102"),
    ]


@pytest.mark.parametrize(
    ("there", "wanted", "taken"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("192.168.100.11", "0.0.0.0", True),
        ("192.168.100.11", "127.0.0.1", False),
    ],
)
def test_what_listens_at_another_address_is_not_in_the_way(there: str, wanted: str, taken: bool) -> None:
    listener = Listener(there, 8000, "1")
    assert _ports.in_the_way([listener, Listener(there, 8001, "2")], 8000, wanted) == [listener] * taken


def test_the_program_of_a_socket_of_this_machine_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (listener,) = _ports.in_the_way(_ports.listeners(), port, "127.0.0.1")
        folder = _ports.process(listener.inode)
        assert folder == f"/proc/{os.getpid()}" and _ports.program(folder).endswith(f" (pid {os.getpid()})")
    assert _ports.in_the_way(_ports.listeners(), port, "127.0.0.1") == []
    assert _ports.process("0") is None


def test_a_process_is_in_the_container_that_its_control_group_names(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(f"0::/system.slice/docker-{'a' * 64}.scope\n")
    assert _ports.is_in_container(str(tmp_path), ["b" * 64, "a" * 64])
    assert not _ports.is_in_container(str(tmp_path), ["b" * 64]) and not _ports.is_in_container(str(tmp_path), [])
    assert not _ports.is_in_container(str(tmp_path / "gone"), ["a" * 64])
