"""What the role `fabric` set up is taken back, and the kernel's tables with it. The last of these files: nothing is set up afterwards."""

from __future__ import annotations

from typing import Any

from tests.acceptance.harness import Playbooks
from tests.rdma.conftest import NODES, Look, on


def test_the_nodes_are_as_they_were(bare: dict[str, Any], healthy: dict[str, Any], playbooks: Playbooks, look: Look) -> None:
    playbooks.run("playbooks/fabric.yml", "-e", "fabric_state=absent").succeeded()
    found = look()
    for host in NODES:
        assert on(host, "ls /etc/netplan") == "01-lan.yaml\n"
        # MTU, link-local addresses and all: whatever was observed first is there again.
        for before, now in zip(bare["observations"][host]["devices"], found["observations"][host]["devices"]):
            assert now == before
    assert found["plan"] == bare["plan"]
