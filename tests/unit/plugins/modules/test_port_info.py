# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import port_info
from tests.unit.plugins.modules.module_runner import run_module


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine's loopback at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def asked(port: int, address: str = "127.0.0.1", ids: str = "") -> list[dict[str, object]]:
    wanted = [{"name": "api", "port": port, "address": address}, {"name": "master", "port": 1}]
    result = run_module(port_info, {"ports": wanted}, lambda words: (0, f"{ids}\n", ""), check=True)
    assert result["failed"] is False and result["changed"] is False
    taken: list[dict[str, object]] = result["taken"]
    return taken


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_at_which_somebody_listens_is_told_with_the_program(port: int, address: str) -> None:
    (taken,) = asked(port, address)
    assert (taken["name"], taken["port"], taken["address"]) == ("api", port, "127.0.0.1")
    assert "(pid " in str(taken["program"])


def test_a_port_that_nobody_has_is_free(port: int) -> None:
    assert asked(port, "192.0.2.7") == []
    assert asked(2) == []


def test_what_a_rank_of_a_deployment_has_is_not_in_the_way_while_it_runs(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = []

    def is_in_container(folder: str, ids: list[str]) -> bool:
        asked_for.append(folder)
        return "ours" in ids

    monkeypatch.setattr(port_info._ports, "is_in_container", is_in_container)
    assert asked(port, ids="ours") == [] and len(asked(port, ids="theirs")) == 1
    assert asked_for == [f"/proc/{os.getpid()}"] * 2
