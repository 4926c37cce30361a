# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 3 and 19: GID indexes that move, and rails that are left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from tests.acceptance.harness import Playbooks, wait_for
from tests.acceptance.traps.by_hand import RAILS, ByHand
from tests.acceptance.traps.evidence import Trap

RAIL = "enp1s0f0np0"


@pytest.fixture
def moved(ours: Playbooks, nodes: dict[str, Any], restart: Callable[[], None]) -> Iterator[None]:
    """The first rail's address removed and added again while another address took its place in the GID table; put right afterwards."""
    gids = "/sys/class/infiniband/rocep1s0f0/ports/1/gids"

    def index(node: Any, address: str) -> int:
        digits = "".join(f"{int(part):02x}" for part in address.split("."))
        mapped = f"0000:0000:0000:0000:0000:ffff:{digits[:4]}:{digits[4:]}"
        return max(
            int(found) for found in node.run(f"grep --files-with-matches {mapped} {gids}/* | xargs --max-args=1 basename").stdout.split()
        )

    def move(steps: tuple[str, ...]) -> None:
        for host, node in nodes.items():
            for step in steps:
                node.check_output(f"ip address {step.format(RAILS[host])} dev {RAIL}")

    # Whoever moved addresses before has left holes: without them the address is where a clean table has it.
    move(("del {}/24", "add {}/24"))
    before = {host: index(node, RAILS[host]) for host, node in nodes.items()}
    assert set(before.values()) == {3}
    move(("del {}/24", "add 172.30.99.1/32", "add {}/24", "del 172.30.99.1/32"))
    assert {host: index(node, RAILS[host]) for host, node in nodes.items()} == {host: at + 2 for host, at in before.items()}
    yield
    move(("del {}/24", "add {}/24"))
    assert {host: index(node, RAILS[host]) for host, node in nodes.items()} == before
    restart()


def test_3_the_index_of_today_is_used(
    by_hand: ByHand, moved: None, restart: Callable[[], None], journal: Callable[[str], str], serves: Any
) -> None:
    trap = Trap(3)
    by_hand.start_both(environment={"NCCL_IB_GID_INDEX": "3"})
    trap.red(
        "docker run -e NCCL_IB_GID_INDEX=3, after the addresses have come and gone",
        by_hand.says(0, "ibv_modify_qp"),
        "failed with 61 No data available",
    )
    by_hand.remove()
    by_hand.start_both(environment={"NCCL_IB_GID_INDEX": "0"})
    trap.red("docker run -e NCCL_IB_GID_INDEX=0", by_hand.says(0, "ibv_modify_qp"), "failed with 110 Connection timed out")
    restart()
    serves()
    for host in ("spark1", "spark2"):
        pattern = rf"device rocep1s0f0 gid_index 5 .* ipv4 {RAILS[host]} netdev {RAIL}"
        trap.green(f"systemctl start vllm@dsv4-flash-b12x-1m on {host}, after the addresses have come and gone", journal(host), pattern)


def test_19_both_rails_are_used(ours: Playbooks, by_hand: ByHand, journal: Callable[[str], str]) -> None:
    trap = Trap(19)
    by_hand.start_both(environment={"NCCL_IB_HCA": "rocep1s0f0"})
    trap.red("docker run -e NCCL_IB_HCA=rocep1s0f0", by_hand.says(0, "NET/IB : Using"), r"NET/IB : Using \[0\]rocep1s0f0:1/RoCE \[RO\]")
    wait_for("our log", lambda: "NET/IB : Using" in journal("spark1"))
    both = r"NET/IB : Using \[0\]rocep1s0f0:1/RoCE \[1\]roceP2p1s0f0:1/RoCE \[RO\]"
    for host in ("spark1", "spark2"):
        trap.green(f"journalctl --unit vllm@dsv4-flash-b12x-1m on {host}", journal(host), both, "via NET/IB/0$", "via NET/IB/1$")
