# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rail is pinged small and large at the same time; a program of that name gives what the real one was seen to print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_runs import targets
from ansible_collections.dgx_spark.vllm.plugins.modules import rail_ping
from tests.unit.plugins.fixtures.fabric import OUTPUTS, RAIL, only, pair, ring, switch
from tests.unit.plugins.modules.module_runner import run_module

# Each run notes its words and waits for as many as there are before it answers: one after the other they would never end.
PING = f"""#!/bin/sh
echo "$*" >>"$FOLDER/words"
while [ "$(wc -l <"$FOLDER/words")" -lt "$RUNS" ]; do sleep 0.05; done
case "$*" in
  *"-s 8972 -I $LOSES "*) cat {OUTPUTS}/ping_jumbo_lost.txt; exit 1 ;;
  *"-s 8972 "*) cat {OUTPUTS}/ping_jumbo.txt ;;
  *) cat {OUTPUTS}/ping_small.txt ;;
esac
"""


@pytest.fixture
def ping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "ping"
    program.write_text(PING)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name, value in (("FOLDER", str(tmp_path)), ("RUNS", "4"), ("LOSES", "none")):
        monkeypatch.setenv(name, value)
    return tmp_path


def pinged(measured: dict[str, Any], host: str, **options: Any) -> list[dict[str, Any]]:
    result = run_module(rail_ping, {"targets": targets(measured["plan"], host), **options}, binaries=[])
    assert (result["failed"], result["changed"]) == (False, False)
    found: list[dict[str, Any]] = result["pings"]
    return found


def test_what_comes_back_is_what_a_judgement_takes(ping: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = pair()
    measured["pings"] = pinged(measured, "spark1")
    words = sorted((ping / "words").read_text().splitlines())
    assert words[0] == "-n -M do -i 0.2 -c 3 -W 1 -s 56 -I enP2p1s0f0np0 192.168.101.2" and len(words) == 4
    (ping / "words").unlink()
    measured["pings"] += pinged(measured, "spark2")
    assert only(measured)["id"] == "fabric.healthy"
    (ping / "words").unlink()
    monkeypatch.setenv("LOSES", "enp1s0f0np0")
    measured["pings"] = measured["pings"][4:] + pinged(measured, "spark1", count=1)
    found = only(measured)
    assert (found["id"], found["host"], found["rail"]) == ("fabric.mtu-mismatch", "spark1", RAIL)


def test_a_node_without_ping_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    measured = pair()
    measured["pings"] = [each for host in ("spark1", "spark2") for each in pinged(measured, host)]
    assert {(each["status"], each["error"]) for each in measured["pings"]} == {("missing", "ping: command not found")}
    assert only(measured)["id"] == "fabric.not-measured"


def test_neither_none_nor_no_time_is_accepted() -> None:
    assert "wanted 1 or more" in run_module(rail_ping, {"targets": [], "count": 0}, binaries=[])["msg"]


@pytest.mark.parametrize("make", [pair, ring, switch])
def test_every_rail_is_pinged_both_ways(make: Any) -> None:
    measured = make()
    rails = {(host, rail["netdev"]) for host, node in measured["plan"]["nodes"].items() for rail in node["rails"]}
    found = [each for host in measured["plan"]["nodes"] for each in targets(measured["plan"], host)]
    assert {(each["from"], each["interface"]) for each in found} == rails
    ends = {(each["from"], each["to"], each["source"], each["target"]) for each in found}
    assert ends == {(to, from_, target, source) for from_, to, source, target in ends} and len(ends) == len(found)
    assert {(each["from"], each["to"], each["source"], each["target"]) for each in measured["pings"]} == ends
