"""Runs ib_write_bw on the emulated nodes with the words that the role `validate` would use, without its playbook."""

from __future__ import annotations

import copy
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_runs
from simulation.rdma import lab
from tests.acceptance.harness import wait_for
from tests.rdma.conftest import NODES

SECONDS, PORT = 1, 18600


def changed(plan: dict[str, Any], host: str, change: Callable[[int], int]) -> dict[str, Any]:
    """The plan with other GID indexes on a host."""
    other = copy.deepcopy(plan)
    for rail in other["nodes"][host]["rails"]:
        rail["gid_index"] = change(rail["gid_index"])
    return other


def first_rail(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The first rail alone, measured with the plan's devices and GID indexes: what came out, as the judgement takes it."""
    (pair,) = _fabric_runs.rounds(plan, dict.fromkeys(plan["nodes"], _fabric_runs.HOST), SECONDS, PORT)
    ((client, calls),) = pair["clients"].items()
    ((server, listens),) = pair["servers"].items()
    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(lab.ssh, NODES[server], "timeout 30 " + shlex.join(listens["steps"][0][0]))
        wait_for(
            "ib_write_bw to listen",
            lambda: listening.done() or f":{PORT}" in lab.ssh(NODES[server], "ss --listening --tcp --numeric").stdout,
            30,
            0.2,
        )
        called = lab.ssh(NODES[client], "timeout 30 " + shlex.join(calls["steps"][0][0]) + " 2>&1")
        listening.result()
    return _fabric_runs.entries(calls["runs"][:1], [[{"rc": called.returncode, "output": called.stdout}]])
