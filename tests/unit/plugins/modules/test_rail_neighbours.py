# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong neighbours are forgotten, one by one, and only they."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import rail_neighbours
from tests.unit.plugins.modules.module_runner import run_module

RAIL, TWIN = "4c:bb:47:02:00:10", "4c:bb:47:02:00:14"
PEER = {"interface": "enp1s0f0np0", "address": "192.168.100.12", "mac": RAIL}
WRONG = {**PEER, "mac": TWIN}


class Ip:
    """The command, and the table that it shows; `refused` makes it keep what it is told to delete, `gone` makes that vanish before."""

    def __init__(self, *macs: str, refused: bool = False, gone: bool = False) -> None:
        self.table = [{"dst": PEER["address"], "dev": PEER["interface"], "lladdr": mac, "state": ["STALE"]} for mac in macs]
        self.refused, self.gone = refused, gone
        self.deletions: list[list[str]] = []

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        assert words[0] == "/usr/bin/ip"
        if "show" in words:
            return 0, json.dumps(self.table), ""
        self.deletions.append(words[1:])
        if not self.refused:
            self.table = []
        return (2, "", "RTNETLINK answers: No such file or directory") if self.refused or self.gone else (0, "", "")

    def run(self, check: bool = False) -> dict[str, Any]:
        return run_module(rail_neighbours, {"peers": [PEER]}, self, binaries=["ip"], check=check, diff=True)


def test_a_wrong_neighbour_is_forgotten() -> None:
    ip = Ip(TWIN)
    result = ip.run()
    assert (result["changed"], result["forgotten"]) == (True, [WRONG])
    assert ip.deletions == [["neighbour", "delete", "192.168.100.12", "dev", "enp1s0f0np0"]]
    assert result["diff"] == {"before": f"192.168.100.12 dev enp1s0f0np0 lladdr {TWIN}\n", "after": ""}
    assert ip.run()["changed"] is False


@pytest.mark.parametrize("macs", [[], [RAIL]])
def test_a_right_one_stays(macs: list[str]) -> None:
    ip = Ip(*macs)
    assert ip.run()["changed"] is False and ip.deletions == []


def test_check_mode_predicts_the_same_and_does_nothing() -> None:
    ip = Ip(TWIN)
    predicted = ip.run(check=True)
    assert ip.deletions == [] and predicted == ip.run()


def test_one_that_vanished_in_the_meantime_is_forgotten_too() -> None:
    assert Ip(TWIN, gone=True).run()["changed"] is True


def test_one_that_stays_is_a_failure_in_ips_own_words() -> None:
    result = Ip(TWIN, refused=True).run()
    assert result["failed"] is True
    assert all(word in result["msg"] for word in ("192.168.100.12", "enp1s0f0np0", TWIN, "status 2", "No such file"))


def test_what_ip_should_not_print_is_a_failure() -> None:
    result = run_module(rail_neighbours, {"peers": [PEER]}, lambda words: (0, "unknown", ""), binaries=["ip"])
    assert result["failed"] is True and "unknown" in result["msg"]
