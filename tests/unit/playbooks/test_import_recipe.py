# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that imports a recipe, as a user runs it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures.sparkrun import LEGACY, TEMPLATE

ROOT = Path(__file__).parents[3]
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


class House:
    """A folder with two recipes of others, in which the playbook is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "theirs.yaml").write_text(TEMPLATE)
        (folder / "legacy.yaml").write_text(LEGACY)
        # Where localhost is a host of the inventory, Ansible would look for a Python of its own.
        (folder / "hosts.yml").write_text("all: {hosts: {localhost: {}}}\n")
        self.made = folder / "mine.yml"

    def run(self, *words: str, **variables: Any) -> tuple[int, str]:
        given = {"from": "theirs.yaml", "to": "mine.yml", "attention_heads": "64", **variables}
        extra = [word for name, value in given.items() if value is not None for word in ("-e", f"{name}={value}")]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / ".ansible"),
            "PWD": str(self.folder),
        }
        command: list[str | Path] = [ANSIBLE_PLAYBOOK, ROOT / "playbooks" / "import_recipe.yml", "-i", "hosts.yml", *extra, *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def changed(self, *words: str, **variables: Any) -> int:
        code, output = self.run(*words, **variables)
        assert code == 0, output
        return int(re.findall(r"changed=(\d+)", output)[0])

    def refusal(self, *words: str, **variables: Any) -> str:
        code, output = self.run(*words, **variables)
        assert code != 0, output
        return " ".join(output.split())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_recipe_is_written_once_and_the_report_is_shown(house: House) -> None:
    code, output = house.run()
    assert code == 0, output
    text = house.made.read_text()
    assert _recipe.problems(yaml.safe_load(text), "mine", vllm=CATALOGUE) == []
    assert re.search(r"^ +dropped +mods +- +changes the container", output, re.MULTILINE), output
    assert "# - mods: changes the container" in text
    assert stat.S_IMODE(house.made.stat().st_mode) == 0o644
    assert house.changed() == 0
    assert house.made.read_text() == text


def test_checking_shows_the_file_and_writes_nothing(house: House) -> None:
    code, output = house.run("--check", "--diff")
    assert code == 0, output
    assert "+name: mine" in output and "changed=1" in output
    assert not house.made.exists()


def test_another_file_is_only_replaced_when_that_is_asked_for(house: House) -> None:
    house.made.write_text("mine\n")
    text = house.refusal("--check")
    assert f"{house.made}: found another file" in text and "-e overwrite=true" in text
    assert house.changed("--check", overwrite="true") == 1
    assert house.made.read_text() == "mine\n"
    assert house.changed(overwrite="true") == 1
    assert "name: mine" in house.made.read_text()


def test_what_sparkrun_does_not_say_is_given_on_the_command_line(house: House) -> None:
    wanted = {"nodes": "4", "vllm_version": "0.32.0", "image": "registry.example/other:1", "model": "example/other"}
    assert house.changed(**{"from": house.folder / "legacy.yaml", "to": house.made, "attention_heads": "32"}, **wanted) == 1
    made = yaml.safe_load(house.made.read_text())
    assert (made["nodes"], made["vllm_version"], made["image"]["name"]) == (4, "0.32.0", "registry.example/other:1")
    assert (made["model"]["repo"], made["model"]["attention_heads"]) == ("example/other", 32)


def test_bad_input_is_one_error_that_names_it(house: House) -> None:
    (house.folder / "sglang.yaml").write_text(TEMPLATE.replace("vllm-distributed", "sglang"))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"from": None}, "wanted the path of a sparkrun recipe"),
        ({"from": "nothing.yaml"}, f"{house.folder}/nothing.yaml: found no file there, wanted a YAML file"),
        ({"from": "sglang.yaml"}, f"{house.folder}/sglang.yaml: runtime: found 'sglang', wanted one of vllm"),
        ({"to": "nowhere/mine.yml"}, f"{house.folder}/nowhere/mine.yml: found no folder to write it into"),
    ]
    for variables, wanted in cases:
        text = house.refusal(**variables)
        assert wanted in text and text.count("[ERROR]") == 1 and "caused by" not in text, text
    assert not house.made.exists()
