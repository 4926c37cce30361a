#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rail_forwarding
short_description: Have a node of a ring pass on what its neighbours send each other
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Docker drops what a node would forward. A systemd unit, C(dgx-spark-fabric-forward.service), lets through what comes in by one of the
    interfaces and goes out by another, in the chain C(DOCKER-USER), which Docker leaves to the administrator. The unit starts with Docker
    and adds its rules anew whenever Docker makes its chains.
  - RoCE does not follow routes; what passes is the nodes' other traffic, such as that of the rendezvous.
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
  interfaces:
    description: The interfaces between which everything is let through. An empty list removes the unit and its rules.
    type: list
    elements: str
    required: true
notes:
  - That the kernel forwards at all is a setting of M(dgx_spark.vllm.rail_sysctl).
seealso:
  - module: dgx_spark.vllm.rail_sysctl
"""

EXAMPLES = r"""
---
- name: Let the neighbours at both ports reach each other
  dgx_spark.vllm.rail_forwarding:
    interfaces: [enp1s0f0np0, enp1s0f1np1]

- name: Remove that
  dgx_spark.vllm.rail_forwarding:
    interfaces: []
"""

RETURN = r"""
missing:
  description: The rules that were not in force, each as two interfaces, in and out.
  returned: success
  type: list
  elements: list
  sample: [[enp1s0f0np0, enp1s0f1np1]]
"""

import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_restore, _forward_unit


class Host:
    """The node, by its commands."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.systemctl = module.get_bin_path("systemctl", required=True)
        # Only Docker needs it, and brings it.
        self.iptables = module.get_bin_path("iptables", opt_dirs=["/usr/sbin"])

    def is_active(self, unit: str) -> bool:
        return bool(self.module.run_command([self.systemctl, "is-active", "--quiet", unit])[0] == 0)

    def missing(self, pairs: t.Sequence[_forward_unit.Pair]) -> list[_forward_unit.Pair]:
        """The rules that are not in force, none where Docker does not run: it drops nothing then."""
        if not pairs or not self.is_active("docker.service"):
            return []
        if self.iptables is None:
            self.module.fail_json(msg="found no iptables, wanted the one that Docker uses; install the package iptables")
        check = [self.iptables, "--wait", "--check"]
        return [pair for pair in pairs if self.module.run_command([*check, *_forward_unit.rule(pair)])[0] != 0]

    def do(self, *words: str) -> None:
        code, out, err = self.module.run_command([self.systemctl, *words])
        if code != 0:
            self.module.fail_json(
                msg=f"systemctl {' '.join(words)} ended with status {code}: {(err or out).strip()}; wanted the rules of"
                f" {_forward_unit.UNIT} in the chain {_forward_unit.CHAIN} of iptables, which Docker makes; look at: journalctl -u"
                f" {_forward_unit.UNIT}"
            )


def change(host: Host, text: str) -> None:
    """Put the unit in place with its rules, or take it away with them."""
    # While the old unit is still known, because it knows its rules.
    if host.is_active(_forward_unit.UNIT):
        host.do("stop", _forward_unit.UNIT)
    if not text:
        host.do("disable", "--quiet", _forward_unit.UNIT)
        os.unlink(_forward_unit.PATH)
        host.do("daemon-reload")
        return
    _fabric_restore.replace(_forward_unit.PATH, text.encode(), 0o644)
    host.do("daemon-reload")
    host.do("enable", "--quiet", _forward_unit.UNIT)
    if host.is_active("docker.service"):
        host.do("start", _forward_unit.UNIT)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"interfaces": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    wrong = [name for name in module.params["interfaces"] if not re.fullmatch(r"[A-Za-z0-9_.@][A-Za-z0-9_.@-]{0,14}", name)]
    if wrong:
        module.fail_json(msg=f"interfaces: found {', '.join(map(repr, wrong))}, wanted names of network interfaces, such as enp1s0f0np0")
    host, pairs, before = (
        Host(module),
        _forward_unit.pairs_of(module.params["interfaces"]),
        _fabric_restore.text_of(_forward_unit.PATH) or "",
    )
    after, missing = _forward_unit.text(pairs), host.missing(pairs)
    changed = before != after or bool(missing)
    if changed and not module.check_mode:
        try:
            change(host, after)
        except OSError as error:
            module.fail_json(msg=f"{_forward_unit.PATH}: {error}")
    headers = {"before_header": _forward_unit.PATH, "after_header": _forward_unit.PATH}
    module.exit_json(changed=changed, missing=missing, diff={**headers, "before": before, "after": after})


if __name__ == "__main__":
    main()
