# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The systemd unit by which Docker lets a node of a ring pass on what its neighbours send each other."""

from __future__ import annotations

import itertools
import typing as t

UNIT = "dgx-spark-fabric-forward.service"
PATH = f"/etc/systemd/system/{UNIT}"
# Docker drops what a node would forward, but for what this chain, which it leaves to the administrator, accepts.
CHAIN = "DOCKER-USER"

_HEAD = f"""\
# Written by the role fabric of dgx_spark.vllm, which also takes it away again (fabric_state: absent).
[Unit]
Description=Pass on what the neighbours in the ring send each other
After=docker.service
# Docker makes its chains when it starts.
PartOf=docker.service
ConditionPathExists=/run/docker.sock

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStartPre=/usr/sbin/iptables --wait --numeric --list {CHAIN} 1
"""
_TAIL = """
[Install]
WantedBy=docker.service
"""

Pair = tuple[str, str]
"""The interface by which something comes in, and the one by which it goes out."""


def pairs_of(interfaces: t.Iterable[str]) -> list[Pair]:
    """Return every way through a node from one of these interfaces to another."""
    return list(itertools.permutations(dict.fromkeys(interfaces), 2))


def rule(pair: Pair) -> list[str]:
    """Return the words of iptables, from the chain on, that let this through."""
    where = ["--in-interface", pair[0], "--out-interface", pair[1]]
    return [CHAIN, *where, "--match", "comment", "--comment", "dgx-spark-fabric", "--jump", "ACCEPT"]


def text(pairs: t.Sequence[Pair]) -> str:
    """Return the unit; empty if there is nothing to let through."""
    if not pairs:
        return ""
    starts = [f"ExecStart=/usr/sbin/iptables --wait --insert {' '.join(rule(pair))}\n" for pair in pairs]
    # A rule that somebody has removed since is not missed.
    stops = [f"ExecStopPost=-/usr/sbin/iptables --wait --delete {' '.join(rule(pair))}\n" for pair in pairs]
    return "".join([_HEAD, *starts, *stops, _TAIL])
