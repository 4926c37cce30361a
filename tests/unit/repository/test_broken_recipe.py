# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment with a broken recipe ends on the controller, before any node is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.plugins.fixtures.recipes import FILES, ROOT

# The ssh leaves a file behind when it is called.
INVENTORY = """\
spark_nodes:
  hosts: {{ada: {{ansible_host: 127.0.0.2}}, bob: {{ansible_host: 127.0.0.3}}}}
  vars:
    ansible_connection: ssh
    ansible_ssh_executable: {ssh}
    dsv4_recipe: {recipe}
"""
MISTAKES = [
    pytest.param(
        ("read_only: true}", "readonly: true}"),
        ["container.mounts[0].readonly is not a key of a recipe (did you mean read_only?)", "container.mounts[1].readonly is not"],
        id="a key misspelt",
    ),
    pytest.param(("nodes: 2", "nodes: 2\nports: {api: 1, master: 2}"), ["ports: found it in line 11 and again in line 34, wanted it once"], id="a key twice"),
    pytest.param(("nodes: 2", "nodes: [2"), ["is not YAML: line"], id="no YAML"),
    pytest.param(("nodes: 2", "nodes: 4"), ["nodes: found 4, but tensor-parallel-size"], id="a contradiction"),
]


@pytest.mark.parametrize(("change", "texts"), MISTAKES)
def test_a_broken_recipe_is_one_message_and_no_node_is_asked(tmp_path: Path, change: tuple[str, str], texts: list[str]) -> None:
    recipe, ssh, asked = tmp_path / FILES[0].name, tmp_path / "ssh", tmp_path / "asked"
    recipe.write_text(FILES[0].read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    ssh.write_text(f"#!/bin/sh\ntouch {asked}\nexit 255\n")
    ssh.chmod(0o755)
    (tmp_path / "hosts.yml").write_text(INVENTORY.format(ssh=ssh, recipe=recipe))
    run = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "deploy_dsv4.yml", "-i", tmp_path / "hosts.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(tmp_path / "temp")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2 and run.stdout.count("fatal: [") == 1 and "Traceback" not in run.stdout + run.stderr, run.stdout + run.stderr
    found = [line for line in run.stdout.splitlines() if line.strip().startswith("error inventory.")]
    assert len(found) == len(texts), run.stdout
    assert all(f"recipe {recipe}: {text}" in "\n".join(found) for text in texts), run.stdout
    assert not asked.exists()
