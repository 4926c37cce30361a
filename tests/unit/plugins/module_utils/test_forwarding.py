# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules are those of real nodes: Docker 20.10 and 29 on them, and the two rules that FujitsuPolycom/sparkring#95 wants on a ring."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _forward_unit, _forwarding

RAILS = ("enp1s0f0np0", "enp1s0f1np1")
DOCKER = """\
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-ISOLATION-STAGE-1
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
"""
BETWEEN = "-A DOCKER-USER -i enp1s0f0np0 -o enp1s0f1np1 -j ACCEPT\n"


@pytest.mark.parametrize(
    ("rules", "accepted"),
    [
        ("", False),
        (BETWEEN, True),
        ("-A DOCKER-USER -i enp1s0f0np0 -j ACCEPT\n", True),
        ("-A FORWARD -i enp1s0f+ -o enp1s0f+ -j ACCEPT\n", True),
        ("-A FORWARD -i enp1s0f0np0 ! -o docker0 -j ACCEPT\n", True),
        ("-A DOCKER-USER -s 192.168.100.0/22 -j ACCEPT\n", True),
        ('-A DOCKER-USER -m comment --comment "the fabric, all of it" -j ACCEPT\n', True),
        # A chain of one's own, and one more.
        ("-N FABRIC\n-N RAILS\n-A FORWARD -g FABRIC\n-A FABRIC -j RAILS\n-A RAILS -i enp1s0f1np1 -j ACCEPT\n", True),
        # Between a rail and something else, or some packets only.
        ("-A DOCKER-USER -i enp1s0f0np0 -o enP7s7 -j ACCEPT\n", False),
        ("-A FORWARD -o enp1s0f1+ -i wl+ -j ACCEPT\n", False),
        ("-A FORWARD -p icmp -j ACCEPT\n", False),
        ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", False),
        # What is addressed to the node itself, and a chain that nothing leads to.
        ("-A INPUT -i enp1s0f0np0 -j ACCEPT\n", False),
        ("-N FABRIC\n-A FABRIC -i enp1s0f0np0 -j ACCEPT\n", False),
        # Chains that lead to each other are read once.
        ("-N A\n-N B\n-A FORWARD -j A\n-A A -j B\n-A B -j A\n", False),
        ("-A DOCKER-USER -i enp1s0f0np0 -j DROP\n", False),
        ('-A DOCKER-USER -m comment --comment "unfinished -j ACCEPT\n', False),
    ],
)
def test_rule_that_accepts_packets_between_rails_is_found(rules: str, accepted: bool) -> None:
    assert _forwarding.passes("1\n", DOCKER + rules, RAILS) == {"enabled": True, "policy": "DROP", "accepted": accepted}


def test_rules_of_the_role_fabric_accept() -> None:
    # As iptables lists what the unit has told it.
    short = {"--in-interface": "-i", "--out-interface": "-o", "--match": "-m", "--jump": "-j"}
    rules = [" ".join(["-A", *(short.get(word, word) for word in _forward_unit.rule(pair))]) for pair in _forward_unit.pairs_of(RAILS)]
    assert _forwarding.passes("1\n", DOCKER + "\n".join(rules), RAILS)["accepted"] is True
    assert _forwarding.passes("1\n", DOCKER + "\n".join(rules), ["enP7s7"])["accepted"] is False


@pytest.mark.parametrize(
    ("ip_forward", "rules", "expected"),
    [
        ("1\n", DOCKER.replace("DROP", "ACCEPT"), {"enabled": True, "policy": "ACCEPT", "accepted": False}),
        ("0\n", DOCKER, {"enabled": False, "policy": "DROP", "accepted": False}),
        ("", "", {"enabled": None, "policy": None, "accepted": None}),
        ("1\n", "iptables v1.8.10 (nf_tables)\n", {"enabled": True, "policy": None, "accepted": None}),
    ],
)
def test_what_is_not_known_is_none(ip_forward: str, rules: str, expected: dict[str, t.Any]) -> None:
    assert _forwarding.passes(ip_forward, rules, RAILS) == expected


def test_node_without_a_rail_accepts_nothing_between_them() -> None:
    assert _forwarding.passes("1\n", DOCKER + BETWEEN, ())["accepted"] is False


def test_routes_over_rails_through_another_node_are_listed() -> None:
    first, second = {"gateway": "192.168.100.12", "dev": RAILS[0]}, {"gateway": "192.168.104.14", "dev": RAILS[1]}
    routes: list[dict[str, t.Any]] = [
        {"dst": "default", "gateway": "10.77.0.1", "dev": "enP7s7"},
        {"dst": "192.168.100.0/24", "dev": RAILS[0], "protocol": "kernel"},
        {"dst": "192.168.102.0/24", **first},
        {"dst": "192.168.103.0/24", "nexthops": [first, {"gateway": "10.77.0.1", "dev": "enP7s7"}, second]},
    ]
    assert _forwarding.through(routes, RAILS) == [
        {"destination": "192.168.102.0/24", "gateway": "192.168.100.12", "interface": RAILS[0]},
        {"destination": "192.168.103.0/24", "gateway": "192.168.100.12", "interface": RAILS[0]},
        {"destination": "192.168.103.0/24", "gateway": "192.168.104.14", "interface": RAILS[1]},
    ]
