# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is chosen about GIDs, NCCL must end up at the planned index on every HCA."""

from __future__ import annotations

import ipaddress
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _gid
from simulation.stand_in.vllm_stand_in.nccl_choice import choose_gid
from tests.unit.plugins.fixtures.nccl import gid_table

NETDEV = "enp1s0f0np0"
TWIN = "enP2p1s0f0np0"
LOCAL = "fe80::5eff:fe10:100"


def gid(index: int, address: str, kind: Optional[str] = "v2", netdev: Optional[str] = NETDEV) -> dict[str, Any]:
    ipv6 = address if ":" in address else f"::ffff:{address}"
    return {"index": index, "gid": ipaddress.IPv6Address(ipv6).exploded, "type": kind, "netdev": netdev, "ipv4": _gid.ipv4_of(ipv6)}


def both(index: int, address: str, netdev: str = NETDEV) -> list[dict[str, Any]]:
    return [gid(index, address, "v1", netdev), gid(index + 1, address, "v2", netdev)]


def rail(ipv4: Optional[str], gids: list[dict[str, Any]], device: str = "rocep1s0f0", netdev: str = NETDEV, **more: Any) -> dict[str, Any]:
    addresses = [{"address": ipv4, "prefix_length": 24, "network": str(ipaddress.ip_network(f"{ipv4}/24", strict=False))}] if ipv4 else []
    return {"device": device, "port": 1, "netdev": netdev, "ipv4": addresses, "gids": gids, **more}


def twin(ipv4: str, gids: list[dict[str, Any]]) -> dict[str, Any]:
    return rail(ipv4, gids, "roceP2p1s0f0", TWIN)


CLEAN = [*both(0, LOCAL), *both(2, "10.0.0.1")]


@pytest.mark.parametrize(
    ("gids", "options", "index"),
    [
        (CLEAN, {}, 3),
        ([*both(0, LOCAL), *both(4, "10.0.0.1")], {}, 5),  # a hole
        ([*both(0, LOCAL), *both(2, "fe80::1"), *both(4, "10.0.0.1")], {}, 5),
        ([*CLEAN, *both(4, "10.0.9.1")], {}, 3),  # it stays at the first
        ([*CLEAN, *both(4, "10.0.9.1")], {"addr_range": "10.0.9.0/24"}, 5),
        ([*CLEAN, *both(4, "10.0.9.1")], {"addr_range": "10.0.0.0/16"}, 3),
        ([*CLEAN, *both(4, "10.0.9.1")], {"addr_range": "10.7.0.0/16"}, 0),  # nothing fits
        ([*CLEAN, *both(4, "10.0.9.1")], {"addr_range": "10.0.9.1/32"}, 5),
        ([*CLEAN, *both(4, "10.0.9.1")], {"addr_range": "0.0.0.0/0"}, 3),
        (CLEAN, {"addr_range": "fd00::/8"}, 3),  # not of the family: ignored
        (CLEAN, {"roce_version": 1}, 2),
        ([gid(0, LOCAL), gid(1, "10.0.0.1")], {}, 1),  # soft-RoCE has no v1 entries
        ([gid(0, "10.0.0.1"), gid(1, "10.0.0.2")], {"addr_range": "10.0.0.2/32"}, 0),  # it starts at 0 and never leaves a good one
        ([*both(0, LOCAL), gid(2, "10.0.0.1", "v1"), gid(3, "10.0.0.2")], {}, 3),
        ([*both(0, LOCAL), gid(2, "10.0.0.1", None), gid(3, "10.0.0.2", None)], {}, 2),  # types that can't be read
        ([*both(0, LOCAL), gid(2, "10.0.0.1", "v2", "enp1s0f0np0.100"), gid(3, "10.0.0.2")], {}, 2),  # the netdev is not looked at
        ([*both(0, LOCAL), gid(2, "ff0e::ffff:10.0.0.1", "v1")], {}, 2),  # a mapped multicast address counts as IPv4
        ([*CLEAN, *both(4, "fd00::1")], {"family": "AF_INET6"}, 5),
        ([*CLEAN, *both(4, "fd00::1")], {"family": "AF_INET6", "addr_range": "fd00::/64"}, 5),
        ([*CLEAN, *both(5, "fd00::1")], {"family": "AF_INET6"}, 6),
        ([gid(0, LOCAL), gid(1, "10.0.0.1")], {"family": "AF_INET6", "table_length": 3}, 0),
        ([gid(0, LOCAL), gid(1, "fd00::1")], {"family": "AF_INET6"}, 1),  # a link-local one is left even for the same version
        (both(0, LOCAL), {"family": "AF_INET6"}, 0),  # and not taken for the right one
        ([gid(0, "10.0.0.1")], {"family": "AF_INET6", "table_length": 3}, 1),  # an empty entry is of the other family
        ([], {"table_length": 255}, 0),
        ([], {}, 0),
        (CLEAN, {"table_length": 3}, 2),  # entries beyond the table are not seen
    ],
)
def test_the_model_chooses_as_nccl_does(gids: list[dict[str, Any]], options: dict[str, Any], index: int) -> None:
    assert _gid.nccl_choice(gids, **options) == index


