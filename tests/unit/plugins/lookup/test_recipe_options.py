# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe that is read is held to what vLLM of its version knows."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleLookupError

from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes


@pytest.mark.parametrize(
    ("key", "name", "value", "text"),
    [
        ("arguments", "max-num-seq", 4, "arguments.max-num-seq: vLLM 0.21.1, going by 0.21.0, has no such option"),
        ("environment", "VLLM_USE_B12X", "1", "environment.VLLM_USE_B12X: vLLM 0.21.1, going by 0.21.0, does not know it"),
    ],
)
def test_an_option_or_a_variable_that_vllm_does_not_know_is_named(key: str, name: str, value: object, text: str, tmp_path: Path) -> None:
    recipe = {**recipes.read("dsv4-flash-b12x-1m"), "name": "mine"}
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump(recipe))
    assert recipes.read(str(path)) == recipe
    path.write_text(yaml.safe_dump({**recipe, key: {**recipe[key], name: value}}))
    with pytest.raises(AnsibleLookupError) as refused:
        recipes.read(str(path))
    assert text in str(refused.value)
