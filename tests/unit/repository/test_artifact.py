"""What `ansible-galaxy collection build` packs: the product, and nothing of its workshop."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PRODUCT = {"LICENSES", "changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "recipes", "roles"}
TOP = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"}


def tracked() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("artifact")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run([galaxy, "collection", "build", "--output-path", folder], cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as artifact:
        return {member.name for member in artifact.getmembers() if member.isfile()}


def test_the_artifact_holds_the_product_and_nothing_else(packed: set[str]) -> None:
    # docs/recipes is what docs/recipes.md is written from.
    apart = ("inventories/sim_", "docs/recipes/")
    wanted = {name for name in tracked() if name.split("/")[0] in PRODUCT and not name.startswith(apart)}
    assert packed - {"FILES.json", "MANIFEST.json"} == wanted | (TOP & tracked())


def test_the_artifact_can_be_deployed_from(packed: set[str]) -> None:
    assert {
        "playbooks/deploy_dsv4.yml",
        "recipes/dsv4-flash-b12x-1m.yml",
        "recipes/schema.json",
        "recipes/vllm/0.21.0.json",
        "roles/serve/files/launch.py",
        "plugins/modules/roce_info.py",
    } <= packed
