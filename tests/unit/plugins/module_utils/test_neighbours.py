# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which MAC address a neighbour has, and which entries of the kernel's table say otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._neighbours import NeighbourError, mistaken, peers
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.spark import change, observed, spark

PEER = {"interface": "enp1s0f0np0", "address": "192.168.100.2", "mac": "02:00:5e:10:02:00"}
TWIN = "02:00:5e:10:02:04"


def entry(lladdr: str, *state: str, **fields: str) -> dict[str, Any]:
    return {"dst": "192.168.100.2", "dev": "enp1s0f0np0", "lladdr": lladdr, "state": list(state or ["REACHABLE"]), **fields}


def test_the_other_ends_of_all_rails_are_named_with_their_own_mac() -> None:
    observations = {"spark1": observed(spark(1)), "spark2": observed(spark(2, 1)), "spark3": observed(spark(3))}
    assert peers(plan(observations), "spark2", observations) == [
        {"interface": "enp1s0f1np1", "address": "192.168.100.1", "mac": "02:00:5e:10:01:00"},
        {"interface": "enp1s0f1np1", "address": "192.168.100.3", "mac": "02:00:5e:10:03:00"},
        {"interface": "enP2p1s0f1np1", "address": "192.168.101.1", "mac": "02:00:5e:10:01:04"},
        {"interface": "enP2p1s0f1np1", "address": "192.168.101.3", "mac": "02:00:5e:10:03:04"},
    ]


def test_rails_that_are_not_planned_have_no_other_end() -> None:
    observations = {"spark1": observed(spark(1)), "spark2": observed(change(spark(2), "enP2p1s0f0np0", ipv4=()))}
    assert peers(plan(observations), "spark1", observations) == [PEER]


def test_the_answer_of_a_twin_is_found_and_the_right_one_is_not() -> None:
    assert mistaken(json.dumps([entry(TWIN), entry(PEER["mac"])]), [PEER]) == [{**PEER, "mac": TWIN}]
    assert mistaken(json.dumps([entry(PEER["mac"].upper())]), [PEER]) == []


@pytest.mark.parametrize("state", ["REACHABLE", "STALE", "DELAY", "PROBE"])
def test_a_wrong_entry_is_found_in_every_state_of_its_life(state: str) -> None:
    assert mistaken(json.dumps([entry(TWIN, state)]), [PEER]) != []


@pytest.mark.parametrize("state", ["PERMANENT", "NOARP"])
def test_what_a_person_entered_is_left_alone(state: str) -> None:
    assert mistaken(json.dumps([entry(TWIN, state)]), [PEER]) == []


@pytest.mark.parametrize("other", [{"dst": "192.168.100.9"}, {"dev": "enP7s7"}])
def test_other_neighbours_are_nobodys_business(other: dict[str, str]) -> None:
    assert mistaken(json.dumps([entry(TWIN, **other)]), [PEER]) == []


def test_an_entry_without_an_address_is_no_mistake_yet() -> None:
    assert mistaken('[{"dst":"192.168.100.2","dev":"enp1s0f0np0","state":["FAILED"]}]', [PEER]) == []


@pytest.mark.parametrize("table", ["", "[]", "[ ]\n"])
def test_a_node_without_neighbours_has_none_wrong(table: str) -> None:
    assert mistaken(table, [PEER]) == []


@pytest.mark.parametrize("table", ['Object "neighbour" is unknown', '{"a": 1}', "[1]", "7"])
def test_what_is_no_table_is_quoted(table: str) -> None:
    with pytest.raises(NeighbourError, match="wanted a JSON list"):
        mistaken(table, [PEER])
