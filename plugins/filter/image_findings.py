# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _image_findings


def image_findings(images: dict[str, t.Any], recipe: dict[str, t.Any], digest: str = "") -> dict[str, t.Any]:
    """Judge the results of base_image; see `_image_findings.judge`."""
    try:
        return _image_findings.judge(images, recipe, digest)
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(f"image_findings: {error!r}; wanted results of base_image by host, and a recipe") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"image_findings": image_findings}
