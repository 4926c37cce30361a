# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulation's self-test says of the network of nodes that answered as real ones did."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.description import Node, parse
from simulation.self_test import rail_complaints, renderer_complaints

NM = {"NetworkManager": "active", "systemd-networkd": "inactive"}
NETWORKD = {"NetworkManager": "inactive", "systemd-networkd": "active"}
NETPLAN = "/run/NetworkManager/system-connections/netplan-enp1s0f0np0.nmconnection"
KEYFILE = "/etc/NetworkManager/system-connections/cx7-enp1s0f0np0.nmconnection"
NETWORK = "/run/systemd/network/10-netplan-enp1s0f0np0.network"
ADDRESS = {"enp1s0f0np0": "192.168.100.11/24"}
# Renderer, addresses: what such a node says.
SAID: dict[tuple[str, bool], tuple[dict[str, str], dict[str, str]]] = {
    ("networkmanager", True): (NM, {"nm_state": "connected", "nm_file": NETPLAN}),
    ("networkmanager", False): (NM, {"nm_state": "disconnected"}),
    ("nmcli", True): (NM, {"nm_state": "connected", "nm_file": KEYFILE}),
    ("nmcli", False): (NM, {"nm_state": "disconnected"}),
    ("networkd", True): (NETWORKD, {"networkd_state": "configured", "networkd_file": NETWORK}),
    ("networkd", False): (NETWORKD, {"networkd_state": "unmanaged", "networkd_file": ""}),
}


def node(renderer: str, addresses: bool, auto_default: bool = False) -> Node:
    """One whose twin of the cabled port is left out, so that there is one port to talk of."""
    entry = {"name": "a", "id": 1, "renderer": renderer, "fabric": ADDRESS if addresses else "none", "auto_default": auto_default}
    (made,) = parse({"name": "one", "lan": "10.77.0.0/24", "nodes": [entry], "cables": [["a/0"]]}).nodes
    return made


def answer(renderer: str, addresses: bool) -> dict[str, Any]:
    """What a node of that kind says; the twin has no address in either case."""
    daemons, port = SAID[renderer, addresses]
    lan = {"networkd_state": "unmanaged"} if renderer == "networkd" else {"nm_state": "unmanaged"}
    owners = {"enp1s0f0np0": port, "enP2p1s0f0np0": SAID[renderer, False][1], "enP7s7": lan}
    return {"daemons": dict(daemons), "owners": owners, "profiles": ["lo"]}


@pytest.mark.parametrize(("renderer", "addresses"), SAID)
def test_only_a_node_as_described_is_content(renderer: str, addresses: bool) -> None:
    for described in SAID:
        left = list(renderer_complaints(node(*described), answer(renderer, addresses)))
        same = described == (renderer, addresses) or (not addresses and not described[1] and "networkd" not in {renderer, described[0]})
        assert (left == []) == same, (described, left)  # without profiles, nmcli and netplan look alike


@pytest.mark.parametrize("renderer", ["networkmanager", "networkd", "nmcli"])
def test_the_other_daemon_does_not_run(renderer: str) -> None:
    found = answer(renderer, True)
    found["daemons"] = {"NetworkManager": "active", "systemd-networkd": "active"}
    (line,) = renderer_complaints(node(renderer, True), found)
    assert line.startswith("a: the network's daemons are")


def test_the_lan_is_left_to_docker() -> None:
    found = answer("networkmanager", True)
    found["owners"]["enP7s7"] = {"nm_state": "connected", "nm_file": "/run/NetworkManager/system-connections/netplan-enP7s7.nmconnection"}
    (line,) = renderer_complaints(node("networkmanager", True), found)
    assert "enP7s7 is with" in line


def test_networkmanager_tries_dhcp_only_where_the_description_says_so() -> None:
    trying = answer("networkmanager", False)
    trying["owners"]["enp1s0f0np0"] = {"nm_state": "connecting (getting IP configuration)", "nm_file": "Wired connection 1.nmconnection"}
    trying["profiles"] = ["lo", "Wired connection 1"]
    assert list(renderer_complaints(node("networkmanager", False, auto_default=True), trying)) == []
    assert any("wanted no Wired connection" in line for line in renderer_complaints(node("networkmanager", False), trying))
    (line,) = renderer_complaints(node("networkmanager", False, auto_default=True), answer("networkmanager", False))
    assert "wanted a Wired connection" in line


def test_a_port_without_a_described_address_has_none() -> None:
    bare = node("networkd", False)
    assert list(rail_complaints(bare, "enp1s0f0np0", {}, {"addresses": {"enp1s0f0np0": []}})) == []
    (line,) = rail_complaints(bare, "enp1s0f0np0", {}, {"addresses": {"enp1s0f0np0": ["192.168.9.9/24"]}})
    assert line == "a: enp1s0f0np0 has 192.168.9.9/24, wanted no address"
