# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the plan of every cluster, however its nodes are named, cabled and listed."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from simulation.stand_in.vllm_stand_in.nccl_choice import choose_gid
from tests.unit.plugins.fixtures.nccl import gid_table
from tests.unit.plugins.fixtures.spark import cabled, observed

Cluster = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class House:
    """A cluster of one kind; `swapped` nodes have their cables in the other ports, `renamed` ones call their devices mlx5_N.

    `moved` is by how much the GID of the n-th port's address is behind where a clean table has it.
    """

    kind: str
    nodes: int
    names: tuple[str, ...]
    swapped: tuple[bool, ...]
    renamed: tuple[bool, ...]
    moved: tuple[int, ...]

    def build(self) -> Cluster:
        return {name: self._node(number) for number, name in enumerate(self.names)}

    def _node(self, number: int) -> dict[str, Any]:
        networks = {0: ("10.0.0", "10.1.0")}
        if self.kind == "ring":
            before = (number - 1) % self.nodes
            networks = {0: (f"10.0.{number}", f"10.1.{number}"), 1: (f"10.0.{before}", f"10.1.{before}")}
        elif self.kind == "pair of two cables":
            networks = {0: ("10.0.0", "10.1.0"), 1: ("10.0.1", "10.1.1")}
        cages = tuple((1 - cage if self.swapped[number] else cage, twins) for cage, twins in sorted(networks.items()))
        observation = copy.deepcopy(as_made(number + 1, cages))
        for index, device in enumerate(observation["devices"]):
            if self.renamed[number]:
                device.update(device=f"mlx5_{index}", netdev=f"qsfp{index}")
            for entry in device["gids"]:
                entry["index"] += self.moved[index] if entry["ipv4"] else 0
                entry["netdev"] = device["netdev"]
            device["gid_table_length"] += self.moved[index]
        lan: dict[str, Any] = {"name": "enP7s7", "mac": None, "wireless": False, "carrier": True}
        lan["ipv4"] = [{"address": f"10.9.0.{number + 1}", "prefix_length": 24, "network": "10.9.0.0/24"}]
        return {**observation, "interfaces": [lan]}


@functools.cache
def as_made(node: int, cages: tuple[tuple[int, tuple[str, ...]], ...]) -> dict[str, Any]:
    return observed(cabled(node, dict(cages)))


KINDS = {"pair": (2, 2), "pair of two cables": (2, 2), "switch": (3, 8), "ring": (3, 6)}
# Which of two equal cables is used is decided by the head's ports.
ONE_WAY = ("pair", "switch", "ring")


@st.composite
def houses(draw: st.DrawFn, kinds: Iterable[str] = KINDS) -> House:
    kind = draw(st.sampled_from(sorted(kinds)))
    nodes = draw(st.integers(*KINDS[kind]))
    names = tuple(draw(st.permutations([f"node{letter}" for letter in "abcdefgh"]))[:nodes])
    flags = st.lists(st.booleans(), min_size=nodes, max_size=nodes).map(tuple)
    # Any two of a node's ports may have moved in different ways.
    moved = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 4, 6]), min_size=4, max_size=4)))
    return House(kind, nodes, names, draw(flags), draw(flags), moved)


def plain(house: House) -> House:
    """The same house with the cables as they come, and no name changed."""
    no = (False,) * house.nodes
    return dataclasses.replace(house, swapped=no, renamed=no, moved=(0, 0, 0, 0))


def shape(found: dict[str, Any]) -> dict[str, Any]:
    """A plan without what is a node's own: names of devices and interfaces, GIDs, the order of its ports."""
    ranks = [
        (node["rank"], node["host_ip"], sorted((rail["network"], rail["ipv4"]) for rail in node["rails"]))
        for node in found["nodes"].values()
    ]
    return {"topology": found["topology"], "master": found["master_addr"], "ranks": ranks, "findings": len(found["findings"])}


MANY = settings(max_examples=300, deadline=None)


@MANY
@given(houses(ONE_WAY), st.data())
def test_names_ports_and_the_order_of_hosts_change_the_plan_of_no_house(house: House, data: st.DataObject) -> None:
    built, order = house.build(), list(house.names)
    wanted = shape(plan(plain(house).build(), order=order))
    assert wanted["topology"] == house.kind.split()[0]
    assert shape(plan(built, order=order)) == wanted
    shuffled = {name: built[name] for name in data.draw(st.permutations(order))}
    assert json.dumps(plan(shuffled, order=order)) == json.dumps(plan(built, order=order))


@MANY
@given(houses(ONE_WAY), st.data())
def test_another_head_is_rank_0_and_the_rails_stay(house: House, data: st.DataObject) -> None:
    built = house.build()
    head = data.draw(st.sampled_from(house.names))
    found, before = plan(built, head=head), plan(built)
    assert next(iter(found["nodes"])) == head
    for host, node in found["nodes"].items():
        assert {rail["network"] for rail in node["rails"]} == {rail["network"] for rail in before["nodes"][host]["rails"]}


@MANY
@given(houses())
def test_no_rank_has_two_rails_in_one_network_and_no_address_is_used_twice(house: House) -> None:
    found = plan(house.build())
    addresses = [rail["ipv4"] for node in found["nodes"].values() for rail in node["rails"]]
    assert len(addresses) == len(set(addresses)) > 0
    for node in found["nodes"].values():
        networks = [rail["network"] for rail in node["rails"]]
        assert len(networks) == len(set(networks)) == (4 if house.kind == "ring" else 2)


@MANY
@given(houses())
def test_each_rank_is_told_what_makes_nccl_take_the_planned_gid_on_every_hca(house: House) -> None:
    """By the model of NCCL that the stand-in runs on, which shares no line with the plan's."""
    built = house.build()
    for host, node in plan(built)["nodes"].items():
        for rail in node["rails"]:
            device = next(d for d in built[host]["devices"] if d["device"] == rail["device"])
            assert choose_gid(gid_table(device["gids"], device["gid_table_length"]), node["env"]) == rail["gid_index"] is not None