def test_a_range_that_is_no_cidr_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        _gid.nccl_choice(CLEAN, addr_range="nonsense")


@pytest.mark.parametrize(
    ("ipv4", "netdev", "index"),
    [("10.0.0.1", NETDEV, 3), ("10.0.0.2", NETDEV, None), ("10.0.0.1", TWIN, None), (None, NETDEV, None), ("10.0.0.1", None, None)],
)
def test_a_rails_index_needs_its_address_and_its_own_netdev(ipv4: Any, netdev: Any, index: Any) -> None:
    assert _gid.index_of([*CLEAN, *both(4, "10.0.0.1"), gid(9, "10.0.0.1", None)], ipv4, netdev) == index


def test_a_right_free_choice_is_left_alone() -> None:
    rails = [rail("10.0.0.1", CLEAN), twin("10.0.1.1", [*both(0, LOCAL, TWIN), *both(4, "10.0.1.1", TWIN)])]
    choice = _gid.choose(rails)
    assert (choice.env, choice.error) == ({}, None)
    assert choice.env_unset == list(_gid.NAMES)
    assert choice.indexes == {"rocep1s0f0:1": 3, "roceP2p1s0f0:1": 5}
    assert "rocep1s0f0:1 index 3" in choice.reason


def test_one_index_is_set_where_all_hcas_agree_against_nccl() -> None:
    rails = [rail("10.0.0.1", [*both(0, LOCAL), *both(2, "10.9.0.1"), *both(4, "10.0.0.1")]),
             twin("10.0.1.1", [*both(0, LOCAL, TWIN), *both(4, "10.0.1.1", TWIN)])]  # fmt: skip
    choice = _gid.choose(rails)
    assert choice.env == {"NCCL_IB_GID_INDEX": "5"}
    assert choice.env_unset == ["NCCL_IB_ADDR_RANGE", "NCCL_IB_ADDR_FAMILY", "NCCL_IB_ROCE_VERSION_NUM"]
    assert "3 on rocep1s0f0:1" in choice.reason


def test_a_range_is_set_where_the_indexes_differ() -> None:
    rails = [rail("10.0.0.1", [*both(0, LOCAL), *both(2, "10.9.0.1"), *both(4, "10.0.0.1")]),
             twin("10.0.1.1", [*both(0, LOCAL, TWIN), *both(2, "10.0.1.1", TWIN)])]  # fmt: skip
    choice = _gid.choose(rails)
    assert choice.env == {"NCCL_IB_ADDR_RANGE": "10.0.0.0/23"}
    assert choice.env_unset == ["NCCL_IB_GID_INDEX", "NCCL_IB_ADDR_FAMILY", "NCCL_IB_ROCE_VERSION_NUM"]


@pytest.mark.parametrize(
    "first",
    [
        [*both(0, LOCAL), *both(2, "10.0.0.77"), *both(4, "10.0.0.1")],  # inside any range over both rails
        [gid(0, "10.9.0.1"), *both(4, "10.0.0.1")],  # NCCL starts at an address from which no range leads away
    ],
)
def test_it_is_an_error_where_no_setting_fits(first: list[dict[str, Any]]) -> None:
    choice = _gid.choose([rail("10.0.0.1", first), twin("10.0.1.1", [*both(0, LOCAL, TWIN), *both(2, "10.0.1.1", TWIN)])])
    assert choice.error is not None
    assert choice.error.id == "gid.conflict"
    assert (choice.env, choice.reason, choice.env_unset) == ({}, "", list(_gid.NAMES))
    assert all(
        text in str(choice.error) for text in ("rocep1s0f0:1 index 5", "roceP2p1s0f0:1 index 3", "remedy: remove the other addresses")
    )


@pytest.mark.parametrize(
    "rails", [[rail("10.0.0.1", both(0, LOCAL))], [rail(None, CLEAN)], [rail("10.0.0.1", both(2, "10.0.0.1", "a.100"))], []]
)
def test_it_is_an_error_where_a_rail_has_no_gid(rails: list[dict[str, Any]]) -> None:
    choice = _gid.choose(rails)
    assert choice.error is not None
    assert choice.error.id == "gid.missing"
    assert choice.env == {}


def test_the_planned_address_counts_and_not_the_first() -> None:
    gids = [*both(0, LOCAL), *both(2, "10.9.0.1"), *both(4, "10.0.0.1")]
    assert _gid.choose([rail("10.9.0.1", gids, planned_ipv4="10.0.0.1")]).env == {"NCCL_IB_GID_INDEX": "5"}


