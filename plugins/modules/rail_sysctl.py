#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rail_sysctl
short_description: Have interfaces on one wire answer ARP for their own addresses only
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Gives interfaces the kernel settings C(arp_ignore=1) and C(arp_announce=2), in the running kernel and in
    C(/etc/sysctl.d/60-dgx-spark-fabric.conf), by which they get them again at boot and whenever they appear.
  - That file also holds the values that were in force before. An interface that is no longer named gets them back, and the file goes with
    the last one. What somebody has changed since is left as it is.
  - A setting that has a sufficient value already, of its own or by C(net.ipv4.conf.all), is left alone.
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
    description:
      - All interfaces that are to have the settings. An empty list puts everything back.
      - Left out, they are those that have settings of ours.
    type: list
    elements: str
  arp:
    description: Whether they get C(arp_ignore=1) and C(arp_announce=2).
    type: bool
    default: true
  forwarding:
    description:
      - Whether they get C(forwarding=1), and C(rp_filter=2) where 1 is in force, which the nodes of a ring need.
      - Left out, it stays as it is.
    type: bool
notes:
  - A value that was set by hand and is in no file is taken for somebody's wish too, and is gone after a reboot.
seealso:
  - module: dgx_spark.vllm.rail_neighbours
"""

EXAMPLES = r"""
---
- name: Have both functions of a port answer for themselves only
  dgx_spark.vllm.rail_sysctl:
    interfaces: [enp1s0f0np0, enP2p1s0f0np0]

- name: Put back what was before
  dgx_spark.vllm.rail_sysctl:
    interfaces: []
"""

RETURN = r"""
settings:
  description: The settings that are ours after this task.
  returned: success
  type: list
  elements: dict
  contains:
    interface:
      description: The interface.
      type: str
      returned: always
      sample: enp1s0f0np0
    name:
      description: Name of the setting.
      type: str
      returned: always
      sample: arp_ignore
    value:
      description: Its value.
      type: str
      returned: always
      sample: "1"
    before:
      description: What was in force before.
      type: str
      returned: always
      sample: "0"
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_restore, _sysctl

CONF = "/proc/sys/net/ipv4/conf"


def value_of(key: _sysctl.Key) -> t.Optional[str]:
    text = _fabric_restore.text_of(os.path.join(CONF, *key))
    return None if text is None else text.strip()


def set_values(values: dict[_sysctl.Key, str]) -> None:
    for key, value in values.items():
        with open(os.path.join(CONF, *key), "w", encoding="utf-8") as file:
            file.write(f"{value}\n")


def write_file(text: str) -> None:
    """Replace the file as a whole; remove it if `text` is empty."""
    if not text:
        os.unlink(_sysctl.PATH)
        return
    _fabric_restore.replace(_sysctl.PATH, text.encode(), 0o644)


def apply(decision: _sysctl.Decision, file_changes: bool) -> None:
    """In this order an old value is noted before it is replaced, and forgotten after it is back, wherever this is interrupted."""
    set_values(decision.put_back)
    if file_changes:
        write_file(decision.text)
    set_values(decision.set_now)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "str"},
            "arp": {"type": "bool", "default": True},
            "forwarding": {"type": "bool"},
        },
        supports_check_mode=True,
    )
    interfaces = module.params["interfaces"]
    wrong = [name for name in interfaces or () if not name or "/" in name or name in (".", "..", "all", "default")]
    if wrong:
        module.fail_json(msg=f"interfaces: found {', '.join(map(repr, wrong))}, wanted names of network interfaces, such as enp1s0f0np0")
    try:
        text = _fabric_restore.text_of(_sysctl.PATH)
        held = _sysctl.parse(text or "")
        if interfaces is None:
            interfaces = sorted({interface for interface, _name in held if os.path.isdir(os.path.join(CONF, interface))})
        values = {key: value_of(key) for key in _sysctl.keys(interfaces, held)}
        decision = _sysctl.decide(interfaces, held, values, module.params["forwarding"], module.params["arp"])
        file_changes = (text or "") != decision.text if decision.text else text is not None
        if not module.check_mode:
            apply(decision, file_changes)
    except (_sysctl.SysctlError, OSError) as error:
        module.fail_json(msg=f"settings of the rails: {error}")
    changes = {**decision.put_back, **decision.set_now}
    module.exit_json(
        changed=bool(changes) or file_changes,
        settings=[
            {"interface": interface, "name": name, **entry._asdict()} for (interface, name), entry in _sysctl.parse(decision.text).items()
        ],
        diff=[
            {"before_header": _sysctl.PATH, "after_header": _sysctl.PATH, "before": text or "", "after": decision.text},
            {
                "before_header": "in force",
                "after_header": "in force",
                "before": _sysctl.listing({key: values[key] or "" for key in changes}),
                "after": _sysctl.listing(changes),
            },
        ],
    )


if __name__ == "__main__":
    main()
