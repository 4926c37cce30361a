# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every group of which some nodes get a rank, whatever is wrong on any of them."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
from typing import Any, Optional

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _findings
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from ansible_collections.dgx_spark.vllm.plugins.module_utils._subset import plan_of
from tests.unit.plugins.module_utils.test_plan_properties import Cluster, House

OURS = ("plan.spare", "plan.spare-unfit", "plan.passed-over")
FAULTS = ("none", "none", "away", "dark", "small", "renumbered", "no GID", "no addresses")


@dataclasses.dataclass(frozen=True)
class Group:
    """A house with something wrong on some of its nodes, of which `wanted` get a rank; `head` is the number of the one that must."""

    house: House
    faults: tuple[str, ...]
    wanted: int
    head: Optional[int]

    def build(self) -> Cluster:
        built = copy.deepcopy(self.house.build())
        for name, fault in zip(self.house.names, self.faults):
            spoil(built, name, fault)
        return built

    def plan(self, built: Cluster, order: Optional[list[str]] = None) -> dict[str, Any]:
        return plan_of(built, self.head_name, order or list(self.house.names), nodes=self.wanted)

    @property
    def head_name(self) -> Optional[str]:
        return None if self.head is None else self.house.names[self.head]


def spoil(built: Cluster, name: str, fault: str) -> None:
    if fault == "away":
        built[name] = {"msg": "unreachable"}
    for device in built[name].get("devices", ()):
        if fault == "dark":
            device.update(state="DOWN", phys_state="Disabled")
        elif fault == "small":
            device["mtu"] = 1500
        elif fault == "renumbered":
            device["ipv4"] = [{**entry, "network": entry["network"].replace("10.", "11.")} for entry in device["ipv4"]]
        elif fault == "no GID":
            device["gids"] = [gid for gid in device["gids"] if not gid["ipv4"]]
        elif fault == "no addresses":
            device["ipv4"] = []


@st.composite
def groups(draw: st.DrawFn) -> Group:
    kind = draw(st.sampled_from(["switch", "ring"]))
    nodes = draw(st.integers(3, 6))
    names = tuple(draw(st.permutations([f"node{letter}" for letter in "abcdef"]))[:nodes])
    flags = st.lists(st.booleans(), min_size=nodes, max_size=nodes).map(tuple)
    house = House(kind, nodes, names, draw(flags), draw(flags), (0, 0, 0, 0))
    faults = draw(st.lists(st.sampled_from(FAULTS), min_size=nodes, max_size=nodes).map(tuple))
    return Group(house, faults, draw(st.integers(2, nodes - 1)), draw(st.none() | st.integers(0, nodes - 1)))


def natural(group: Group) -> list[str]:
    """The hosts in the order in which they get ranks."""
    names = list(group.house.names)
    return sorted(names, key=lambda name: (name != group.head_name, names.index(name)))


MANY = settings(max_examples=200, deadline=None)


@MANY
@given(groups())
def test_the_plan_is_that_of_the_chosen_alone(group: Group) -> None:
    built = group.build()
    found = group.plan(built)
    if _findings.errors(found["findings"]):
        return
    names = list(found["nodes"])
    assert len(names) == group.wanted and sorted([*names, *found["spares"]]) == sorted(built)
    assert found["spares"] == [name for name in group.house.names if name not in names]
    chosen = [name for name in group.house.names if name in names]
    alone = plan({name: built[name] for name in chosen}, head=names[0])
    assert {**found, "spares": [], "findings": []} == {**alone, "findings": []}
    kept = [finding for finding in found["findings"] if finding["id"] not in OURS]
    left_out = [finding for finding in alone["findings"] if finding not in kept]
    assert [finding for finding in alone["findings"] if finding in kept] == kept
    assert {finding["id"] for finding in left_out} <= {"rail.unshared"}


@MANY
@given(groups())
def test_there_is_a_plan_wherever_a_choice_has_one_and_it_passes_over_as_few_as_can_be(group: Group) -> None:
    built, names = group.build(), list(group.house.names)
    found = group.plan(built)
    ranks = natural(group)
    cost: dict[tuple[str, ...], tuple[int, int]] = {}
    for choice in itertools.combinations(ranks, group.wanted):
        head = choice[0]
        if group.head is None or head == group.head_name:
            chosen = {name: built[name] for name in choice}
            if not _findings.errors(plan(chosen, head=head)["findings"]):
                fit = [name for name in ranks if "devices" in built[name] and any(d["state"] == "ACTIVE" for d in built[name]["devices"])]
                first = fit[fit.index(head) :][: group.wanted]
                cost[choice] = (ranks.index(head), len(set(first) - set(choice)))
    errors = _findings.errors(found["findings"])
    assert bool(errors) == (not cost)
    if cost:
        mine = next(choice for choice in cost if set(choice) == set(found["nodes"]))
        assert cost[mine] == min(cost.values())
    else:
        assert errors[0]["id"] == "plan.no-choice" and found["spares"] == [name for name in names if name not in ranks[: group.wanted]]


@MANY
@given(groups())
def test_a_spare_is_no_error_and_each_has_one_finding(group: Group) -> None:
    found = group.plan(group.build())
    if _findings.errors(found["findings"]):
        return
    about = [finding for finding in found["findings"] if finding["host"] in found["spares"]]
    assert [finding["host"] for finding in about] == found["spares"]
    assert {finding["id"] for finding in about} <= set(OURS)
    passed = {finding["host"] for finding in about if finding["id"] == "plan.passed-over"}
    assert passed == {*natural(group)[: group.wanted]} - {*found["nodes"]}


@MANY
@given(groups(), st.data())
def test_other_names_and_another_order_of_keys_change_nothing(group: Group, data: st.DataObject) -> None:
    built, names = group.build(), list(group.house.names)
    wanted = json.dumps(group.plan(built))
    shuffled = {name: built[name] for name in data.draw(st.permutations(names))}
    assert json.dumps(group.plan(shuffled, names)) == wanted
    other = data.draw(st.permutations([f"other{letter}" for letter in "uvwxyz"]))[: len(names)]
    renamed = dict(zip(names, other))
    again = dataclasses.replace(group, house=dataclasses.replace(group.house, names=tuple(other)))
    found, before = again.plan(again.build()), json.loads(wanted)
    assert [renamed[name] for name in before["nodes"]] == list(found["nodes"])
    assert [{**node} for node in before["nodes"].values()] == list(found["nodes"].values())
    assert [renamed[name] for name in before["spares"]] == found["spares"]
    assert [finding["id"] for finding in before["findings"]] == [finding["id"] for finding in found["findings"]]
    assert before["topology"] == found["topology"]
