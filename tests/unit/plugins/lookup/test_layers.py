# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.dgx_spark.vllm.plugins.lookup import layers

TARGET = "/usr/lib/fallbacks.py"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "fallbacks.py").write_bytes(b"patched")
    return str(tmp_path)


def test_file_beside_the_recipe_is_named_by_its_content(folder: str) -> None:
    assert layers.read([{"file": "fallbacks.py", "target": TARGET}, {"run": ["true"]}], folder, "layers") == [
        {
            "kind": "file",
            "target": TARGET,
            "mode": "0644",
            "sha256": hashlib.sha256(b"patched").hexdigest(),
            "source": f"{folder}/fallbacks.py",
        },
        {"kind": "run", "lines": ["true"]},
    ]


def test_absolute_path_needs_no_folder(folder: str) -> None:
    (layer,) = layers.read([{"file": f"{folder}/fallbacks.py", "target": TARGET}], None, "image_layers")
    assert layer["source"] == f"{folder}/fallbacks.py"


@pytest.mark.parametrize(
    ("entry", "inside", "text"),
    [
        ({"file": "fallbacks.py", "target": TARGET}, False, "image_layers[0].file: found fallbacks.py, wanted an absolute path"),
        ({"file": "missing.py", "target": TARGET}, True, "/missing.py on the controller"),
        ({"file": ".", "target": TARGET}, True, "found no file"),
        ({"file": "missing.py", "target": "usr"}, True, "image_layers[0].target: found 'usr'"),
        ({"environment": {"NCCL_IB_HCA": "x"}}, True, "NCCL_IB_HCA is found per node"),
    ],
)
def test_a_mistake_is_an_error_of_the_lookup(folder: str, entry: dict[str, t.Any], inside: bool, text: str) -> None:
    with pytest.raises(AnsibleLookupError) as error:
        layers.read([entry], folder if inside else None, "image_layers")
    assert text in str(error.value)


def test_two_files_in_one_place_are_refused(folder: str) -> None:
    with pytest.raises(AnsibleLookupError) as error:
        layers.read(
            [{"file": "fallbacks.py", "target": TARGET}, {"run": ["true"]}, {"file": "fallbacks.py", "target": TARGET}], folder, "x"
        )
    assert str(error.value).startswith(f"x[2].file: found {TARGET}, which x[0].file has too; wanted one source for each file")
