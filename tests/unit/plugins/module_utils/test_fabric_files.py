# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that give rails their addresses, which rails are in them, and what must be set aside for that."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from typing import Any, Optional

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_files as files
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_renderer import Definitions, Interface, about, read_definitions
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_restore import NETWORKD, NETWORKMANAGER, PROFILES, FabricError

Rail = dict[str, Any]


def rail(interface: str = "enp1s0f0np0", address: str = "10.100.0.1/24", mtu: int = 9000, *routes: tuple[str, str]) -> Rail:
    return {"interface": interface, "address": address, "mtu": mtu, "routes": [{"to": to, "via": via} for to, via in routes]}


def live(one: Rail, **changed: Any) -> Rail:
    routes = [f"{route['to']} via {route['via']}" for route in one["routes"]]
    return {"addresses": [one["address"]], "mtu": one["mtu"], "uuid": None, "routes": routes, **changed}


ROUTED = rail("enP2p1s0f1np1", "10.100.3.2/30", 1500, ("10.100.4.0/30", "10.100.3.1"), ("10.100.5.0/30", "10.100.3.1"))


@pytest.mark.parametrize(("renderer", "name"), [(NETWORKD, "networkd"), (NETWORKMANAGER, "NetworkManager")])
def test_netplan_gets_the_address_and_nothing_that_nobody_asked_for(renderer: str, name: str) -> None:
    ((path, text),) = files.files_of([rail(), ROUTED], renderer).items()
    assert path == files.NETPLAN_FILE
    common = {"renderer": name, "optional": True, "dhcp4": False, "dhcp6": False, "link-local": []}
    assert yaml.safe_load(text) == {
        "network": {
            "version": 2,
            "ethernets": {
                "enp1s0f0np0": {**common, "mtu": 9000, "addresses": ["10.100.0.1/24"]},
                "enP2p1s0f1np1": {**common, "mtu": 1500, "addresses": ["10.100.3.2/30"], "routes": ROUTED["routes"]},
            },
        }
    }


def test_networkmanager_gets_a_profile_for_each_rail_that_goes_before_others() -> None:
    texts = files.files_of([rail(), ROUTED], PROFILES)
    assert list(texts) == [f"{files.CONNECTIONS}/dgx-spark-{name}.nmconnection" for name in ("enp1s0f0np0", "enP2p1s0f1np1")]
    profiles = []
    for text in texts.values():
        profile = configparser.ConfigParser()
        profile.read_string(text)
        profiles.append(profile)
    assert profiles[0]["connection"]["uuid"] != profiles[1]["connection"]["uuid"]
    assert {**profiles[1]["connection"]}.items() >= {"interface-name": "enP2p1s0f1np1", "autoconnect-priority": "100"}.items()
    assert {**profiles[1]["ipv4"]} == {
        "method": "manual",
        "address1": "10.100.3.2/30",
        "never-default": "true",
        "route1": "10.100.4.0/30,10.100.3.1",
        "route2": "10.100.5.0/30,10.100.3.1",
    }
    assert profiles[1]["ipv6"]["method"] == "disabled" and profiles[1]["ethernet"]["mtu"] == "1500"


@pytest.mark.parametrize("renderer", [NETWORKD, NETWORKMANAGER, PROFILES])
def test_without_rails_there_is_no_file(renderer: str) -> None:
    assert files.files_of([], renderer) == {}


def test_a_rail_is_live_with_its_address_alone_its_mtu_and_its_routes() -> None:
    assert files.is_live(ROUTED, live(ROUTED))
    assert files.is_live(rail(), live(rail(), routes=["172.16.0.0/12 via 10.100.0.9"]))
    assert not files.is_live(ROUTED, live(ROUTED, mtu=9000))
    assert not files.is_live(ROUTED, live(ROUTED, addresses=["10.100.3.2/24"]))
    assert not files.is_live(ROUTED, live(ROUTED, addresses=["10.100.3.2/30", "10.9.9.9/24"]))
    assert not files.is_live(ROUTED, live(ROUTED, routes=["10.100.4.0/30 via 10.100.3.1"]))


