# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters by which a playbook plans and shows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.cluster_plan import FilterModule
from tests.unit.plugins.fixtures.spark import change, observed, spark

FILTERS = FilterModule().filters()
cluster_plan, plan_table, findings_text = (FILTERS[name] for name in ("cluster_plan", "plan_table", "findings_text"))


def hosts() -> dict[str, Any]:
    return {"spark1": observed(spark(1)), "spark2": observed(change(spark(2, 1), "enP2p1s0f1np1", ipv4=()))}


def test_a_plan_and_its_texts_are_made_from_what_hosts_reported() -> None:
    plan = cluster_plan(hosts(), head="spark2", order=["spark1", "spark2"])
    assert (plan["master_addr"], plan["nodes"]["spark1"]["rank"]) == ("192.168.100.2", 1)
    assert plan_table(plan)[0].startswith("pair of 2 nodes, master 192.168.100.2")
    lines = findings_text(plan["findings"]).splitlines()
    assert [line.split()[:3] for line in lines] == [["warning", "rail.no-ipv4", "spark2:"], ["warning", "rail.unshared", "spark1:"]]


def test_a_part_of_the_hosts_is_planned_with_the_others_as_spares() -> None:
    plan = cluster_plan({**hosts(), "spark3": observed(spark(3))}, nodes=2)
    assert (list(plan["nodes"]), plan["spares"]) == (["spark1", "spark2"], ["spark3"])
    assert "spark3" in plan_table(plan)[-1]
    assert cluster_plan(hosts(), nodes=2) == cluster_plan(hosts())


def test_no_findings_are_said_to_be_none() -> None:
    assert findings_text([]) == "no findings"


def test_what_ansible_adds_to_a_result_does_no_harm() -> None:
    results = {host: {**observation, "changed": False, "failed": False} for host, observation in hosts().items()}
    assert cluster_plan(results) == cluster_plan(hosts())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cluster_plan([]), "found list, wanted a mapping of hosts"),
        (lambda: cluster_plan({"spark1": {"devices": [{"device": "rocep1s0f0"}]}}), "KeyError: 'mac'; wanted results of roce_info"),
        (lambda: cluster_plan(hosts(), nodes=1), "nodes: found 1, wanted 2 or more"),
        (lambda: plan_table({}), "wanted a plan as cluster_plan returns it"),
        (lambda: findings_text([{"id": "x"}]), "wanted a list of findings"),
        (lambda: findings_text(["text"]), "wanted a list of findings"),
    ],
)
def test_a_wrong_input_is_an_error_that_says_what_is_wanted(call: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match="wanted") as error:
        call()
    assert message in str(error.value)
