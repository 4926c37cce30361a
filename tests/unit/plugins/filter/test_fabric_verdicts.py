# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.fabric_verdicts import FilterModule
from tests.unit.plugins.fixtures.fabric import change, pair

FILTERS = FilterModule().filters()


def test_a_fabric_is_judged_and_shown() -> None:
    measured = change(pair(), "pings", {"received": 0}, netdev="enp1s0f0np0")
    found = FILTERS["fabric_verdicts"](measured.pop("plan"), **measured)
    assert [each["id"] for each in found["verdicts"]] == ["fabric.unreachable"]
    assert FILTERS["fabric_table"](found)[0] == "fabric.unreachable (error)"


@pytest.mark.parametrize("wrong", [{"nodes": {"spark1": {}}}, {"nodes": {"spark1": None}}, "a plan"])
def test_what_is_no_plan_is_said(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"fabric_verdicts: .* wanted a plan of cluster_plan"):
        FILTERS["fabric_verdicts"](wrong)


@pytest.mark.parametrize("wrong", [{}, {"figures": 1, "verdict": "", "severity": "", "verdicts": []}])
def test_what_is_no_judgement_is_said(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"fabric_table: .* wanted the result of fabric_verdicts"):
        FILTERS["fabric_table"](wrong)
