# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.fabric_runs import FilterModule
from tests.unit.plugins.fixtures.fabric import judge, pair

FILTERS = FilterModule().filters()
PLAN = pair()["plan"]
RECIPE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[4] / "recipes" / "dsv4-flash-b12x-1m.yml").read_text())
NOTHING: dict[str, Any] = {"image": {}, "gpu": {}, "looked": {}, "program": ""}


def test_where_there_is_nothing_to_measure_with_that_is_judged() -> None:
    runs = FILTERS["fabric_runs"](PLAN, RECIPE, **NOTHING)
    measured = FILTERS["fabric_measured"](PLAN, runs, {}, {})
    assert {each["id"] for each in judge(PLAN, **measured)["verdicts"]} >= {"fabric.not-measured"}
    assert len(FILTERS["rail_targets"](PLAN, "spark1")) == 2
    assert FILTERS["fabric_look"](RECIPE)[-1] == ["ib_write_bw", "--version"]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("rail_targets", ({"nodes": {"a": {}}}, "a")),
        ("fabric_look", (None, "image", "gpus")),
        ("fabric_runs", ({}, RECIPE)),
        ("fabric_measured", (PLAN, {}, {}, {})),
    ],
)
def test_what_does_not_fit_is_said(name: str, given: Any) -> None:
    options = NOTHING if name == "fabric_runs" else {}
    with pytest.raises(AnsibleFilterError, match=rf"{name}: .* wanted a plan of cluster_plan, a recipe"):
        FILTERS[name](*given, **options)


def test_a_size_that_can_freeze_a_node_is_refused() -> None:
    looked = {host: [{"rc": 0, "output": '{"nccl": true, "gpus": 1}'}] * 6 for host in PLAN["nodes"]}
    options = {**NOTHING, "looked": looked, "image": dict.fromkeys(PLAN["nodes"], "image"), "gpu": dict.fromkeys(PLAN["nodes"], "gpus")}
    with pytest.raises(AnsibleFilterError, match="fabric_runs: all-reduce of 16000000000 bytes, wanted at most 4000000000"):
        FILTERS["fabric_runs"](PLAN, RECIPE, size=16_000_000_000, **options)
    with pytest.raises(AnsibleFilterError, match="fabric_runs: gpu is None"):
        FILTERS["fabric_runs"](PLAN, RECIPE, **{**options, "gpu": dict.fromkeys(PLAN["nodes"])})
