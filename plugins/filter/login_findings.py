# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _login


def login_findings(hostvars: t.Mapping[str, t.Any], hosts: t.Sequence[str], register: str) -> list[dict[str, t.Any]]:
    """What kept each of `hosts` from being logged in to; `register` names the variable with the result of a command as root."""
    found = []
    for host in hosts:
        variables = hostvars[host]
        result = variables.get(register)
        result = result if isinstance(result, t.Mapping) else {}
        if "stdout" not in result or result.get("failed"):
            message = "\n".join(str(result[key]) for key in ("msg", "module_stderr") if result.get(key))
            address, user = str(variables.get("ansible_host", host)), str(variables.get("ansible_user") or "")
            found.append(_login.login_finding(host, message, address, user, int(variables.get("ansible_port") or 22)))
    return found


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"login_findings": login_findings}
