"""The real vLLM says and does what agreements.yml holds the stand-in to: one row, one test."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _evidence
from tests.unit.simulation.agreements import TABLE, fill, play
from tests.vllm.pair import RealPair


@pytest.mark.parametrize("row", TABLE, ids=[row["id"] for row in TABLE])
def test_the_real_vllm_does_what_the_table_says(real_pair: RealPair, row: dict[str, Any]) -> None:
    play(real_pair, row, "real")
    says = {**row.get("says", {}), **row.get("real_says", {})}
    for rank, outcome in row["outcome"].items():
        if isinstance(outcome, int) and outcome != 0 and rank in says:
            # A deployment that fails quotes that line out of the hundred that a rank prints.
            quoted = _evidence.select(real_pair.log(rank).splitlines())
            patterns = [fill(pattern, real_pair.names, pattern=True) for pattern in says[rank]]
            assert any(re.search(pattern, line) for pattern in patterns for line in quoted), quoted