STRANGERS = st.sampled_from(["10.9.0.1", "10.9.0.2", "172.16.0.1", "192.168.0.1", "10.0.0.7", "10.0.2.9", LOCAL, "fe80::", "fd00::1"])
ENTRIES = st.one_of(
    st.none(),  # an unused entry
    st.tuples(STRANGERS, st.sampled_from(["v1", "v2", "v2", None]), st.sampled_from([NETDEV, f"{NETDEV}.100", None])),
)


@st.composite
def sets_of_rails(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One to four rails, each with its address anywhere in a table of strangers and holes, now and then nowhere."""
    rails = []
    for number in range(draw(st.integers(1, 4))):
        own = f"10.0.{number}.1"
        entries = draw(st.lists(ENTRIES, max_size=5))
        if draw(st.integers(0, 19)):
            entries += [(own, "v1", NETDEV), (own, "v2", NETDEV)] if draw(st.booleans()) else [(own, "v2", NETDEV)]
        entries += draw(st.lists(ENTRIES, max_size=4))
        gids = [gid(index, *entry) for index, entry in enumerate(entries) if entry is not None]
        rails.append(rail(own, gids, f"mlx5_{number}", gid_table_length=len(entries) + draw(st.integers(0, 3))))
    return rails


@settings(max_examples=2000, deadline=None)
@given(sets_of_rails())
def test_whatever_is_chosen_nccl_takes_the_planned_index_on_every_hca(rails: list[dict[str, Any]]) -> None:
    choice = _gid.choose(rails)
    planned = {f"{r['device']}:1": _gid.index_of(r["gids"], r["ipv4"][0]["address"], NETDEV) for r in rails}
    assert choice.indexes == planned
    assert set(choice.env) | set(choice.env_unset) == set(_gid.NAMES)
    assert not set(choice.env) & set(choice.env_unset)
    assert all(choice.env.values())
    assert (choice.error is None) == bool(choice.reason)
    if choice.error is not None:
        assert choice.env == {}
        return
    index, addr_range = choice.env.get("NCCL_IB_GID_INDEX"), choice.env.get("NCCL_IB_ADDR_RANGE")
    for device in rails:
        free = _gid.nccl_choice(device["gids"], device["gid_table_length"], addr_range=addr_range)
        assert (free if index is None else int(index)) == planned[f"{device['device']}:1"]
    if addr_range is not None:
        held = {(r["device"], g["index"]) for r in rails for g in r["gids"] if g["type"] == "v2" and _inside(g["ipv4"], addr_range)}
        assert held == {(r["device"], planned[f"{r['device']}:1"]) for r in rails}


def _inside(address: Optional[str], network: str) -> bool:
    return address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(network)


@settings(max_examples=300, deadline=None)
@given(sets_of_rails())
def test_an_error_is_only_given_where_no_setting_exists(rails: list[dict[str, Any]]) -> None:
    choice = _gid.choose(rails)
    if choice.error is None or choice.error.id == "gid.missing":
        return
    planned = [_gid.index_of(r["gids"], r["ipv4"][0]["address"], NETDEV) for r in rails]
    assert len(set(planned)) > 1
    others = {g["ipv4"] for r, index in zip(rails, planned) for g in r["gids"] if g["type"] == "v2" and g["ipv4"] and g["index"] != index}
    for length in range(33):
        network = ipaddress.ip_network((rails[0]["ipv4"][0]["address"], length), strict=False)
        covers = all(_inside(r["ipv4"][0]["address"], str(network)) for r in rails)
        if not covers or any(_inside(address, str(network)) for address in others):
            continue
        assert [_gid.nccl_choice(r["gids"], r["gid_table_length"], addr_range=str(network)) for r in rails] != planned


RANGES = st.sampled_from([None, "10.0.0.0/24", "10.0.0.0/16", "10.9.0.1/32", "10.0.0.9/8", "0.0.0.0/0", "fd00::/8", "fe80::/10", "::/0"])


@settings(max_examples=3000, deadline=None)
@given(sets_of_rails(), st.sampled_from(["AF_INET", "AF_INET6"]), RANGES, st.sampled_from([1, 2]))
def test_two_models_of_nccl_written_apart_choose_the_same(
    rails: list[dict[str, Any]], family: str, addr_range: Optional[str], version: int
) -> None:
    """The one that plans, and the one that the stand-in runs on: neither can be wrong without the other."""
    environ = {"NCCL_IB_ADDR_FAMILY": family, "NCCL_IB_ADDR_RANGE": addr_range or "", "NCCL_IB_ROCE_VERSION_NUM": str(version)}
    for device in rails:
        table = gid_table(device["gids"], device["gid_table_length"])
        chosen = _gid.nccl_choice(device["gids"], device["gid_table_length"], family, addr_range, version)
        assert chosen == choose_gid(table, environ)
