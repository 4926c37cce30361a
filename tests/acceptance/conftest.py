"""Fixtures of the acceptance tests: the simulated cluster, its nodes over ssh, the playbooks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import testinfra
import yaml

from simulation import cluster
from tests.acceptance.harness import INVENTORY, ROOT, Playbooks, wait_for

RECIPE = "dsv4-flash-b12x-1m"
UNIT = f"vllm@{RECIPE}.service"
CLUSTERS = ROOT / "molecule" / "simulation" / "clusters"
ADDRESSES = {"spark1": "10.77.0.11", "spark2": "10.77.0.12"}


@pytest.fixture(scope="session")
def playbooks(tmp_path_factory: pytest.TempPathFactory) -> Playbooks:
    return Playbooks(tmp_path_factory.mktemp("runs"), INVENTORY)


@pytest.fixture(scope="session")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The node at an address as testinfra sees it, by ssh with host-key checking."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    config.write_text(f"Host *\n  UserKnownHostsFile {ROOT}/.sim/known_hosts\n  StrictHostKeyChecking yes\n  IdentitiesOnly yes\n")
    identity = str(ROOT / ".sim" / "id_ed25519")

    def node(address: str) -> Any:
        return testinfra.get_host(f"ssh://nvidia@{address}", ssh_config=str(config), ssh_identity_file=identity, sudo=True)

    return node


@pytest.fixture(scope="session")
def nodes(reach: Callable[[str], Any]) -> dict[str, Any]:
    """The nodes of the usual pair."""
    return {name: reach(address) for name, address in ADDRESSES.items()}


@pytest.fixture
def deployed(playbooks: Playbooks) -> Playbooks:
    """A cluster that serves, however the test before left it."""
    playbooks.deploy().succeeded()
    return playbooks


@pytest.fixture
def fresh(playbooks: Playbooks) -> Playbooks:
    """Nodes on which nothing of ours is left, caches included."""
    playbooks.run("playbooks/teardown.yml", "-e", "caches_state=absent").succeeded()
    return playbooks


@pytest.fixture
def ask(nodes: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Ask the head's API on its own loopback; returns {status, body}."""

    def question(
        path: str = "/v1/chat/completions", body: Any = None, key: str = "", address: str = "127.0.0.1", port: int = 8000
    ) -> dict[str, Any]:
        if body is None and path.endswith("completions"):
            body = {"model": "deepseek-v4-flash", "max_tokens": 8, "messages": [{"role": "user", "content": "6 x 7?"}]}
        words = ["curl", "-s", "-m", "60", "-w", "'\\n%{http_code}'", f"http://{address}:{port}{path}"]
        if key:
            words += ["-H", f"'Authorization: Bearer {key}'"]
        if body is not None:
            words += ["-H", "'Content-Type: application/json'", "-d", f"'{json.dumps(body)}'"]
        text, status = nodes["spark1"].run(" ".join(words)).stdout.rsplit("\n", 1)
        return {"status": int(status), "body": text}

    return question


@pytest.fixture
def serves(ask: Callable[..., dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Wait until a completion comes back, and return it."""

    def answered() -> dict[str, Any]:
        found = wait_for("a completion", lambda: (answer := ask())["status"] == 200 and answer, 180)
        completion: dict[str, Any] = json.loads(found["body"])
        assert completion["usage"]["completion_tokens"] >= 1
        return completion

    return answered


@pytest.fixture(scope="session")
def journal(nodes: dict[str, Any]) -> Callable[[str], str]:
    """The log of the unit's present invocation on a node."""

    def text(host: str) -> str:
        invocation = nodes[host].check_output(f"systemctl show --property InvocationID --value {UNIT}")
        log: str = nodes[host].check_output(f"journalctl --no-pager --output cat _SYSTEMD_INVOCATION_ID={invocation}")
        return log

    return text


@pytest.fixture(scope="session")
def restart(nodes: dict[str, Any]) -> Callable[[], None]:
    """The four steps, without a controller."""

    def in_order() -> None:
        for host, verb in (("spark1", "stop"), ("spark2", "stop"), ("spark2", "start"), ("spark1", "start")):
            nodes[host].check_output(f"systemctl {verb} {UNIT}")

    return in_order


@contextlib.contextmanager
def another_cluster(name: str) -> Iterator[Path]:
    """Bring the simulated cluster of that name up instead of the usual pair, which is there again afterwards; its description."""
    path = CLUSTERS / f"{name}.yml"
    cluster.main(["down"])
    try:
        assert cluster.main(["up", str(path)]) == 0
        yield path
    finally:
        cluster.main(["down"])
        cluster.main(["up", str(CLUSTERS / "two_spark.yml")])


def inventory_file(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the simulated cluster's inventory with a mistake in it."""
    content = yaml.safe_load((INVENTORY / "hosts.yml").read_text())
    variables = yaml.safe_load((INVENTORY / "group_vars" / "spark_nodes.yml").read_text()) or {}
    group = content["spark_nodes"]
    group["vars"] = {**group.get("vars", {}), **variables}
    change(group)
    path = folder / "hosts.yml"
    text = yaml.safe_dump(content, sort_keys=False, width=1000)
    path.write_text(text.replace("{{ inventory_dir }}/../..", str(ROOT)).replace("inventory_dir ~ ''/../..", f"''{ROOT}"))
    return path
