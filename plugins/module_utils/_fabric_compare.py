# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What has to be done on a node so that its rails have their addresses."""

from __future__ import annotations

import os
import typing as t

from . import _fabric_files as files
from . import _fabric_renderer as renderers
from . import _fabric_restore as node
from ._fabric_restore import FabricError, Kept, Record

NOTHING: Record = {"files": {}, "ours": [], "defines": {}, "interfaces": {}, "ids": [], "written": [], "rails": []}
"""What is remembered where nothing is ours."""


class Change(t.NamedTuple):
    """What has to be done so that the rails have their addresses."""

    renderer: str
    rails: list[files.Rail]
    """Those that are in our files."""
    texts: dict[str, t.Optional[str]]
    """The new content of our files that change; None: removed."""
    aside: dict[str, list[str]]
    """The files of others that are set aside, with the interfaces that each defines."""
    back: dict[str, Kept]
    """Files as they were before us, for rails that we give no address any more."""
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
    before = before or NOTHING
    ours = before["rails"]
    defined = renderers.definitions(list(now)) if renderer != node.PROFILES else {}
    wanted, aside = files.to_write(rails, now, ours, lambda interfaces: renderers.about(defined, interfaces))
    kept = {rail["interface"] for rail in wanted if rail["interface"] in ours and files.is_live(rail, now[rail["interface"]])}
    new = files.files_of(wanted, renderer)
    back = files.released(before, {*new, *node.moved(new).values(), *aside}, [rail["interface"] for rail in wanted])
    texts = {**dict.fromkeys(set(before["written"]) - set(back)), **_texts(wanted, renderer, kept)}
    texts = {path: text for path, text in texts.items() if node.text_of(path) != text}
    if live and not texts and not aside and all(node.is_put(path, one, path in before["ours"]) for path, one in back.items()):
        return None
    affected = {rail["interface"] for rail in wanted}.union(ours, *aside.values())
    ids = affected.union(*(defined[path].ids for path in aside))
    return Change(renderer, wanted, texts, aside, back, ids, affected, kept, {n: now[n] for n in sorted(affected) if n in now})


def _texts(rails: t.Sequence[files.Rail], renderer: str, kept: t.Collection[str]) -> dict[str, t.Optional[str]]:
    """Our files. A profile that NetworkManager has moved to netplan is left there as long as it is right."""
    found: dict[str, t.Optional[str]] = {}
    for rail in rails if renderer == node.PROFILES else ():
        ((path, text),) = files.files_of([rail], renderer).items()
        ((_path, elsewhere),) = node.moved([path]).items()
        if rail["interface"] not in kept or os.path.lexists(path) or not os.path.lexists(elsewhere):
            found.update({path: text, elsewhere: None})
    return found if renderer == node.PROFILES else dict(files.files_of(rails, renderer))


def refuse_own_path(change: Change) -> None:
    """Raise FabricError where the node is reached by an address that would go."""
    found = node.demand(["ss", "-Htn", "state", "established", "sport = :22"], "see what it says")
    reached = {line.split()[2].rsplit(":", 1)[0].strip("[]").replace("::ffff:", "") for line in found.splitlines() if len(line.split()) > 3}
    left = {rail["address"].split("/")[0] for rail in change.rails}
    for name, one in change.now.items():
        own = {entry.split("/")[0] for entry in (*one["addresses"], *one["ipv6"])}
        for address in sorted(reached - left):
            if address in own or address.endswith(f"%{name}"):
                raise FabricError(
                    f"found an ssh session to {address} of {name}, which would get another address, wanted the node to be reached by an"
                    " interface that is no rail; change ansible_host, or give the rails addresses yourself"
                )
