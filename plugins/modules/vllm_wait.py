#!/usr/bin/python
# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_wait
short_description: Wait on all ranks at once until the cluster serves
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Repeats M(dgx_spark.vllm.vllm_ready) on this rank until all ranks are ready, until any rank has failed, or until the time is over.
  - The ranks are asked side by side, so that a worker which dies ends the wait for the head at once.
  - Shows each phase as it is reached.
  - All options but O(ranks) and O(wait) are those of M(dgx_spark.vllm.vllm_ready), and so are the return values.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
attributes:
  action:
    description: Runs partly on the controller.
    support: full
options:
  ranks:
    description:
      - All hosts of the cluster; the task must run on all of them.
    type: list
    elements: str
    required: true
  wait:
    description:
      - How long to wait at most, in seconds.
    type: int
    default: 3600
seealso:
  - module: dgx_spark.vllm.vllm_ready
"""

EXAMPLES = r"""
- name: Wait for the first token
  dgx_spark.vllm.vllm_wait:
    ranks: "{{ groups['spark_nodes'] }}"
    wait: 1800
    unit: vllm@dsv4-flash-b12x-1m.service
    rank: "{{ rank }}"
    master_addr: 192.168.100.11
    master_port: 25000
"""

RETURN = r"""
state:
  description: As M(dgx_spark.vllm.vllm_ready) returned it last on this rank.
  returned: success
  type: str
  sample: ready
"""
