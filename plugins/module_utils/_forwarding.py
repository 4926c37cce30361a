# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a node sends through others over the fabric, and whether it passes on what others send through it."""

from __future__ import annotations

import fnmatch
import re
import shlex
import typing as t

_INTERFACE = ("-i", "--in-interface", "-o", "--out-interface")
_JUMP = ("-j", "--jump", "-g", "--goto")
_PROTOCOL = ("-p", "--protocol")
_MATCH = ("-m", "--match")


def passes(ip_forward: str, rules: str, rails: t.Collection[str]) -> dict[str, t.Any]:
    """Whether IPv4 packets get from one rail to another; `rails` are the interfaces' names.

    `ip_forward`: content of net.ipv4.ip_forward; `rules`: output of `iptables --list-rules`. `enabled` is the first, `policy` what becomes
    of a packet that no rule matches, `accepted` whether a rule lets packets between rails through: with only some of them let through,
    someone has thought of it. Each None where it is not known.
    """
    policy = re.search(r"^-P FORWARD (\w+)$", rules, re.MULTILINE)
    return {
        "enabled": {"0": False, "1": True}.get(ip_forward.strip()),
        "policy": policy.group(1) if policy else None,
        "accepted": any(_accepts(words, rails) for words in _forwarded(rules)) if policy else None,
    }


def _forwarded(rules: str) -> t.Iterator[list[str]]:
    """The rules of the chain FORWARD and of those that it leads to, as words without `-A CHAIN`."""
    chains: dict[str, list[list[str]]] = {}
    for line in rules.splitlines():
        words = _words(line)
        if words[:1] == ["-A"] and len(words) > 1:
            chains.setdefault(words[1], []).append(words[2:])
    waiting, seen = ["FORWARD"], set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            for words in chains.get(name, []):
                yield words
                waiting += [target for flag, target in zip(words, words[1:]) if flag in _JUMP and target in chains]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _accepts(words: list[str], rails: t.Collection[str]) -> bool:
    """Whether a rule accepts packets between rails: it names nothing but rails, or no interface and neither protocol nor state."""
    options = list(zip(["", *words], words, words[1:]))  # what stands before it, flag, value
    if not any(flag in _JUMP and value == "ACCEPT" for _before, flag, value in options):
        return False
    named = [value for before, flag, value in options if flag in _INTERFACE and before != "!"]
    if named:
        return all(fnmatch.filter(rails, re.sub(r"\+$", "*", name)) for name in named)  # a plus at the end stands for any
    return not any(flag in _PROTOCOL or (flag in _MATCH and value != "comment") for _before, flag, value in options)


def through(routes: t.Iterable[t.Mapping[str, t.Any]], rails: t.Collection[str]) -> list[dict[str, str]]:
    """The routes that lead over a rail to another node, which is to pass on what is sent: `destination`, `gateway`, `interface`.

    `routes`: what `ip -json -4 route show` printed.
    """
    hops = [(route, hop) for route in routes for hop in route.get("nexthops") or [route]]
    return [
        {"destination": str(route.get("dst")), "gateway": hop["gateway"], "interface": hop["dev"]}
        for route, hop in hops
        if hop.get("gateway") and hop.get("dev") in rails
    ]
