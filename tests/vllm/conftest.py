"""Fixtures of the tests with a real vLLM: the simulated pair with the image on it, and containers of that image alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from simulation import images
from simulation.real_vllm import build
from tests.acceptance.conftest import nodes, playbooks, reach
from tests.acceptance.harness import ROOT, Playbooks
from tests.vllm.pair import RealPair, remove_all

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

__all__ = ["nodes", "playbooks", "reach"]
VARIABLES = f"@{ROOT}/molecule/simulation/real_vllm/deploy.yml"


@pytest.fixture(scope="session")
def client() -> DockerClient:
    return images.connect()


@pytest.fixture(scope="session")
def image(client: DockerClient) -> Image:
    return build.image(client)


@pytest.fixture
def real_pair(client: DockerClient, image: Image, tmp_path: Path) -> Iterator[RealPair]:
    pair = RealPair(client, image, tmp_path)
    yield pair
    remove_all(client)


@pytest.fixture(scope="module")
def cleared(playbooks: Playbooks) -> Iterator[Playbooks]:
    """Nodes on which nothing of ours is left, before and after: the tests with the stand-in find them as they need them."""

    def clear() -> None:
        playbooks.run("playbooks/teardown.yml", "-e", VARIABLES, "-e", "caches_state=absent").succeeded()

    clear()
    yield playbooks
    clear()


@pytest.fixture(scope="module")
def deployed(cleared: Playbooks) -> Any:
    """The real vLLM on both nodes, by the playbook that deploys everything else; returns its first run."""
    return cleared.deploy("-e", VARIABLES).succeeded()
