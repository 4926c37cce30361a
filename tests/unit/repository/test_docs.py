# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says of the code is so: findings by name, and links between files of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import (
    _fabric_verdict_ids,
    _inventory_ids,
    _plan_ids,
    _preflight_ids,
    _recipe_ids,
)

ROOT = Path(__file__).parents[3]
TABLES = (_inventory_ids.IDS, _recipe_ids.IDS, _preflight_ids.IDS, _plan_ids.IDS, _fabric_verdict_ids.IDS)
SEVERITIES = {identifier: meaning.severity for table in TABLES for identifier, meaning in table.items()}
AREAS = sorted({identifier.split(".")[0] for identifier in SEVERITIES})
SOURCES = [path for path in sorted((ROOT / "plugins").rglob("*.py")) if not path.name.endswith("_ids.py")]
# Functions and classes that take an id as their first argument.
MAKERS = ("finding", "planned", "verdict", "GidError")

BLOB = "https://github.com/dgx-spark-vllm/dgx_spark.vllm/"
RAW = "https://raw.githubusercontent.com/dgx-spark-vllm/dgx_spark.vllm/main/"
PAGES = [
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "docs/traps/*.md", "roles/*/README.md", "recipes/*.md", "molecule/*/README.md")
    for path in sorted(ROOT.glob(pattern))
]


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def text_of(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def ids_in(tree: ast.AST) -> Iterator[str]:
    """Every text that is an id: of a known area, or given to a function that makes a finding.  Prefixes that are looked for are none."""
    if isinstance(tree, ast.Call) and called(tree) == "startswith":
        return
    if isinstance(tree, ast.Call) and called(tree) in MAKERS and tree.args and text_of(tree.args[0]):
        yield text_of(tree.args[0])
    if isinstance(tree, ast.Constant) and re.fullmatch(rf"({'|'.join(AREAS)})\.[a-z0-9-]+", str(tree.value)):
        yield str(tree.value)
    for child in ast.iter_child_nodes(tree):
        yield from ids_in(child)


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        yield path.name, ast.parse(path.read_text(encoding="utf-8"))


def test_the_page_of_findings_is_what_the_tables_say() -> None:
    made = subprocess.run([sys.executable, ROOT / "hacking" / "findings"], check=True, capture_output=True)
    page = (ROOT / "docs" / "findings.md").read_bytes()
    assert page.decode() == made.stdout.decode(), "run hacking/findings --write"
    assert [identifier for identifier in SEVERITIES if f"| `{identifier}` | {SEVERITIES[identifier]} |" not in page.decode()] == []


def test_every_id_is_in_one_table_and_every_id_of_a_table_is_used() -> None:
    assert sum(map(len, TABLES)) == len(SEVERITIES)
    used: dict[str, str] = {identifier: name for name, tree in parsed() for identifier in ids_in(tree)}
    assert {identifier: name for identifier, name in used.items() if identifier not in SEVERITIES} == {}, "in no table"
    assert sorted(set(SEVERITIES) - set(used)) == [], "in a table and nowhere else"


def test_a_severity_that_stands_in_the_code_is_that_of_the_table() -> None:
    calls = [node for _, tree in parsed() for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) == "finding"]
    given = {(text_of(call.args[0]), text_of(call.args[1])) for call in calls}
    stated = {(identifier, severity) for identifier, severity in given if identifier and severity}
    assert stated and stated <= set(SEVERITIES.items())


def test_what_every_verdict_on_a_fabric_was_tried_on_is_marked() -> None:
    page = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(fabric\.[a-z-]+)` \| (.+) \|$", page, re.MULTILINE))
    assert list(rows) == list(_fabric_verdict_ids.IDS)
    kinds = {name: [part.split(" (")[0] for part in text.split("; ")] for name, text in rows.items()}
    assert {kind for marked in kinds.values() for kind in marked} <= {"simulated", "verbs", "played", "captured", "figures"}
    for file, wanted in (("acceptance/test_validate.py", {"simulated", "played"}), ("rdma/test_verdicts.py", {"verbs"})):
        named = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert {name for name, marked in kinds.items() if wanted & set(marked)} == {name for name in rows if f'"{name}"' in named}, file


def anchors(page: Path) -> set[str]:
    """Names by which GitHub lets one link to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def target(page: Path, link: str) -> Path | None:
    """The file of this repository that a link on `page` leads to, None for another site's."""
    if link.startswith(RAW):
        return ROOT / link[len(RAW) :]
    if link.startswith(BLOB):
        kind, _, path = link[len(BLOB) :].partition("/main/")
        return ROOT / path if kind in ("blob", "tree") else None
    if re.match(r"[a-z]+:", link):
        return None
    return (ROOT / page).parent / link if link else ROOT / page


def broken(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        file = target(page, place)
        if file is None:
            continue
        if not file.exists() or ROOT not in file.resolve().parents:
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(file):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_of_the_repository(page: Path) -> None:
    assert list(broken(page)) == []


def test_links_of_every_kind_are_looked_at() -> None:
    readme = Path("README.md")
    assert target(readme, BLOB + "blob/main/docs/x.md") == ROOT / "docs" / "x.md"
    assert target(readme, RAW + "docs/images/x.svg") == ROOT / "docs" / "images" / "x.svg"
    assert target(Path("docs/a.md"), "../x.md") == ROOT / "docs" / ".." / "x.md"
    assert target(readme, "https://docs.ansible.com/x") is None and target(readme, BLOB + "issues") is None
