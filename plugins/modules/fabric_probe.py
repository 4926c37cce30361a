#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_probe
short_description: Find out which ports are on one wire
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - With O(state=started) a process on the node sends a small broadcast frame on every one of the interfaces, ten times a second, and
    listens for those of the other nodes. With O(state=finished) it is asked whom it has heard, and ends.
  - Start it on all nodes before it is finished on the first. It ends by itself if nobody comes back.
  - The frames are plain Ethernet of EtherType 0x88B5, which IEEE 802 leaves to local experiments. No addresses are needed, and a firewall
    of IP packets has no part in it.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  state:
    description: Whether to start the process or to ask and end it.
    type: str
    choices: [started, finished]
    required: true
  token:
    description: What tells this probing from another on the same wires, up to 64 letters and digits; the same on all nodes.
    type: str
    required: true
  interfaces:
    description: The interfaces to probe; they must be up. Needed with O(state=started).
    type: list
    elements: str
  seconds:
    description: When the process ends by itself.
    type: int
    default: 120
"""

EXAMPLES = r"""
---
- name: Speak and listen on every rail
  dgx_spark.vllm.fabric_probe:
    state: started
    token: "{{ token }}"
    interfaces: [enp1s0f0np0, enP2p1s0f0np0]

- name: Ask who was heard
  dgx_spark.vllm.fabric_probe:
    state: finished
    token: "{{ token }}"
  register: probe
"""

RETURN = r"""
heard:
  description: By interface, the MAC addresses whose frames arrived there, those of the node's own other interfaces included.
  returned: when O(state=finished)
  type: dict
  sample: {enp1s0f0np0: ["4c:bb:47:02:00:10", "4c:bb:47:02:00:14"]}
lost:
  description: By interface, why it could not be probed to the end.
  returned: when O(state=finished)
  type: dict
  sample: {}
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _beacon

QUIET = 0.6
LONGEST = 10.0


def started(interfaces: t.Sequence[str], token: str, seconds: float) -> t.Optional[str]:
    """Leave a process behind; return once it listens, with the reason if it can't."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        os.waitpid(child, 0)
        with open(reading, encoding="utf-8") as answer:
            return answer.read() or None
    # Twice, so that nobody has to wait for it; in a session of its own, so that the login's end does not end it.
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        # Whoever reads this module's output waits until nobody can write there any more.
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.chdir("/")
        try:
            station = _beacon.Station(interfaces, token)
        except OSError as error:
            os.write(writing, f"{error.filename or 'sockets of the probe'}: {error.strerror}".encode())
            os._exit(1)
        os.close(writing)
        station.run(seconds)
    finally:
        os._exit(0)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "finished"], "required": True},
            "token": {"type": "str", "required": True, "no_log": False},
            "interfaces": {"type": "list", "elements": "str"},
            "seconds": {"type": "int", "default": 120},
        },
        required_if=[("state", "started", ("interfaces",))],
        supports_check_mode=True,
    )
    token = module.params["token"]
    if not token.isalnum() or not token.isascii() or len(token) > 64:
        module.fail_json(msg=f"token: found {token!r}, wanted up to 64 letters and digits")
    if module.params["state"] == "started":
        problem = started(module.params["interfaces"], token, module.params["seconds"])
        if problem:
            module.fail_json(
                msg=f"{problem}; wanted an interface that is up, and the right to send frames (CAP_NET_RAW); run the task with become: true"
            )
        module.exit_json(changed=False)
    try:
        found = _beacon.collect(token, QUIET, LONGEST)
    except OSError as error:
        module.fail_json(
            msg=f"no probe with token {token} answers on this node ({error.strerror}); wanted one that state=started has left less than its"
            " seconds ago; run the playbook again"
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
