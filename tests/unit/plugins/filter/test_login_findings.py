# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.filter.login_findings import FilterModule

CHANGED = """Failed to connect to the host via ssh: @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Host key verification failed."""


def findings(**results: t.Any) -> list[dict[str, t.Any]]:
    variables = {
        host: {"ansible_host": f"{host}.lan", "ansible_user": "ada", **({} if result is None else {"login": result})}
        for host, result in results.items()
    }
    return FilterModule().filters()["login_findings"](variables, list(results), "login")


def test_a_host_on_which_the_command_ran_is_not_named() -> None:
    assert findings(spark1={"stdout": "0", "rc": 0}) == []


@pytest.mark.parametrize(
    ("message", "found", "remedy"),
    [
        (CHANGED, "WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "ssh-keygen -R spark1.lan"),
        (
            "Failed to connect: No ED25519 host key is known.\nHost key verification failed.",
            "Host key verification failed.",
            "`ssh ada@spark1.lan`",
        ),
        ("ada@spark1.lan: Permission denied (publickey).", "ada@spark1.lan: Permission denied (publickey).", "ssh-copy-id ada@spark1.lan"),
        ("Missing sudo password", "Missing sudo password", "--ask-become-pass"),
        ("Premature end of stream waiting for become success.\n>>> Standard Error", "waiting for become success", "--ask-become-pass"),
        ("mkdir: cannot create directory '/home/ada/.ansible': Permission denied", "cannot create directory", "`ssh ada@spark1.lan`"),
        ("ssh: Could not resolve hostname spark1.lan: Name or service not known", "Could not resolve", "ansible_host"),
        ("connect to host spark1.lan port 22: No route to host", "No route to host", "that its sshd answers"),
        ("", "no answer", "that its sshd answers"),
    ],
)
def test_the_remedy_follows_from_what_ssh_said(message: str, found: str, remedy: str) -> None:
    (only,) = findings(spark1={"unreachable": True, "msg": message}, spark2={"stdout": "0"})
    assert (only["id"], only["severity"], only["host"]) == ("inventory.login", "error", "spark1")
    assert found in only["found"] and "@@" not in only["found"]
    assert remedy in only["remedy"]
    assert only["wanted"] == "a login by ssh as ada at spark1.lan, and root by sudo"


def test_no_remedy_turns_the_check_of_host_keys_off() -> None:
    for message in (CHANGED, "Host key verification failed."):
        (only,) = findings(spark1={"unreachable": True, "msg": message})
        assert "StrictHostKeyChecking" not in only["remedy"] and "fingerprint" in only["remedy"]


def test_a_host_without_a_result_and_one_that_failed_are_both_named() -> None:
    named = findings(
        spark1=None, spark2={"failed": True, "stdout": "", "msg": "non-zero return code", "module_stderr": "sudo: a password is required"}
    )
    assert [entry["host"] for entry in named] == ["spark1", "spark2"]
    assert "--ask-become-pass" in named[1]["remedy"]


def test_a_port_of_its_own_is_part_of_the_words() -> None:
    variables = {"spark1": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "login": {"unreachable": True, "msg": CHANGED}}}
    (only,) = FilterModule().filters()["login_findings"](variables, ["spark1"], "login")
    assert "`ssh-keygen -R '[10.0.0.1]:2222'`" in only["remedy"] and "`ssh -p 2222 10.0.0.1`" in only["remedy"]
    assert "the user given to Ansible" in only["wanted"]
