# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the traps: our cluster, which serves, and the write-ups' way beside it."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from simulation.images import STAND_IN_NAME
from tests.acceptance.conftest import RECIPE
from tests.acceptance.harness import Playbooks
from tests.acceptance.traps.by_hand import ByHand

CONTAINER = f"vllm-{RECIPE}"


@pytest.fixture(scope="session")
def first_deploy(playbooks: Playbooks) -> None:
    """What the modules before have left is put right once."""
    playbooks.deploy().succeeded()


@pytest.fixture
def ours(playbooks: Playbooks, first_deploy: None, ask: Callable[..., dict[str, Any]]) -> Playbooks:
    """The cluster as the collection deploys it.  Who disturbs it puts it right; where that failed, the next test does."""
    if ask()["status"] != 200:
        playbooks.deploy().succeeded()
    return playbooks


@contextlib.contextmanager
def image_variant(nodes: dict[str, Any], tag: str, instruction: str) -> Iterator[str]:
    """The stand-in's image with one more instruction of a Dockerfile, under its own tag on each node."""
    for node in nodes.values():
        node.check_output(f"printf 'FROM %s\\n%s\\n' {STAND_IN_NAME} {shlex.quote(instruction)} | docker build --quiet --tag {tag} -")
    yield tag
    for node in nodes.values():
        node.check_output(f"docker image rm {tag}")


@pytest.fixture
def by_hand(nodes: dict[str, Any]) -> Iterator[ByHand]:
    ranks = ByHand(lambda host, command: str(nodes[host].check_output(command)))
    ranks.remove()
    yield ranks
    ranks.remove()


@pytest.fixture(scope="session")
def inspect(nodes: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """What Docker says of our rank's container on a node."""

    def container(host: str) -> dict[str, Any]:
        return dict(json.loads(nodes[host].check_output(f"docker inspect {CONTAINER}"))[0])

    return container


@pytest.fixture(scope="session")
def environment(nodes: dict[str, Any]) -> Callable[[str], str]:
    """The variables of our rank's process as they are, one a line."""

    def variables(host: str) -> str:
        pid = nodes[host].check_output(f"docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER}").strip()
        text: str = nodes[host].check_output(f"tr '\\0' '\\n' < /proc/{pid}/environ")
        return text

    return variables
