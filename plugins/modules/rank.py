#!/usr/bin/python
#
# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rank
short_description: Start, stop, enable or disable one rank of a recipe on this node
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Manages the systemd unit of a rank, C(vllm@RECIPE.service).
  - Other than M(ansible.builtin.systemd_service) it predicts in check mode what will happen to a unit that is not installed yet.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  recipe:
    description:
      - Name of the recipe.
    type: str
    required: true
  state:
    description:
      - V(started) forgets failed starts of before, so that the unit's budget of starts is there for starts that nobody asked for.
      - V(stopped) also ends a unit that waits for another try after a failure.
    type: str
    choices: [started, stopped]
  enabled:
    description:
      - Whether the rank starts at boot.
    type: bool
notes:
  - A cluster restarts whole. Stop the head first, then the workers; start the workers first, then the head.
seealso:
  - module: dgx_spark.vllm.rank_info
  - module: dgx_spark.vllm.vllm_ready
"""

EXAMPLES = r"""
---
- name: Stop the rank and keep it from starting at boot
  dgx_spark.vllm.rank:
    recipe: dsv4-flash-b12x-1m
    state: stopped
    enabled: false
"""

RETURN = r"""
unit:
  description: Name of the unit.
  returned: success
  type: str
  sample: vllm@dsv4-flash-b12x-1m.service
state:
  description: State of the unit before this task.
  returned: success
  type: str
  sample: inactive
enabled:
  description: Whether the unit was enabled before this task.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._rank import unit_name
from ansible_collections.dgx_spark.vllm.plugins.module_utils._unit import PROPERTIES, parse_show

_DOWN = ("inactive", "failed", "unknown")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "recipe": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped"]},
            "enabled": {"type": "bool"},
        },
        required_one_of=[("state", "enabled")],
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C", "TZ": "UTC"}
    systemctl = module.get_bin_path("systemctl", required=True)
    unit = unit_name(module.params["recipe"])
    wanted, enabled = module.params["state"], module.params["enabled"]

    _rc, out, _err = module.run_command([systemctl, "show", "--property=" + ",".join(PROPERTIES), unit], check_rc=True)
    before = parse_show(out)[0]
    up = before["active"] not in _DOWN
    steps = []
    if enabled is not None and enabled != before["enabled"]:
        steps.append(["enable" if enabled else "disable", unit])
    if wanted == "started" and not up:
        # The budget of starts is for those that nobody asked for.
        steps += [["reset-failed", unit], ["start", unit]]
    if wanted == "stopped" and (up or before["active"] == "failed"):
        # A client that was ended by a signal leaves the unit failed, though it was asked to stop.
        steps += [["stop", unit], ["reset-failed", unit]]
    if steps and before["stale"]:
        # A reload can take the GPU away from a running container, so it happens only when it has to.
        steps.insert(0, ["daemon-reload"])

    after = {
        "enabled": before["enabled"] if enabled is None else enabled,
        "state": {"started": "active", "stopped": "inactive", None: before["active"]}[wanted] if steps else before["active"],
    }
    for step in [] if module.check_mode else steps:
        rc, out, err = module.run_command([systemctl, *step])
        # systemd drops a unit that is down from its memory, and then there is nothing left to forget.
        if rc and not (step[0] == "reset-failed" and "not loaded" in err):
            module.fail_json(
                msg=f"systemctl {' '.join(step)} ended with status {rc}: {(err or out).strip()}; wanted {unit} {wanted or 'configured'};"
                f" look at: systemctl status {unit}; journalctl -u {unit}"
            )
    module.exit_json(
        changed=bool(steps),
        unit=unit,
        state=before["active"],
        enabled=before["enabled"],
        diff={"before": {"enabled": before["enabled"], "state": before["active"]}, "after": after},
    )


if __name__ == "__main__":
    main()
