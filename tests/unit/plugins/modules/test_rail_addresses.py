# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that can't be meant are refused before anything is looked at. What the module does to a node is tried on simulated ones."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.modules import rail_addresses

GOOD = {"interface": "enp1s0f0np0", "address": "10.100.0.1/24", "mtu": 9000, "routes": [{"to": "10.100.4.0/24", "via": "10.100.0.2"}]}


def wrong(revert_after: int = 120, **rail: Any) -> str:
    return rail_addresses.wrong({"rails": [{**GOOD, **rail}], "revert_after": revert_after}) or ""


def test_what_is_meant_is_taken() -> None:
    assert rail_addresses.wrong({"rails": None, "revert_after": 30}) is None
    assert rail_addresses.wrong({"rails": [GOOD, {**GOOD, "interface": "enP2p1s0f0np0"}], "revert_after": 30}) is None


@pytest.mark.parametrize("name", ["", "a/b", "a" * 16, "a b", "a:", "a\nb", "#a", "{a}"])
def test_names_that_no_interface_has_and_that_would_break_a_file(name: str) -> None:
    assert wrong(interface=name).startswith(f"rails[0].interface: found {name!r}, wanted the name")


def test_an_interface_is_named_once() -> None:
    assert (rail_addresses.wrong({"rails": [GOOD, GOOD], "revert_after": 60}) or "").startswith("rails[1].interface: found 'enp1s0f0np0'")


@pytest.mark.parametrize(
    ("rail", "said"),
    [
        ({"address": "10.100.0.1"}, "rails[0].address: found 10.100.0.1, wanted a prefix length too, such as 10.100.0.1/24"),
        ({"address": "10.100.0.300/24"}, "rails[0]: "),
        ({"address": "fd00::1/64"}, "rails[0]: "),
        ({"routes": [{"to": "10.100.4.1/24", "via": "10.100.0.2"}]}, "rails[0]: 10.100.4.1/24 has host bits set"),
        ({"routes": [{"to": "10.100.4.0/24", "via": "nobody"}]}, "rails[0]: "),
        ({"mtu": 576}, "rails[0].mtu: found 576, wanted 1280 to 9216 bytes"),
        ({"mtu": 65536}, "rails[0].mtu: found 65536"),
    ],
)
def test_addresses_that_are_none(rail: dict[str, Any], said: str) -> None:
    assert wrong(**rail).startswith(said)


def test_too_short_a_time_to_confirm() -> None:
    assert wrong(revert_after=29).startswith("revert_after: found 29, wanted 30 seconds or more")
