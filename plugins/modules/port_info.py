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
  - Reads the kernel's tables of sockets. What listens in a container of a recipe that was deployed here is not in the way, because a
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
        description: The address at which the rank would listen. A name other than localhost stands for all addresses.
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

import ipaddress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _ports


def address(given: str) -> str:
    """The address that is given, or, for a name, all."""
    try:
        return str(ipaddress.ip_address("127.0.0.1" if given == "localhost" else given))
    except ValueError:
        return "0.0.0.0"


def own_containers(module: AnsibleModule) -> list[str]:
    """The ids of the containers that the launcher has started."""
    docker = module.get_bin_path("docker")
    words = [docker, "ps", "--no-trunc", "--filter", "label=dgx-spark.launch", "--format", "{{.ID}}"]
    code, output, _errors = module.run_command(words) if docker else (1, "", "")
    return output.split() if code == 0 else []


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
    # Before the tables, so that the listener of a container that ends meanwhile is not taken for somebody else's.
    ours = own_containers(module)
    try:
        listeners = _ports.listeners()
    except OSError as error:
        module.fail_json(msg=f"which ports are in use can't be read: {error}")
    taken = []
    for port in wanted:
        for listener in _ports.in_the_way(listeners, port["port"], address(port["address"])):
            process = _ports.process(listener.inode)
            if process is None or not _ports.is_in_container(process, ours):
                program = _ports.program(process) if process else None
                taken.append({"name": port["name"], "port": port["port"], "address": listener.address, "program": program})
                break
    module.exit_json(changed=False, taken=taken)


if __name__ == "__main__":
    main()
