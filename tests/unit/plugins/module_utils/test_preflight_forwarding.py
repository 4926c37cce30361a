# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ring of four: spark1 sends to spark3 through spark2. The nodes are else those of test_preflight."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _preflight
from tests.unit.plugins.module_utils.test_preflight import changed, node

ROUTE = {"destination": "192.168.102.0/24", "gateway": "192.168.100.2", "interface": "enp1s0f0np0"}
DROPS = {"enabled": True, "policy": "DROP", "accepted": False}


def judge(forwarding: dict[str, t.Any], routes: t.Sequence[dict[str, str]] = (ROUTE,)) -> dict[str, t.Any]:
    """Judge four nodes, of which the first has these routes and the second passes packets on in this way."""
    hosts = {f"spark{number}": changed(node(number), {"forwarding": dict(DROPS)}) for number in (1, 2, 3, 4)}
    changed(hosts["spark1"], {"rail_routes": list(routes)})
    changed(hosts["spark2"], {"forwarding": forwarding})
    return _preflight.judge(hosts, _preflight.Wanted())


@pytest.mark.parametrize(
    ("forwarding", "found"),
    [
        (DROPS, "DROP where no rule of FORWARD accepts"),
        ({**DROPS, "enabled": None}, "DROP where no rule of FORWARD accepts"),
        ({**DROPS, "enabled": False, "accepted": True}, "net.ipv4.ip_forward=0"),
        ({"enabled": False, "policy": None, "accepted": None}, "net.ipv4.ip_forward=0"),
    ],
)
def test_node_that_drops_what_others_send_through_it_is_named(forwarding: dict[str, t.Any], found: str) -> None:
    (finding,) = judge(forwarding)["findings"]
    assert (finding["id"], finding["severity"], finding["host"]) == ("host.forwarding-dropped", "warning", "spark2")
    assert finding["found"].startswith(found) and finding["found"].endswith("routes through it: 192.168.102.0/24 from spark1")
    assert "DOCKER-USER" in finding["remedy"] and "no rank does" in finding["remedy"]


@pytest.mark.parametrize("forwarding", [{**DROPS, "accepted": True}, {**DROPS, "policy": "ACCEPT"}])
def test_node_that_passes_on_what_others_send_through_it_is_well(forwarding: dict[str, t.Any]) -> None:
    result = judge(forwarding)
    assert result["findings"] == []
    assert [row.split()[0] for row in result["rows"] if "forwarding" in row and row.endswith("ok")] == ["spark2"]


@pytest.mark.parametrize(
    ("forwarding", "routes"),
    [
        # Docker drops on every node; without a route nobody sends anything.
        (DROPS, ()),
        # Through something that is none of the nodes, or the node itself.
        (DROPS, ({**ROUTE, "gateway": "192.168.100.254"},)),
        (DROPS, ({**ROUTE, "gateway": "192.168.100.1"},)),
        ({"enabled": True, "policy": None, "accepted": None}, (ROUTE,)),
    ],
)
def test_node_that_nobody_sends_through_or_that_does_not_tell_has_no_line(
    forwarding: dict[str, t.Any], routes: tuple[dict[str, str], ...]
) -> None:
    result = judge(forwarding, routes)
    assert result["findings"] == []
    assert [row for row in result["rows"] if "forwarding" in row] == []


def test_nodes_and_routes_are_all_named() -> None:
    routes = (ROUTE, {**ROUTE, "destination": "192.168.103.0/24"}, {**ROUTE, "gateway": "192.168.100.4"})
    second, fourth = judge(DROPS, routes)["findings"]
    assert second["found"].endswith("through it: 192.168.102.0/24 from spark1, 192.168.103.0/24 from spark1")
    assert (fourth["host"], fourth["found"].endswith("through it: 192.168.102.0/24 from spark1")) == ("spark4", True)
