# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay


def image_key(base_id: str, specification: dict[str, t.Any]) -> str:
    """Name an overlay; see `_overlay.image_key`."""
    try:
        return _overlay.image_key(base_id, specification)
    except _overlay.OverlayError as error:
        raise AnsibleFilterError(f"image_key: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"image_key": image_key}
