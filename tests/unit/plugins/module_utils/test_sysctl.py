# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings the interfaces get, which are left alone, and what is put back."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils._sysctl import Decision, Held, Key, SysctlError, decide, keys, parse, render

RAIL, TWIN = "enp1s0f0np0", "enP2p1s0f0np0"
NAMES = ("arp_ignore", "arp_announce", "forwarding", "rp_filter")
Values = dict[Key, Optional[str]]


def kernel(all_ignore: str = "0", all_announce: str = "0", **rail: str) -> Values:
    """What is in force: the kernel's defaults but for what is given."""
    values: Values = {
        ("all", "arp_ignore"): all_ignore,
        ("all", "arp_announce"): all_announce,
        ("all", "forwarding"): "0",
        ("all", "rp_filter"): "0",
    }
    for interface in ("default", RAIL, TWIN):
        values.update({(interface, name): "0" for name in NAMES})
    return {**values, **{(RAIL, name): value for name, value in rail.items()}}


def in_force(values: Values, decision: Decision) -> Values:
    return {**values, **decision.put_back, **decision.set_now}


def test_both_functions_get_both_settings_below_what_was_before() -> None:
    decision = decide([RAIL, TWIN], {}, kernel(arp_ignore="3"))
    assert decision.set_now == {
        (RAIL, "arp_ignore"): "1",
        (RAIL, "arp_announce"): "2",
        (TWIN, "arp_ignore"): "1",
        (TWIN, "arp_announce"): "2",
    }
    lines = [line for line in decision.text.splitlines() if RAIL in line or line.startswith("# before")]
    assert lines[:4] == [
        "# before: 3",
        f"net/ipv4/conf/{RAIL}/arp_ignore = 1",
        "# before: 0",
        f"net/ipv4/conf/{RAIL}/arp_announce = 2",
    ]
    assert parse(decision.text)[RAIL, "arp_ignore"] == Held("1", "3")


def test_a_second_decision_changes_nothing() -> None:
    first = decide([RAIL, TWIN], {}, kernel())
    assert decide([RAIL, TWIN], parse(first.text), in_force(kernel(), first)) == Decision(first.text, {}, {})


@pytest.mark.parametrize(
    "values", [kernel("1", "2"), kernel("2", "2"), kernel("1", arp_announce="2"), kernel(arp_ignore="2", arp_announce="2")]
)
def test_what_does_already_is_left_alone(values: Values) -> None:
    assert decide([RAIL], {}, values) == Decision("", {}, {})


def test_one_of_the_two_may_be_there_already() -> None:
    assert decide([RAIL], {}, kernel("1")).set_now == {(RAIL, "arp_announce"): "2"}
    assert list(parse(decide([RAIL], {}, kernel("1")).text)) == [(RAIL, "arp_announce")]


@pytest.mark.parametrize("value", ["0", "3", "4", "8"])
def test_what_does_not_is_replaced(value: str) -> None:
    assert decide([RAIL], {}, kernel(arp_ignore=value)).set_now[RAIL, "arp_ignore"] == "1"


@pytest.mark.parametrize(("ignore", "announce", "name"), [("3", "0", "arp_ignore"), ("8", "0", "arp_ignore"), ("0", "3", "arp_announce")])
def test_a_setting_of_all_interfaces_that_overrules_ours_is_named(ignore: str, announce: str, name: str) -> None:
    with pytest.raises(SysctlError, match=rf"net.ipv4.conf.all.{name} is [38], wanted at most 2: .* fabric_arp: false"):
        decide([RAIL], {}, kernel(ignore, announce))


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(SysctlError, match=r"no interface enp9, .*ip link show enp9"):
        decide(["enp9"], {}, {**kernel(), ("enp9", "arp_ignore"): None, ("enp9", "arp_announce"): None})


@pytest.mark.parametrize(("all_interfaces", "own"), [("1", "0"), ("0", "1"), ("1", "1")])
def test_in_a_ring_an_answer_may_come_another_way_than_the_question_went(all_interfaces: str, own: str) -> None:
    strict = {**kernel("1", "2", rp_filter=own, forwarding="1"), ("all", "rp_filter"): all_interfaces}
    decision = decide([RAIL], {}, strict, True)
    assert decision == Decision(decision.text, {}, {(RAIL, "rp_filter"): "2"})
    held = parse(decision.text)
    assert decide([RAIL], held, in_force(strict, decision), None) == Decision(decision.text, {}, {})
    assert decide([], held, in_force(strict, decision)).put_back == {(RAIL, "rp_filter"): own}
    assert decide([RAIL], {}, strict, False) == decide([RAIL], {}, strict, None) == Decision("", {}, {})


@pytest.mark.parametrize(("all_interfaces", "own"), [("0", "0"), ("2", "1"), ("1", "2")])
def test_a_loose_check_of_the_way_back_or_none_is_left_alone(all_interfaces: str, own: str) -> None:
    values = {**kernel("1", "2", rp_filter=own, forwarding="1"), ("all", "rp_filter"): all_interfaces}
    assert decide([RAIL], {}, values, True) == Decision("", {}, {})


