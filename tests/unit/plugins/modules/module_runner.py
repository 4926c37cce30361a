# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import types
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

# (words) -> (exit code, standard output, standard error)
Command = t.Callable[[list[str]], tuple[int, str, str]]


def no_command(words: list[str]) -> tuple[int, str, str]:
    raise AssertionError(f"{words} must not be run")


def run_module(
    module: types.ModuleType,
    arguments: dict[str, t.Any],
    command: Command = no_command,
    binaries: t.Collection[str] = ("docker",),
    check: bool = False,
    diff: bool = False,
) -> dict[str, t.Any]:
    """Run a module in this process with `command` in place of all commands; its result, with `failed` in any case."""

    def run_command(self: AnsibleModule, words: list[str], **options: t.Any) -> tuple[int, str, str]:
        return command(words)

    def get_bin_path(self: AnsibleModule, name: str, required: bool = False, opt_dirs: t.Any = None) -> t.Optional[str]:
        return f"/usr/bin/{name}" if name in binaries else None

    result: dict[str, t.Any] = {}

    def end(self: AnsibleModule, **values: t.Any) -> None:
        result.update(json.loads(json.dumps(values)))
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, patch_module_args({**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}):
        patch.setattr(AnsibleModule, "run_command", run_command)
        patch.setattr(AnsibleModule, "get_bin_path", get_bin_path)
        patch.setattr(AnsibleModule, "exit_json", lambda self, **values: end(self, failed=False, **values))
        patch.setattr(AnsibleModule, "fail_json", lambda self, msg, **values: end(self, failed=True, msg=msg, **values))
        with pytest.raises(SystemExit):
            module.main()
    return result
