# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trap 15: the user that a script assumes, and the key of a node that was installed anew."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import inventory_file
from tests.acceptance.harness import ROOT, Playbooks
from tests.acceptance.traps.evidence import Trap

KEY = ROOT / ".sim" / "id_ed25519"
KNOWN = ROOT / ".sim" / "known_hosts"
ADDRESS = "10.77.0.12"


def ssh(login: str, known_hosts: Path) -> str:
    options = [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        f"UserKnownHostsFile={known_hosts}",
    ]
    words = ["ssh", "-F", "none", "-i", str(KEY), *(word for option in options for word in ("-o", option)), login, "true"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 255
    return done.stderr


def stale(folder: Path) -> Path:
    """Known host keys in which the second node has the first one's."""
    lines = KNOWN.read_text().splitlines()
    first = next(line for line in lines if "10.77.0.11" in line)
    path = folder / "known_hosts"
    path.write_text("".join(line + "\n" for line in (first, first.replace("10.77.0.11", ADDRESS).replace("spark1", "spark2"))))
    return path


def test_15_a_wrong_user_and_a_stale_key_are_named_with_what_to_do(playbooks: Playbooks, tmp_path: Path) -> None:
    trap = Trap(15)
    trap.red("ssh aj@10.77.0.12 (the user of the script)", ssh(f"aj@{ADDRESS}", KNOWN), "Permission denied")
    trap.red("ssh nvidia@10.77.0.12, whose key has changed", ssh(f"nvidia@{ADDRESS}", stale(tmp_path)), "Host key verification failed")

    def wrong_user(group: dict[str, Any]) -> None:
        group["hosts"]["spark2"]["ansible_user"] = "aj"

    def old_key(group: dict[str, Any]) -> None:
        # Without ControlPath an earlier connection would be used, whose key was right.
        options = ["IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "ControlPath=none"]
        options.append(f"UserKnownHostsFile={tmp_path / 'known_hosts'}")
        group["hosts"]["spark2"]["ansible_ssh_common_args"] = " ".join(f"-o {option}" for option in options)

    for change, command, pattern in (
        (wrong_user, "deploy_dsv4.yml with ansible_user aj", "inventory.login spark2: .*Permission denied.*ssh-copy-id aj@10.77.0.12"),
        (
            old_key,
            "deploy_dsv4.yml with a stale key",
            "inventory.login spark2: .*HAS CHANGED.*compare its fingerprint .*ssh-keygen -R 10.77.0.12",
        ),
    ):
        run = playbooks.deploy(inventory=inventory_file(tmp_path, change))
        failed = [event for event in run.failures if event["outcome"] == "failed"]
        assert run.code != 0 and len(failed) == 1 and run.changed == set(), run.output[-3000:]
        trap.green(command, str(failed[0]["message"]), pattern)
        assert "StrictHostKeyChecking" not in failed[0]["message"]
