# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reads captures or runs `ip`, and says what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.dgx_spark.vllm.plugins.modules import roce_info
from tests.unit.plugins.fixtures.spark import ip_addresses, plant, spark

LLDP = Path(__file__).parents[1] / "fixtures" / "lldp" / "lldpctl.json"
ROUTES = [{"dst": "default", "dev": "enP7s7"}]
MANAGEMENT = {"enP7s7": {"address": "4c:bb:47:00:00:01", "mtu": "1500", "operstate": "up", "carrier": "1", "speed": "10000"}}


class Node:
    """A node whose sysfs and `ip` are made up."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.commands: list[list[str]] = []
        self.answers: dict[str, tuple[int, str, str]] = {
            "address": (0, json.dumps(ip_addresses(spark(1))), ""),
            "route": (0, json.dumps(ROUTES), ""),
        }
        self.ip: Optional[str] = "/usr/sbin/ip"
        self.lldpctl: Optional[str] = None
        self._capsys = capsys
        plant(root / "sys", spark(1), MANAGEMENT)
        monkeypatch.setattr(AnsibleModule, "run_command", lambda module, words: self._run(words))
        monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda module, name, **options: {"ip": self.ip, "lldpctl": self.lldpctl}[name])

    def _run(self, words: list[str]) -> tuple[int, str, str]:
        self.commands.append(words)
        return self.answers[words[2]]

    def call(self, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({"sysfs_root": str(self.root / "sys"), **arguments}), pytest.raises(SystemExit):
            roce_info.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def node(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, capsys, monkeypatch)


def test_ip_is_run_for_addresses_and_routes(node: Node) -> None:
    result = node.call()
    assert node.commands == [["/usr/sbin/ip", "-json", "address", "show"], ["/usr/sbin/ip", "-json", "route", "show"]]
    assert result["changed"] is False
    assert [device["usable"] for device in result["devices"]] == [True, False, True, False]
    assert [(entry["name"], entry["default_route"]) for entry in result["interfaces"]] == [("enP7s7", True)]
    assert result["ibdev2netdev"][0] == "rocep1s0f0 port 1 ==> enp1s0f0np0 (Up)"


def test_captures_are_read_instead_of_running_ip(node: Node) -> None:
    addresses, routes = node.root / "addresses.json", node.root / "routes.json"
    addresses.write_text(json.dumps(ip_addresses(spark(1))))
    routes.write_text("")  # what `ip` says where there is no route
    node.ip = None
    result = node.call(ip_addresses=str(addresses), ip_routes=str(routes), _ansible_check_mode=True)
    assert node.commands == []
    assert result["devices"][0]["ipv4"][0]["address"] == "192.168.100.1"
    assert result["interfaces"][0]["default_route"] is False


def test_a_node_without_ip_is_told_what_to_install(node: Node) -> None:
    node.ip = None
    result = node.call()
    assert result["failed"]
    assert "found no `ip`" in result["msg"]
    assert "install it" in result["msg"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((1, "", "RTNETLINK answers: Operation not permitted\n"), "failed with code 1 (RTNETLINK answers: Operation not permitted)"),
        ((0, "BusyBox v1.36", ""), "ip -json address show gave no JSON"),
        ((0, '{"a": 1}', ""), "gave no list of objects"),
        ((0, "[1]", ""), "gave no list of objects"),
    ],
)
def test_what_ip_says_is_not_taken_for_granted(node: Node, answer: tuple[int, str, str], message: str) -> None:
    node.answers["address"] = answer
    result = node.call()
    assert result["failed"]
    assert message in result["msg"]


def test_a_capture_that_is_not_there_is_named(node: Node) -> None:
    result = node.call(ip_addresses="/nonexistent/addresses.json")
    assert "/nonexistent/addresses.json can't be read (No such file or directory)" in result["msg"]


def test_a_sysfs_that_may_not_be_read_is_named(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied", "/sys/class/infiniband/rocep1s0f0/ports/1/gids/0")

    monkeypatch.setattr(roce_info, "observe", refused)
    assert "gids/0 can't be read (Permission denied)" in node.call()["msg"]


def test_the_documented_results_are_those_that_are_returned(node: Node) -> None:
    documented = yaml.safe_load(roce_info.RETURN)
    result = node.call()
    assert set(documented) == set(result) - {"changed", "invocation"}
    assert list(documented["devices"]["contains"]) == list(result["devices"][0])
    for key, sample in (("ipv4", "ipv4"), ("gids", "gids")):
        assert set(documented["devices"]["contains"][key]["sample"][0]) == set(result["devices"][0][sample][0])
    assert list(documented["interfaces"]["sample"][0]) == list(result["interfaces"][0])


def test_what_lldpd_has_heard_is_told_with_each_port(node: Node) -> None:
    node.lldpctl = "/usr/sbin/lldpctl"
    node.answers["/usr/sbin/lldpctl"] = (0, LLDP.read_text(), "")
    result = node.call()
    assert node.commands[-1] == ["timeout", "5", "/usr/sbin/lldpctl", "-f", "json0"]
    told = {device["netdev"]: device["lldp"] for device in result["devices"]}
    assert told.pop("enp1s0f0np0") == {"system": "switch1", "port": "swp5"}
    assert told.pop("enP2p1s0f0np0") == {"system": "switch1", "port": "qsfp-2"}
    assert set(told.values()) == {None}


@pytest.mark.parametrize("said", ["", "no JSON", "[]", '{"lldp": [{}]}', '{"lldp": [{"interface": [{"via": "LLDP"}]}]}'])
def test_a_node_whose_lldpd_says_nothing_is_observed_all_the_same(node: Node, said: str) -> None:
    node.lldpctl = "/usr/sbin/lldpctl"
    node.answers["/usr/sbin/lldpctl"] = (1, said, "unable to connect to socket")
    assert {device["lldp"] for device in node.call()["devices"]} == {None}


def test_a_capture_is_read_instead_of_asking_lldpd(node: Node) -> None:
    node.lldpctl = "/usr/sbin/lldpctl"
    assert node.call(lldp_neighbours=str(LLDP))["devices"][0]["lldp"] == {"system": "switch1", "port": "swp5"}
    assert len(node.commands) == 2
    assert "wanted the output of `lldpctl -f json0`" in node.call(lldp_neighbours=str(node.root / "none"))["msg"]


def test_a_node_s_own_function_is_no_neighbour(node: Node) -> None:
    node.lldpctl = "/usr/sbin/lldpctl"
    said = json.loads(LLDP.read_text())
    chassis = said["lldp"][0]["interface"][0]["chassis"][0]["id"][0]["value"]
    node.answers["/usr/sbin/lldpctl"] = (0, json.dumps(said), "")
    node.answers["address"] = (0, json.dumps([*ip_addresses(spark(1)), {"ifname": "enP7s7", "address": chassis}]), "")
    assert {device["lldp"] for device in node.call()["devices"]} == {None}
