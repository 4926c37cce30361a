# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_verdict


def fabric_verdicts(
    plan: t.Mapping[str, t.Any],
    observations: t.Optional[t.Mapping[str, t.Any]] = None,
    pings: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None,
    rdma: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None,
    allreduce: t.Optional[t.Mapping[str, t.Any]] = None,
    kernel: t.Optional[t.Mapping[str, t.Any]] = None,
) -> dict[str, t.Any]:
    """Judge what was measured of a fabric; see `_fabric_verdict.judge`."""
    try:
        return _fabric_verdict.judge(plan, observations, pings, rdma, allreduce, kernel)
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(
            f"fabric_verdicts: {type(error).__name__}: {error}; wanted a plan of cluster_plan, by host the result of roce_info,"
            " and measurements as `ansible-doc -t filter dgx_spark.vllm.fabric_verdicts` describes them"
        ) from error


def fabric_table(document: t.Mapping[str, t.Any]) -> list[str]:
    """Show a judgement; see `_fabric_verdict.table`."""
    try:
        return _fabric_verdict.table(document)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"fabric_table: {type(error).__name__}: {error}; wanted the result of fabric_verdicts") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fabric_verdicts": fabric_verdicts, "fabric_table": fabric_table}
