# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which kernel settings the interfaces of a fabric need, and what was in force before they got them.

A setting is `net.ipv4.conf.INTERFACE.NAME`. One file of sysctl.d holds all that are ours, each below the value that it replaced, so that
there is no moment in which a setting is changed and its old value forgotten.
"""

from __future__ import annotations

import re
import typing as t

PATH = "/etc/sysctl.d/60-dgx-spark-fabric.conf"
_HEADER = """\
# Written by the role fabric of dgx_spark.vllm, which also takes it away again (fabric_state: absent) and puts back what was before.
# Both functions of a QSFP port are on one wire: each answers for its own address only, and asks with it.
"""
# Slashes, because an interface's name may have a dot in it.
_LINE = re.compile(r"(?:^# before: (\S+)\n)?^net/ipv4/conf/([^/\s]+)/(\w+) = (\S+)$", re.MULTILINE)

Key = tuple[str, str]
"""Interface (or `all`, `default`) and name of a setting."""


class Wanted(t.NamedTuple):
    """The value that a setting gets, and all values that do."""

    value: str
    enough: tuple[str, ...]


class Held(t.NamedTuple):
    """A setting that is ours: its value, and what was in force before; null where that was not noted."""

    value: str
    before: t.Optional[str]


class Decision(t.NamedTuple):
    """The content of the file (empty for none), and what must be written into the running kernel: what is put back, and what is set."""

    text: str
    put_back: dict[Key, str]
    set_now: dict[Key, str]


class SysctlError(ValueError):
    """The settings can't take effect; the text says what was found, what was wanted and what to do."""


# Linux, Documentation/networking/ip-sysctl.rst. arp_ignore 2 also wants the asker to be in the address's network; from 3 on a function
# answers for its twin again, or not at all. arp_announce has no value above 2.
WANTED = {"arp_ignore": Wanted("1", ("1", "2")), "arp_announce": Wanted("2", ("2",))}


# In a ring a node passes on what its neighbours send each other. Where there are as many cables one way round as the other, an answer comes
# another way than the question went, and with rp_filter 1 the kernel drops what comes in where it would not send the answer.
FORWARDING = {"forwarding": Wanted("1", ("1",)), "rp_filter": Wanted("2", ("0", "2"))}
# Of these the kernel goes by the interface's own value alone.
_OWN = ("forwarding",)


def keys(interfaces: t.Iterable[str], held: t.Mapping[Key, Held]) -> list[Key]:
    """The settings whose present values `decide` must be given."""
    wanted = [(interface, name) for interface in ("all", "default", *interfaces) for name in (*WANTED, *FORWARDING)]
    return list(dict.fromkeys([*wanted, *held]))


def parse(text: str) -> dict[Key, Held]:
    """The settings in a file that `decide` made."""
    return {(interface, name): Held(value, before or None) for before, interface, name, value in _LINE.findall(text)}


def render(held: t.Mapping[Key, Held]) -> str:
    """The file for these settings; empty if there are none."""
    lines = [f"# before: {entry.before}\n{_assignment(key, entry.value, '/')}\n" for key, entry in held.items()]
    return _HEADER + "".join(lines) if lines else ""


def listing(values: t.Mapping[Key, str]) -> str:
    """The values as `sysctl` shows them, one a line."""
    return "".join(f"{_assignment(key, value, '.')}\n" for key, value in values.items())


def decide(
    interfaces: t.Iterable[str],
    held: t.Mapping[Key, Held],
    values: t.Mapping[Key, t.Optional[str]],
    forwarding: t.Optional[bool] = False,
    arp: bool = True,
) -> Decision:
    """Give `interfaces` their settings, and everything else in `held` what it had before.

    Those for `arp` or not; those for `forwarding` or not, or (None) where they have them already.

    `values`: what is in force, null for an interface that is not there. What does already, by somebody else's hand, is left alone.
    """
    kept: dict[Key, Held] = {}
    set_now: dict[Key, str] = {}
    for interface in dict.fromkeys(interfaces):
        forwards = forwarding or (forwarding is None and any((interface, name) in held for name in FORWARDING))
        for name, wanted in ((WANTED if arp else {}) | (FORWARDING if forwards else {})).items():
            key = (interface, name)
            enough = _in_force(name, _found(key, values), values) in wanted.enough
            if not enough and _in_force(name, wanted.value, values) not in wanted.enough:
                raise SysctlError(_overruled(name, wanted, values))
            if key in held or not enough:
                kept[key] = Held(wanted.value, _before(key, held, values))
            if not enough:
                set_now[key] = wanted.value
    # What somebody has changed since is theirs, and an interface that has gone keeps nothing.
    ours = {key: entry for key, entry in held.items() if key not in kept and values.get(key) == entry.value}
    return Decision(render(kept), {key: _before(key, held, values) for key in ours}, set_now)


def _assignment(key: Key, value: str, separator: str) -> str:
    return f"{separator.join(('net', 'ipv4', 'conf', *key))} = {value}"


def _found(key: Key, values: t.Mapping[Key, t.Optional[str]]) -> str:
    found = values[key]
    if found is None:
        raise SysctlError(f"no interface {key[0]}, wanted one with IPv4; look whether its cable is in: ip link show {key[0]}")
    return found


def _in_force(name: str, value: str, values: t.Mapping[Key, t.Optional[str]]) -> str:
    """What the kernel goes by: the greater one of the interface's own value and that of all interfaces, for most."""
    if name in _OWN:
        return value
    return str(max(int(value), int(_found(("all", name), values))))


def _before(key: Key, held: t.Mapping[Key, Held], values: t.Mapping[Key, t.Optional[str]]) -> str:
    if key not in held:
        return _found(key, values)
    # Somebody has edited the file: then what a new interface gets.
    return held[key].before or _found(("default", key[1]), values)


def _overruled(name: str, wanted: Wanted, values: t.Mapping[Key, t.Optional[str]]) -> str:
    return (
        f"net.ipv4.conf.all.{name} is {values['all', name]}, wanted at most {max(wanted.enough)}: the kernel goes by the greater one of it"
        f" and the interface's own, and then a function of a port does not answer for exactly its own address. Set it to 0, which is the"
        f" kernel's default, or leave ARP as it is with fabric_arp: false"
    )
