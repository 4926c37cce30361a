# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A group that has more nodes than are needed: which of them get a rank, and what is said of the others."""

from __future__ import annotations

import copy
from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _explain, _findings, _subset
from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing import draw
from ansible_collections.dgx_spark.vllm.plugins.module_utils._foresee import foresee
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from ansible_collections.dgx_spark.vllm.plugins.module_utils._subset import LOOKED_AT, addressing_needed, addressing_of, plan_of
from tests.unit.plugins.fixtures.picture import Picture
from tests.unit.plugins.fixtures.spark import DOWN, cabled, change, observed
from tests.unit.plugins.fixtures.wires import Cluster, bare, hearing, ring_of
from tests.unit.plugins.module_utils.test_ring import ring

RAIL, TWIN = "enp1s0f0np0", "enP2p1s0f0np0"


def node(number: int, **rail: Any) -> dict[str, Any]:
    """A node on a switch; `rail` is what is different on its first rail."""
    ports = cabled(number, {0: ("10.0.0", "10.0.1")})
    return observed(change(ports, RAIL, **rail) if rail else ports)


def switch(nodes: int, **changed: dict[str, Any]) -> dict[str, Any]:
    """Nodes a, b, c and so on; `changed` are those on which something is different, by name."""
    return {name: node(number, **changed.get(name, {})) for number, name in enumerate("abcdefghijklmnop"[:nodes], 1)}


def uncabled(number: int) -> dict[str, Any]:
    return observed([port.but(**DOWN) for port in cabled(number, {0: ("10.0.0", "10.0.1")})])


SMALL = {"mtu": 1500}
AWAY: dict[str, Any] = {"msg": "unreachable"}


def ranks(found: dict[str, Any]) -> str:
    return "".join(found["nodes"])


def ids(found: dict[str, Any]) -> list[tuple[str, Optional[str]]]:
    return [(finding["id"], finding["host"]) for finding in found["findings"]]


def told(found: dict[str, Any], identifier: str) -> dict[str, Any]:
    (finding,) = [finding for finding in found["findings"] if finding["id"] == identifier]
    return finding


def test_of_a_ring_of_three_two_are_a_pair_on_the_cable_between_them() -> None:
    hosts = ring("abc")
    found = plan_of(hosts, nodes=2)
    assert (found["topology"], ranks(found), found["spares"]) == ("pair", "ab", ["c"])
    assert ids(found) == [("plan.spare", "c")], "of rails that lead to the spare nothing is said"
    assert found["hash"] == plan({name: hosts[name] for name in "ab"})["hash"]
    for mine in found["nodes"].values():
        assert len(mine["rails"]) == 2
        assert mine["env"]["NCCL_CROSS_NIC"] == "0" and not {"NCCL_ALGO", "NCCL_IB_SUBNET_AWARE_ROUTING"} & set(mine["env"])
    assert plan_of(hosts, nodes=2, nccl="2.28.9")["nodes"] == found["nodes"], "any NCCL connects a pair"


def test_a_rail_that_leads_to_no_node_at_all_is_told_all_the_same() -> None:
    hosts = {**ring("abc"), "d": node(9)}
    hosts["a"] = ring("abx")["a"]
    for device in hosts["a"]["devices"]:
        for entry in device["ipv4"]:
            if device["device"].endswith("f1"):
                entry.update(network=entry["network"].replace("10.", "11."), address=entry["address"].replace("10.", "11."))
    found = plan_of(hosts, nodes=2)
    assert ranks(found) == "ab"
    assert [entry for entry in ids(found) if entry[0] == "rail.unshared"] == [("rail.unshared", "a")] * 2


