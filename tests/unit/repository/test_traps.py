# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the traps is complete, and is what `hacking/traps` makes of its data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "traps"
TRAPS = yaml.safe_load((FOLDER / "traps.yml").read_text())
EVIDENCE = json.loads((FOLDER / "evidence.json").read_text())
CLASSES = {"real vLLM", "real NCCL log", "source", "real kernel", "real Docker", "real ssh", "report", "assumed"}
SECTIONS = ["Symptom", "Cause", "What the collection does", "Check by hand"]


def test_the_table_is_made_of_its_data() -> None:
    made = subprocess.run([sys.executable, str(ROOT / "hacking" / "traps")], capture_output=True, text=True, check=True).stdout
    assert made == (FOLDER / "README.md").read_text(), "run hacking/traps --write"


def test_no_trap_lacks_a_colour() -> None:
    numbers = [trap["number"] for trap in TRAPS]
    assert numbers == list(range(1, 23))
    for colour in ("red", "green"):
        assert {entry["trap"] for entry in EVIDENCE if entry["colour"] == colour} == set(numbers)
    assert all(entry["command"] and entry["printed"] for entry in EVIDENCE)


def test_few_are_assumed() -> None:
    assert {trap["evidence"] for trap in TRAPS} <= CLASSES
    assert sum(trap["evidence"] == "assumed" for trap in TRAPS) <= 5


@pytest.mark.parametrize("trap", TRAPS, ids=[trap["slug"] for trap in TRAPS])
def test_each_trap_has_a_page_with_the_same_sections(trap: dict[str, str]) -> None:
    text = (FOLDER / f"{int(trap['number']):02d}-{trap['slug']}.md").read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert text.startswith("# ") and "Source: " in text


def test_there_is_a_test_for_each_trap() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "tests" / "acceptance").rglob("test_*.py"))
    assert {int(number) for number in re.findall(r"Trap\((\d+)\)", source)} == {trap["number"] for trap in TRAPS}
