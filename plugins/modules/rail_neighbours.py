#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rail_neighbours
short_description: Have a node forget neighbours whose MAC address it has learnt wrongly
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Compares the kernel's table of neighbours with the MAC addresses that the neighbours have, and deletes the entries that differ.
    The kernel asks again when it next sends something there.
  - A wrong entry does not go by itself as long as traffic confirms it, and RoCE takes the address from it for the life of a connection.
  - Entries that are right, and those that somebody has made permanent, stay.
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
  peers:
    description: The neighbours, as made by P(dgx_spark.vllm.rail_peers#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      interface:
        description: Interface of this node.
        type: str
        required: true
      address:
        description: IPv4 address of the neighbour.
        type: str
        required: true
      mac:
        description: The MAC address that it has.
        type: str
        required: true
notes:
  - Have all neighbours answer rightly first, with M(dgx_spark.vllm.rail_sysctl).
seealso:
  - module: dgx_spark.vllm.rail_sysctl
"""

EXAMPLES = r"""
---
- name: Forget what the twin of a rail has answered
  dgx_spark.vllm.rail_neighbours:
    peers:
      - interface: enp1s0f0np0
        address: 192.168.100.12
        mac: 4c:bb:47:02:00:10
"""

RETURN = r"""
forgotten:
  description: The entries that were wrong.
  returned: success
  type: list
  elements: dict
  contains:
    interface:
      description: Interface of this node.
      type: str
      returned: always
      sample: enp1s0f0np0
    address:
      description: IPv4 address of the neighbour.
      type: str
      returned: always
      sample: 192.168.100.12
    mac:
      description: The MAC address that it was believed to have.
      type: str
      returned: always
      sample: 4c:bb:47:02:00:14
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _neighbours


def main() -> None:
    options = {name: {"type": "str", "required": True} for name in ("interface", "address", "mac")}
    module = AnsibleModule(
        argument_spec={"peers": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    ip = module.get_bin_path("ip", required=True)

    def mistaken() -> list[_neighbours.Neighbour]:
        _rc, out, _err = module.run_command([ip, "-json", "-4", "neighbour", "show"], check_rc=True)
        return _neighbours.mistaken(out, module.params["peers"])

    try:
        found = mistaken()
        for entry in [] if module.check_mode else found:
            rc, out, err = module.run_command([ip, "neighbour", "delete", entry["address"], "dev", entry["interface"]])
            # The kernel may have dropped it, or learnt better, in the meantime.
            if rc and entry in mistaken():
                module.fail_json(
                    msg=f"neighbour {entry['address']} on {entry['interface']}: found {entry['mac']}, which is not its MAC address, and"
                    f" `ip neighbour delete` ended with status {rc}: {(err or out).strip()}"
                )
    except _neighbours.NeighbourError as error:
        module.fail_json(msg=str(error))
    shown = "".join(f"{entry['address']} dev {entry['interface']} lladdr {entry['mac']}\n" for entry in found)
    module.exit_json(changed=bool(found), forgotten=found, diff={"before": shown, "after": ""})


if __name__ == "__main__":
    main()
