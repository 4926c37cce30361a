# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the overlay look at."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.conftest import RECIPE
from tests.acceptance.harness import Run

LAN = "10.77.0.0/24"
HOSTS = ("spark1", "spark2")
PACKAGE = "libnccl2=2.30.4-1+cuda13.2"
BUILD = "dgx_spark.vllm.image : overlay | Build the overlay and prove its NCCL"
NCCL = "/opt/dgx-spark/nccl/libnccl.so.2"


def overlay(node: Any) -> str:
    """The name of the node's one overlay."""
    tag: str = node.check_output("docker image ls --format '{{.Tag}}' dgx-spark/vllm")
    assert len(tag.split()) == 1, tag
    return f"dgx-spark/vllm:{tag}"


def launched(node: Any) -> str:
    """The name of the overlay that the node's rank is started from."""
    return str(json.loads(node.check_output(f"cat /etc/dgx-spark/{RECIPE}/launch.json"))["image"])


def inspect(node: Any, name: str) -> dict[str, Any]:
    return dict(json.loads(node.check_output(f"docker image inspect {name}"))[0])


def in_image(node: Any, image: str, command: str) -> str:
    text: str = node.check_output(f"docker run --rm --network none --entrypoint sh {image} -c '{command}'")
    return text


def refused(run: Run, *words: str) -> None:
    """One message, on whatever hosts, that has all words; and nothing was changed."""
    assert run.code != 0, run.output[-3000:]
    assert run.changed == set()
    messages = {json.dumps(event["message"]) for event in run.failures}
    assert len(messages) == 1, messages
    missing = [word for word in words if word not in next(iter(messages))]
    assert missing == [], messages


def one_layer_more(node: Any, base: str) -> None:
    layers, below = inspect(node, overlay(node))["RootFS"]["Layers"], inspect(node, base)["RootFS"]["Layers"]
    assert layers[:-1] == below
