# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""How a node's rails get their addresses, in a way that the node undoes by itself unless somebody confirms it.

Two snapshots (see `_fabric_restore`) say what was: `before.json`, what was before us, until `fabric_state: absent`; and `pending.json`,
what was before the change that is not confirmed yet.
"""

from __future__ import annotations

import inspect
import json
import os
import time
import typing as t
import uuid

from . import _fabric_files as files
from . import _fabric_renderer as renderers
from . import _fabric_restore as node
from ._fabric_restore import FabricError, Record

HOLD_SECONDS = 5


class Change(t.NamedTuple):
    """What has to be done so that the rails have their addresses."""

    renderer: str
    rails: list[files.Rail]
    """Those that are in our files."""
    texts: dict[str, t.Optional[str]]
    """The new content of our files that change; None: removed."""
    aside: dict[str, list[str]]
    """The files of others that are set aside, with the interfaces that each defines."""
    ids: set[str]
    affected: set[str]
    """The interfaces that can get another address."""
    kept: set[str]
    """Those that have theirs by us already."""
    now: dict[str, Record]


def compare(rails: t.Sequence[files.Rail], functions: t.Sequence[str], adopt: bool) -> t.Optional[Change]:
    """Return what has to be done; None if nothing. `adopt`: whether addresses may be changed that somebody else has given."""
    names = [rail["interface"] for rail in rails]
    now = node.in_force({*names, *functions})
    missing = [name for name in names if name not in now]
    if missing:
        raise FabricError(f"found no interface {', '.join(missing)}, wanted all that were observed; run the play again")
    before = node.read(node.BEFORE)
    live = all(files.is_live(rail, now[rail["interface"]]) for rail in rails)
    # Ours or not, what works is left alone. Of a fabric that does not, the rails that we have given addresses are repaired.
    if ((live or before is None) and not adopt) or (live and before is None):
        return None
    renderer = before["renderer"] if before else renderers.find(names)
    written, ours = (before["written"], before["rails"]) if before else ([], [])
    defined = renderers.definitions(list(now)) if renderer != node.PROFILES else {}
    wanted, aside = files.to_write(rails, now, ours, lambda interfaces: renderers.about(defined, interfaces))
    texts: dict[str, t.Optional[str]] = {**dict.fromkeys(written), **files.files_of(wanted, renderer)}
    texts = {path: text for path, text in texts.items() if node.text_of(path) != text}
    if live and not texts and not aside:
        return None
    affected = {rail["interface"] for rail in wanted}.union(ours, *aside.values())
    ids = affected.union(*(defined[path].ids for path in aside))
    kept = {rail["interface"] for rail in wanted if rail["interface"] in ours and files.is_live(rail, now[rail["interface"]])}
    return Change(renderer, wanted, texts, aside, ids, affected, kept, {name: now[name] for name in sorted(affected) if name in now})


def refuse_own_path(change: Change) -> None:
    """Raise FabricError where the node is reached by an address that would go."""
    found = node.demand(["ss", "-Htn", "state", "established", "sport = :22"], "install iproute2")
    reached = {line.split()[2].rsplit(":", 1)[0].strip("[]").replace("::ffff:", "") for line in found.splitlines() if len(line.split()) > 3}
    left = {rail["address"].split("/")[0] for rail in change.rails}
    for name, one in change.now.items():
        for address in (entry.split("/")[0] for entry in one["addresses"]):
            if address in reached - left:
                raise FabricError(
                    f"found an ssh session to {address} of {name}, which would get another address, wanted the node to be reached by an"
                    " interface that is no rail; change ansible_host, or give the rails addresses yourself"
                )


def apply(change: Change, management: t.Mapping[str, t.Sequence[str]], seconds: int) -> str:
    """Make the change, to be undone in `seconds`; what `confirm` wants. Raise FabricError where it can't be made, with all as it was."""
    if change.renderer != node.PROFILES:
        with node.generated({**change.texts, **dict.fromkeys(change.aside)}):
            pass
    identifier = uuid.uuid4().hex
    before: Record = node.read(node.BEFORE) or {"files": {}, "ours": [], "defines": {}, "interfaces": {}, "ids": []}
    paths = [*change.texts, *change.aside]
    snapshot: Record = {
        "renderer": change.renderer,
        "ids": sorted({*change.ids, *before["ids"]}),
        "files": {path: node.keep(path) for path in (*paths, node.BEFORE)},
        "ours": [*change.texts, node.BEFORE],
        "defines": change.aside,
        "interfaces": change.now,
    }
    pending = {**snapshot, "id": identifier, "management": management, "wanted": change.rails}
    remembered = {
        **snapshot,
        # What is set aside once more has a newer content.
        "files": {**{p: snapshot["files"][p] for p in change.texts}, **before["files"], **{p: snapshot["files"][p] for p in change.aside}},
        "ours": sorted({*change.texts, *before["ours"]}),
        "defines": {**before["defines"], **change.aside},
        "interfaces": {**change.now, **before["interfaces"]},
        "written": sorted(files.files_of(change.rails, change.renderer)),
        "rails": [rail["interface"] for rail in change.rails],
    }
    _arm(pending, seconds)
    try:
        node.write(node.BEFORE, remembered)
        for path in change.aside:
            node.remove(path)
        for path, text in change.texts.items():
            if text is None:
                node.remove(path)
            else:
                node.replace(path, text.encode())
        node.reload(change.renderer, snapshot["ids"])
        _activate(change)
        dropped = change.affected - set(remembered["rails"])
        node.settle({name: one for name, one in remembered["interfaces"].items() if name in dropped})
        _check(pending)
    except (FabricError, OSError) as error:
        node.revert()
        raise FabricError(f"{error}. What was before is in place again") from error
    return identifier


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
    links = json.loads(node.demand(["ip", "-json", "-4", "address", "show"], "install iproute2"))
    routes = json.loads(node.demand(["ip", "-json", "-4", "route", "show", "default"], "install iproute2"))
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
        if not any(map(os.path.lexists, before["written"])):
            # Somebody has removed our files, and has taken over what is in force.
            before["interfaces"] = {}
        node.restore(before)
        node.remove(node.BEFORE)
        node.disarm()
