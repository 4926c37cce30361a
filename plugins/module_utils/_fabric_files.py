# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The files by which a node gives its rails their addresses, and which rails have to be in them.

A rail is `interface`, `address` (``10.100.0.1/24``), `mtu` and `routes` [{`to`, `via`}].
"""

from __future__ import annotations

import typing as t

from . import _fabric_restore as restore

NETPLAN_FILE = f"{restore.NETPLAN}/90-dgx-spark-fabric.yaml"
CONNECTIONS = "/etc/NetworkManager/system-connections"

_HEADER = (
    "# Written by the role fabric of dgx_spark.vllm, which also takes it away again (fabric_state: absent) and puts back what was before.\n"
)

Rail = t.Mapping[str, t.Any]

BOOT_TEXT = f"""\
[Unit]
Description=Put back the rails' addresses, of which nobody has confirmed the new ones
ConditionPathExists={restore.PENDING}
After=NetworkManager.service systemd-networkd.service dbus.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
Restart=on-failure
RestartSec=10
ExecStart=/usr/bin/python3 {restore.PROGRAM}

[Install]
WantedBy=multi-user.target
"""


def netplan_text(rails: t.Sequence[Rail], renderer: str) -> str:
    """Return the netplan file; `renderer` is ``NetworkManager`` or ``networkd``."""
    lines = [_HEADER, "network:\n", "  version: 2\n", "  ethernets:\n"]
    for rail in rails:
        lines += [
            f"    {rail['interface']}:\n",
            f"      renderer: {renderer}\n",
            # The node boots without waiting for a cable.
            "      optional: true\n",
            "      dhcp4: false\n",
            "      dhcp6: false\n",
            "      link-local: []\n",
            f"      mtu: {rail['mtu']}\n",
            f"      addresses: [{rail['address']}]\n",
        ]
        if rail["routes"]:
            lines.append("      routes:\n")
            lines += [f"        - {{to: {route['to']}, via: {route['via']}}}\n" for route in rail["routes"]]
    return "".join(lines)


def profile_name(interface: str) -> str:
    """Return the name of NetworkManager's profile for an interface, where netplan is not used."""
    return f"dgx-spark-{interface}"


def profile_path(interface: str) -> str:
    """Return the file of that profile."""
    return f"{CONNECTIONS}/{profile_name(interface)}.nmconnection"


def profile_text(rail: Rail) -> str:
    """Return NetworkManager's profile; it goes before any other of the interface."""
    name = profile_name(rail["interface"])
    lines = [
        _HEADER,
        "[connection]\n",
        f"id={name}\n",
        f"uuid={restore.profile_uuid(name)}\n",
        "type=ethernet\n",
        f"interface-name={rail['interface']}\n",
        "autoconnect-priority=100\n\n",
        f"[ethernet]\nmtu={rail['mtu']}\n\n",
        f"[ipv4]\nmethod=manual\naddress1={rail['address']}\nnever-default=true\n",
        *(f"route{number}={route['to']},{route['via']}\n" for number, route in enumerate(rail["routes"], 1)),
        "\n[ipv6]\nmethod=disabled\n",
    ]
    return "".join(lines)


def files_of(rails: t.Sequence[Rail], renderer: str) -> dict[str, str]:
    """Return the content of each file that gives the rails their addresses, by path."""
    if renderer == restore.PROFILES:
        return {profile_path(rail["interface"]): profile_text(rail) for rail in rails}
    return {NETPLAN_FILE: netplan_text(rails, "networkd" if renderer == restore.NETWORKD else "NetworkManager")} if rails else {}


def is_live(rail: Rail, now: t.Mapping[str, t.Any]) -> bool:
    """Whether an interface has what a rail is to have, and no other address; `now` is of `_fabric_restore.in_force`."""
    routes = {f"{route['to']} via {route['via']}" for route in rail["routes"]}
    return now["addresses"] == [rail["address"]] and now["mtu"] == rail["mtu"] and routes <= set(now["routes"])


def to_write(
    rails: t.Sequence[Rail],
    now: t.Mapping[str, t.Mapping[str, t.Any]],
    ours: t.Collection[str],
    defined: t.Callable[[t.Collection[str]], dict[str, list[str]]],
) -> tuple[list[Rail], dict[str, list[str]]]:
    """Return the rails that must be in our files, and the files of others that must be set aside, with all interfaces that each defines.

    Those that nobody has given what they need, those that are in our files (`ours`, interfaces), and those that are in a file with one of
    them: `defined` returns the others' files that define any of these interfaces, with all that each defines.
    """
    names = {rail["interface"] for rail in rails if rail["interface"] in ours or not is_live(rail, now[rail["interface"]])}
    while True:
        aside = defined(names)
        more = {rail["interface"] for rail in rails if any(rail["interface"] in interfaces for interfaces in aside.values())}
        if more <= names:
            return [rail for rail in rails if rail["interface"] in names], aside
        names |= more


def released(before: restore.Record, stays: t.Collection[str], interfaces: t.Collection[str]) -> dict[str, restore.Kept]:
    """Return the files of a snapshot that nothing of ours stands in the way of any more, as they were.

    `stays` are our files and those that are set aside; `interfaces` those that our files are about.
    """
    return {
        path: kept
        for path, kept in before["files"].items()
        if path not in stays and not set(before["defines"].get(path, ())) & set(interfaces)
    }


def listing(now: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """Return what the interfaces have, a line each, for a comparison."""
    lines = []
    for name, one in sorted(now.items()):
        routes = "".join(f", {route}" for route in one["routes"])
        lines.append(f"{name}: {', '.join([*one['addresses'], *one['ipv6']]) or 'no address'}, MTU {one['mtu']}{routes}\n")
    return "".join(lines)
