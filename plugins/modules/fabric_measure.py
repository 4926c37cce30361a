#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_measure
short_description: Run one end of a measurement between nodes
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Runs tools such as C(ib_write_bw), of which both ends must run at the same time. With O(state=started) they are left to a process on the
    node, with O(state=finished) that is asked for what they printed, and ends. O(state=run) does both.
  - Whatever still runs when its time is over is ended, also if nobody comes back.
  - Start the listening end first, with O(ports), and finish the calling end first.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
attributes:
  check_mode:
    support: full
    details: In check mode nothing is run, and there are no outcomes.
  diff_mode:
    support: N/A
    details: This module leaves nothing behind.
  idempotent:
    support: full
    details: This module leaves nothing behind.
options:
  state:
    description: Whether to start, to ask and end, or both.
    type: str
    choices: [run, started, finished]
    default: run
  token:
    description: What tells this measurement from another on the node, up to 64 letters and digits. Needed but with O(state=run).
    type: str
  steps:
    description:
      - Commands as lists of words, without a shell. The commands of a step run at the same time, the steps one after the other.
      - Needed but with O(state=finished).
    type: list
    elements: list
  seconds:
    description: For how long each step may run; with O(state=finished), how long to wait for the last. After that all is ended.
    type: int
    default: 60
  ports:
    description: With O(state=started), return when something listens on these TCP ports, all commands have ended, or 30 seconds are over.
    type: list
    elements: int
    default: []
  afterwards:
    description: Commands that are run at the end in any case, such as those that remove a container.
    type: list
    elements: list
    default: []
"""

EXAMPLES = r"""
---
- name: Listen
  dgx_spark.vllm.fabric_measure:
    state: started
    token: "{{ token }}"
    steps: [[[ib_write_bw, -d, rocep1s0f0, -x, "3", -p, "18515", -D, "5"]]]
    ports: [18515]
  when: inventory_hostname == 'spark2'

- name: Call
  dgx_spark.vllm.fabric_measure:
    steps: [[[ib_write_bw, -d, rocep1s0f0, -x, "3", -p, "18515", -D, "5", 192.168.100.12]]]
  register: called
  when: inventory_hostname == 'spark1'

- name: Leave nothing behind
  dgx_spark.vllm.fabric_measure:
    state: finished
    token: "{{ token }}"
  when: inventory_hostname == 'spark2'
"""

RETURN = r"""
outcomes:
  description: For each step that came to its end, and for each of its commands, how it ended. Empty if nothing was started.
  returned: when O(state=run) or O(state=finished)
  type: list
  elements: list
  sample: [[{rc: 0, output: "Version: 4.5"}]]
"""

import os
import uuid

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _background

FOLDER = "/run/dgx-spark-measure"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["run", "started", "finished"], "default": "run"},
            "token": {"type": "str", "no_log": False},
            "steps": {"type": "list", "elements": "list"},
            "seconds": {"type": "int", "default": 60},
            "ports": {"type": "list", "elements": "int", "default": []},
            "afterwards": {"type": "list", "elements": "list", "default": []},
        },
        required_if=[("state", "started", ("token", "steps")), ("state", "finished", ("token",)), ("state", "run", ("steps",))],
        supports_check_mode=True,
    )
    state, seconds = module.params["state"], module.params["seconds"]
    token = uuid.uuid4().hex if state == "run" else module.params["token"]
    if not token.isalnum() or not token.isascii() or len(token) > 64:
        module.fail_json(msg=f"token: found {token!r}, wanted up to 64 letters and digits")
    steps = [[[str(word) for word in words] for words in step] for step in module.params["steps"] or []]
    if any(not words for step in steps for words in step):
        module.fail_json(msg="steps: found a command without words, wanted lists of lists of words")
    if module.check_mode:
        module.exit_json(changed=False, outcomes=[])
    folder = os.path.join(FOLDER, token)
    if state != "finished":
        try:
            _background.start(folder, steps, seconds, module.params["afterwards"], module.params["ports"])
        except FileExistsError:
            module.fail_json(msg=f"a measurement with token {token} runs on this node already; finish it first, or choose another token")
        except OSError as error:
            module.fail_json(msg=f"{error.filename}: {error.strerror}; wanted a folder there; run the task with become: true")
    if state == "started":
        module.exit_json(changed=False)
    # Each step ends by itself within its seconds.
    wait = seconds if state == "finished" else (seconds + _background.LISTEN_SECONDS) * (len(steps) + 1)
    module.exit_json(changed=False, outcomes=_background.collect(folder, wait))


if __name__ == "__main__":
    main()
