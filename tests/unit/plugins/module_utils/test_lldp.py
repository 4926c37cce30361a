# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end, by its own word, and where that is told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Optional

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_verdict, _lldp, _plan
from tests.unit.plugins.fixtures.spark import observed, spark
from tests.unit.plugins.fixtures.wires import hearing

TEXT = (Path(__file__).parents[1] / "fixtures" / "lldp" / "lldpctl.json").read_text()
SWITCH = {"system": "switch1", "port": "swp5"}


def heard(*names: str, other_port: bool = False, other_system: bool = False) -> dict[str, dict[str, Optional[str]]]:
    """What is known where the list has such interfaces, one after the other, the last perhaps with another neighbour."""
    document = json.loads(TEXT)
    (first, *_others) = document["lldp"][0]["interface"]
    document["lldp"][0]["interface"] = [{**copy.deepcopy(first), "name": name} for name in names]
    last = document["lldp"][0]["interface"][-1]
    if other_port:
        last["port"][0]["descr"][0]["value"] = "swp9"
    if other_system:
        last["chassis"][0]["name"][0]["value"] = "switch2"
    return _lldp.neighbours(json.dumps(document))


def test_each_interface_has_its_neighbour_by_the_name_that_the_switch_uses() -> None:
    assert _lldp.neighbours(TEXT) == {"enp1s0f0np0": SWITCH, "enP2p1s0f0np0": {"system": "switch1", "port": "qsfp-2"}}


def test_of_two_ports_of_one_system_the_system_is_known() -> None:
    assert heard("a", "b", "a") == {"a": SWITCH, "b": SWITCH}
    assert heard("a", "a", other_port=True) == {"a": {"system": "switch1", "port": None}}


def test_of_two_systems_none_is_known() -> None:
    assert heard("a", "b", "a", other_system=True) == {"b": SWITCH}


def test_a_node_is_not_its_own_neighbour() -> None:
    (chassis,) = {entry["chassis"][0]["id"][0]["value"] for entry in json.loads(TEXT)["lldp"][0]["interface"]}
    assert _lldp.neighbours(TEXT, {chassis}) == {} and len(_lldp.neighbours(TEXT, {"02:00:00:00:00:01"})) == 2


def test_a_neighbour_without_names_has_those_that_it_has() -> None:
    document = json.loads(TEXT)
    entry = document["lldp"][0]["interface"][0]
    del entry["chassis"][0]["name"], entry["port"][0]["descr"]
    found = _lldp.neighbours(json.dumps(document))["enp1s0f0np0"]
    assert found == {"system": entry["chassis"][0]["id"][0]["value"], "port": entry["port"][0]["id"][0]["value"]}
    del entry["chassis"]
    assert "enp1s0f0np0" not in _lldp.neighbours(json.dumps(document))


def test_where_a_port_leads_is_said_as_far_as_it_is_known() -> None:
    assert _lldp.led_to({"lldp": SWITCH}) == " on port swp5 of switch1"
    assert _lldp.led_to({"lldp": {"system": "switch1", "port": None}}) == " on switch1"
    assert _lldp.led_to({"lldp": None}) == _lldp.led_to({}) == ""


def test_ports_on_different_systems_are_on_none() -> None:
    other = {"lldp": {"system": "switch2", "port": None}}
    assert _lldp.system_of([{"lldp": SWITCH}, {"lldp": None}, {}]) == "switch1"
    assert _lldp.system_of([{"lldp": SWITCH}, other]) is None and _lldp.system_of([{}]) is None


def test_a_slow_link_is_told_with_the_port_of_the_switch() -> None:
    """What one has to set to 200 Gb/s, in the plan and in the verdict."""
    found = {host: observed(spark(number)) for number, host in enumerate(("spark1", "spark2"), 1)}
    port = next(port for port in found["spark2"]["devices"] if port["usable"])
    port.update(rate_gbps=100, lldp=SWITCH)
    plan = _plan.plan(found)
    (slow,) = [each for each in plan["findings"] if each["id"] == "link.slow"]
    assert slow["found"] == f"{port['device']}:1 ({port['netdev']}) on port swp5 of switch1 at 100 Gb/s"
    (rate,) = [each for each in _fabric_verdict.judge(plan, found)["verdicts"] if each["id"] == "fabric.link-rate"]
    assert rate["found"] == f"the link of {port['device']}:1 on port swp5 of switch1 is up at 100 Gb/s"


def test_a_port_that_hears_nobody_is_told_with_the_port_of_the_switch() -> None:
    found = hearing({host: observed(spark(number)) for number, host in enumerate(("spark1", "spark2"), 1)}, [])
    for port in found["spark2"]["devices"]:
        port["lldp"] = SWITCH if port["usable"] else None
    silent = {each["host"]: each["found"] for each in _plan.plan(found)["findings"] if each["id"] == "probe.silent"}
    assert "enp1s0f0np0 on port swp5 of switch1" in silent["spark2"] and "switch1" not in silent["spark1"]
