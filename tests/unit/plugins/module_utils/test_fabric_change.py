# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rails that come and go: what is written for them, what is in force, and what is as it was afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_change as fabric
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_restore as restore
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_compare import compare
from tests.unit.plugins.fixtures.node import Node

PORT0, PORT1 = "enp1s0f0np0", "enp1s0f1np1"
OURS, THEIRS = "etc/netplan/90-dgx-spark-fabric.yaml", "etc/netplan/40-cx7.yaml"
PROFILES = "etc/NetworkManager/system-connections"
USERS = """\
# by hand
network:
  version: 2
  ethernets:
    {}: {{addresses: [192.168.9.1/24], mtu: 4000}}
"""
KEYFILE = """\
[connection]
id=cx7
uuid=11111111-2222-3333-4444-555555555555
interface-name=enp1s0f0np0
[ethernet]
mtu=4000
[ipv4]
address1=192.168.9.1/24
"""


def rail(interface: str, address: str = "10.100.0.1/24") -> dict[str, Any]:
    return {"interface": interface, "address": address, "mtu": 9000, "routes": []}


def give(*rails: dict[str, Any], adopt: bool = True, confirm: bool = True) -> bool:
    """Give the rails their addresses as the module does; whether something was changed."""
    change = compare(rails, [PORT0, PORT1], adopt)
    if change is None:
        return False
    identifier = fabric.apply(change, fabric.addresses_of(["enP7s7"], ()), 60)
    fabric.check(identifier)
    if confirm:
        fabric.confirm(identifier)
    return True


