# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe on real interfaces, in a network namespace of its own: what is sent on one end of a cable is heard at the other."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional
from unittest.mock import Mock

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _beacon

ROOT = Path(__file__).parents[4]
MACS = {name: f"02:00:5e:10:00:0{number}" for number, name in enumerate(("left", "right", "apart", "distant"))}


def test_a_frame_tells_its_sender_and_only_to_its_own_probing() -> None:
    sent = _beacon.frame(bytes.fromhex("4cbb47020010"), "abc")
    assert len(sent) == 60
    assert _beacon.sender(sent, "abc") == "4c:bb:47:02:00:10"
    assert _beacon.sender(sent, "ab") is None
    assert _beacon.sender(sent, "abcd") is None
    assert _beacon.sender(sent[:12] + b"\x08\x00" + sent[14:], "abc") is None
    assert _beacon.sender(b"", "abc") is None


@pytest.fixture
def cables() -> Iterator[list[str]]:
    """Words that run a command where two cables are: left to right, and apart to distant."""
    maker = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo ready; read -r _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert maker.stdin and maker.stdout
    if maker.stdout.readline() != b"ready\n":
        pytest.skip("this machine lets nobody make a network namespace")
    inside = ["nsenter", f"--target={maker.pid}", "--user", "--net", "--preserve-credentials"]
    for one, other in (("left", "right"), ("apart", "distant")):
        words = ["link", "add", one, "address", MACS[one], "type", "veth", "peer", "name", other, "address", MACS[other]]
        subprocess.run([*inside, "ip", *words], check=True)
        for name in (one, other):
            subprocess.run([*inside, "ip", "link", "set", name, "up"], check=True)
    yield inside
    maker.communicate(b"\n", timeout=10)


def run(inside: list[str], check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run the module there as Ansible does, in a process of its own."""
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}})
    program = "from ansible_collections.dgx_spark.vllm.plugins.modules import fabric_probe; fabric_probe.main()"
    words = [*inside, sys.executable, "-c", "from ansible.module_utils.testing import patch_module_args as patch\nimport json, sys\n"
             f"with patch(json.loads(sys.argv[1])['ANSIBLE_MODULE_ARGS']):\n    {program}", given]  # fmt: skip
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{ROOT}/collections"}, timeout=60
    )
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def probe(inside: list[str], interfaces: list[str], meanwhile: Optional[list[str]] = None) -> dict[str, Any]:
    token = uuid.uuid4().hex
    assert run(inside, state="started", token=token, interfaces=interfaces, check=True) == {
        "changed": False,
        "invocation": {"module_args": {"state": "started", "token": token, "interfaces": interfaces, "seconds": 120}},
    }
    if meanwhile:
        subprocess.run([*inside, *meanwhile], check=True)
    found = run(inside, state="finished", token=token)
    assert run(inside, state="finished", token=token)["failed"] is True, "the process has ended"
    return {key: found[key] for key in ("heard", "lost")}


def test_each_end_of_a_cable_hears_the_other_and_nobody_else(cables: list[str]) -> None:
    found = probe(cables, list(MACS))
    heard = {"left": "right", "right": "left", "apart": "distant", "distant": "apart"}
    assert found == {"heard": {name: [MACS[other]] for name, other in heard.items()}, "lost": {}}


def test_an_interface_that_disappears_is_named_and_the_others_go_on(cables: list[str]) -> None:
    found = probe(cables, list(MACS), ["ip", "link", "delete", "apart"])
    assert found["heard"]["left"] == [MACS["right"]]
    assert set(found["lost"]) == {"apart", "distant"}
    assert all(re.search("no such device|down", reason, re.IGNORECASE) for reason in found["lost"].values())


@pytest.mark.parametrize(("number", "lost"), [(errno.EAGAIN, False), (errno.ENOBUFS, False), (errno.ENETDOWN, True), (errno.ENODEV, True)])
def test_a_full_queue_passes(number: int, lost: bool) -> None:
    station = _beacon.Station([], uuid.uuid4().hex)
    packets = Mock(**{"getsockname.return_value": ("left", 0, 0, 1, bytes(6)), "send.side_effect": OSError(number, os.strerror(number))})
    station._sockets["left"] = packets
    station._send("left")
    assert station.lost == ({"left": os.strerror(number)} if lost else {})
    assert ("left" in station._sockets) is not lost


@pytest.mark.parametrize("state", ["started", "finished"])
def test_what_can_not_be_probed_is_said(cables: list[str], state: str) -> None:
    wrong: dict[str, Any] = {"interfaces": ["missing"]} if state == "started" else {}
    refused = run(cables, state=state, token="abc", **wrong)
    assert refused["failed"] is True
    assert ("missing: No such device" if state == "started" else "no probe with token abc") in refused["msg"]
    assert "wanted" in refused["msg"]


def test_a_token_has_letters_and_digits(cables: list[str]) -> None:
    assert "wanted up to 64 letters and digits" in run(cables, state="finished", token="a b")["msg"]


def test_nobody_coming_back_ends_it(cables: list[str]) -> None:
    token = uuid.uuid4().hex
    assert "failed" not in run(cables, state="started", token=token, interfaces=["left"], seconds=0)
    assert run(cables, state="finished", token=token)["failed"] is True
