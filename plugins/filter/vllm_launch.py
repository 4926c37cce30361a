# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _launch
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE


def vllm_launch(recipe: dict[str, t.Any], plan: dict[str, t.Any], host: str, **parts: t.Any) -> dict[str, t.Any]:
    """Render what `host` runs; see `_launch.render`."""
    try:
        return _launch.render(recipe, plan, host, vllm=CATALOGUE, **parts)
    except _launch.LaunchError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"vllm_launch": vllm_launch}
