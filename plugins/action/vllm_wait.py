# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# Ansible makes this attribute when it starts, which a type checker can't see.
C: t.Any = constants
_POLL_SECONDS = 1.0
_CALL_SECONDS = 15
# A rank from which nothing was heard for longer than two calls has no process that asks it.
_SILENCE_SECONDS = 2 * _CALL_SECONDS + 15


class Board:
    """Where the ranks, each of which is waited for in a process of its own, show each other how far they are.

    One file per host in Ansible's own temporary folder, which all processes of a run share and which is removed at its end.
    """

    def __init__(self, name: str) -> None:
        self.folder = os.path.join(C.DEFAULT_LOCAL_TMP, f"vllm-wait-{name}")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    def write(self, host: str, state: str) -> None:
        path = os.path.join(self.folder, host)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(path + ".new", path)

    def states(self, hosts: list[str]) -> list[t.Optional[str]]:
        """The state of each host, None for one that has not said anything yet."""
        found: list[t.Optional[str]] = []
        for host in hosts:
            try:
                with open(os.path.join(self.folder, host), encoding="utf-8") as file:
                    found.append(json.load(file))
            except FileNotFoundError:
                found.append(None)
        return found


class ActionModule(ActionBase):
    """Repeat the vllm_ready module on this rank until all ranks are ready, any has failed, or the time is over."""

    _requires_connection = True

    def run(self, tmp: t.Optional[str] = None, task_vars: t.Optional[dict[str, t.Any]] = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        ranks = arguments.pop("ranks", None)
        host = task_vars["inventory_hostname"]
        if not isinstance(ranks, list) or host not in ranks:
            raise AnsibleActionFail(f"ranks: found {ranks!r}, wanted the list of all hosts of the cluster, {host} among them")
        deadline = time.monotonic() + float(arguments.pop("wait", 3600))
        board = Board(str(self._task._uuid))
        shown: t.Optional[str] = None
        while True:
            left = deadline - time.monotonic()
            arguments["timeout"] = max(1, min(_CALL_SECONDS, int(left)))
            try:
                answer = self._execute_module(module_name="dgx_spark.vllm.vllm_ready", module_args=arguments, task_vars=task_vars)
            except AnsibleConnectionFailure:
                board.write(host, "failed")
                raise
            if answer.get("failed") or "state" not in answer:
                board.write(host, "failed")
                return answer
            board.write(host, answer["state"])
            shown = self._show(host, answer, shown)
            if self._settled(board, ranks, answer["state"], deadline):
                return answer

    def _settled(self, board: Board, ranks: list[str], own: str, deadline: float) -> bool:
        """Whether waiting is over; a rank that is ready itself waits here for the others without asking its node again."""
        patience = time.monotonic() + _SILENCE_SECONDS
        while True:
            states = board.states(ranks)
            if "failed" in states or all(state == "ready" for state in states) or time.monotonic() >= deadline:
                return True
            if own == "waiting":
                return False
            if None in states and time.monotonic() >= patience:
                # Some rank may be waiting for one of Ansible's processes, all of which are busy: make room for it.
                return True
            time.sleep(_POLL_SECONDS)

    def _show(self, host: str, answer: dict[str, t.Any], shown: t.Optional[str]) -> t.Optional[str]:
        phase = answer.get("phase")
        if phase and phase != shown:
            seconds = next((step["seconds"] for step in answer.get("timeline", []) if step["phase"] == phase), None)
            self._display.display(f"  {host}: {phase}" + (f" after {seconds:.0f} s" if seconds is not None else ""))
        return phase
