# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces of a node that carry no rail."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _roce
from tests.unit.plugins.fixtures.spark import UNREADABLE, Reader, ip_addresses, plant, spark

OTHERS = {
    "enP7s7": {"address": "02:00:5e:10:01:f0", "mtu": "1500", "operstate": "up", "carrier": "1", "speed": "10000"},
    "wlP9s9": {"address": "02:00:5e:10:01:f1", "mtu": "1500", "operstate": "down", "carrier": UNREADABLE, "speed": "-1", "wireless": ""},
    "lo": {"address": "00:00:00:00:00:00", "mtu": "65536", "operstate": "unknown", "carrier": "1", "speed": UNREADABLE},
}


def test_other_interfaces_are_listed_by_name(tmp_path: Path) -> None:
    ports = spark(1)
    plant(tmp_path, ports, OTHERS)
    (tmp_path / "class/net/bonding_masters").write_text("\n")
    (tmp_path / "class/net/enP7s7/device").mkdir()
    routes = [
        {"dst": "default", "gateway": "10.0.0.1", "dev": "enP7s7"},
        {"dst": "192.168.100.0/24", "dev": "enp1s0f0np0"},
        {"dst": "10.8.0.0/16", "gateway": "10.0.0.2", "dev": "enP7s7"},
    ]
    found = _roce.observe(str(tmp_path), ip_addresses(ports, {"enP7s7": ("10.0.0.11/24",)}), routes, Reader())["interfaces"]
    assert [entry["name"] for entry in found] == ["enP7s7", "lo", "wlP9s9"]
    management, loopback, wireless = found
    assert management == {
        "name": "enP7s7",
        "mac": "02:00:5e:10:01:f0",
        "mtu": 1500,
        "operstate": "up",
        "carrier": True,
        "speed_mbps": 10000,
        "wireless": False,
        "physical": True,
        "ipv4": [{"address": "10.0.0.11", "prefix_length": 24, "network": "10.0.0.0/24"}],
        "default_route": True,
        "routes": ["10.8.0.0/16"],
    }
    assert (wireless["wireless"], wireless["carrier"], wireless["speed_mbps"], wireless["default_route"]) == (True, None, None, False)
    assert (loopback["physical"], loopback["speed_mbps"], loopback["ipv4"][0]["address"]) == (False, None, "127.0.0.1")


def test_a_default_route_over_two_hops_is_seen(tmp_path: Path) -> None:
    plant(tmp_path, [], OTHERS)
    routes = [{"dst": "default", "nexthops": [{"gateway": "10.0.0.1", "dev": "enP7s7"}, {"gateway": "10.1.0.1", "dev": "wlP9s9"}]}]
    found = _roce.observe(str(tmp_path), [], routes, Reader())["interfaces"]
    assert {entry["name"]: entry["default_route"] for entry in found} == {"enP7s7": True, "lo": False, "wlP9s9": True}
