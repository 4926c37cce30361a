# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How a node's rails get their addresses, in a way that the node undoes by itself unless somebody confirms it.

Two snapshots (see `_fabric_restore`) say what was: `before.json`, what was before us, until `fabric_state: absent`; and `pending.json`,
what was before the change that is not confirmed yet.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
import time
import typing as t
import uuid

from . import _fabric_files as files
from . import _fabric_restore as node
from ._fabric_compare import NOTHING, Change
from ._fabric_restore import FabricError, Record

HOLD_SECONDS = 5


def apply(change: Change, management: t.Mapping[str, t.Sequence[str]], seconds: int) -> str:
    """Make the change, to be undone in `seconds`; what `confirm` wants. Raise FabricError where it can't be made, with all as it was."""
    before: Record = node.read(node.BEFORE) or NOTHING
    if change.renderer != node.PROFILES:
        with node.generated({**change.texts, **dict.fromkeys(change.aside), **_texts_of(change.back)}):
            pass
    identifier = uuid.uuid4().hex
    snapshot, remembered = _snapshots(change, before)
    pending = {**snapshot, "id": identifier, "management": management, "wanted": change.rails}
    _arm(pending, seconds)
    try:
        if remembered["rails"]:
            node.write(node.BEFORE, remembered)
        else:
            node.remove(node.BEFORE)
        for path in change.aside:
            node.remove(path)
        for path, text in change.texts.items():
            if text is None:
                node.remove(path)
            else:
                node.replace(path, text.encode())
        for path, kept in change.back.items():
            node.put(path, kept, path in before["ours"])
        node.reload(change.renderer, snapshot["ids"], snapshot["files"])
        _activate(change)
        node.settle(left(change, before))
        _check(pending)
    except (FabricError, OSError) as error:
        node.revert()
        raise FabricError(f"{error}. What was before is in place again") from error
    return identifier


def _snapshots(change: Change, before: Record) -> tuple[Record, Record]:
    """What was before this change, and what was before us, for the time after it; `before` is the latter, for the time until now."""
    new = files.files_of(change.rails, change.renderer)
    mine = [*change.texts, *node.moved(new).values()]
    snapshot: Record = {
        "renderer": change.renderer,
        "ids": sorted({*change.ids, *before["ids"]}),
        "files": {path: node.keep(path) for path in (*mine, *change.aside, *change.back, node.BEFORE)},
        "ours": [*mine, *change.back, node.BEFORE],
        "defines": change.aside,
        "interfaces": change.now,
    }
    # What is set aside once more has a newer content.
    kept = {**{p: snapshot["files"][p] for p in mine}, **before["files"], **{p: snapshot["files"][p] for p in change.aside}}
    defines = {path: names for path, names in {**before["defines"], **change.aside}.items() if path not in change.back}
    rails = [rail["interface"] for rail in change.rails]
    remembered = {
        **snapshot,
        "files": {path: one for path, one in kept.items() if path not in change.back},
        "ours": sorted({*mine, *before["ours"]} - set(change.back)),
        "defines": defines,
        # What is as it was is no business of ours any more.
        "interfaces": {n: o for n, o in {**change.now, **before["interfaces"]}.items() if n in set(rails).union(*defines.values())},
        "written": sorted(new),
        "rails": rails,
    }
    return snapshot, remembered


def _texts_of(back: t.Mapping[str, node.Kept]) -> dict[str, t.Optional[str]]:
    """The content of files that come back, but for those that somebody has written anew."""
    return {
        path: None if kept is None else base64.b64decode(kept["content"]).decode()
        for path, kept in back.items()
        if os.path.dirname(path) == node.NETPLAN and (kept is None or not os.path.lexists(path))
    }


def left(change: Change, before: Record) -> dict[str, Record]:
    """What the interfaces had before us that get no address of ours any more.

    Without a cable a program gives an interface no address, and does so by its file, if that is in force, when there is one again.
    """
    defines = {**before["defines"], **change.aside}
    aside, back = ({name for path, names in defines.items() if (path in change.back) is come for name in names} for come in (False, True))
    found = {}
    for name in set(change.now) - {rail["interface"] for rail in change.rails}:
        was = before["interfaces"].get(name, change.now[name])
        dark = not change.now[name]["carrier"] and name not in aside and (was["uuid"] or name in back)
        found[name] = {**was, "addresses": [], "ipv6": [], "uuid": None} if dark else was
    return found


