# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.cluster_drawing import FilterModule
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _drawing
from ansible_collections.dgx_spark.vllm.plugins.module_utils._findings import finding
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.spark import observed, spark

cluster_drawing = FilterModule().filters()["cluster_drawing"]
OBSERVATIONS = {"spark1": observed(spark(1)), "spark2": observed(spark(2))}
PLAN = plan(OBSERVATIONS)
VERDICT = {**finding("fabric.slow", "error", "spark1", "f", "w", "r"), "rail": "rocep1s0f0:1", "peer": "spark2"}


def test_the_drawing_is_that_of_the_plan() -> None:
    results = {host: {**observation, "changed": False} for host, observation in OBSERVATIONS.items()}
    assert cluster_drawing(PLAN, results) == _drawing.draw(PLAN, OBSERVATIONS)
    assert cluster_drawing(PLAN, results, findings=[VERDICT]) == _drawing.draw(PLAN, OBSERVATIONS, [VERDICT])
    assert "fabric.slow" in cluster_drawing(PLAN, results, [VERDICT])


@pytest.mark.parametrize(
    ("given", "observations", "findings"),
    [
        (None, {}, []),
        ({}, {}, []),
        (PLAN, [], []),
        (PLAN, {"spark1": {"devices": [{"device": "rocep1s0f0"}]}}, []),
        (PLAN, OBSERVATIONS, None),
        (PLAN, OBSERVATIONS, ["fabric.slow"]),
        (PLAN, OBSERVATIONS, [{**VERDICT, "severity": "bad"}]),
    ],
)
def test_what_does_not_belong_together_is_an_error_of_the_filter(given: Any, observations: Any, findings: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"cluster_drawing: .* wanted a plan as cluster_plan returns it"):
        cluster_drawing(given, observations, findings)
