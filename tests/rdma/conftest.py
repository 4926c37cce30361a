"""Fixtures of the tests with real verbs: two emulated nodes with two cables between them, and soft-RoCE on both."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from simulation.rdma import lab
from tests.acceptance.harness import ROOT, Playbooks, Run

NODES = {"spark1": 1, "spark2": 2}
Look = Callable[[], dict[str, Any]]
Validate = Callable[..., tuple[Run, dict[str, Any]]]


@pytest.fixture(scope="session", autouse=True)
def emulated() -> Iterator[None]:
    """The nodes, as nobody has set them up: links up, no address on a port. Those that somebody brought up by hand stay up."""
    before = all(map(lab.running, lab.NODES))
    lab.up()
    yield
    if not before:
        lab.down()


@pytest.fixture(scope="session")
def playbooks(emulated: None, tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    return Playbooks(tmp_path_factory.mktemp("runs"), ROOT / "inventories" / "sim_rdma", lab.INSIDE)


def on(host: str, command: str) -> str:
    """What a command printed on a node, where it has to succeed."""
    done = lab.ssh(NODES[host], command)
    assert done.returncode == 0, f"{host}: {command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def moved(host: str, rail: dict[str, Any]) -> Iterator[None]:
    """A rail's address is at another index of the kernel's table, as after others came and went, and afterwards where it was.

    An entry takes the lowest place that is free, so the address that comes first gets the old one.
    """
    away, other = f"{rail['ipv4']}/24 dev {rail['netdev']}", f"10.99.0.1/24 dev {rail['netdev']}"
    on(host, f"ip address delete {away} && ip address add {other} && ip address add {away} && ip address delete {other}")
    try:
        yield
    finally:
        on(host, f"ip address delete {away} && ip address add {away}")


@pytest.fixture(scope="session")
def look(playbooks: Playbooks) -> Look:
    """What the role discover makes of the nodes now: `plan` and `observations`."""

    def found() -> dict[str, Any]:
        path = playbooks.folder / "found.json"
        path.unlink(missing_ok=True)
        playbooks.run("tests/rdma/look.yml", "-e", f"found={path}")
        document: dict[str, Any] = json.loads(path.read_text())
        return document

    return found


@pytest.fixture(scope="session")
def bare(look: Look) -> dict[str, Any]:
    """What is found before anybody has given the ports addresses."""
    assert on("spark1", "ip -4 -brief address show dev enp1s0f0np0").split()[2:] == []
    return look()


@pytest.fixture(scope="session")
def configured(bare: dict[str, Any], playbooks: Playbooks) -> Run:
    """The run that gave the ports their addresses."""
    return playbooks.run("playbooks/fabric.yml").succeeded()


@pytest.fixture(scope="session")
def healthy(configured: Run, look: Look) -> dict[str, Any]:
    """What is found with addresses."""
    return look()


@pytest.fixture
def validate(healthy: dict[str, Any], playbooks: Playbooks, tmp_path: Path) -> Validate:
    """Run the playbook with variables of a user; return the run and the document that it left."""

    def run(**variables: Any) -> tuple[Run, dict[str, Any]]:
        folder = tmp_path / "documents"
        before = set(folder.glob("*.json"))
        done = playbooks.run(
            "playbooks/validate.yml", "-e", json.dumps({"validate_dir": str(folder), "validate_rdma_seconds": 2, **variables})
        )
        (left,) = set(folder.glob("*.json")) - before
        return done, json.loads(left.read_text())

    return run
