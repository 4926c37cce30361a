# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 5, 9, 13 and 20: what a container is started with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from simulation.images import STAND_IN_NAME
from tests.acceptance.harness import Playbooks
from tests.acceptance.traps.by_hand import MODEL, ByHand
from tests.acceptance.traps.conftest import image_variant
from tests.acceptance.traps.evidence import Trap

VARIANT = "dgx-spark-sim/entrypoint:vllm-serve"


def test_5_memory_can_be_locked(
    ours: Playbooks, by_hand: ByHand, inspect: Callable[[str], dict[str, Any]], journal: Callable[[str], str]
) -> None:
    trap = Trap(5)
    by_hand.start_both(options=())
    trap.red(
        "docker run --shm-size 64gb, without memlock and IPC_LOCK",
        by_hand.says(0, "unhandled system error"),
        "NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory",
        "NCCL error.*unhandled system error",
    )
    settings = inspect("spark1")["HostConfig"]
    asked = json.dumps({"CapAdd": settings["CapAdd"], "Ulimits": settings["Ulimits"]})
    trap.green("docker inspect of the head", asked, r'"CapAdd": \[.*IPC_LOCK.*"Name": "memlock", "Hard": -1, "Soft": -1')
    log = journal("spark1")
    trap.green("journalctl --unit vllm@dsv4-flash-b12x-1m on spark1", log, "Init COMPLETE$")
    assert "ibv_reg_mr_iova2" not in log


def test_20_shm_size_has_no_effect(
    ours: Playbooks, by_hand: ByHand, nodes: dict[str, Any], inspect: Callable[[str], dict[str, Any]]
) -> None:
    trap = Trap(20)
    size = "df --output=size /dev/shm | tail --lines=1"
    host = nodes["spark1"].check_output(size).strip()
    inside = nodes["spark1"].check_output(f"docker run --rm --ipc host --shm-size 64gb {STAND_IN_NAME} df --output=size /dev/shm")
    kilobytes = 64 * 1024 * 1024
    assert inside.split()[-1] == host != str(kilobytes)
    wanted = f"/dev/shm has the host's size and not 64 GB: {inside.split()[-1] == host}"
    trap.red("docker run --ipc host --shm-size 64gb IMAGE df /dev/shm", wanted, "the host's size and not 64 GB: True")
    settings = inspect("spark1")["HostConfig"]
    asked = json.dumps({"IpcMode": settings["IpcMode"], "asked for shm": settings["ShmSize"] != 64 * 1024**2})
    trap.green("docker inspect of the head", asked, r'"IpcMode": "host", "asked for shm": false')


def test_13_gpus_are_asked_for_in_a_way_that_this_docker_has(
    ours: Playbooks, nodes: dict[str, Any], inspect: Callable[[str], dict[str, Any]]
) -> None:
    trap = Trap(13)
    refused = nodes["spark1"].run(f"docker run --rm --runtime nvidia --gpus all {STAND_IN_NAME} true")
    assert refused.rc == 125
    trap.red(
        "docker run --runtime nvidia --gpus all",
        refused.stderr,
        "(Unknown runtime specified nvidia|unknown or invalid runtime name: nvidia)",
    )
    settings = inspect("spark1")["HostConfig"]
    asked = json.dumps({"Runtime": settings["Runtime"], "DeviceRequests": settings["DeviceRequests"]})
    trap.green("docker inspect of the head", asked, r'"Runtime": "runc", "DeviceRequests": \[\{.*"Capabilities": \[\["gpu"\]\]')


@pytest.fixture
def entrypoint_image(nodes: dict[str, Any]) -> Iterator[str]:
    """The image as the third write-up's: its ENTRYPOINT is `vllm serve`."""
    with image_variant(nodes, VARIANT, 'ENTRYPOINT ["vllm", "serve"]') as tag:
        yield tag


def test_9_the_command_is_not_doubled(
    ours: Playbooks, entrypoint_image: str, by_hand: ByHand, inspect: Callable[[str], dict[str, Any]]
) -> None:
    trap = Trap(9)
    by_hand.start(0, image=entrypoint_image, entrypoint=("vllm", "serve", MODEL))
    assert by_hand.ends(0) == 2
    trap.red(
        "docker run IMAGE vllm serve MODEL, whose ENTRYPOINT is [vllm, serve]",
        by_hand.log(0),
        f"vllm: error: unrecognized arguments: serve {MODEL}$",
    )
    # The words that our launcher hands to Docker, on that image.
    ours_started = inspect("spark1")
    words = [ours_started["Path"], *ours_started["Args"]]
    assert ours_started["Config"]["Entrypoint"] == words[:1]
    by_hand.remove()
    said = by_hand.run(
        "spark1",
        f"docker run --rm --entrypoint {words[0]} {entrypoint_image} -lc 'exec /usr/local/bin/dsv4-vllm-entrypoint --version' 2>&1",
    )
    trap.green("docker run --entrypoint, as the launcher gives it, on that image", said, r"^0\.21\.1$")
