# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has preceded failures elsewhere is told with the node that it was found on, and stops nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import yaml

from tests.acceptance.conftest import UNIT
from tests.acceptance.harness import Playbooks, Run

PLAY = {"hosts": "spark_nodes", "become": True, "gather_facts": False, "any_errors_fatal": True, "roles": ["dgx_spark.vllm.preflight"]}
FIRMWARE = "/sys/class/infiniband/rocep1s0f0/fw_ver"


@pytest.fixture
def preflight(playbooks: Playbooks, tmp_path: Path) -> Callable[..., Run]:
    """Run the role preflight alone."""
    (tmp_path / "preflight.yml").write_text(yaml.safe_dump([PLAY]))

    def run(*words: str) -> Run:
        return playbooks.run(str(tmp_path / "preflight.yml"), *words).succeeded()

    return run


def told(run: Run) -> set[tuple[str, str, str]]:
    """(severity, id, host) of the findings that were shown."""
    return set(re.findall(r"\b(error|warning|info) (host\.[a-z-]+) (\w+): found ", run.output))


@contextlib.contextmanager
def done(node: Any, command: str, undo: str) -> Iterator[None]:
    """Run a command on a node, and what undoes it afterwards."""
    node.check_output(command)
    try:
        yield
    finally:
        node.check_output(undo)


def test_nodes_as_they_come_have_nothing_to_tell(preflight: Callable[..., Run]) -> None:
    run = preflight()
    assert (told(run), run.changed) == (set(), set())


def test_earlyoom_and_other_firmware_are_told_with_their_node_and_stop_nothing(
    preflight: Callable[..., Run], nodes: dict[str, Any]
) -> None:
    earlyoom = "cp /usr/bin/sleep /run/earlyoom && systemd-run --unit earlyoom --collect /run/earlyoom infinity"
    older = f"echo 28.40.1000 > /run/fw_ver && mount --bind /run/fw_ver {FIRMWARE}"
    with (
        done(nodes["spark1"], earlyoom, "systemctl stop earlyoom && rm /run/earlyoom"),
        done(nodes["spark2"], older, f"umount {FIRMWARE} && rm /run/fw_ver"),
    ):
        run = preflight()
    assert told(run) == {("info", "host.earlyoom", "spark1"), ("warning", "host.firmware-differs", "cluster")}
    assert "28.45.4028 on spark1; 28.40.1000 and 28.45.4028 on spark2" in run.output
    assert run.changed == set()


def test_memory_that_the_rank_holds_is_no_finding_and_that_of_others_is(
    deployed: Playbooks, preflight: Callable[..., Run], nodes: dict[str, Any], restart: Callable[[], None]
) -> None:
    much = ("-e", "preflight_min_available_memory_gib=100000")
    serving = preflight(*much)
    assert told(serving) == set()
    assert serving.output.count("GiB beside the rank that runs") == 2
    try:
        for host in ("spark1", "spark2"):
            nodes[host].check_output(f"systemctl stop {UNIT}")
        assert told(preflight(*much)) == {("warning", "host.memory-busy", "spark1"), ("warning", "host.memory-busy", "spark2")}
    finally:
        restart()


def test_node_that_drops_what_another_sends_through_it_is_told(preflight: Callable[..., Run], nodes: dict[str, Any]) -> None:
    through = "192.168.102.0/24 via 192.168.100.12"
    between = "DOCKER-USER --in-interface enp1s0f0np0 --out-interface enP2p1s0f0np0 --jump ACCEPT"
    with done(nodes["spark2"], "iptables --policy FORWARD DROP", "iptables --policy FORWARD ACCEPT"):
        assert told(preflight()) == set()
        with done(nodes["spark1"], f"ip route add {through}", f"ip route delete {through}"):
            dropped = preflight()
            assert told(dropped) == {("warning", "host.forwarding-dropped", "spark2")}
            assert "routes through it: 192.168.102.0/24 from spark1" in dropped.output
            with done(nodes["spark2"], f"iptables --insert {between}", f"iptables --delete {between}"):
                passed = preflight()
            assert told(passed) == set()
            assert re.search(r"spark2 +forwarding .* ok$", passed.output, re.MULTILINE)
