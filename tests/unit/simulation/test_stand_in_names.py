# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Optional

import pytest

from simulation.stand_in.vllm_stand_in.network import Fatal, Interface, gloo_interface, listen, nccl_interface

KNOWN = [
    Interface("lo", "127.0.0.1", True),
    Interface("enp1s0f0np0", "192.168.100.11", True),
    Interface("enp1s0f1np1", None, False),
    Interface("enP7s7", "10.77.0.11", True),
    Interface("docker0", "172.17.0.1", False),
]


@pytest.mark.parametrize("value", ["=enp1s0f0np0", "^lo", "nosuch0", "lo,nosuch0", "enp1s0f1np1", "enp1s0f0"])
def test_gloo_wants_exact_names_that_have_an_address(value: str) -> None:
    with pytest.raises(Fatal, match=r"ifa != nullptr\. Unable to find address for: "):
        gloo_interface(value, KNOWN)


def test_gloo_takes_the_first_of_several() -> None:
    assert gloo_interface("enp1s0f0np0,lo", KNOWN).address == "192.168.100.11"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "enp1s0f0np0"),
        ("", "enp1s0f0np0"),
        ("enP", "enP7s7"),
        ("=enP7s7", "enP7s7"),
        ("=enP", None),
        ("^lo,enp1", "enP7s7"),
        ("^=lo", "enp1s0f0np0"),
        ("eth", None),
        ("docker", None),
    ],
)
def test_nccl_takes_prefixes_and_signs(value: Optional[str], name: Optional[str]) -> None:
    found = nccl_interface(value, KNOWN)
    assert (found.name if found else None) == name


def test_host_ip_of_another_node_is_refused_as_zmq_does() -> None:
    with pytest.raises(Fatal, match=r"zmq.error.ZMQError: Cannot assign requested address \(addr='tcp://192.0.2.77:0'\)"):
        listen("192.0.2.77")
