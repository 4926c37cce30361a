# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering as the role serve calls it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.vllm_launch import vllm_launch
from tests.unit.plugins.module_utils.test_launch import API, CACHES, IMAGE, MODEL, PLAN, RECIPE


def launch(**extra: Any) -> dict[str, Any]:
    return vllm_launch(RECIPE, PLAN, "ada", image=IMAGE, model=MODEL, caches=CACHES, api=API, **extra)


def test_what_a_user_adds_is_held_to_vllm_s_options_and_variables() -> None:
    assert "--max-num-seqs" in launch(extra_arguments={"max_num_seqs": 4})["argv_common"]
    declared = {"fork_environment": ["VLLM_B12X_MORE"]}
    assert launch(extra_environment={"VLLM_B12X_MORE": "1"}, extra_declared=declared)["env"]["VLLM_B12X_MORE"] == "1"
    for extra, text in (
        ({"extra_arguments": {"max-num-seq": 4}}, r"arguments\.max-num-seq: vLLM 0\.21\.1, going by 0\.21\.0, has no such option"),
        ({"extra_environment": {"VLLM_LOGGING_LEVL": "INFO"}}, r"environment\.VLLM_LOGGING_LEVL: .* \(did you mean VLLM_LOGGING_LEVEL\?\)"),
    ):
        with pytest.raises(AnsibleFilterError, match=text):
            launch(**extra)