@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("head", [None, "c"])
def test_on_a_switch_of_four_the_head_and_the_first_get_ranks(nodes: int, head: Optional[str]) -> None:
    hosts = switch(4)
    found = plan_of(hosts, head=head, nodes=nodes)
    wanted = {None: "abc", "c": "cab"}[head][:nodes]
    assert (ranks(found), "".join(found["spares"])) == (wanted, "".join(name for name in "abcd" if name not in wanted))
    assert [finding["severity"] for finding in found["findings"]] == ["info"] * (4 - nodes)
    assert {**found, "spares": [], "findings": []} == plan({name: hosts[name] for name in wanted})


def test_spares_are_in_the_order_of_the_inventory() -> None:
    found = plan_of(switch(5), head="e", order=["d", "b", "e", "a", "c"], nodes=2)
    assert (ranks(found), found["spares"]) == ("ed", ["b", "a", "c"])


BROKEN: dict[str, tuple[Any, str]] = {
    "not reached": (None, "observation.missing"),
    "failed": (AWAY, "observation.missing"),
    "no card": ({"devices": []}, "rdma.none"),
    "no cable": (uncabled(2), "rdma.no-active-port"),
    "another MTU": (node(2, mtu=1500), "mtu.mismatch"),
    "no addresses": (observed(cabled(2, {0: ()})), "rail.no-common"),
    "no GID": (node(2, gids={}), "gid.missing"),
}


@pytest.mark.parametrize(("observation", "why"), list(BROKEN.values()), ids=list(BROKEN))
def test_a_node_that_can_not_serve_is_passed_over_with_a_warning_that_says_why(observation: Any, why: str) -> None:
    hosts = {**switch(4), "b": observation}
    found = plan_of(hosts, nodes=2)
    assert (ranks(found), found["spares"]) == ("ac", ["b", "d"])
    assert ids(found) == [("plan.passed-over", "b"), ("plan.spare", "d")]
    warning = told(found, "plan.passed-over")
    (error, *_) = [finding for finding in plan({"a": hosts["a"], "b": observation})["findings"] if finding["severity"] == "error"]
    assert error["id"] == why
    assert warning["found"].startswith(f"no rank, and c in its place, because of {why} ({error['found']})")
    assert (warning["severity"], warning["wanted"], warning["remedy"]) == ("warning", error["wanted"], error["remedy"])
    assert found["hash"] == plan({name: hosts[name] for name in "ac"})["hash"]


def test_what_is_wrong_on_a_spare_is_a_warning() -> None:
    found = plan_of({**switch(3), "d": uncabled(4), "e": AWAY}, nodes=3)
    assert ranks(found) == "abc"
    assert ids(found) == [("plan.spare-unfit", "d"), ("plan.spare-unfit", "e")]
    assert "it could take no other's place, because of rdma.no-active-port (rocep1s0f0:1" in found["findings"][0]["found"]
    found = plan_of(switch(4, d=SMALL), nodes=3)
    assert (ranks(found), ids(found)) == ("abc", [("plan.spare", "d")])


@pytest.mark.parametrize("observation", [AWAY, {"devices": []}, uncabled(2)], ids=["away", "no card", "no cable"])
@pytest.mark.parametrize("head", [None, "c"])
def test_all_that_are_fit_are_planned_for_where_that_is_wanted(observation: Any, head: Optional[str]) -> None:
    hosts = {**switch(4), "b": observation}
    found = plan_of(hosts, head=head, spare_unfit=True)
    assert (ranks(found), found["spares"], ids(found)) == ("cad" if head else "acd", ["b"], [("plan.spare-unfit", "b")])
    assert {**found, "spares": [], "findings": []} == plan({name: hosts[name] for name in "acd"}, head=head)
    assert _findings.errors(plan_of(hosts, head=head)["findings"]), "not else"
    assert plan_of(hosts, head=head, nodes=2, spare_unfit=True) == plan_of(hosts, head=head, nodes=2)


