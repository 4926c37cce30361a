# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.rail_peers import FilterModule
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _neighbours
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.spark import observed, spark

rail_peers = FilterModule().filters()["rail_peers"]
OBSERVATIONS = {"spark1": observed(spark(1)), "spark2": observed(spark(2))}
PLAN = plan(OBSERVATIONS)


def test_peers_are_those_of_the_plan() -> None:
    found = rail_peers(PLAN, "spark1", {host: {**observed, "changed": False} for host, observed in OBSERVATIONS.items()})
    assert found == _neighbours.peers(PLAN, "spark1", OBSERVATIONS) and len(found) == 2


@pytest.mark.parametrize(("given", "host", "observations"), [(PLAN, "spark9", OBSERVATIONS), (PLAN, "spark1", {}), (None, "spark1", {})])
def test_what_does_not_belong_together_is_an_error_of_the_filter(given: Any, host: str, observations: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"rail_peers: .* wanted a plan"):
        rail_peers(given, host, observations)
