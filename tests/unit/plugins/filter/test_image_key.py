# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.image_key import FilterModule
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay

image_key = FilterModule().filters()["image_key"]


def test_key_is_that_of_the_overlay() -> None:
    assert image_key("sha256:base", {"nccl": "2.30.4"}) == _overlay.image_key("sha256:base", {"nccl": "2.30.4"})
    assert len(image_key("sha256:base", {})) == 16


@pytest.mark.parametrize(("base_id", "specification"), [(None, {}), ("sha256:base", None)])
def test_key_of_nothing_is_an_error_of_the_filter(base_id: t.Any, specification: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"image_key: .* wanted"):
        image_key(base_id, specification)
