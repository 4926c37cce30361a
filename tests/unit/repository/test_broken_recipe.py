# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment with a broken recipe ends on the controller, before any node is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.acceptance.harness import ROOT, Playbooks
from tests.unit.plugins.fixtures.recipes import FILES

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
    pytest.param(
        ("nodes: 2", "nodes: 2\nports: {api: 1, master: 2}"),
        ["ports: found it in line 20 and again in line 46, wanted it once"],
        id="a key twice",
    ),
]


@pytest.mark.parametrize(("change", "texts"), MISTAKES)
def test_a_broken_recipe_is_one_message_and_no_node_is_asked(tmp_path: Path, change: tuple[str, str], texts: list[str]) -> None:
    recipe, ssh, asked = tmp_path / FILES[0].name, tmp_path / "ssh", tmp_path / "asked"
    recipe.write_text(FILES[0].read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    ssh.write_text(f"#!/bin/sh\ntouch {asked}\nexit 255\n")
    ssh.chmod(0o755)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY.format(ssh=ssh, recipe=recipe))
    run = Playbooks(tmp_path, inventory).deploy()
    assert run.code == 2 and len(run.failures) == 1 and run.failures[0]["host"] == "localhost" and "Traceback" not in run.output, run.output
    lines = run.failures[0]["message"].splitlines()
    assert len(lines) == len(texts) and all(f"recipe {recipe}: {text}" in line for line, text in zip(lines, texts)), lines
    assert not asked.exists()


def test_what_would_not_be_deployed_can_be_looked_at_and_taken_away(tmp_path: Path) -> None:
    playbooks = Playbooks(tmp_path, tmp_path / "hosts.yml")
    playbooks.inventory.write_text(INVENTORY.format(ssh="/bin/false", recipe=FILES[0]))
    wrong = ("-e", "serve_api_port=70000", "-e", '{"serve_extra_arguments": {"max-num-seqs": 0}}')
    assert playbooks.run("playbooks/inventory.yml", *wrong).code == 2
    run = playbooks.run("playbooks/inventory.yml", *wrong, "-e", "inventory_deploys=false").succeeded()
    assert "found 70000" in run.output and "max-num-seqs" in run.output
    for playbook in ("status", "teardown"):
        (first, *_rest) = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
        assert first["vars"]["inventory_deploys"] is False
