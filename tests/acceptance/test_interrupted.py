"""A controller that is killed, in whatever role: the next run ends like an undisturbed one."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from tests.acceptance.harness import Playbooks

# Role, and the task during which the controller dies.
MOMENTS = [
    ("dgx_spark.vllm.preflight", "Judge all nodes together"),
    ("dgx_spark.vllm.discover", "Plan the cluster from what all nodes reported"),
    ("dgx_spark.vllm.fabric", "arp | Answer for an interface's own address only"),
    ("dgx_spark.vllm.model", "Verify the model's files"),
    ("dgx_spark.vllm.image", "Build the overlay and prove its NCCL"),
    ("dgx_spark.vllm.caches", "Create the folder of each cache"),
    ("dgx_spark.vllm.serve", "Write the environment"),
    ("dgx_spark.vllm.serve", "Start the head"),
]


@pytest.mark.long
@pytest.mark.parametrize(("role", "task"), MOMENTS)
def test_the_run_after_a_killed_one_ends_like_an_undisturbed_one(
    fresh: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any], role: str, task: str
) -> None:
    fresh.run_until(lambda event: event.get("start", "").endswith(task) and event.get("role") == role)
    fresh.deploy().succeeded()
    serves()
    assert fresh.deploy().succeeded().changed == set()
    for node in nodes.values():
        assert node.check_output("docker images --format '{{.Tag}}' dgx-spark/vllm | wc -l") == "1"
        assert node.check_output("systemctl --failed --no-legend --plain") == ""
