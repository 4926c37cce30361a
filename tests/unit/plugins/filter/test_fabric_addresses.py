# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.cluster_plan import cluster_plan
from ansible_collections.dgx_spark.vllm.plugins.filter.fabric_addresses import FilterModule
from tests.unit.plugins.fixtures.wires import bare

fabric_addresses = FilterModule().filters()["fabric_addresses"]


def test_hosts_are_numbered_in_their_order() -> None:
    found = fabric_addresses(bare("ba", [[("b", 0), ("a", 1)]]), "10.20.0.0/16", 28)
    assert found["findings"] == []
    assert {host: [rail["address"] for rail in rails] for host, rails in found["rails"].items()} == {
        "b": ["10.20.0.1/28", "10.20.0.17/28"],
        "a": ["10.20.0.2/28", "10.20.0.18/28"],
    }


def test_a_host_that_can_have_none_is_left_out_where_the_others_are_enough_and_gets_no_rank() -> None:
    hosts = bare("abc", [[(name, 0) for name in "abc"]])
    hosts["b"]["devices"][0]["uppers"] = ["bond0"]
    found = fabric_addresses(hosts, nodes=2)
    assert [finding["id"] for finding in found["findings"]] == ["plan.spare-unfit"]
    plan = cluster_plan(found["observations"], nodes=2)
    assert (list(plan["nodes"]), plan["spares"]) == (["a", "c"], ["b"])
    assert [finding["severity"] for finding in plan["findings"] if finding["severity"] == "error"] == []
    for more in ({}, {"nodes": 2, "head": "b"}):
        assert [finding["id"] for finding in fabric_addresses(hosts, **more)["findings"]] == ["fabric.stacked"]


def test_whether_they_are_needed_is_told() -> None:
    hosts = bare("abc", [[(name, 0) for name in "abc"]])
    there = fabric_addresses(hosts)
    assert there["needed"] and not fabric_addresses(there["observations"])["needed"]
    without = {**there["observations"], "c": hosts["c"]}
    assert fabric_addresses(without, nodes=2)["needed"]
    assert {finding["severity"] for finding in cluster_plan(without, nodes=2)["findings"]} == {"info"}, "though two can serve"


@pytest.mark.parametrize("wrong", [["a"], {"a": None}, {"a": {"heard": {}}}])
def test_what_is_no_observation_is_said(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="wanted by host the result of roce_info"):
        fabric_addresses(wrong)


def test_fewer_than_two_nodes_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="nodes: found 1, wanted 2 or more"):
        fabric_addresses(bare("ab", [[("a", 0), ("b", 0)]]), nodes=1)