def _arm(pending: Record, seconds: int) -> None:
    """Have systemd put back what was, after `seconds` or at the next boot."""
    os.makedirs(os.path.dirname(node.PROGRAM), exist_ok=True)
    node.replace(node.PROGRAM, inspect.getsource(node).encode(), 0o644)
    unit, wanted = node.BOOT_FILES
    node.replace(unit, files.BOOT_TEXT.encode(), 0o644)
    os.makedirs(os.path.dirname(wanted), exist_ok=True)
    if not os.path.lexists(wanted):
        os.symlink(unit, wanted)
    node.write(node.PENDING, pending)
    words = ["--quiet", "--collect", f"--unit={node.DEADLINE}", f"--on-active={seconds}", "--timer-property=AccuracySec=1s"]
    # NetworkManager may just be restarting.
    words += ["--property=Restart=on-failure", "--property=RestartSec=10", "--property=StartLimitIntervalSec=0"]
    try:
        node.demand(["systemd-run", *words, "/usr/bin/python3", node.PROGRAM], "look at `systemctl --failed`")
    except FabricError:
        node.disarm()
        raise


def _activate(change: Change) -> None:
    """Have the interfaces take what their files say."""
    if change.renderer == node.NETWORKD:
        # It takes what is new in a file by itself, and needs to be told where only the interface is not as its file says.
        node.until(lambda: not _not_live(change.rails), 3)
        for name in _not_live(change.rails):
            node.demand(["networkctl", "reconfigure", name], "look at `journalctl --unit systemd-networkd`")
        return
    for rail in change.rails:
        name = rail["interface"]
        if change.aside or name not in change.kept:
            profile = files.profile_name(name) if change.renderer == node.PROFILES else f"netplan-{name}"
            words = ["nmcli", "--wait", "20", "connection", "up", profile, "ifname", name]
            node.demand(words, "look at `journalctl --unit NetworkManager`")


def _not_live(rails: t.Sequence[files.Rail]) -> list[str]:
    now = node.in_force([rail["interface"] for rail in rails])
    return [rail["interface"] for rail in rails if rail["interface"] not in now or not files.is_live(rail, now[rail["interface"]])]


def addresses_of(interfaces: t.Optional[t.Collection[str]], without: t.Collection[str]) -> dict[str, list[str]]:
    """Return the IPv4 addresses by which the node is reached: of `interfaces`, or of all that are hardware or have the default route."""
    links = json.loads(node.demand(["ip", "-json", "-4", "address", "show"], "see what it says"))
    routes = json.loads(node.demand(["ip", "-json", "-4", "route", "show", "default"], "see what it says"))
    default = {route.get("dev") for route in routes}
    found = {}
    for link in links:
        name = link.get("ifname", "")
        ours = name in interfaces if interfaces is not None else name in default or os.path.isdir(f"/sys/class/net/{name}/device")
        entries = [entry["local"] for entry in link.get("addr_info", ()) if entry["family"] == "inet"]
        if ours and name not in without and entries:
            found[name] = sorted(entries)
    return found


def _check(pending: Record) -> None:
    """Raise FabricError unless the rails have what they are to have, and the node its other addresses."""
    if not node.until(lambda: not _not_live(pending["wanted"])):
        late = _not_live(pending["wanted"])
        found = files.listing(node.in_force(late)).strip().replace("\n", "; ") or "none of these interfaces"
        wanted = "; ".join(f"{r['interface']}: {r['address']}, MTU {r['mtu']}" for r in pending["wanted"] if r["interface"] in late)
        raise FabricError(f"found {found}, wanted {wanted}; look at `journalctl --boot` for these interfaces")
    lost = _lost(pending)
    if lost:
        raise FabricError(f"found {lost} gone, wanted the node to keep all addresses but the rails'; give the rails addresses yourself")


def _lost(pending: Record) -> str:
    now = addresses_of(pending["management"], ())
    gone = {name: set(entries) - set(now.get(name, ())) for name, entries in pending["management"].items()}
    return ", ".join(f"{address} ({name})" for name, addresses in gone.items() for address in sorted(addresses))


def check(identifier: str) -> None:
    """See whether all is there for some seconds. Raise FabricError, with all as it was, if not."""
    pending = _pending(identifier)
    end = time.monotonic() + HOLD_SECONDS
    try:
        while time.monotonic() < end:
            _check(pending)
            time.sleep(0.5)
    except FabricError as error:
        node.revert()
        raise FabricError(f"{error}. What was before is in place again") from error


def confirm(identifier: str) -> None:
    """Make a change lasting."""
    _pending(identifier)
    node.disarm()


def _pending(identifier: str) -> Record:
    """What is to be confirmed. Raise FabricError if it is undone already."""
    pending = node.read(node.PENDING)
    if pending is None or pending["id"] != identifier:
        raise FabricError(
            "found the rails as they were before: nobody confirmed their new addresses in time, wanted to hear of them again sooner; run"
            " the play again, with a longer fabric_revert_seconds if the nodes are slow"
        )
    return pending


def absent() -> None:
    """Put back what was before us."""
    node.revert()
    before = node.read(node.BEFORE)
    if before:
        if not any(map(os.path.lexists, (*before["written"], *node.moved(before["written"]).values()))):
            # Somebody has removed our files, and has taken over what is in force.
            before["interfaces"] = {}
        node.restore(before)
        node.remove(node.BEFORE)
        node.disarm()
