# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _allreduce, _fabric_measure, _fabric_runs, _launch

Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])


def _explained(function: Function) -> Function:
    """Have what does not fit told in words that name the filter and where what it wants comes from."""

    @functools.wraps(function)
    def explained(*given: t.Any, **options: t.Any) -> t.Any:
        try:
            return function(*given, **options)
        except (_allreduce.AllreduceError, _launch.LaunchError) as error:
            raise AnsibleFilterError(f"{function.__name__}: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise AnsibleFilterError(
                f"{function.__name__}: {type(error).__name__}: {error}; wanted a plan of cluster_plan, a recipe, and by host what"
                " fabric_measure returned there"
            ) from error

    return t.cast(Function, explained)


@_explained
def rail_targets(plan: t.Mapping[str, t.Any], host: str) -> list[dict[str, t.Any]]:
    """What a host has to ping; see `_fabric_runs.targets`."""
    return _fabric_runs.targets(plan, host)


@_explained
def fabric_look(recipe: dict[str, t.Any], image: str = "", gpu: t.Optional[str] = None) -> list[list[str]]:
    """The commands that show what a node can measure with; see `_fabric_measure.look`."""
    return _fabric_measure.look(recipe, image, gpu)


@_explained
def fabric_runs(plan: t.Mapping[str, t.Any], recipe: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
    """What has to be run on which node; see `_fabric_measure.runs`."""
    return _fabric_measure.runs(plan, recipe, **options)


@_explained
def fabric_measured(
    plan: t.Mapping[str, t.Any], runs: t.Mapping[str, t.Any], called: t.Mapping[str, t.Any], reduced: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """What came out; see `_fabric_measure.measured`."""
    return _fabric_measure.measured(plan, runs, called, reduced)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rail_targets": rail_targets, "fabric_look": fabric_look, "fabric_runs": fabric_runs, "fabric_measured": fabric_measured}
