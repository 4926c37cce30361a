# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that can't be meant are refused before anything is looked at, and a node on which something is missing is left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_restore
from ansible_collections.dgx_spark.vllm.plugins.modules import rail_addresses
from tests.unit.plugins.fixtures.node import Answer, Node
from tests.unit.plugins.modules.module_runner import run_module

THEIRS = "etc/netplan/40-cx7.yaml"
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


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node whose ports NetworkManager has, by netplan's file."""
    found = Node(tmp_path, monkeypatch)
    found.write(THEIRS, "network: {version: 2, ethernets: {enp1s0f0np0: {addresses: [192.168.9.1/24, 'fd00::1/64'], mtu: 4000}}}\n")
    found.write("etc/netplan/01-network-manager-all.yaml", "network: {version: 2, renderer: NetworkManager}\n")
    found.boot()
    return found


def run(check: bool = False, **options: Any) -> dict[str, Any]:
    rails = [{"interface": "enp1s0f0np0", "address": "10.100.0.1/24"}]
    given = options if "state" in options else {"rails": rails, "functions": ["enp1s0f0np0", "enp1s0f1np1"], **options}
    return run_module(rail_addresses, given, check=check, diff=True)


def confirm(result: dict[str, Any]) -> dict[str, Any]:
    assert result["failed"] is False, result
    return run(state="confirmed", change=result["change"])


def test_addresses_are_given_and_put_back(node: Node) -> None:
    found = node.state()
    foretold = run(check=True)
    assert foretold["changed"] and node.state() == found
    assert confirm(run())["failed"] is False
    assert node.links["enp1s0f0np0"].addresses == ["10.100.0.1/24"] and run()["changed"] is False
    assert run(state="absent")["changed"] and node.state() == found
    assert run(state="absent")["changed"] is False


@pytest.mark.parametrize(
    ("program", "package"),
    [("ip", "iproute2"), ("ss", "iproute2"), ("netplan", "network-manager"), ("nmcli", "network-manager"), ("systemd-run", "systemd")],
)
def test_a_program_that_is_missing_is_named_with_its_package_before_anything_is_changed(node: Node, program: str, package: str) -> None:
    found = node.state()
    node.fails = lambda words: (127, "", f"{words[0]}: not found") if words[0] == program else None
    result = run()
    if program == "netplan":  # NetworkManager does without
        assert result["renderer"] == "NetworkManager" and THEIRS in node.files()
        return
    assert result["failed"] and (program in result["msg"] or "NetworkManager" in result["msg"]) and package in result["msg"]
    assert node.state() == found


def test_a_python_without_the_module_that_reads_netplans_files_is_named(node: Node) -> None:
    found = node.state()
    node.fails = lambda words: node.python("-S", *words[1:]) if words[0] == "/usr/bin/python3" else None
    result = run()
    assert result["failed"] and "install the package python3-yaml" in result["msg"] and node.state() == found


def test_a_file_that_netplan_rejects_is_named(node: Node) -> None:
    node.write("etc/netplan/70-bad.yaml", "network: [")
    found = node.state()
    result = run()
    assert result["failed"] and "etc/netplan/70-bad.yaml" in result["msg"] and "import" not in result["msg"] and node.state() == found


def test_programs_are_found_where_a_login_does_not_look_and_speak_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    code, out, _err = _fabric_restore.command(["sh", "-c", "echo $LC_ALL $PATH"])
    assert code == 0 and out.startswith("C ") and "/usr/sbin:/sbin" in out


@pytest.mark.parametrize("moment", ["netplan generate", "nmcli connection reload"])
def test_an_interface_that_goes_away_while_it_gets_its_address_leaves_nothing_of_ours(node: Node, moment: str) -> None:
    found = node.files()
    port = node.links["enp1s0f0np0"]

    def unplugged(words: list[str]) -> Optional[Answer]:
        if " ".join(words) == moment:
            node.links.pop("enp1s0f0np0", None)
        return None

    node.fails = unplugged
    result = run()
    assert result["failed"] and "'enp1s0f0np0' not found" in result["msg"] and "What was before is in place again" in result["msg"]
    assert node.files() == found
    node.fails, node.links["enp1s0f0np0"] = lambda words: None, port
    node.boot()
    assert port.addresses == ["192.168.9.1/24", "fd00::1/64"]


def test_an_interface_that_has_gone_before_is_named(node: Node) -> None:
    del node.links["enp1s0f0np0"]
    found = node.state()
    result = run()
    assert result["failed"] and "found no interface enp1s0f0np0" in result["msg"] and node.state() == found


def test_ipv6_goes_with_what_others_have_configured_and_comes_back(node: Node) -> None:
    found = node.state()
    in_force = run(check=True)["diff"][-1]
    assert "192.168.9.1/24, fd00::1/64, MTU 4000" in in_force["before"] and "fd00::1" not in in_force["after"]
    confirm(run())
    assert node.links["enp1s0f0np0"].addresses == ["10.100.0.1/24"]
    run(state="absent")
    assert node.state() == found


def test_ipv6_addresses_that_were_set_by_hand_come_back(node: Node) -> None:
    node.path(THEIRS).unlink()
    node.boot()
    node.links["enp1s0f0np0"].addresses = ["fd00::2/64"]
    confirm(run())
    node.links["enp1s0f0np0"].addresses = ["10.100.0.1/24"]
    run(state="absent")
    assert node.links["enp1s0f0np0"].addresses == ["fd00::2/64"]


@pytest.mark.parametrize("address", ["192.168.9.1", "[fd00::1]", "[::ffff:192.168.9.1]", "[fe80::1%enp1s0f0np0]"])
def test_a_session_by_an_address_that_would_go_is_not_cut_off(node: Node, address: str) -> None:
    found = node.state()
    node.sessions = f"0 0 10.9.0.1:22 10.9.0.7:40000\n0 0 {address}:22 10.9.0.7:40002\n"
    result = run()
    assert result["failed"] and "found an ssh session to" in result["msg"] and "of enp1s0f0np0" in result["msg"]
    assert node.state() == found


def test_a_change_that_nobody_has_confirmed_is_shown_and_made_anew(node: Node) -> None:
    found = node.state()
    first = run()
    pending = node.state()
    foretold = run(check=True)
    assert foretold["changed"] and foretold["change"] is None and node.state() == pending
    assert [one["before_header"].rsplit("/", 1)[-1] for one in foretold["diff"]] == [
        "90-dgx-spark-fabric.yaml",
        "40-cx7.yaml",
        "in force, and not confirmed",
    ]
    ours, theirs, in_force = foretold["diff"]
    assert ours["before"] == "" and "10.100.0.1/24" in ours["after"]
    assert (theirs["before"], theirs["after"]) == ("in force\n", "set aside\n")
    assert "192.168.9.1/24" in in_force["before"] and "10.100.0.1/24" in in_force["after"]
    second = run(adopt=False)
    assert second["change"] not in (None, first["change"]) and second["diff"][:3] == foretold["diff"]
    assert run(state="checked", change=first["change"])["failed"]
    confirm(second)
    assert run()["changed"] is False and run(check=True)["diff"] == []
    run(state="absent")
    assert node.state() == found
