# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import port_info
from tests.unit.plugins.modules.module_runner import run_module


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine's loopback at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which deployments write what runs."""

    def found(pattern: str) -> list[str]:
        return sorted(map(str, tmp_path.glob(pattern.removeprefix("/etc/dgx-spark/"))))

    monkeypatch.setattr(port_info.glob, "glob", found)
    return tmp_path


def asked(port: int, address: str = "127.0.0.1", running: str = "") -> list[dict[str, object]]:
    wanted = [{"name": "api", "port": port, "address": address}, {"name": "master", "port": 1}]
    result = run_module(port_info, {"ports": wanted}, lambda words: (0, f"{running}\nother\n", ""), check=True)
    assert result["failed"] is False and result["changed"] is False
    taken: list[dict[str, object]] = result["taken"]
    return taken


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_at_which_somebody_listens_is_told_with_the_program(port: int, launches: Path, address: str) -> None:
    (taken,) = asked(port, address)
    assert (taken["name"], taken["port"], taken["address"]) == ("api", port, "127.0.0.1")
    assert "(pid " in str(taken["program"])


def test_a_port_that_nobody_has_is_free(port: int, launches: Path) -> None:
    assert asked(port, "192.0.2.7") == []
    assert asked(2) == []


def test_what_a_rank_of_a_deployment_has_is_not_in_the_way_while_it_runs(port: int, launches: Path) -> None:
    (launches / "mine").mkdir()
    (launches / "mine" / "launch.json").write_text(json.dumps({"master_port": 25000, "api": {"address": "127.0.0.1", "port": port}}))
    (launches / "broken").mkdir()
    (launches / "broken" / "launch.json").write_text("{")
    assert asked(port, running="vllm-mine\nvllm-broken") == []
    assert len(asked(port)) == 1
