"""What happens to a cluster: reboots, addresses that move.  The nodes recover without a controller."""

from __future__ import annotations

import re
from typing import Any, Callable

import pytest

from tests.acceptance.conftest import UNIT
from tests.acceptance.harness import Playbooks, wait_for


def chosen_indexes(log: str) -> dict[str, int]:
    """Device -> GID index which the rank really used."""
    return {device: int(index) for device, index in re.findall(r"device (\S+) gid_index (\d+)", log)}


def reboot(node: Any) -> None:
    before = node.check_output("cat /proc/sys/kernel/random/boot_id")
    # A second later, so that this connection ends before the node does.
    node.check_output("systemd-run --on-active=1 systemctl reboot")

    def booted() -> bool:
        try:
            return node.run("cat /proc/sys/kernel/random/boot_id").stdout.strip() not in ("", before)
        except RuntimeError:  # ssh has no answer
            return False

    wait_for("the node to come back", booted, 120)


def test_serving_resumes_after_a_reboot_of_both_nodes(deployed: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]) -> None:
    for node in nodes.values():
        reboot(node)
    serves()
    assert deployed.deploy().succeeded().changed == set()


def test_a_gid_index_that_moved_is_used_at_the_next_start(
    deployed: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any], journal: Callable[[str], str]
) -> None:
    before = {host: chosen_indexes(journal(host)) for host in nodes}
    for node in nodes.values():
        address = node.check_output("ip -4 -o address show dev enp1s0f0np0 | awk '{print $4; exit}'")
        # Another address takes the pair that becomes free, so the rail's own comes back at a higher index.
        device = "dev enp1s0f0np0"
        for step in (f"del {address}", "add 172.30.99.1/32", f"add {address}", "del 172.30.99.1/32"):
            node.check_output(f"ip address {step} {device}")
    # What the cluster serves with is not disturbed, and a deploy leaves it alone.
    assert deployed.deploy().succeeded().changed == set()
    nodes["spark1"].check_output(f"systemctl stop {UNIT}")
    nodes["spark2"].check_output(f"systemctl stop {UNIT}")
    nodes["spark2"].check_output(f"systemctl start {UNIT}")
    nodes["spark1"].check_output(f"systemctl start {UNIT}")
    serves()
    for host in nodes:
        after = chosen_indexes(journal(host))
        assert after["rocep1s0f0"] > before[host]["rocep1s0f0"]
        assert after["roceP2p1s0f0"] == before[host]["roceP2p1s0f0"]
    assert deployed.deploy().succeeded().changed == set()


@pytest.mark.long
def test_a_head_that_was_killed_comes_back_with_its_worker_after_a_deploy(
    deployed: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]
) -> None:
    nodes["spark1"].check_output("docker kill vllm-dsv4-flash-b12x-1m")
    deployed.deploy().succeeded()
    serves()
