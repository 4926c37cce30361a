# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Why a node could not be logged in to, told from what ssh and sudo printed, and what to do about it."""

from __future__ import annotations

import re
import typing as t

from ._findings import Finding, finding

IDENTIFIER = "inventory.login"


class Cause(t.NamedTuple):
    """A pattern in the words of ssh or sudo, and what to do, with `{entry}` for the name in known_hosts and `{login}` for ssh's words."""

    pattern: str
    remedy: str


# The first that fits counts.  Nothing here turns the check of host keys off: whoever answers in a node's place would get the sudo password.
CAUSES = (
    Cause(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "if the node was installed anew, compare its fingerprint (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the node), then "
        "forget the old key with `ssh-keygen -R {entry}` and accept the new one with `ssh {login}`",
    ),
    Cause(
        r"Host key verification failed",
        "log in once by hand with `ssh {login}` and accept the key after comparing its fingerprint "
        "(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the node)",
    ),
    Cause(
        r"Permission denied \(|Permission denied, please|Too many authentication failures",
        "set ansible_user to the user of the node, and bring your key there with `ssh-copy-id {login}`",
    ),
    Cause(
        r"[Mm]issing sudo password|Incorrect sudo password|a password is required|no new privileges|not in the sudoers|\bsudo: "
        r"|waiting for become success|privilege escalation prompt",
        "give the sudo password with --ask-become-pass, and see that the user may use sudo on the node",
    ),
    Cause(
        r"Could not resolve hostname|Name or service not known",
        "set ansible_host to an address or a name that resolves on this machine",
    ),
)
OTHERWISE = "check ansible_host, that the node is up and that its sshd answers; for more, `ssh {login}`"


def login_finding(host: str, message: str, address: str, user: str, port: int = 22) -> Finding:
    """The finding for one node: `message` is what Ansible reports of the login, `address` its ansible_host, `user` who logs in or empty."""
    entry = address if port == 22 else f"'[{address}]:{port}'"  # as known_hosts has it
    login = f"{user}@{address}" if user else address
    if port != 22:
        login = f"-p {port} {login}"
    cause = next((cause for cause in CAUSES if re.search(cause.pattern, message)), None)
    remedy = (cause.remedy if cause else OTHERWISE).format(entry=entry, login=login)
    wanted = f"a login by ssh as {user or 'the user given to Ansible'} at {address}, and root by sudo"
    return finding(IDENTIFIER, "error", host, _found(message, cause), wanted, remedy)


def _found(message: str, cause: t.Optional[Cause]) -> str:
    """The line that the cause was told from, or all that was printed, on one line and without the frame that ssh draws."""
    lines = [line.strip("@ \t") for line in message.splitlines()]
    telling = [line for line in lines if cause and re.search(cause.pattern, line)]
    return " ".join(" ".join(telling or lines).split())[:300] or "no answer"