@pytest.fixture(params=["networkd", "NetworkManager"])
def node(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node with a cable in port 0, to which somebody has given an address by netplan."""
    found = Node(tmp_path, monkeypatch, networkd=request.param == "networkd")
    found.write(THEIRS, USERS.format(PORT0))
    found.links[PORT1].carrier = False
    found.boot()
    assert found.links[PORT0].addresses == ["192.168.9.1/24"]
    return found


@pytest.fixture
def with_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node with a cable in port 0, to which somebody has given an address by a profile of NetworkManager."""
    found = Node(tmp_path, monkeypatch)
    found.write(f"{PROFILES}/cx7.nmconnection", KEYFILE)
    found.write("etc/netplan/01-network-manager-all.yaml", "network: {version: 2, renderer: NetworkManager}\n")
    found.links[PORT1].carrier = False
    found.boot()
    assert found.links[PORT0].addresses == ["192.168.9.1/24"]
    return found


@pytest.mark.parametrize("adopt", [True, False])
def test_rails_that_have_their_addresses_already_are_left_to_whoever_gave_them(node: Node, adopt: bool) -> None:
    before = node.files()
    assert not give({**rail(PORT0, "192.168.9.1/24"), "mtu": 4000}, adopt=adopt)
    assert node.files() == before and node.links[PORT0].addresses == ["192.168.9.1/24"]
    assert give(rail(PORT0, "192.168.9.2/24"), adopt=adopt) == adopt


def move_cable(node: Node) -> None:
    node.cable(PORT0, False)
    node.cable(PORT1, True)


def test_a_port_that_the_cable_has_left_is_as_it_was_before_also_after_a_reboot(node: Node) -> None:
    found = node.files()
    assert give(rail(PORT0)) and THEIRS not in node.files()
    move_cable(node)
    assert give(rail(PORT1))
    assert node.files()[THEIRS] == found[THEIRS] and PORT0 not in node.files()[OURS]
    assert (node.links[PORT0].addresses, node.links[PORT1].addresses) == ([], ["10.100.0.1/24"])
    assert not give(rail(PORT1)) and not give(rail(PORT1), adopt=False)
    node.boot()
    assert (node.links[PORT0].addresses, node.links[PORT1].addresses) == ([], ["10.100.0.1/24"])
    node.cable(PORT0, True)
    assert (node.links[PORT0].addresses, node.links[PORT0].mtu) == (["192.168.9.1/24"], 4000)
    fabric.absent()
    assert node.files() == found
    assert (node.links[PORT0].addresses, node.links[PORT1].addresses) == (["192.168.9.1/24"], [])


def test_a_port_that_is_a_rail_no_more_and_still_has_a_cable_has_at_once_what_it_had(node: Node) -> None:
    give(rail(PORT0))
    node.cable(PORT1, True)
    give(rail(PORT1))
    assert (node.links[PORT0].addresses, node.links[PORT0].mtu) == (["192.168.9.1/24"], 4000)


def test_a_port_that_has_left_the_node_with_its_cable_is_no_obstacle(node: Node) -> None:
    found = node.files()
    give(rail(PORT0))
    move_cable(node)
    del node.links[PORT0]
    give(rail(PORT1))
    assert node.files()[THEIRS] == found[THEIRS] and node.links[PORT1].addresses == ["10.100.0.1/24"]


def test_a_file_is_still_set_aside_while_it_is_about_a_rail_of_ours(node: Node) -> None:
    both = USERS.format(PORT0) + f"    {PORT1}: {{addresses: [192.168.8.1/24]}}\n"
    node.write(THEIRS, both)
    found = node.files()
    give(rail(PORT0))
    move_cable(node)
    give(rail(PORT1))
    assert THEIRS not in node.files()
    # No file in force is about port 0: what it had is remembered, and set by hand as long as the node runs.
    assert node.links[PORT0].addresses == ["192.168.9.1/24"]
    assert restore.read(restore.BEFORE)["interfaces"][PORT0]["addresses"] == ["192.168.9.1/24"]  # type: ignore[index]
    fabric.absent()
    assert node.files() == found


def test_what_somebody_has_written_anew_meanwhile_stays(node: Node) -> None:
    give(rail(PORT0))
    move_cable(node)
    node.write(THEIRS, USERS.format(PORT0).replace("192.168.9.1", "192.168.7.7"))
    give(rail(PORT1))
    assert "192.168.7.7" in node.files()[THEIRS]
    fabric.absent()
    assert "192.168.7.7" in node.files()[THEIRS] and OURS not in node.files()


def test_what_somebody_does_with_a_port_that_is_ours_no_more_is_theirs(node: Node) -> None:
    give(rail(PORT0))
    node.cable(PORT1, True)
    give(rail(PORT1))
    node.write(THEIRS, USERS.format(PORT0).replace("192.168.9.1", "192.168.7.7"))
    node.boot()
    fabric.absent()
    assert node.links[PORT0].addresses == ["192.168.7.7/24"] and OURS not in node.files()


def test_a_rail_that_comes_back_is_set_aside_and_put_back_once_more(node: Node) -> None:
    found = node.state()
    give(rail(PORT0))
    node.cable(PORT1, True)
    give(rail(PORT1))
    give(rail(PORT0))
    assert THEIRS not in node.files() and node.links[PORT0].addresses == ["10.100.0.1/24"]
    node.cable(PORT1, False)
    fabric.absent()
    assert {**node.state(), PORT1: 0} == {**found, PORT1: 0}


def test_a_change_that_nobody_confirms_takes_back_what_it_has_put_back(node: Node) -> None:
    give(rail(PORT0))
    node.cable(PORT1, True)
    found = node.state()
    give(rail(PORT1), confirm=False)
    assert THEIRS in node.files() and restore.revert()
    assert {**node.state(), PORT1: 0} == {**found, PORT1: 0}
    assert node.links[PORT1].addresses == []


def test_when_no_rail_is_left_to_us_nothing_is_remembered(node: Node) -> None:
    found = node.files()
    give(rail(PORT0))
    move_cable(node)
    node.links[PORT1].addresses, node.links[PORT1].mtu = ["10.100.0.1/24"], 9000
    assert give(rail(PORT1))
    assert node.files() == found and node.links[PORT1].addresses == ["10.100.0.1/24"]


def test_profiles_that_an_upgrade_has_moved_to_netplan_are_left_there_and_go_with_us(with_profile: Node) -> None:
    node, routed = with_profile, {**rail(PORT0), "routes": [{"to": "10.100.4.0/24", "via": "10.100.0.2"}]}
    give(routed)
    node.upgrade()
    (theirs,), (ours,) = ([path for path in node.files() if marker in node.files()[path]] for marker in ("name: cx7", "name: dgx-spark"))
    assert ours == "etc/netplan/90-NM-" + restore.profile_uuid(f"dgx-spark-{PORT0}") + ".yaml"
    found = {path: text for path, text in node.files().items() if path != ours and "var/lib" not in path}
    assert not give(routed) and not give(routed, adopt=False)
    node.boot()
    assert node.links[PORT0].addresses == ["10.100.0.1/24"] and not give(routed)
    # A profile that has to change is a file of ours again.
    assert give(rail(PORT0, "10.100.7.1/24"))
    assert ours not in node.files() and node.links[PORT0].addresses == ["10.100.7.1/24"]
    node.upgrade()
    fabric.absent()
    assert node.files() == found and theirs in found
    assert (node.links[PORT0].addresses, node.links[PORT0].mtu) == (["192.168.9.1/24"], 4000)
    node.boot()
    assert node.links[PORT0].addresses == ["192.168.9.1/24"]
    # It would have netplan write the others' files anew.
    assert not [words for words in node.commands if "delete" in words]


def test_addresses_that_were_set_by_hand_come_back_also_after_an_upgrade(with_profile: Node) -> None:
    node = with_profile
    node.cable(PORT1, True)
    node.links[PORT1].addresses = ["192.168.8.1/24"]
    give(rail(PORT0), rail(PORT1, "10.100.1.1/24"))
    node.upgrade()
    fabric.absent()
    assert (node.links[PORT0].addresses, node.links[PORT1].addresses) == (["192.168.9.1/24"], ["192.168.8.1/24"])


def test_a_change_of_a_moved_profile_that_nobody_confirms_is_taken_back(with_profile: Node) -> None:
    node = with_profile
    give(rail(PORT0))
    node.upgrade()
    found = node.state()
    give(rail(PORT0, "10.100.7.1/24"), confirm=False)
    assert node.state() != found and restore.revert()
    assert node.state() == found


def test_netplan_is_used_where_it_works_and_nobody_has_made_a_profile(with_profile: Node) -> None:
    node = with_profile
    node.path(f"{PROFILES}/cx7.nmconnection").unlink()
    node.path("etc/netplan/01-network-manager-all.yaml").unlink()
    node.boot()
    found = node.files()
    give(rail(PORT0))
    assert OURS in node.files() and not [path for path in node.files() if path.startswith(PROFILES)]
    fabric.absent()
    assert node.files() == found == {}
    node.fails = lambda words: (127, "", "netplan: not found") if words[0] == "netplan" else None
    give(rail(PORT0))
    assert f"{PROFILES}/dgx-spark-{PORT0}.nmconnection" in node.files() and OURS not in node.files()
    fabric.absent()
    assert node.files() == {}


def test_a_profile_goes_with_its_rail_and_the_users_own_comes_up(with_profile: Node) -> None:
    node = with_profile
    found = node.files()
    give(rail(PORT0))
    assert f"{PROFILES}/dgx-spark-{PORT0}.nmconnection" in node.files() and node.links[PORT0].addresses == ["10.100.0.1/24"]
    node.cable(PORT1, True)
    give(rail(PORT1))
    assert sorted(set(node.files()) - set(found)) == [f"{PROFILES}/dgx-spark-{PORT1}.nmconnection", "var/lib/dgx-spark/fabric/before.json"]
    assert node.links[PORT0].addresses == ["192.168.9.1/24"]
    fabric.absent()
    assert node.files() == found
