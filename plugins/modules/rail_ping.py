#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rail_ping
short_description: Ping the other ends of a node's rails
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Sends to each target, through the interface that is meant, small packets and packets as large as the MTU, none of which may be
    fragmented. All targets are pinged at the same time.
  - It never fails because nobody answers or C(ping) is missing. It reports that; P(dgx_spark.vllm.fabric_verdicts#filter) judges it.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  targets:
    description: The other ends, as made by P(dgx_spark.vllm.rail_targets#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      from:
        description: Name of this node in the plan.
        type: str
        required: true
      to:
        description: Name of the node at the other end.
        type: str
        required: true
      interface:
        description: Interface of this node.
        type: str
        required: true
      source:
        description: IPv4 address of this node's rail.
        type: str
        required: true
      target:
        description: IPv4 address of the other end.
        type: str
        required: true
      mtu:
        description: MTU of the interface in bytes; not known if it is left out, and then 1500 is taken.
        type: int
  count:
    description: How many packets of each size are sent.
    type: int
    default: 3
  wait:
    description: How long to wait for an answer, in seconds.
    type: int
    default: 1
"""

EXAMPLES = r"""
---
- name: Ping through every rail
  dgx_spark.vllm.rail_ping:
    targets: "{{ plan | dgx_spark.vllm.rail_targets(inventory_hostname) }}"
  register: rails
"""

RETURN = r"""
pings:
  description: One entry for each target and size, as P(dgx_spark.vllm.fabric_verdicts#filter) takes them.
  returned: success
  type: list
  elements: dict
  contains:
    from:
      description: Name of this node in the plan.
      type: str
      returned: always
      sample: spark1
    to:
      description: Name of the node at the other end.
      type: str
      returned: always
      sample: spark2
    netdev:
      description: Interface of this node.
      type: str
      returned: always
      sample: enp1s0f0np0
    source:
      description: IPv4 address of this node's rail.
      type: str
      returned: always
      sample: 192.168.100.11
    target:
      description: IPv4 address of the other end.
      type: str
      returned: always
      sample: 192.168.100.12
    bytes:
      description: What was sent, as for C(ping -s). 28 bytes of headers come on top.
      type: int
      returned: always
      sample: 8972
    df:
      description: Whether the packets were not to be fragmented.
      type: bool
      returned: always
    status:
      description:
        - V(ok) if C(ping) came to its end, whatever was lost.
        - V(missing) if it is not there, V(timeout) if it came to no end, V(failed) if it could not begin.
      type: str
      returned: always
      sample: ok
    sent:
      description: Packets that were sent, or V(none).
      type: int
      returned: always
      sample: 3
    received:
      description: Answers, or V(none).
      type: int
      returned: always
      sample: 3
    duplicates:
      description: Answers that came twice, or V(none).
      type: int
      returned: always
      sample: 0
    errors:
      description: Answers that were errors, or V(none).
      type: int
      returned: always
      sample: 0
    mtu:
      description: The MTU that C(ping) was told of, or V(none).
      type: int
      returned: always
      sample: 1500
    error:
      description: Why packets were lost in C(ping)'s own words, or V(none).
      type: str
      returned: always
      sample: "ping: local error: message too long, mtu=1500"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _background, _ping


def main() -> None:
    ends = {name: {"type": "str", "required": True} for name in ("from", "to", "interface", "source", "target")}
    module = AnsibleModule(
        argument_spec={
            "targets": {"type": "list", "elements": "dict", "required": True, "options": {**ends, "mtu": {"type": "int"}}},
            "count": {"type": "int", "default": 3},
            "wait": {"type": "int", "default": 1},
        },
        supports_check_mode=True,
    )
    count, wait = module.params["count"], module.params["wait"]
    if count < 1 or wait < 1:
        module.fail_json(msg=f"count, wait: found {count}, {wait}, wanted 1 or more of both")
    runs = [(target, size) for target in module.params["targets"] for size in _ping.sizes(target["mtu"])]
    words = [_ping.words(target["interface"], target["target"], size, count, wait) for target, size in runs]
    outcomes = _background.together(words, _ping.seconds(count, wait))
    pings = [
        {
            **{key: target[key] for key in ("from", "to", "source", "target")},
            "netdev": target["interface"],
            "bytes": size,
            "df": True,
            **_ping.parse(outcome["output"], outcome["rc"]),
        }
        for (target, size), outcome in zip(runs, outcomes)
    ]
    module.exit_json(changed=False, pings=pings)


if __name__ == "__main__":
    main()
