# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _explain, _findings, _subset


def cluster_plan(
    observations: t.Mapping[str, t.Mapping[str, t.Any]],
    head: t.Optional[str] = None,
    order: t.Optional[t.Sequence[str]] = None,
    nccl: t.Optional[str] = None,
    nccl_rings: bool = False,
    nodes: t.Optional[int] = None,
    spare_unfit: bool = False,
) -> dict[str, t.Any]:
    """Plan the cluster; see `_subset.plan_of`."""
    if not isinstance(observations, t.Mapping):
        raise AnsibleFilterError(f"cluster_plan: found {type(observations).__name__}, wanted a mapping of hosts to results of roce_info")
    try:
        return _subset.plan_of(observations, head, order, nccl, nccl_rings, nodes, spare_unfit)
    except ValueError as error:
        raise AnsibleFilterError(f"cluster_plan: {error}") from error
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"cluster_plan: {type(error).__name__}: {error}; wanted results of roce_info as this release of the collection returns them"
        ) from error


def plan_table(plan: t.Mapping[str, t.Any]) -> list[str]:
    """Show a plan; see `_explain.explain`."""
    try:
        return _explain.explain(plan)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"plan_table: {type(error).__name__}: {error}; wanted a plan as cluster_plan returns it") from error


def findings_text(findings: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """Show findings, one a line; see `_findings.texts`."""
    try:
        return "\n".join(_findings.texts([dict(finding) for finding in findings])) or "no findings"
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"findings_text: {type(error).__name__}: {error}; wanted a list of findings") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"cluster_plan": cluster_plan, "plan_table": plan_table, "findings_text": findings_text}