def written(now: dict[str, Rail], ours: set[str], others: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    rails = [rail("a"), rail("b", "10.100.1.1/24")]
    found, aside = files.to_write(rails, now, ours, lambda names: {p: every for p, every in others.items() if set(every) & set(names)})
    return [one["interface"] for one in found], list(aside)


LIVE = {"a": live(rail("a")), "b": live(rail("b", "10.100.1.1/24"))}
BARE: dict[str, Any] = {"addresses": [], "mtu": 1500, "uuid": None, "routes": []}


def test_only_what_is_not_right_or_ours_already_is_written() -> None:
    assert written(LIVE, set(), {}) == ([], [])
    assert written({**LIVE, "b": BARE}, set(), {}) == (["b"], [])
    assert written(LIVE, {"a"}, {}) == (["a"], [])
    assert written({**LIVE, "b": BARE}, {"a", "gone"}, {}) == (["a", "b"], [])


def test_a_file_of_others_is_set_aside_with_all_that_it_defines() -> None:
    both, unused = {"/x": ["a", "b"]}, {"/x": ["a", "c"], "/y": ["c"]}
    assert written(LIVE, set(), both) == ([], [])
    assert written({**LIVE, "b": BARE}, set(), both) == (["a", "b"], ["/x"])
    assert written({**LIVE, "a": BARE}, set(), unused) == (["a"], ["/x"])
    # The second file comes in by what the first one brought.
    assert written({**LIVE, "a": BARE}, set(), {"/x": ["a", "b"], "/y": ["b"]}) == (["a", "b"], ["/x", "/y"])


NODE = {
    "enp1s0f0np0": Interface("aa:bb:cc:00:00:01", "mlx5_core"),
    "enP2p1s0f0np0": Interface("aa:bb:cc:00:00:02", "mlx5_core"),
    "enP7s7": Interface("aa:bb:cc:00:00:03", "r8127"),
    "wlP9s9": Interface("aa:bb:cc:00:00:04", "mt7925e"),
}
FUNCTIONS = ["enp1s0f0np0", "enP2p1s0f0np0"]


def text(match: dict[str, Any], name: str = "x", renderer: Optional[str] = None, other: Sequence[str] = ()) -> dict[str, Any]:
    """A file of netplan, as it is read on the node."""
    return {"renderer": renderer, "other": list(other), "ethernets": {name: match}}


def definition(match: dict[str, Any], name: str = "x") -> tuple[list[str], list[str]]:
    """The rails that a definition is for, and what it is about beside them."""
    found = read_definitions({"/x": text(match, name)}, FUNCTIONS, NODE)
    return (found["/x"].interfaces, found["/x"].other) if found else ([], [])


@pytest.mark.parametrize(
    ("name", "match", "interfaces", "other"),
    [
        ("enp1s0f0np0", {}, ["enp1s0f0np0"], []),
        ("enP7s7", {}, [], []),
        ("rail", {"macaddress": "AA:BB:CC:00:00:02"}, ["enP2p1s0f0np0"], []),
        ("NM-1", {"name": "enp1s0f0np0"}, ["enp1s0f0np0"], []),
        ("rails", {"name": ["enp*f0np0", "enP*f0np0"]}, ["enP2p1s0f0np0", "enp1s0f0np0"], []),
        ("cx7", {"driver": "mlx5*"}, ["enP2p1s0f0np0", "enp1s0f0np0"], []),
        ("one", {"name": "en*", "macaddress": "aa:bb:cc:00:00:01"}, ["enp1s0f0np0"], []),
        # These are for the LAN too, or for it alone.
        ("all", {"name": "en*"}, ["enP2p1s0f0np0", "enp1s0f0np0"], ["all"]),
        ("any", {"driver": ["mlx5_core", "r8127"]}, ["enP2p1s0f0np0", "enp1s0f0np0"], ["any"]),
        ("lan", {"driver": "r8127"}, [], []),
        ("none", {"name": "eth*"}, [], []),
    ],
)
def test_netplans_definitions_are_known_by_name_pattern_mac_and_driver(
    name: str, match: dict[str, Any], interfaces: list[str], other: list[str]
) -> None:
    assert definition(match, name) == (interfaces, other)


def test_a_file_that_chooses_the_nodes_renderer_is_about_more_than_rails() -> None:
    rails = text({}, "enp1s0f0np0", renderer="NetworkManager")

    def other(**others: dict[str, Any]) -> list[str]:
        return read_definitions({"rails": rails, **others}, FUNCTIONS, NODE)["rails"].other

    assert other() == other(lan=text({}, "enP7s7")) == other(lan=text({}, "enP7s7", renderer="networkd")) == ["renderer"]
    # Without it there is still one that says the same.
    assert other(lan=text({}, "enP7s7", renderer="NetworkManager")) == []


def test_a_file_about_more_than_rails_is_refused_by_name_where_it_stands_in_the_way() -> None:
    mixed = {"/etc/netplan/1.yaml": Definitions(["a"], ["a"], ["enP7s7", "wifis"]), "/etc/netplan/2.yaml": Definitions(["b"], ["x"], [])}
    assert about(mixed, ["b"]) == {"/etc/netplan/2.yaml": ["b"]}
    with pytest.raises(
        FabricError, match=r"found /etc/netplan/1\.yaml, which defines a and also enP7s7, wifis, wanted rails in a file of their"
    ):
        about(mixed, ["a"])


@given(st.lists(st.sampled_from("abcd"), unique=True, min_size=1), st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_whatever_is_there_a_second_look_finds_nothing_to_add(names: list[str], ours: set[str], broken: set[str]) -> None:
    rails = [rail(name, f"10.100.{number}.1/24") for number, name in enumerate(names)]
    now = {one["interface"]: BARE if one["interface"] in broken else live(one) for one in rails}
    others = {"/x": ["a", "b"], "/y": ["c"]}
    wanted, aside = files.to_write(rails, now, ours, lambda found: {p: every for p, every in others.items() if set(every) & set(found)})
    interfaces = {one["interface"] for one in wanted}
    left = {path: every for path, every in others.items() if path not in aside}
    again = files.to_write(
        rails,
        {one["interface"]: live(one) for one in rails},
        interfaces,
        lambda found: {p: e for p, e in left.items() if set(e) & set(found)},
    )
    assert again == (wanted, {})
    assert not interfaces.intersection(*[{i for every in left.values() for i in every}]) and interfaces <= set(names)