def test_what_is_wrong_among_those_that_are_fit_is_an_error_and_so_is_an_unfit_head() -> None:
    small = plan_of({**switch(4, a=SMALL), "b": AWAY}, spare_unfit=True)
    assert (ids(small), small["spares"]) == ([("mtu.mismatch", None), ("plan.spare-unfit", "b")], ["b"])
    for hosts, head in (({**switch(3), "b": AWAY}, "b"), ({**switch(2), "b": AWAY}, None), (switch(3, b=SMALL), None), (switch(3), None)):
        assert plan_of(hosts, head=head, spare_unfit=True) == plan_of(hosts, head=head) == plan(hosts, head=head)
    bare_metal = as_another({**switch(3), "c": uncabled(3)}, "d", "c")
    assert [finding["id"] for finding in _findings.errors(plan_of(bare_metal, spare_unfit=True)["findings"])] == ["inventory.same-machine"]


def as_another(hosts: Cluster, name: str, other: str) -> Cluster:
    """The same hosts, `name` being the machine `other`."""
    return {**hosts, name: copy.deepcopy(hosts[other])}


@pytest.mark.parametrize("head", [None, "a", "c"])
@pytest.mark.parametrize("other", ["a", "b"])
def test_a_spare_that_is_another_host_too_is_an_error(head: Optional[str], other: str) -> None:
    found = plan_of(as_another(switch(3), "c", other), head=head, nodes=2)
    (spare,) = found["spares"]
    assert spare in ("c", other)
    errors = _findings.errors(found["findings"])
    assert {finding["id"] for finding in errors} == {"inventory.same-machine", "address.duplicate"}
    assert {finding["host"] for finding in errors} == {spare}
    assert f"enp1s0f0np0 of {({'c', other} - {spare}).pop()}" in told(found, "inventory.same-machine")["found"]


def test_two_spares_that_are_one_machine_are_an_error() -> None:
    found = plan_of(as_another(switch(4), "d", "c"), nodes=2)
    assert (ranks(found), [(f["id"], f["host"]) for f in _findings.errors(found["findings"])]) == ("ab", [("inventory.same-machine", "d")])


def test_one_machine_under_two_names_is_told_once_where_no_choice_is_without_an_error() -> None:
    found = plan_of(as_another(switch(3, b=SMALL), "c", "a"), nodes=2)
    assert [entry for entry in ids(found) if entry[0] in ("plan.no-choice", "inventory.same-machine")] == [
        ("plan.no-choice", None),
        ("inventory.same-machine", "c"),
    ]
    found = plan_of(as_another({**switch(3), "c": AWAY}, "b", "a"), nodes=2)
    assert [finding["id"] for finding in _findings.errors(found["findings"])].count("inventory.same-machine") == 1


@pytest.mark.parametrize("spare", ["b", "c", "d"])
def test_a_spare_with_the_address_of_a_rank_is_an_error_and_no_reason_for_another_head(spare: str) -> None:
    hosts = {**switch(4), spare: node("abcd".index(spare) + 1, ipv4=("10.0.0.1/24",))}
    found = plan_of(hosts, nodes=2)
    assert ranks(found) == {"b": "ac"}.get(spare, "ab")
    (error,) = _findings.errors(found["findings"])
    assert (error["id"], error["host"]) == ("address.duplicate", spare)
    assert error["found"] == "enp1s0f0np0 has 10.0.0.1, as has enp1s0f0np0 of a"


def test_an_address_that_no_rank_uses_may_be_on_two_nodes_of_which_a_spare_is_one() -> None:
    assert ids(plan_of(switch(4, d={"ipv4": ("10.0.0.3/24",)}), nodes=2)) == [("plan.spare", "c"), ("plan.spare", "d")]
    hosts = ring("abc")
    unused = [device for device in hosts["a"]["devices"] if device["ipv4"] and device["netdev"].endswith("np1")]
    for device, mine in zip(hosts["c"]["devices"], unused):
        device["ipv4"] = mine["ipv4"]
    assert _findings.errors(plan_of(hosts)["findings"]) and not _findings.errors(plan_of(hosts, nodes=2)["findings"])


