# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what each task did on each host into the file that RECORD_FILE names, one JSON line each."""

from __future__ import annotations

DOCUMENTATION = r"""
name: record
type: notification
short_description: Record the results of tasks
description: Writes one JSON line for each result.
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"

    def _write(self, result: Any, outcome: str) -> None:
        line = {
            "host": result._host.get_name(),
            "task": result._task.get_name(),
            "role": result._task._role.get_name() if result._task._role else None,
            "action": result._task.action,
            "outcome": "changed" if outcome == "ok" and result._result.get("changed") else outcome,
            "message": result._result.get("msg"),
        }
        with open(os.environ["RECORD_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write(result, "skipped")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        with open(os.environ["RECORD_FILE"], "a", encoding="utf-8") as file:
            file.write(json.dumps({"start": task.get_name(), "role": task._role.get_name() if task._role else None}) + "\n")
