# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clusters without addresses are given some by which all their nodes can be planned, whatever was described of their cables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._addressing import addressing
from ansible_collections.dgx_spark.vllm.plugins.module_utils._foresee import foresee
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from simulation.access import HERE
from simulation.description import load
from tests.unit.plugins.fixtures.wires import bare, hearing


@pytest.mark.parametrize("path", sorted((HERE / "clusters").glob("*_bare.yml")), ids=lambda path: path.stem)
def test_a_cluster_without_addresses_is_addressed_and_planned_without_errors(path: Path) -> None:
    cluster = load(path)
    names = [node.name for node in cluster.nodes]
    cables = [
        [(n.name, port) for n in cluster.nodes for port, cable in n.cables.items() if cable == number] for number in range(cluster.cables)
    ]
    observations = bare(names, cables)
    found = addressing(observations, names)
    assert found.findings == []
    assert {host: len(rails) for host, rails in found.rails.items()} == {node.name: 2 * len(node.cables) for node in cluster.nodes}
    after = foresee(observations, found.rails)
    planned = plan(after)
    assert [finding for finding in planned["findings"] if finding["severity"] == "error"] == []
    assert sorted(planned["nodes"]) == names
    assert planned["topology"] == next((name for name in ("ring", "switch") if name in path.stem), "pair")
    assert all(rail["kept"] for rails in addressing(hearing(after, cables), names).rails.values() for rail in rails)