def test_of_many_hosts_no_choice_is_looked_for_that_makes_up_for_a_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def looking(*given: Any) -> dict[str, Any]:
        looked.append(given[2])
        return plan(*given)

    monkeypatch.setattr(_subset, "plan", looking)
    found = plan_of(switch(16, p={"ipv4": ("10.0.0.1/24",)}), nodes=8)
    assert [finding["host"] for finding in _findings.errors(found["findings"])] == ["p"] and looked == [list("abcdefgh")]


def test_a_warning_about_nodes_with_a_rank_stays() -> None:
    found = plan_of(switch(3, b={"rate": "100 Gb/sec (1X NDR)"}), nodes=2)
    assert (ranks(found), ids(found)) == ("ab", [("link.slow", "b"), ("plan.spare", "c")])


def test_as_few_as_possible_are_passed_over_and_the_first_host_last() -> None:
    assert ranks(plan_of(switch(5, a=SMALL, c=SMALL), nodes=2)) == "ac", "two that agree, and the head among them"
    assert ranks(plan_of(switch(5, b=SMALL, c=SMALL), nodes=3)) == "ade"
    assert ranks(plan_of(switch(6, a=SMALL), nodes=3)) == "bcd"
    assert ranks(plan_of(switch(6, c=SMALL, d=SMALL), nodes=3)) == "abe"


def test_without_a_wanted_head_rank_0_moves_and_the_warning_says_so() -> None:
    hosts = {**switch(3), "a": uncabled(1)}
    found = plan_of(hosts, nodes=2)
    assert (ranks(found), found["master_addr"]) == ("bc", "10.0.0.2")
    assert told(found, "plan.passed-over")["found"].endswith("; rank 0, and with it the API, is on b")
    assert "rank 0" not in told(plan_of({**switch(3), "b": AWAY}, nodes=2), "plan.passed-over")["found"]


def test_a_wanted_head_has_a_rank_or_there_is_no_plan() -> None:
    assert ranks(plan_of(switch(3, b=SMALL), head="c", nodes=2)) == "ca"
    unfit = plan_of({**switch(3), "a": uncabled(1)}, head="a", nodes=2)
    assert ids(unfit) == [("plan.no-choice", None), ("rdma.no-active-port", "a")]
    assert "0 choices of 2 of 3 hosts looked at" in unfit["findings"][0]["found"]
    assert "never a: rdma.no-active-port" in unfit["findings"][0]["found"]
    alone = plan_of(switch(3, a=SMALL), head="a", nodes=2)
    assert ids(alone) == [("plan.no-choice", None), ("mtu.mismatch", None)]


def test_each_that_is_passed_over_has_its_own_reason() -> None:
    found = plan_of(switch(5, b={"gids": {}}, c={"gids": {}}), nodes=3)
    passed = {finding["host"]: finding for finding in found["findings"] if finding["id"] == "plan.passed-over"}
    assert (ranks(found), list(passed)) == ("ade", ["b", "c"])
    for host, address in (("b", "10.0.0.2"), ("c", "10.0.0.3")):
        assert "d, e in its place" in passed[host]["found"] and address in passed[host]["wanted"]


def test_in_a_ring_the_next_neighbour_is_taken() -> None:
    found = plan_of(ring("abcd", "acbd"), nodes=2)
    assert (ranks(found), found["spares"]) == ("ab", ["c", "d"])
    assert "b in its place, because of rail.no-common" in told(found, "plan.passed-over")["found"]
    assert told(found, "plan.spare")["host"] == "d"


def test_three_of_a_ring_of_four_are_no_ring() -> None:
    found = plan_of(ring("abcd"), nodes=3)
    assert [finding["id"] for finding in found["findings"]] == ["plan.no-choice", "topology.unsupported"]
    assert told(found, "plan.no-choice")["found"] == (
        "4 choices of 3 of 4 hosts looked at, none of them without an error (a, b, c: topology.unsupported; a, b, d: topology.unsupported;"
        " a, c, d: topology.unsupported; b, c, d: topology.unsupported)"
    )
    assert (found["nodes"], found["spares"]) == ({}, ["d"])