def test_a_node_of_a_ring_forwards_also_where_arp_is_left_as_it_is() -> None:
    decision = decide([RAIL], {}, kernel("3"), True, arp=False)
    assert decision.set_now == {(RAIL, "forwarding"): "1"}
    both = decide([RAIL], {}, kernel(), True)
    after = decide([RAIL], parse(both.text), in_force(kernel(), both), None, arp=False)
    assert after.put_back == {(RAIL, "arp_ignore"): "0", (RAIL, "arp_announce"): "0"} and after.set_now == {}
    assert parse(after.text) == {(RAIL, "forwarding"): Held("1", "0")}


def test_after_a_recabling_the_other_interface_has_what_it_had() -> None:
    first = decide([RAIL], {}, kernel(arp_ignore="3"))
    second = decide([TWIN], parse(first.text), in_force(kernel(), first))
    assert second.put_back == {(RAIL, "arp_ignore"): "3", (RAIL, "arp_announce"): "0"}
    assert {interface for interface, _ in parse(second.text)} == {TWIN}


def test_what_somebody_changed_since_is_theirs() -> None:
    held = parse(decide([RAIL], {}, kernel()).text)
    assert decide([], held, kernel(arp_ignore="2", arp_announce="2")) == Decision("", {(RAIL, "arp_announce"): "0"}, {})


def test_an_interface_that_has_gone_keeps_nothing() -> None:
    held = parse(decide([RAIL], {}, kernel()).text)
    assert decide([], held, {**kernel(), (RAIL, "arp_ignore"): None, (RAIL, "arp_announce"): None}) == Decision("", {}, {})


def test_after_a_reboot_the_settings_of_the_file_are_no_change_and_lost_ones_are_set_again() -> None:
    text = decide([RAIL], {}, kernel()).text
    assert decide([RAIL], parse(text), kernel(arp_ignore="1", arp_announce="2")) == Decision(text, {}, {})
    assert decide([RAIL], parse(text), kernel(arp_ignore="1")) == Decision(text, {}, {(RAIL, "arp_announce"): "2"})


def test_a_file_that_somebody_stripped_of_its_comments_still_comes_off() -> None:
    text = "".join(f"{line}\n" for line in decide([RAIL], {}, kernel()).text.splitlines() if not line.startswith("#"))
    assert parse(text) == {(RAIL, "arp_ignore"): Held("1", None), (RAIL, "arp_announce"): Held("2", None)}
    assert decide([], parse(text), kernel(arp_ignore="1", arp_announce="2")).put_back == {
        (RAIL, "arp_ignore"): "0",
        (RAIL, "arp_announce"): "0",
    }


def test_names_with_dots_are_kept_apart() -> None:
    held = {("enp1s0f0np0.100", "arp_ignore"): Held("1", "0")}
    assert parse(render(held)) == held


def test_the_file_is_understood_by_what_reads_it_at_boot() -> None:
    """Comments begin a line; an assignment is one path, an equals sign and a value (sysctl.d(5))."""
    lines = decide([RAIL, TWIN], {}, kernel()).text.splitlines()
    settings = [line.split(" = ") for line in lines if not line.startswith("#")]
    assert [len(parts) for parts in settings] == [2] * 4
    assert all(path.split("/")[:3] == ["net", "ipv4", "conf"] and value in "12" for path, value in settings)


INTERFACES = ["a", "b", "c.1"]
VALUES = st.sampled_from(["0", "1", "2", "3", "8"])
NODES = st.fixed_dictionaries({(interface, name): VALUES for interface in INTERFACES for name in NAMES})


@given(
    NODES,
    st.sampled_from("012"),
    st.lists(st.tuples(st.sets(st.sampled_from(INTERFACES)), st.sampled_from([True, False, None]), st.integers(0, 3))),
)
def test_in_the_end_everything_is_back_whatever_was_planned_and_wherever_it_was_interrupted(
    before: dict[Key, str], all_ignore: str, runs: list[tuple[set[str], Optional[bool], int]]
) -> None:
    values: Values = {**kernel(all_ignore), **before}
    text = ""
    for interfaces, forwarding, steps in [*runs, (set[str](), True, 3)]:
        decision = decide(sorted(interfaces), parse(text), {key: values[key] for key in keys(interfaces, parse(text))}, forwarding)
        # The steps of the module rail_sysctl, of which an interrupted run does the first few.
        values.update(decision.put_back if steps > 0 else {})
        text = decision.text if steps > 1 else text
        values.update(decision.set_now if steps > 2 else {})
        if steps == 3:
            for interface in interfaces:
                assert max(str(values[interface, "arp_ignore"]), all_ignore) in "12" and values[interface, "arp_announce"] == "2"
                assert not forwarding or values[interface, "forwarding"] == "1"
    assert text == "" and {key: values[key] for key in before} == before
