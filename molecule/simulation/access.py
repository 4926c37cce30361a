# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where generated things live (.sim/ in the checkout), and how a node is reached: the key, its known host keys, ssh."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATE = HERE.parents[1] / ".sim"
KEY = STATE / "id_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
USER = "nvidia"


def say(text: str) -> None:
    """One line of progress."""
    print("simulation: " + text, flush=True)


def public_key() -> str:
    """The controller's key, made when it is first wanted."""
    if not KEY.exists():
        STATE.mkdir(exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "dgx-spark-simulation", "-f", str(KEY)], check=True)
    return KEY.with_suffix(".pub").read_text().strip()


def write_known_hosts(lines: Iterable[str]) -> None:
    """Whole, so that keys of an earlier cluster do not linger."""
    KNOWN_HOSTS.write_text("".join(line + "\n" for line in lines))


def ssh(address: str, command: str, text_in: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command on a node as users do, with host-key checking; the caller looks at returncode."""
    options = [
        "BatchMode=yes",
        "ConnectTimeout=10",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        f"UserKnownHostsFile={KNOWN_HOSTS}",
    ]
    words = ["ssh", "-F", "none", "-i", str(KEY), *(word for option in options for word in ("-o", option))]
    return subprocess.run([*words, f"{USER}@{address}", command], input=text_in, capture_output=True, text=True, timeout=timeout)
