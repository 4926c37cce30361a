# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import struct
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._snapshot_problem import KINDS
from ansible_collections.dgx_spark.vllm.plugins.modules import hf_snapshot_info
from tests.unit.plugins.modules.module_runner import run_module

WEIGHTS = struct.pack("<Q", 2) + b"{}"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    snapshot = tmp_path / "hub" / "models--org--model" / "snapshots" / "0aaa"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({"num_attention_heads": 64, "model_type": "deepseek_v4"}))
    (snapshot / "model.safetensors").write_bytes(WEIGHTS)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0aaa")
    return tmp_path


@pytest.mark.parametrize("revision", [{}, {"revision": "0aaa"}])
def test_model_is_found_by_name_in_the_cache(cache: Path, revision: dict[str, str]) -> None:
    result = run_module(hf_snapshot_info, {"cache": str(cache), "repo": "org/model", **revision}, check=True)
    assert (result["failed"], result["changed"], result["complete"]) == (False, False, True)
    assert (result["revision"], result["heads"], result["model_type"], result["mounts"]) == ("0aaa", 64, "deepseek_v4", [str(cache)])


def test_model_is_found_by_its_directory(cache: Path) -> None:
    path = cache / "hub" / "models--org--model" / "snapshots" / "0aaa"
    assert run_module(hf_snapshot_info, {"path": str(path)})["complete"] is True


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [({"repo": "org/other"}, "repo-missing"), ({"repo": "org/model", "revision": "v2"}, "revision-missing")],
)
def test_model_that_is_not_there_is_a_result_and_no_failure(cache: Path, arguments: dict[str, str], kind: str) -> None:
    result = run_module(hf_snapshot_info, {"cache": str(cache), **arguments})
    assert (result["failed"], result["complete"], [problem["kind"] for problem in result["problems"]]) == (False, False, [kind])


@pytest.mark.parametrize("arguments", [{}, {"cache": "/c"}, {"repo": "org/model"}, {"path": "/p", "cache": "/c", "repo": "org/model"}])
def test_options_that_do_not_name_one_model_are_refused(arguments: dict[str, t.Any]) -> None:
    assert run_module(hf_snapshot_info, arguments)["failed"]


def test_every_kind_of_problem_is_documented() -> None:
    assert [kind for kind in KINDS if f"V({kind})" not in hf_snapshot_info.RETURN] == []
