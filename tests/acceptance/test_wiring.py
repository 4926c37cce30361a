"""Another wiring under the same inventory: cables in different ports, other device names, the default route on the Wi-Fi."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from tests.acceptance.conftest import another_cluster
from tests.acceptance.harness import Playbooks


@pytest.fixture
def mixed() -> Iterator[None]:
    """Port 0 on one node and port 1 with mlx5 names on the other; afterwards the usual pair again."""
    with another_cluster("two_spark_mixed"):
        yield


@pytest.mark.long
def test_the_same_inventory_serves_over_mixed_ports_names_and_default_routes(
    mixed: None, playbooks: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any], journal: Callable[[str], str]
) -> None:
    assert "dev wlP9s9" in nodes["spark1"].check_output("ip route show default")
    playbooks.deploy().succeeded()
    serves()
    assert "[0]rocep1s0f0:1/RoCE [1]roceP2p1s0f0:1/RoCE" in journal("spark1")
    using = next(line for line in journal("spark2").splitlines() if "NET/IB : Using" in line)
    assert "mlx5_" in using and "np1:192.168.100.12" in using
    assert playbooks.deploy().succeeded().changed == set()
