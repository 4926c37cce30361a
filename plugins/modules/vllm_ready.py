#!/usr/bin/python
#
# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_ready
short_description: Tell how far a rank of a vLLM cluster has come, and why it fails
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Looks at one rank that runs as a systemd unit around an attached C(docker run). Reads the unit's state, its journal, the container's
    state, the TCP connections of the rendezvous, and on the head the API.
  - On the head, ready means that a token came out. C(/health) alone never counts, since it stays 200 while a worker is dead.
  - One call takes at most O(timeout) seconds and ends as soon as the wanted phase is reached or a failure is seen.
  - Call it repeatedly and on all ranks at once, so that a dead worker is noticed while the head still waits.
    P(dgx_spark.vllm.ready_verdict#filter) judges the results together.
  - A failure of the rank is reported in RV(state) and is not a failure of the module.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  unit:
    description: The systemd unit that runs the rank.
    type: str
    required: true
  phase:
    description:
      - The phase that is wanted. By default V(token) on rank 0 and V(nccl) on the others, which have no API and say little after it.
      - A later phase implies the earlier ones. With V(api) and V(token) the API is asked.
    type: str
    choices: [started, rendezvous, nccl, weights, compile, kv_cache, graphs, api, token]
  rank:
    description: The rank; 0 is the head.
    type: int
    default: 0
  host:
    description: The name which RV(evidence) carries. By default the node's own host name.
    type: str
  container:
    description: The name of the container. By default the unit's name, without its suffix and with C(-) for C(@).
    type: str
  api_address:
    description: Address of the API as seen from this node. An address that stands for all is replaced by the loopback one.
    type: str
    default: 127.0.0.1
  api_port:
    description: Port of the API. Required where the phase is V(api) or V(token).
    type: int
  api_key:
    description: The API's key, if it wants one.
    type: str
  model:
    description: The name under which the model has to be served. By default any.
    type: str
  max_model_len:
    description: The context length which the API has to report. By default any.
    type: int
  master_addr:
    description: Address of the rendezvous, which is the head's.
    type: str
  master_port:
    description: Port of the rendezvous. Without it connections are not looked at.
    type: int
  peers:
    description:
      - Addresses of the workers, on the head.
      - Once the ranks have met, each worker keeps a connection to O(master_port). When one is missing, that worker has died.
    type: list
    elements: str
    default: []
  restarts:
    description:
      - How often systemd had restarted the unit when the waiting began. When it has done so more often, the rank has died in between.
      - By default what the first look of this call finds.
    type: int
  since:
    description: Lines that are older are not read. ISO 8601, in UTC where it names no zone, or seconds since the epoch.
    type: str
  timeout:
    description: How long this call may take, in seconds, from V(1) to V(15).
    type: int
    default: 15
  proc_root:
    description: Where the proc file system is.
    type: path
    default: /proc
"""

EXAMPLES = r"""
---
- name: Look at the head for at most 15 seconds
  dgx_spark.vllm.vllm_ready:
    unit: vllm@dsv4-flash-b12x-1m.service
    api_port: 8000
    api_key: "{{ vault_api_key }}"
    model: deepseek-v4-flash
    max_model_len: 1000000
    master_addr: 192.168.177.11
    master_port: 25000
    peers: [192.168.177.12]
  register: head_ready

- name: Look at a worker
  dgx_spark.vllm.vllm_ready:
    unit: vllm@dsv4-flash-b12x-1m.service
    rank: 1
    master_addr: 192.168.177.11
    master_port: 25000
  register: worker_ready
"""

RETURN = r"""
state:
  description:
    - V(ready) when the wanted phase was reached and nothing speaks against it.
    - V(failed) when this start can not succeed any more; RV(evidence) says why.
    - V(waiting) otherwise; RV(waiting_for) says for what.
  returned: success
  type: str
  choices: [waiting, ready, failed]
phase:
  description: The highest phase that was reached, or null.
  returned: success
  type: str
  sample: weights
wanted_phase:
  description: The phase that was wanted.
  returned: success
  type: str
  sample: token
rank:
  description: The rank.
  returned: success
  type: int
  sample: 0
waiting_for:
  description: What the rank waits for, or an empty text.
  returned: success
  type: str
  sample: the workers at 192.168.177.12 to join
timeline:
  description: When each phase was first seen, in the order of the ladder. Phases that nothing shows are left out.
  returned: success
  type: list
  elements: dict
  contains:
    phase:
      description: The phase.
      type: str
    at:
      description: ISO 8601, UTC. For V(token) it is the time of this call.
      type: str
    seconds:
      description: Seconds since the unit's main process started, or null where that is not known.
      type: float
  sample:
    - {phase: started, at: "2026-11-22T01:16:12Z", seconds: 0.0}
    - {phase: rendezvous, at: "2026-11-22T01:16:30Z", seconds: 18.4}
evidence:
  description: The lines that say why the rank failed, the root cause first. Keys and tokens are masked. Empty unless RV(state=failed).
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: Where the line comes from.
      type: str
    line:
      description: The line, as it was printed, or a sentence on what was found.
      type: str
nccl:
  description: What NCCL printed on this rank.
  returned: success
  type: dict
  contains:
    version:
      description: Version in the banner, or null without a banner.
      type: str
      sample: 2.30.4
    cuda:
      description: CUDA version that NCCL was built with, or null.
      type: str
      sample: "13.2"
    versions:
      description: All distinct versions that the rank named.
      type: list
      elements: str
    network:
      description: V(IB), V(Socket), or null.
      type: str
    hcas:
      description: The RDMA devices in use, with their port.
      type: list
      elements: str
      sample: ["rocep1s0f0:1", "roceP2p1s0f0:1"]
    oob:
      description: Interface and address of the bootstrap, or null.
      type: str
      sample: enp1s0f0np0:192.168.177.11
    channels_ib:
      description: Number of channel ends announced over RDMA.
      type: int
    channels_socket:
      description: Number of channel ends announced over TCP sockets.
      type: int
    preload_ignored:
      description: Whether the loader could not preload libnccl, so that another NCCL runs.
      type: bool
model:
  description: The model which the API serves, or null.
  returned: success
  type: dict
  contains:
    id:
      description: Its name.
      type: str
    max_model_len:
      description: Its context length in tokens.
      type: int
completion:
  description: The completion that was asked for, or null when no token came.
  returned: success
  type: dict
  contains:
    text:
      description: Its text or reasoning, up to 200 characters.
      type: str
    tokens:
      description: Number of its tokens.
      type: int
    seconds:
      description: How long it took.
      type: float
unit_state:
  description: The unit, as systemd sees it.
  returned: success
  type: dict
  contains:
    active:
      description: The active state.
      type: str
      sample: active
    sub:
      description: The sub-state.
      type: str
      sample: running
    result:
      description: How the last run ended.
      type: str
      sample: success
    restarts:
      description: How often systemd has restarted it.
      type: int
    invocation:
      description: The identifier of this run, or an empty text.
      type: str
unknown_environment:
  description: Names of environment variables which this vLLM does not know and ignores.
  returned: success
  type: list
  elements: str
"""

import http.client
import platform
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._answer import Answer
from ansible_collections.dgx_spark.vllm.plugins.module_utils._judgement import Wanted
from ansible_collections.dgx_spark.vllm.plugins.module_utils._readiness import PHASES, epoch, final_phase
from ansible_collections.dgx_spark.vllm.plugins.module_utils._watch import Hands, Target, Watch

# An address that stands for all can be bound but not be connected to.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
ANSWER_BYTES = 1 << 20


def fetcher(address: str, port: int, key: t.Optional[str]) -> t.Callable[[str, str, t.Optional[str], float], Answer]:
    """A function that asks the API directly; http.client knows of no proxies."""

    def fetch(method: str, path: str, body: t.Optional[str], seconds: float) -> Answer:
        headers = {"Connection": "close", "Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        connection = http.client.HTTPConnection(LOOPBACK.get(address, address), port, timeout=seconds)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(ANSWER_BYTES).decode("utf-8", "replace"))
        except ConnectionRefusedError:
            return Answer(0, error="connection refused")
        except TimeoutError:
            return Answer(0, error=f"no answer within {seconds:.0f} s")
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, error=f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    return fetch


def runner(module: AnsibleModule) -> t.Callable[[list[str], float], str]:
    """A function that runs a command for a limited time: a Docker daemon that hangs must not hold up the judgement."""

    def run(argv: list[str], seconds: float) -> str:
        _rc, out, _err = module.run_command(["timeout", "--kill-after=1", f"{seconds:.1f}", *argv])
        return str(out)

    return run


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "phase": {"type": "str", "choices": list(PHASES)},
            "rank": {"type": "int", "default": 0},
            "host": {"type": "str"},
            "container": {"type": "str"},
            "api_address": {"type": "str", "default": "127.0.0.1"},
            "api_port": {"type": "int"},
            "api_key": {"type": "str", "no_log": True},
            "model": {"type": "str"},
            "max_model_len": {"type": "int"},
            "master_addr": {"type": "str"},
            "master_port": {"type": "int"},
            "peers": {"type": "list", "elements": "str", "default": []},
            "restarts": {"type": "int"},
            "since": {"type": "str"},
            "timeout": {"type": "int", "default": 15},
            "proc_root": {"type": "path", "default": "/proc"},
        },
        supports_check_mode=True,
    )
    # systemctl prints times in the local zone and language otherwise.
    module.run_command_environ_update = {"LC_ALL": "C", "TZ": "UTC"}
    options = module.params
    if not 1 <= options["timeout"] <= 15:
        module.fail_json(msg=f"timeout is {options['timeout']}, wanted 1 to 15 seconds; call the module repeatedly to wait longer")
    phase = options["phase"] or final_phase(options["rank"])
    if phase in ("api", "token") and options["api_port"] is None:
        module.fail_json(msg=f"phase {phase} is wanted and api_port is missing; only the API can tell")
    try:
        since = epoch(options["since"]) if options["since"] else None
    except ValueError:
        module.fail_json(msg=f"since is {options['since']!r}, wanted ISO 8601 or seconds since the epoch")
    unit = options["unit"] if options["unit"].endswith(".service") else f"{options['unit']}.service"
    secrets = [options["api_key"]] if options["api_key"] else []
    target = Target(
        unit=unit,
        container=options["container"] or unit[: -len(".service")].replace("@", "-"),
        wanted=Wanted(options["rank"], phase, options["master_addr"], options["master_port"], options["peers"], secrets),
        model=options["model"],
        max_model_len=options["max_model_len"],
        ask_api=phase in ("api", "token"),
        since=since,
        proc_root=options["proc_root"],
    )
    hands = Hands(runner(module), read, fetcher(options["api_address"], options["api_port"] or 0, options["api_key"]))
    result = Watch(target, hands, options["timeout"], options["restarts"]).watch()
    host = options["host"] or platform.node()
    result["evidence"] = [{"host": host, "line": line} for line in result["evidence"]]
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
