# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the overlay: the role image alone, what it takes NCCL from, and images and recipes with something different in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml
from docker import DockerClient

from simulation import images, nccl_apt, nodes
from tests.acceptance.conftest import RECIPE
from tests.acceptance.harness import ROOT, Playbooks, Run
from tests.acceptance.overlay.look import HOSTS, LAN


@pytest.fixture(scope="module")
def client() -> DockerClient:
    return images.connect()


@pytest.fixture(scope="module")
def repository(client: DockerClient) -> Path:
    return nccl_apt.repository(client)


@pytest.fixture
def server(repository: Path) -> Iterator[nccl_apt.Server]:
    with nccl_apt.served(repository, LAN) as server:
        yield server


@pytest.fixture(scope="module")
def idle(playbooks: Playbooks) -> None:
    """No rank runs from the image that a test is about to change."""
    playbooks.run("playbooks/teardown.yml").succeeded()


@pytest.fixture
def prepare(playbooks: Playbooks, idle: None, tmp_path: Path) -> Callable[..., Run]:
    """Run the role image alone, with variables of a user."""
    play = {"hosts": "spark_nodes", "become": True, "gather_facts": False, "any_errors_fatal": True, "roles": ["dgx_spark.vllm.image"]}
    (tmp_path / "image.yml").write_text(yaml.safe_dump([play]))
    return lambda *words, **variables: playbooks.run(str(tmp_path / "image.yml"), "-e", json.dumps(variables), *words)


@pytest.fixture
def clean(prepare: Callable[..., Run]) -> Callable[..., Run]:
    """The same, on nodes without an overlay."""
    prepare(image_state="absent").succeeded()
    return prepare


@pytest.fixture
def variant(client: DockerClient) -> Callable[[str, bool], str]:
    """Have an image with an installed libnccl2 on both nodes; its name."""

    def on_nodes(version: str, held: bool) -> str:
        image = nccl_apt.stand_in_with(client, version, held)
        name = str(image.tags[0])
        for host in HOSTS:
            nodes.load_image(client.containers.get(f"sim-{host}"), image, name, f"nccl-{version}")
        return name

    return on_nodes


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., str]:
    """The recipe with changes, as a file of the user's."""

    def changed(**changes: Any) -> str:
        content = yaml.safe_load((ROOT / "recipes" / f"{RECIPE}.yml").read_text())
        path = tmp_path / f"{RECIPE}.yml"
        path.write_text(yaml.safe_dump({**content, **changes}, sort_keys=False))
        return str(path)

    return changed
