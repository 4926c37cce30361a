# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 10, 11 and 12: what is compiled and where, and the links of the model's cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from tests.acceptance.harness import Playbooks
from tests.acceptance.traps.by_hand import HOSTS, LOCKING, ByHand
from tests.acceptance.traps.conftest import image_variant
from tests.acceptance.traps.evidence import Trap

SHARED = "/var/tmp/by-hand-caches"
OTHER_BUILD = "dgx-spark-sim/another-build:1"
HUB = "/home/nvidia/.cache/huggingface/hub"


@pytest.fixture
def shared(nodes: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The options that mount one folder of the host for all caches, as the third write-up does at last."""
    yield (*LOCKING, "--volume", f"{SHARED}/vllm:/root/.cache/vllm", "--volume", f"{SHARED}/triton:/root/.triton/cache")
    for node in nodes.values():
        node.check_output(f"rm --recursive --force {SHARED}")


def test_10_kernels_are_compiled_once(
    ours: Playbooks, by_hand: ByHand, restart: Callable[[], None], journal: Callable[[str], str], serves: Any
) -> None:
    trap = Trap(10)
    for start in ("first", "second"):
        by_hand.start_both()
        trap.red(f"docker run without cache mounts, the {start} time", by_hand.serves(), r"stand-in: compiled 40 kernels, reused 0")
        by_hand.remove()
    restart()
    serves()
    for host in HOSTS:
        trap.green(
            f"systemctl start vllm@dsv4-flash-b12x-1m on {host}, the second time",
            journal(host),
            r"stand-in: compiled 0 kernels, reused \d+",
        )


@pytest.fixture
def other_build(nodes: dict[str, Any]) -> Iterator[str]:
    """Another build of the image, whose kernels are not those of the first."""
    with image_variant(nodes, OTHER_BUILD, "ENV STAND_IN_BUILD=2") as tag:
        yield tag


def test_11_caches_are_of_the_right_user_and_of_one_image(
    ours: Playbooks,
    other_build: str,
    by_hand: ByHand,
    shared: tuple[str, ...],
    nodes: dict[str, Any],
    inspect: Callable[[str], dict[str, Any]],
) -> None:
    trap = Trap(11)
    # Without RDMA, because in the simulation only root may lock memory, and that would be missed first.
    by_hand.start_both(options=(*shared, "--user", "1000:1000", "--env", "HOME=/root"), environment={"NCCL_NET": "Socket"})
    refused = by_hand.says(0, "PermissionError")
    trap.red(
        "docker run --user 1000:1000 with folders that Docker made", refused, r"PermissionError: \[Errno 13\] Permission denied: '/root/"
    )
    by_hand.remove()
    by_hand.start_both(options=shared)
    by_hand.serves()
    by_hand.remove()
    by_hand.start_both(options=shared, image=other_build)
    by_hand.serves()
    status, answer = by_hand.ask({"max_tokens": 12, "messages": [{"role": "user", "content": "hi"}]})
    content = json.loads(answer)["choices"][0]["message"]["content"]
    trap.red("another image with the same cache folders, and a completion", f"HTTP {status}: {content}", r"^HTTP 200: ! ! ! !")
    for host in HOSTS:
        image = inspect(host)["Config"]["Image"]
        mount = next(m for m in inspect(host)["Mounts"] if m["Destination"] == "/var/cache/dgx-spark")
        owner = nodes[host].check_output(f"stat --format %U {mount['Source']}/triton")
        assert mount["Source"].rsplit("/", 1)[1] == image.rsplit(":", 1)[1]
        trap.green(f"docker inspect of the rank on {host}", f"image {image}, caches in {mount['Source']} of {owner}", "^image .* of root$")


@pytest.fixture
def absolute_links(ours: Playbooks, nodes: dict[str, Any], restart: Callable[[], None]) -> Iterator[None]:
    """The cache as a tool leaves it that copies links by their absolute target; the links of before afterwards."""
    links = f"find {HUB}/models--*/snapshots -type l"
    for node in nodes.values():
        node.check_output(f"{links} -exec sh -c 'ln --symbolic --force --no-dereference $(realpath $1) $1' sh {{}} \\;")
    yield
    for node in nodes.values():
        node.check_output(
            f"{links} -exec sh -c 'ln --symbolic --force --no-dereference ../../blobs/$(basename $(readlink $1)) $1' sh {{}} \\;"
        )
    restart()


def test_12_the_models_links_resolve(
    by_hand: ByHand, absolute_links: None, ours: Playbooks, restart: Callable[[], None], serves: Any, nodes: dict[str, Any]
) -> None:
    trap = Trap(12)
    by_hand.start_both()
    log = by_hand.says(0, "ValidationError")
    trap.red(
        "docker run --volume ~/.cache/huggingface:/cache/huggingface, absolute links",
        log,
        "Invalid repository ID or local directory specified: '",
    )
    assert ours.deploy().succeeded().changed == set()
    restart()
    completion = serves()
    links = nodes["spark1"].check_output(f"find {HUB} -type l -lname '/*' | wc --lines").strip()
    said = f"{links} absolute links, {completion['usage']['completion_tokens']} tokens"
    trap.green("deploy_dsv4.yml and a completion, absolute links", said, r"^[1-9]\d* absolute links, 8 tokens$")
