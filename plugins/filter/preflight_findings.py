# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _preflight


def preflight_findings(hosts: dict[str, t.Any], **wanted: t.Any) -> dict[str, t.Any]:
    """Judge the results of host_info; see `_preflight.judge`."""
    try:
        return _preflight.judge(hosts, _preflight.Wanted(**wanted))
    except _preflight.PreflightError as error:
        raise AnsibleFilterError(f"preflight_findings: {error}") from error
    except TypeError as error:
        raise AnsibleFilterError(f"preflight_findings: {error}; wanted are {', '.join(_preflight.Wanted._fields)}") from error
    except KeyError as error:
        raise AnsibleFilterError(f"preflight_findings: a host's result has no {error}; wanted the results of host_info") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_findings": preflight_findings}
