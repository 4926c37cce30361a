# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the rails in files like the kernel's: what is written, in which order, and what is only predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _sysctl
from ansible_collections.dgx_spark.vllm.plugins.modules import rail_sysctl
from tests.unit.plugins.modules.module_runner import run_module

RAIL, TWIN = "enp1s0f0np0", "enP2p1s0f0np0"
OFF, ON = {"arp_ignore": "0\n", "arp_announce": "0\n"}, {"arp_ignore": "1\n", "arp_announce": "2\n"}


class Node:
    """Its tree below /proc/sys/net/ipv4/conf and its file in sysctl.d."""

    def __init__(self, root: Path) -> None:
        self.conf, self.file = root / "conf", root / "60-dgx-spark-fabric.conf"
        for interface in ("all", "default", RAIL, TWIN):
            (self.conf / interface).mkdir(parents=True)
            self.put(interface, {**OFF, "forwarding": "0\n", "rp_filter": "1\n"})

    def put(self, interface: str, values: dict[str, str]) -> None:
        for name, value in values.items():
            (self.conf / interface / name).write_text(value)

    def values(self, interface: str) -> dict[str, str]:
        return {name: (self.conf / interface / name).read_text() for name in OFF}

    def state(self) -> tuple[dict[str, str], dict[str, str], Optional[str]]:
        return self.values(RAIL), self.values(TWIN), self.file.read_text() if self.file.exists() else None

    def number(self, interface: str, name: str) -> int:
        return int((self.conf / interface / name).read_text())

    def run(self, *interfaces: str, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module(rail_sysctl, {"interfaces": list(interfaces), **options}, check=check, diff=True)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node(tmp_path)
    monkeypatch.setattr(rail_sysctl, "CONF", str(found.conf))
    monkeypatch.setattr(_sysctl, "PATH", str(found.file))
    return found


def test_settings_are_in_force_and_in_the_file(node: Node) -> None:
    result = node.run(RAIL, TWIN)
    assert result["changed"] is True
    assert node.values(RAIL) == node.values(TWIN) == ON
    assert f"net/ipv4/conf/{TWIN}/arp_announce = 2\n" in node.file.read_text()
    assert node.file.stat().st_mode & 0o777 == 0o644
    assert result["settings"][0] == {"interface": RAIL, "name": "arp_ignore", "value": "1", "before": "0"}
    assert node.values("all") == node.values("default") == OFF
    assert node.run(RAIL, TWIN)["changed"] is False


def test_a_node_of_a_ring_forwards_as_long_as_it_is_in_one(node: Node) -> None:
    forwarding = node.conf / RAIL / "forwarding"
    node.run(RAIL, forwarding=True)
    assert forwarding.read_text() == "1\n" and f"net/ipv4/conf/{RAIL}/forwarding = 1\n" in node.file.read_text()
    assert node.run(RAIL, forwarding=True)["changed"] is False
    # Who says nothing about it leaves it as it is.
    assert node.run(RAIL)["changed"] is False
    node.run(RAIL, forwarding=False)
    assert forwarding.read_text() == "0\n" and "forwarding" not in node.file.read_text()


def test_without_interfaces_those_that_are_ours_keep_what_a_ring_needs(node: Node) -> None:
    before = node.state()
    node.run(RAIL, TWIN, forwarding=True)
    (node.conf / TWIN).rename(node.conf / "gone")
    result = run_module(rail_sysctl, {"arp": False})
    assert result["changed"] and node.values(RAIL) == OFF
    assert (node.number(RAIL, "forwarding"), node.number(RAIL, "rp_filter")) == (1, 2)
    assert TWIN not in node.file.read_text() and run_module(rail_sysctl, {"arp": False})["changed"] is False
    (node.conf / "gone").rename(node.conf / TWIN)
    node.run()
    assert (node.number(RAIL, "forwarding"), node.number(RAIL, "rp_filter")) == (0, 1)
    assert node.state()[2] == before[2] and run_module(rail_sysctl, {"arp": False})["changed"] is False


def test_what_forwards_already_is_left_alone(node: Node) -> None:
    node.put(RAIL, {"forwarding": "1\n"})
    node.run(RAIL, forwarding=True)
    assert "/forwarding" not in node.file.read_text()
    node.run()
    assert (node.conf / RAIL / "forwarding").read_text() == "1\n"


def test_everything_is_back_as_it_was_and_the_file_is_gone(node: Node) -> None:
    node.put(RAIL, {"arp_ignore": "3\n"})
    before = node.state()
    node.run(RAIL, TWIN)
    assert node.run()["changed"] is True
    assert node.state() == before
    assert node.run() == {**node.run(), "changed": False, "settings": []}


def test_check_mode_predicts_the_same_and_does_nothing(node: Node) -> None:
    for interfaces in ([RAIL, TWIN], [RAIL, TWIN], [TWIN], [], []):
        before = node.state()
        predicted = node.run(*interfaces, check=True)
        assert node.state() == before
        assert node.run(*interfaces) == predicted


def test_the_difference_shows_the_file_and_what_is_in_force(node: Node) -> None:
    node.run(RAIL, TWIN)
    file, in_force = node.run(TWIN, check=True)["diff"]
    assert file["before"] == node.file.read_text() and RAIL not in file["after"] and TWIN in file["after"]
    assert in_force["before"] == f"net.ipv4.conf.{RAIL}.arp_ignore = 1\nnet.ipv4.conf.{RAIL}.arp_announce = 2\n"
    assert in_force["after"] == f"net.ipv4.conf.{RAIL}.arp_ignore = 0\nnet.ipv4.conf.{RAIL}.arp_announce = 0\n"


def test_a_node_that_does_already_gets_no_file(node: Node) -> None:
    node.put("all", {"arp_ignore": "1\n", "arp_announce": "2\n"})
    assert node.run(RAIL, TWIN)["changed"] is False
    assert node.state() == (OFF, OFF, None)


def test_what_was_lost_since_is_made_good_and_told(node: Node) -> None:
    node.run(RAIL)
    whole = node.state()
    node.put(RAIL, OFF)
    assert node.run(RAIL)["changed"] is True and node.state() == whole
    node.file.write_text(f"# A note.\n{node.file.read_text()}")
    assert node.run(RAIL)["changed"] is True and node.state() == whole
    assert node.run(RAIL)["changed"] is False


@pytest.mark.parametrize("first", ["set_values", "write_file"])
def test_a_run_that_is_cut_off_is_made_good_by_the_next(node: Node, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """Cut off before or after the file is written; what was before is known either way."""
    whole: Callable[..., None] = getattr(rail_sysctl, first)

    def cut(what: Any) -> None:
        whole(what)
        if what:  # nothing to put back is no step
            raise OSError("cut off")

    monkeypatch.setattr(rail_sysctl, first, cut)
    assert node.run(RAIL)["failed"] is True
    monkeypatch.setattr(rail_sysctl, first, whole)
    assert node.run(RAIL)["failed"] is False and node.values(RAIL) == ON
    node.run()
    assert node.state() == (OFF, OFF, None)


def test_old_values_are_noted_before_they_are_replaced_and_forgotten_after_they_are_back(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    write_file = rail_sysctl.write_file

    def watched(text: str) -> None:
        seen.append((node.values(RAIL), node.values(TWIN)))
        write_file(text)

    monkeypatch.setattr(rail_sysctl, "write_file", watched)
    node.run(RAIL)
    node.run(TWIN)
    assert seen == [(OFF, OFF), (OFF, OFF)] and node.values(TWIN) == ON


@pytest.mark.parametrize("name", ["", "..", "all", "default", "../ipv6", "a/b"])
def test_what_is_no_interface_is_refused(node: Node, name: str) -> None:
    result = node.run(RAIL, name)
    assert result["failed"] is True and repr(name) in result["msg"] and "enp1s0f0np0" in result["msg"]
    assert node.state() == (OFF, OFF, None)


def test_an_interface_that_went_away_is_named(node: Node) -> None:
    result = node.run("enp9")
    assert result["failed"] is True and "no interface enp9" in result["msg"]


def test_a_file_that_cannot_be_written_is_named(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sysctl, "PATH", str(node.conf / "nosuch" / "60.conf"))
    result = node.run(RAIL)
    assert result["failed"] is True and str(node.conf / "nosuch") in result["msg"]
    assert node.values(RAIL) == OFF
