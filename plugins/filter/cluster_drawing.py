# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _drawing
from ansible_collections.dgx_spark.vllm.plugins.module_utils._findings import Finding


def cluster_drawing(plan: t.Mapping[str, t.Any], observations: t.Mapping[str, t.Any], findings: t.Sequence[Finding] = ()) -> str:
    """Draw the cluster; see `_drawing.draw`."""
    try:
        return _drawing.draw(plan, observations, findings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"cluster_drawing: {type(error).__name__}: {error}; "
            "wanted a plan as cluster_plan returns it, the results of roce_info that it was made of, and a list of findings"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"cluster_drawing": cluster_drawing}