def test_where_nothing_works_the_first_hosts_are_told_of() -> None:
    hosts = {name: node(number, ipv4=(), mtu=9000) for number, name in enumerate("abc", 1)}
    for number, observation in enumerate(hosts.values()):
        for device in observation["devices"]:
            device["ipv4"] = [{**entry, "network": f"10.{number}.0.0/24"} for entry in device["ipv4"]]
    found = plan_of(hosts, nodes=2)
    assert [entry for entry in ids(found) if entry[0] in ("plan.no-choice", "rail.no-common")] == [
        ("plan.no-choice", None),
        ("rail.no-common", None),
    ]
    assert {finding["host"] for finding in found["findings"]} <= {None, "a", "b"}
    assert "3 choices of 2 of 3 hosts" in told(found, "plan.no-choice")["found"]


def test_of_many_hosts_some_choices_are_looked_at_for_each_head() -> None:
    names = "abcdefghijkl"
    hosts = switch(12, **{name: {"mtu": 9000 - number} for number, name in enumerate(names)})
    assert f"{LOOKED_AT} choices of 6 of 12 hosts" in told(plan_of(hosts, head="a", nodes=6), "plan.no-choice")["found"]
    found = plan_of(switch(16, b=SMALL, g=SMALL, p=SMALL), nodes=8)
    assert (ranks(found), ids(found)[:2]) == ("acdefhij", [("plan.passed-over", "b"), ("plan.passed-over", "g")])


@pytest.mark.parametrize("hosts", [switch(2), ring("abc"), switch(4, b=SMALL)], ids=["pair", "ring", "with an error"])
def test_where_all_get_a_rank_nothing_is_different(hosts: Cluster) -> None:
    assert plan_of(hosts, nodes=len(hosts)) == plan_of(hosts) == plan(hosts)
    assert plan(hosts)["spares"] == []


def test_too_few_hosts_are_an_error_and_so_is_a_head_that_is_none() -> None:
    found = plan_of(switch(2), nodes=3)
    assert ids(found) == [("inventory.node-count", None)]
    assert (found["findings"][0]["found"], found["findings"][0]["wanted"]) == ("2 hosts: a, b", "3 or more")
    assert ids(plan_of(switch(1), nodes=3)) == [("inventory.too-few-nodes", None)]
    assert ids(plan_of(switch(4), head="x", nodes=3)) == [("inventory.head-not-in-group", None)]


@pytest.mark.parametrize("nodes", [1, 0, -2])
def test_fewer_than_two_nodes_are_refused(nodes: int) -> None:
    with pytest.raises(ValueError, match="wanted 2 or more"):
        plan_of(switch(3), nodes=nodes)


def test_the_table_has_a_row_and_a_reason_for_each_spare() -> None:
    lines = _explain.explain(plan_of({**switch(3), "b": uncabled(2)}, nodes=2))
    assert lines[0].startswith("pair of 2 nodes and 1 spare, master 10.0.0.1, plan ")
    assert lines[6].split() == ["-", "b", "spare"] and lines[6].index("spare") == lines[1].index("ADDRESS")
    assert lines[-1].startswith("b: no rank, and c in its place, because of rdma.no-active-port (")
    assert _explain.explain(plan_of(switch(4), nodes=2))[-2:] == [f"{name}: no rank: 2 of 4 hosts get one" for name in "cd"]
    failed = _explain.explain(plan_of(switch(3, b=SMALL, c={"mtu": 4000}), head="a", nodes=2))
    assert failed[-1] == "c: not in the first choice, which has errors, as has every other"


