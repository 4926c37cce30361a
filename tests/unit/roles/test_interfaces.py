"""The interface of every role: what a user may set, as documented, is what the role has as default, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def load(role: str, *parts: str) -> dict:
    return yaml.safe_load((ROOT / "roles" / role).joinpath(*parts).read_text())


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_equal_the_defaults(role: str) -> None:
    options = load(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == load(role, "defaults", "main.yml")


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_described_and_begins_with_the_name_of_its_role(role: str) -> None:
    options = load(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert [name for name in options if not name.startswith(f"{role}_")] == []
    assert [name for name, option in options.items() if not option.get("description") or "type" not in option] == []


def test_all_roles_are_checked_for_unknown_variables() -> None:
    from ansible_collections.dgx_spark.vllm.plugins.module_utils import _inventory

    assert sorted(_inventory.ROLES) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_tasks_of_a_role_are_short_and_main_is_an_outline(role: str) -> None:
    for path in (ROOT / "roles" / role / "tasks").glob("*.yml"):
        assert len(path.read_text().splitlines()) <= 100, path
