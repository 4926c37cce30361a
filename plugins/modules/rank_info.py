#!/usr/bin/python
#
# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rank_info
short_description: Read the state of one rank of a recipe on this node
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Reads the systemd unit, the Docker container and the files of a recipe on one node.
  - What is not there is reported as null or false. No unit, container or Docker is needed.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  recipe:
    description: Name of the recipe.
    type: str
    required: true
  root:
    description: Folder under which C(etc) and C(run) are looked for.
    type: path
    default: /
seealso:
  - module: dgx_spark.vllm.vllm_ready
"""

EXAMPLES = r"""
---
- name: Read the state of this node's rank
  dgx_spark.vllm.rank_info:
    recipe: dsv4-flash-b12x-1m
  register: rank

- name: Stop what runs something else
  ansible.builtin.systemd_service:
    name: "{{ item }}"
    state: stopped
    enabled: false
  loop: "{{ rank.other_instances }}"
"""

RETURN = r"""
unit:
  description: Name of the unit.
  returned: success
  type: str
  sample: vllm@dsv4-flash-b12x-1m.service
loaded:
  description: Whether the unit's file exists.
  returned: success
  type: bool
enabled:
  description: Whether the unit starts at boot.
  returned: success
  type: bool
active:
  description: Whether the unit is active and its container runs.
  returned: success
  type: bool
unit_state:
  description: The unit, as systemd sees it, or null where systemd does not answer.
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
since:
  description: When the unit came into its state, ISO 8601, UTC, or null.
  returned: success
  type: str
  sample: "2026-11-22T01:16:12Z"
restarts:
  description: How often systemd has restarted the unit, or null where systemd does not answer.
  returned: success
  type: int
container:
  description: The container.
  returned: success
  type: dict
  contains:
    exists:
      description: Whether it is there.
      type: bool
    running:
      description: Whether it runs.
      type: bool
    status:
      description: Its status, or null.
      type: str
      sample: running
    exit_code:
      description: Its exit code, or null.
      type: int
    id:
      description: Its ID, or null.
      type: str
    image:
      description: The image as it was named, or null.
      type: str
    image_id:
      description: The image's ID, or null.
      type: str
    labels:
      description: Its labels.
      type: dict
    started_at:
      description: When it started, ISO 8601, UTC, or null.
      type: str
launch_hash:
  description: Hash of the launch which the running container carries, or null.
  returned: success
  type: str
secret_stale:
  description: Whether C(secret.env) was written after the running container had started.
  returned: success
  type: bool
live_env:
  description: The variables which the launcher chose at the last start.
  returned: success
  type: dict
launch:
  description: The content of C(launch.json), or null.
  returned: success
  type: dict
other_instances:
  description: Units of other recipes that run or are enabled on this node. One enabled recipe for each node is the rule.
  returned: success
  type: list
  elements: str
other_recipes:
  description: Names of other recipes of which files of a deployment are on this node.
  returned: success
  type: list
  elements: str
"""

import glob
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._rank import container_name, other_instances, rank_state, unit_name
from ansible_collections.dgx_spark.vllm.plugins.module_utils._unit import PROPERTIES

COMMAND_SECONDS = 10
# What a deployment writes of a recipe.
FILES = {"launch.json", "static.env", "secret.env", "live.env"}


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def modified(path: str) -> t.Optional[float]:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def deployed(root: str) -> set[str]:
    """Recipes of which there are files; what else somebody has put there is none of ours."""
    folders = [*glob.glob(os.path.join(root, "etc/dgx-spark/*/")), *glob.glob(os.path.join(root, "run/dgx-spark/*/"))]
    return {os.path.basename(os.path.dirname(folder)) for folder in folders if FILES & set(os.listdir(folder))}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"recipe": {"type": "str", "required": True}, "root": {"type": "path", "default": "/"}},
        supports_check_mode=True,
    )
    # systemctl prints times in the local zone and language otherwise.
    module.run_command_environ_update = {"LC_ALL": "C", "TZ": "UTC"}
    recipe, root = module.params["recipe"], module.params["root"]

    def run(*argv: str) -> str:
        _rc, out, _err = module.run_command(["timeout", str(COMMAND_SECONDS), *argv])
        return str(out)

    def path(*names: str) -> str:
        return os.path.join(root, *names)

    show = ("systemctl", "show", "--property=" + ",".join(PROPERTIES))
    wanted = glob.glob(path("etc/systemd/system/*.wants/vllm@*.service"))
    state = rank_state(
        recipe,
        show=run(*show, unit_name(recipe)),
        inspect=run("docker", "inspect", "--type", "container", container_name(recipe)),
        launch=read(path("etc/dgx-spark", recipe, "launch.json")),
        live_env=read(path("run/dgx-spark", recipe, "live.env")),
        secret_mtime=modified(path("etc/dgx-spark", recipe, "secret.env")),
        others=other_instances(unit_name(recipe), run(*show, "vllm@*.service"), wanted),
        other_recipes=sorted(deployed(root) - {recipe}),
    )
    module.exit_json(changed=False, **state)


if __name__ == "__main__":
    main()