def test_the_drawing_shows_a_spare_as_one() -> None:
    hosts = ring("abc")
    picture = Picture(draw(plan_of(hosts, nodes=2), hosts))
    assert "Pair of 2 nodes and 1 spare" in picture.contents()
    assert picture.node("c")[:2] == ["c", "spare"]
    failed = Picture(draw(plan_of(dict.fromkeys("abc", AWAY), nodes=2), dict.fromkeys("abc")))
    assert "3 nodes, no plan" in failed.contents() and "spare" not in failed.contents()


def stacked(hosts: Cluster, *names: str) -> Cluster:
    for name in names:
        hosts[name]["devices"][0]["uppers"] = ["bond0"]
    return hosts


def test_a_node_that_can_have_no_addresses_does_not_keep_the_others_from_having_them() -> None:
    hosts = stacked(bare("abc", [[(name, 0) for name in "abc"]]), "b")
    found = addressing_of(hosts, list("abc"), nodes=2)
    assert {host: len(rails) for host, rails in found.rails.items()} == {"a": 2, "b": 0, "c": 2}
    (finding,) = found.findings
    assert (finding["id"], finding["host"]) == ("plan.spare-unfit", "b")
    assert "fabric.stacked (bond0 made upon enp1s0f0np0)" in finding["found"]
    for wanted in ({"nodes": 3}, {"nodes": None}, {"nodes": 2, "head": "b"}):
        assert [f["id"] for f in _findings.errors(addressing_of(hosts, list("abc"), **wanted).findings)] == ["fabric.stacked"], wanted
    assert _findings.errors(addressing_of(stacked(hosts, "c"), list("abc"), nodes=2).findings)


def test_spares_get_addresses_like_the_others() -> None:
    hosts = bare("abc", ring_of("abc"))
    found = addressing_of(hosts, list("abc"), nodes=2)
    assert found == addressing_of(hosts, list("abc"))
    assert {host: len(rails) for host, rails in found.rails.items()} == {"a": 4, "b": 4, "c": 4}
    refused = addressing_of(hosts, list("abc"), addresses="10.100.0.1/16", nodes=2)
    assert [finding["id"] for finding in refused.findings] == ["fabric.range"]


def addressed(names: str, cables: list[Any], without: str) -> Cluster:
    """A fabric in which all have their addresses but `without`."""
    plain = bare(names, cables)
    rails = addressing_of(plain, list(names)).rails
    found = foresee(plain, rails)
    return {name: plain[name] if name in without else found[name] for name in names}


def needed(hosts: Cluster, nodes: Optional[int] = 2, head: Optional[str] = None) -> bool:
    return addressing_needed(hosts, addressing_of(hosts, list(hosts), head=head, nodes=nodes), head, nodes)


SWITCH = [[(name, 0) for name in "abc"]]


@pytest.mark.parametrize("without", "abc")
@pytest.mark.parametrize("cables", [SWITCH, ring_of("abc")], ids=["switch", "ring"])
def test_a_node_without_addresses_gets_them_though_the_others_are_enough(without: str, cables: list[Any]) -> None:
    hosts = addressed("abc", cables, without)
    assert not _findings.errors(plan_of(hosts, nodes=2)["findings"]) and needed(hosts)
    found = addressing_of(hosts, list("abc"), nodes=2)
    assert {rail["kept"] for name in set("abc") - {without} for rail in found.rails[name]} == {True}, "what is right is kept"
    after = foresee(hosts, found.rails)
    assert (ranks(plan_of(after, nodes=2)), ids(plan_of(after, nodes=2))) == ("ab", [("plan.spare", "c")])
    assert not needed(after), "and that is all"


def without_cable(hosts: Cluster, name: str, cables: list[Any]) -> Cluster:
    for device in hosts[name]["devices"]:
        device.update(state="DOWN", phys_state="Disabled", ipv4=[])
    return hearing(hosts, cables)


