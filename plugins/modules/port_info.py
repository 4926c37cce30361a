#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: port_info
short_description: Tell whether TCP ports are free for a rank
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Reads the kernel's tables of sockets. What listens for a container of a recipe that was deployed here is not in the way, because a
    deployment stops it before it starts the next.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  ports:
    description: The ports.
    type: list
    elements: dict
    required: true
    suboptions:
      port:
        description: Number of the port.
        type: int
        required: true
      address:
        description: The address at which the rank would listen. A name stands for all addresses.
        type: str
        default: 0.0.0.0
      name:
        description: What the port is called in the result.
        type: str
        required: true
"""

EXAMPLES = r"""
---
- name: See whether the head's ports are free
  dgx_spark.vllm.port_info:
    ports:
      - name: api
        port: 8000
        address: 127.0.0.1
      - name: master
        port: 25000
  register: ports

- name: Stop if they are not
  ansible.builtin.assert:
    that: ports.taken | length == 0
"""

RETURN = r"""
taken:
  description: What is in the way, in the order of O(ports).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The port's name.
      type: str
      sample: api
    port:
      description: The port.
      type: int
      sample: 8000
    address:
      description: The address at which something listens.
      type: str
      sample: 0.0.0.0
    program:
      description: The process, or null if it is not to be seen.
      type: str
      sample: python3 (pid 4711)
"""

import glob
import ipaddress
import json
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _ports, _rank


def address(given: str) -> str:
    """The address that is given, or, for a name, all."""
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        return "0.0.0.0"


def own_ports(module: AnsibleModule) -> set[int]:
    """The ports of the recipes whose containers run."""
    docker = module.get_bin_path("docker")
    code, output, _errors = module.run_command([docker, "ps", "--format", "{{.Names}}"]) if docker else (1, "", "")
    running = set(output.split()) if code == 0 else set()
    found: set[int] = set()
    for path in glob.glob("/etc/dgx-spark/*/launch.json"):
        if _rank.container_name(os.path.basename(os.path.dirname(path))) not in running:
            continue
        try:
            with open(path, encoding="utf-8") as file:
                launch = json.load(file)
            found |= {launch["master_port"], (launch["api"] or {}).get("port", 0)}
        except (OSError, ValueError, KeyError, TypeError):
            # A file that can't be read says nothing of what is whose.
            continue
    return found


def main() -> None:
    suboptions = {
        "port": {"type": "int", "required": True},
        "address": {"type": "str", "default": "0.0.0.0"},
        "name": {"type": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={"ports": {"type": "list", "elements": "dict", "required": True, "options": suboptions}}, supports_check_mode=True
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    wanted = module.params["ports"]
    try:
        listeners = _ports.listeners()
    except OSError as error:
        module.fail_json(msg=f"which ports are in use can't be read: {error}")
    ours = own_ports(module) if {listener.port for listener in listeners} & {port["port"] for port in wanted} else set()
    taken = []
    for port in wanted:
        if port["port"] not in ours:
            for listener in _ports.in_the_way(listeners, port["port"], address(port["address"]))[:1]:
                found = {"address": listener.address, "program": _ports.program(listener.inode)}
                taken.append({"name": port["name"], "port": port["port"], **found})
    module.exit_json(changed=False, taken=taken)


if __name__ == "__main__":
    main()
