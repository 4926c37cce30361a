# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version's options a recipe is held to, and what is said of other versions."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._vllm_options import Catalogue, Vllm

OPTIONS: dict[str, Any] = {
    "tensor-parallel-size": {"kind": "value", "also": ["-tp"], "type": "int"},
    "enable-x": {"kind": "switch", "also": ["--disable-x"]},
    "headless": {"kind": "flag"},
    "kv-cache-dtype": {"kind": "value", "choices": ["auto", "fp8"]},
    "spec": {"kind": "value", "type": "json", "keys": {"method": ["mtp"], "model": None}},
}
# Oldest first, as text would not be sorted; `early` and `late` are options that some have.
VERSIONS = {"0.9.0": ["early"], "0.21.0": ["early", "both"], "0.21.2": ["both"], "0.22.0": ["late"], "0.33.0": ["late", "new"]}


def data(version: str) -> dict[str, Any]:
    more = {name: {"kind": "flag"} for name in VERSIONS[version]}
    return {"vllm": version, "options": {**OPTIONS, **more}, "environment": ["VLLM_A", "CUDA_HOME"]}


CATALOGUE = Catalogue(reversed(VERSIONS), data)


@pytest.mark.parametrize(
    ("version", "fitting"),
    [
        ("0.21.0", "0.21.0"),
        ("0.21.1", "0.21.0"),
        ("v0.21.1", "0.21.0"),
        ("0.21.1rc1.dev339", "0.21.0"),
        ("0.21.1rc1.dev339+g0123abc", "0.21.0"),
        ("0.21.2", "0.21.2"),
        ("0.21.2+cu130", "0.21.2"),
        ("0.21.2.post1", "0.21.2"),
        ("0.21.2-unholy", "0.21.2"),
        ("0.21.2rc1", "0.21.0"),
        ("0.21.2.dev5", "0.21.0"),
        ("0.21.17", "0.21.2"),
        ("0.22", "0.22.0"),
        ("0.22.0.1", "0.22.0"),
        ("0.22.0rc2", None),
        ("0.20.2", None),
        ("0.23.0", None),
        ("1.0", None),
        ("v20260613.dev297+ga93b9098b", None),
        ("20260613", None),
        ("unholy-fusion", None),
        ("", None),
        ("0." + "9" * 9000, None),
    ],
)
def test_a_version_is_held_to_the_newest_of_its_series_that_is_not_newer(version: str, fitting: Optional[str]) -> None:
    found = CATALOGUE.fitting(version)
    assert (found.version if found else None) == fitting


def test_versions_are_ordered_as_numbers() -> None:
    assert CATALOGUE.versions == list(VERSIONS)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("early", " (vLLM up to 0.21.0 had it)"),
        ("both", " (vLLM 0.21.0 to 0.21.2 had it)"),
        ("late", " (vLLM 0.22.0 and later have it)"),
        ("new", " (vLLM 0.33.0 has it)"),
        ("never", ""),
    ],
)
def test_since_and_until_when_there_is_an_option_is_said_as_far_as_there_are_data(option: str, text: str) -> None:
    assert CATALOGUE.others(lambda vllm: option in vllm.options) == text


def test_a_file_is_read_when_it_is_needed_and_once() -> None:
    read: list[str] = []
    catalogue = Catalogue(VERSIONS, lambda version: read.append(version) or data(version))  # type: ignore[func-returns-value]
    assert read == []
    assert catalogue.fitting("0.22.1") is catalogue.fitting("0.22.0")
    assert read == ["0.22.0"]


@pytest.mark.parametrize(
    ("word", "name", "long"),
    [
        ("tensor-parallel-size", "tensor-parallel-size", True),
        ("tp", "tensor-parallel-size", False),
        ("no-enable-x", "enable-x", True),
        ("disable-x", "enable-x", True),
        ("headless", "headless", True),
    ],
)
def test_an_option_is_found_by_each_of_its_spellings(word: str, name: str, long: bool) -> None:
    found = Vllm(data("0.21.0")).find(word)
    assert found is not None and (found.name, found.long) == (name, long)


@pytest.mark.parametrize("word", ["no-headless", "no-kv-cache-dtype", "TP", "x"])
def test_no_other_spelling_is_known(word: str) -> None:
    assert Vllm(data("0.21.0")).find(word) is None


def test_keys_of_json_arguments_are_known_by_their_path() -> None:
    vllm = Vllm(data("0.21.0"))
    assert [name for name in ("spec", "spec.method", "spec.model", "spec.x", "kv-cache-dtype.x", "x.method") if vllm.knows(name)] == [
        "spec",
        "spec.method",
        "spec.model",
    ]
    assert vllm.choices("kv-cache-dtype") == ["auto", "fp8"] and vllm.choices("spec.method") == ["mtp"]
    assert vllm.choices("spec.model") is vllm.choices("spec") is vllm.choices("x") is None