@pytest.mark.parametrize("name", "abc")
def test_a_fabric_that_works_is_left_alone_where_one_has_no_cable(name: str) -> None:
    hosts = without_cable(addressed("abc", SWITCH, name), name, SWITCH)
    found = addressing_of(hosts, list("abc"), nodes=2)
    assert not _findings.errors(plan_of(hosts, nodes=2)["findings"]) and not needed(hosts)
    assert not addressing_needed(hosts, found, spare_unfit=True), "nor where all that have a cable are planned for"
    assert found.rails[name] == [] and all(rail["kept"] for rails in found.rails.values() for rail in rails)


def test_one_without_a_cable_does_not_keep_another_from_its_addresses() -> None:
    cables = [[(name, 0) for name in "abcd"]]
    assert needed(without_cable(addressed("abcd", cables, "cd"), "d", cables))


def test_a_cable_that_leads_nowhere_and_two_that_are_not_joined_are_no_reason_for_addresses() -> None:
    hosts = addressed("abc", SWITCH, "c")
    assert not needed(hearing(hosts, [[("a", 0), ("b", 0)], [("c", 0)]]))
    assert not needed(addressed("abcd", [[("a", 0), ("b", 0)], [("c", 0), ("d", 0)]], ""))
    assert not needed(addressed("abc", [[("a", 0), ("b", 1)], [("b", 0), ("c", 1)]], "")), "a chain, of which two serve"


def test_a_bond_on_nodes_that_serve_is_no_error_while_a_spare_has_no_address() -> None:
    hosts = stacked(addressed("abc", SWITCH, "c"), "a", "b")
    assert _findings.errors(addressing_of(hosts, list("abc"), nodes=2).findings) and not needed(hosts)


def test_rails_in_use_are_not_changed_for_a_spare_but_for_one_that_was_passed_over() -> None:
    hosts = addressed("abc", SWITCH, "")
    small = {name: {**host, "devices": [{**device, "mtu": 1500} for device in host["devices"]]} for name, host in hosts.items()}
    assert not needed({**small, "c": hosts["c"]}), "a and b serve, with an MTU that is theirs"
    assert needed({**small, "b": hosts["b"]}), "b is passed over because of its MTU"
    assert needed({**small, "c": hosts["c"]}, nodes=3)


def test_an_address_that_a_spare_has_of_a_rank_is_replaced() -> None:
    hosts = addressed("abc", SWITCH, "")
    for mine, other in zip(hosts["c"]["devices"], hosts["a"]["devices"]):
        mine["ipv4"] = other["ipv4"]
    assert needed(hosts)
    found = addressing_of(hosts, list("abc"), nodes=2)
    assert [host for host, rails in found.rails.items() if not all(rail["kept"] for rail in rails)] == ["c"]


PROVOKED = {
    "inventory.node-count": lambda: plan_of(switch(2), nodes=3),
    "plan.spare": lambda: plan_of(switch(3), nodes=2),
    "plan.spare-unfit": lambda: plan_of({**switch(2), "c": AWAY}, nodes=2),
    "plan.passed-over": lambda: plan_of({**switch(3), "b": AWAY}, nodes=2),
    "plan.no-choice": lambda: plan_of(dict.fromkeys("abc", AWAY), nodes=2),
}


@pytest.mark.parametrize("identifier", list(PROVOKED))
def test_each_finding_of_spares_is_provoked(identifier: str) -> None:
    assert identifier in [finding["id"] for finding in PROVOKED[identifier]()["findings"]]


@pytest.mark.parametrize("port", [RAIL, TWIN])
def test_a_port_that_went_while_it_was_probed_costs_no_node_its_rank(port: str) -> None:
    hosts = hearing(switch(3), [[(name, 0) for name in "abc"]])
    assert ranks(plan_of(hosts, nodes=2)) == "ab"
    hosts["a"]["lost"] = {port: "Network is down"}
    found = plan_of(hosts, nodes=2)
    assert ranks(found) == "ab"
    assert told(found, "probe.lost")["host"] == "a"
