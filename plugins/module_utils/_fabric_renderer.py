# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which program gives a node's rails their addresses, and which files of netplan are about them."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import typing as t

from ._fabric_files import CONNECTIONS, NETPLAN_FILE
from ._fabric_restore import NETPLAN, NETWORKD, NETWORKMANAGER, PROFILES, FabricError, command, demand, nmcli

# netplan itself needs PyYAML, so where it is that is too, for the system's Python.
_DEFINITIONS = """
import json, sys
try:
    import yaml
except ImportError:
    sys.exit("no module yaml, which netplan needs too: install the package python3-yaml")
found = {}
for path in sys.argv[1:]:
    try:
        network = (yaml.safe_load(open(path)) or {}).get("network") or {}
    except yaml.YAMLError as error:
        sys.exit(f"{path}: {error}")
    found[path] = {
        "renderer": network.get("renderer"),
        "other": sorted(set(network) - {"version", "renderer", "ethernets"}),
        "ethernets": {name: (entry or {}).get("match") or {} for name, entry in (network.get("ethernets") or {}).items()},
    }
print(json.dumps(found))
"""


class Interface(t.NamedTuple):
    """What a definition of netplan can go by, beside the name."""

    mac: str
    driver: str


class Definitions(t.NamedTuple):
    """What a file of netplan defines: the rails' `interfaces`, the `ids` of these definitions, and what `other` it is about."""

    interfaces: list[str]
    ids: list[str]
    other: list[str]


def find(interfaces: t.Sequence[str]) -> str:
    """Return which program has these interfaces. Raise FabricError where none has, or not the same one."""
    networkd = _networkd()
    states = nmcli("STATE", "device", "status")
    managed = {name for name in interfaces if _is_managed(states.get(name, "unmanaged"), networkd is not None)}
    if managed == set(interfaces):
        paths = nmcli("FILENAME", "connection", "show", "--active")
        plain = any(paths.get(name, "").startswith(CONNECTIONS) for name in interfaces)
        # What somebody has made with NetworkManager itself goes before what netplan makes, unless it is outranked.
        return PROFILES if plain or not _has_netplan() else NETWORKMANAGER
    if networkd is not None and not managed:
        by_hand = {name: networkd[name] for name in interfaces if networkd.get(name, "").startswith("/etc/systemd/network")}
        if by_hand:
            name, path = min(by_hand.items())
            raise FabricError(
                f"found {name} configured by {path}, wanted rails that netplan configures, or nobody; remove that file, or give the rails"
                " their addresses in it yourself"
            )
        if _has_netplan():
            return NETWORKD
    without = ", ".join(name for name in interfaces if name not in managed)
    raise FabricError(
        f"found {without} without a program that gives it addresses (NetworkManager has"
        f" {', '.join(sorted(managed)) or 'none of them'}, systemd-networkd {'runs' if networkd is not None else 'does not run'}), wanted"
        " all with NetworkManager, or all with netplan and systemd-networkd; install and start one of them (packages network-manager,"
        " netplan.io), or address the rails yourself"
    )


def _is_managed(state: str, networkd: bool) -> bool:
    """Whether NetworkManager has it. What another program has configured it only shows, but for what was done by hand."""
    return not state.startswith("unmanaged") and not (networkd and "externally" in state)


def _networkd() -> t.Optional[dict[str, str]]:
    """The file by which systemd-networkd configures each interface, empty for none; None where it does not run."""
    if command(["systemctl", "is-active", "systemd-networkd"])[1].strip() != "active":
        return None
    found = json.loads(demand(["networkctl", "--json=short", "list"], "look at `journalctl --unit systemd-networkd`"))
    return {entry["Name"]: entry.get("NetworkFile") or "" for entry in found["Interfaces"]}


def netplan_files() -> list[str]:
    """Return the files that others have made for netplan; none where there is no netplan."""
    paths = sorted(path for path in glob.glob(f"{NETPLAN}/*.yaml") if path != NETPLAN_FILE)
    return paths if paths and _has_netplan() else []


def _has_netplan() -> bool:
    return command(["netplan", "get", "version"])[0] == 0


def definitions(functions: t.Collection[str]) -> dict[str, Definitions]:
    """Return the files of netplan that are about one of `functions`, all interfaces of the node's RDMA ports."""
    paths = netplan_files()
    if not paths:
        return {}
    text = demand(["/usr/bin/python3", "-c", _DEFINITIONS, *paths], "correct that, or remove the file")
    return read_definitions(json.loads(text), functions, interfaces_of())


def read_definitions(
    texts: t.Mapping[str, t.Any], functions: t.Collection[str], everyone: t.Mapping[str, Interface]
) -> dict[str, Definitions]:
    """Return what the files define; `texts` as the program above prints it, `everyone` all interfaces of the node by name."""
    found = {}
    for path, defined in texts.items():
        named = {name: _interfaces(name, match, everyone) for name, match in defined["ethernets"].items()}
        rails = {name: [one for one in several if one in functions] for name, several in named.items()}
        # A definition can be for the LAN too: `match: {name: "en*"}`.
        other = [name for name, several in named.items() if not several or set(several) - set(functions)] + defined["other"]
        # Without it, netplan would take another program for whatever names none.
        if defined["renderer"] and {other["renderer"] for name, other in texts.items() if name != path} - {None} != {defined["renderer"]}:
            other.append("renderer")
        interfaces = sorted({interface for several in rails.values() for interface in several})
        found[path] = Definitions(interfaces, [name for name, several in rails.items() if several], other)
    return {path: one for path, one in found.items() if one.interfaces}


def about(found: t.Mapping[str, Definitions], interfaces: t.Collection[str]) -> dict[str, list[str]]:
    """Return those files that are about one of these, with all interfaces that each defines.

    Raise FabricError where one can't be set aside.
    """
    aside = {path: one for path, one in found.items() if set(one.interfaces) & set(interfaces)}
    for path, one in aside.items():
        if one.other:
            raise FabricError(
                f"found {path}, which defines {', '.join(one.interfaces)} and also {', '.join(one.other)}, wanted rails in a file of their"
                " own, so that it can be set aside and put back; move their definitions to another file, or remove them"
            )
    return {path: one.interfaces for path, one in aside.items()}


def _interfaces(name: str, match: t.Mapping[str, t.Any], everyone: t.Mapping[str, Interface]) -> list[str]:
    """The interfaces that a definition is for."""
    if not match:
        return [name] if name in everyone else []
    mac = str(match.get("macaddress", "")).lower()

    def fits(one: str) -> bool:
        here = everyone[one]
        return (not mac or here.mac == mac) and _like(one, match.get("name")) and _like(here.driver, match.get("driver"))

    return sorted(filter(fits, everyone))


def _like(text: str, patterns: t.Union[str, list[str], None]) -> bool:
    """Whether a text fits one of the patterns, if there are any."""
    several = [patterns] if isinstance(patterns, str) else patterns or ["*"]
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in several)


def interfaces_of() -> dict[str, Interface]:
    """Return all interfaces of the node."""
    found = {}
    for name in os.listdir("/sys/class/net"):
        try:
            with open(f"/sys/class/net/{name}/address", encoding="utf-8") as file:
                mac = file.read().strip().lower()
        except OSError:  # it has gone, or is no interface (bonding_masters)
            continue
        found[name] = Interface(mac, os.path.basename(os.path.realpath(f"/sys/class/net/{name}/device/driver")))
    return found
