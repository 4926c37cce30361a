# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Puts back the addresses that a node's rails had, from what was written down before they were changed.

The module rail_addresses imports this file, and also copies it to the node, where systemd runs it as a program when nobody has confirmed
the new addresses in time. So it imports nothing of ours.

A snapshot is `renderer`, `ids` (names of netplan's definitions), `files` {path: as `keep` returns it}, `ours` (those of these paths that
nobody else writes), `defines` {path of another: the interfaces that it is about} and `interfaces` {name: `addresses` (``10.100.0.1/24``),
`ipv6` (likewise), `mtu`, `uuid` (of the profile that NetworkManager ran, null for none)}.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
import uuid

FOLDER = "/var/lib/dgx-spark/fabric"
BEFORE, PENDING = f"{FOLDER}/before.json", f"{FOLDER}/pending.json"
PROGRAM = "/usr/local/lib/dgx-spark/fabric_restore.py"
BOOT = "dgx-spark-fabric-restore.service"
BOOT_FILES = (f"/etc/systemd/system/{BOOT}", f"/etc/systemd/system/multi-user.target.wants/{BOOT}")
DEADLINE = "dgx-spark-fabric-deadline"
LOCK = "/run/dgx-spark-fabric.lock"
NETWORKMANAGER, NETWORKD, PROFILES = "netplan with NetworkManager", "netplan with systemd-networkd", "NetworkManager"
NETPLAN = "/etc/netplan"
NETPLAN_FOLDERS = ("lib/netplan", "etc/netplan", "run/netplan")
NETWORKD_FILES = "run/systemd/network"
GENERATED = "/run/NetworkManager/system-connections"
SETTLE_SECONDS = 10

Record = dict[str, t.Any]
Kept = t.Optional[Record]
"""A file as it was: `content` (base64), `mode`, `uid`, `gid`, `mtime_ns`; None where there was none."""


class FabricError(Exception):
    """The rails can't be given addresses; the text says what was found, what was wanted and what to do."""


def command(words: t.Sequence[str], seconds: float = 30) -> tuple[int, str, str]:
    """Run a command: exit status (127 if there is no such program, 124 if it did not end in time), standard output, standard error."""
    # Some logins have no sbin, and nmcli tells states in the login's language.
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin", "LC_ALL": "C"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False, env=environment)
    except FileNotFoundError:
        return 127, "", f"{words[0]}: not found"
    except subprocess.TimeoutExpired:
        return 124, "", f"no end within {seconds:g} s"
    return done.returncode, done.stdout, done.stderr


PACKAGES = {"ip": "iproute2", "ss": "iproute2", "nmcli": "network-manager", "netplan": "netplan.io", "/usr/bin/python3": "python3"}


def demand(words: t.Sequence[str], remedy: str) -> str:
    """Run a command that must succeed; its output."""
    code, out, err = command(words)
    if code == 127:
        raise FabricError(f"found no program {words[0]}, wanted to run it; install the package {PACKAGES.get(words[0], 'systemd')}")
    if code != 0:
        shown = " ".join(word for word in words if "\n" not in word)
        raise FabricError(f"found `{shown}` ending with status {code} ({(err or out).strip()}), wanted 0; {remedy}")
    return out


def keep(path: str) -> Kept:
    """Return the file at `path` as it is."""
    try:
        status = os.stat(path)
        with open(path, "rb") as file:
            content = base64.b64encode(file.read()).decode()
    except FileNotFoundError:
        return None
    return {"content": content, "mode": status.st_mode & 0o7777, "uid": status.st_uid, "gid": status.st_gid, "mtime_ns": status.st_mtime_ns}


def replace(path: str, data: bytes, mode: int = 0o600, owner: tuple[int, int] = (-1, -1)) -> None:
    """Replace the file as a whole, so that after a loss of power there is the old one or the new one."""
    # What reads these folders goes by the end of the name.
    descriptor, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
        os.replace(part, path)
    except OSError:
        os.unlink(part)
        raise


def text_of(path: str) -> t.Optional[str]:
    """Return the content of a file, None if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def remove(path: str) -> None:
    """Remove the file if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def is_put(path: str, kept: Kept, ours: bool) -> bool:
    """Whether the file is what it was. One that is not `ours`, was set aside and is there again is somebody's newer wish."""
    return keep(path) == kept if ours or kept is None else os.path.lexists(path)


def put(path: str, kept: Kept, ours: bool) -> None:
    """Make the file what it was."""
    if is_put(path, kept, ours):
        return
    if kept is None:
        remove(path)
    else:
        replace(path, base64.b64decode(kept["content"]), kept["mode"], (kept["uid"], kept["gid"]))
        os.utime(path, ns=(kept["mtime_ns"], kept["mtime_ns"]))


def read(path: str) -> t.Optional[Record]:
    """Return a snapshot, None if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found: Record = json.load(file)
            return found
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise FabricError(f"found {path} with no JSON in it ({error}), wanted what the rails were; give them addresses yourself") from error


def write(path: str, snapshot: t.Mapping[str, t.Any]) -> None:
    """Write a snapshot."""
    os.makedirs(FOLDER, mode=0o700, exist_ok=True)
    replace(path, (json.dumps(snapshot, indent=1) + "\n").encode())


@contextlib.contextmanager
def locked() -> t.Iterator[None]:
    """Wait until nobody else changes the rails."""
    with open(LOCK, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def profile_uuid(name: str) -> str:
    """Return the UUID of a profile of NetworkManager that is ours."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.dgx-spark.vllm"))


def moved(paths: t.Iterable[str]) -> dict[str, str]:
    """Return for each of our profiles the file of netplan that Ubuntu's NetworkManager moves it to, when it is upgraded or changes it.

    `nmcli connection delete` is no way to take such a profile back: netplan then writes all files of /etc/netplan anew, without their
    comments, and may remove some (netplan 1.2, netplan_state_update_yaml_hierarchy).
    """
    profiles = [path for path in paths if path.endswith(".nmconnection")]
    return {path: f"{NETPLAN}/90-NM-{profile_uuid(os.path.basename(path)[: -len('.nmconnection')])}.yaml" for path in profiles}


def _is_generated(path: str) -> bool:
    """Whether netplan has made a profile of such a file, or none where there is no file."""
    profile = f"{GENERATED}/netplan-{os.path.basename(path)[len('90-') : -len('.yaml')]}.nmconnection"
    return os.path.lexists(path) == os.path.lexists(profile)


def nmcli(field: str, *words: str) -> dict[str, str]:
    """Return what nmcli says of each interface; nothing where NetworkManager does not run."""
    code, out, _err = command(["nmcli", "-t", "-e", "no", "-f", f"DEVICE,{field}", *words])
    return dict(line.split(":", 1) for line in out.splitlines() if not line.startswith(":") and ":" in line) if code == 0 else {}


def in_force(interfaces: t.Iterable[str]) -> dict[str, Record]:
    """Return `addresses` (IPv4), `ipv6`, `mtu`, `carrier`, `uuid` and `routes` of those that exist.

    Without link-local addresses and those that come from DHCP or a router.
    """
    links = json.loads(demand(["ip", "-json", "address", "show"], "see what it says"))
    routes = json.loads(demand(["ip", "-json", "-4", "route", "show", "table", "main"], "see what it says"))
    running, found = nmcli("UUID", "connection", "show", "--active"), dict[str, Record]()
    for link in links:
        name = link.get("ifname")
        if name not in interfaces:
            continue
        via = [route for route in routes if route.get("dev") == name and "gateway" in route]
        entries = [entry for entry in link.get("addr_info", ()) if not entry.get("dynamic") and entry.get("scope") != "link"]
        by_family = {f: sorted(f"{e['local']}/{e['prefixlen']}" for e in entries if e["family"] == f) for f in ("inet", "inet6")}
        found[name] = {
            "addresses": by_family["inet"],
            "ipv6": by_family["inet6"],
            "mtu": link["mtu"],
            "carrier": "LOWER_UP" in link["flags"],
            "uuid": running.get(name),
            "routes": sorted(f"{route['dst']} via {route['gateway']}" for route in via),
        }
    return found


@contextlib.contextmanager
def generated(files: t.Mapping[str, t.Optional[str]]) -> t.Iterator[str]:
    """Have netplan generate into a folder of its own, with these files changed (None: without); the folder. It rejects what is wrong."""
    with tempfile.TemporaryDirectory(prefix="dgx-spark-netplan-") as scratch:
        for part in NETPLAN_FOLDERS:
            if os.path.isdir(f"/{part}"):
                shutil.copytree(f"/{part}", f"{scratch}/{part}")
        for path, text in files.items():
            remove(scratch + path)
            if text is not None:
                replace(scratch + path, text.encode())
        demand(["netplan", "generate", "--root-dir", scratch], "correct the file that it names: the node would not boot with it either")
        yield scratch


def reload(renderer: str, ids: t.Iterable[str], files: t.Iterable[str]) -> None:
    """Have the files read that there are now, `files` among them.

    What is active stays so with NetworkManager, and changes at once with systemd-networkd. `netplan apply` is not used: it takes down every
    connection of the node, that by which it is managed included. Where systemd-networkd runs, `netplan generate` touches the files of all
    links, each of which would then lose its addresses for a moment.
    """
    if renderer == NETWORKD:
        with generated({}) as scratch:
            for name in (f"{NETWORKD_FILES}/10-netplan-{one}.{kind}" for one in ids for kind in ("network", "link")):
                new, old = keep(f"{scratch}/{name}"), keep(f"/{name}")
                if new is None:
                    remove(f"/{name}")
                elif old is None or new["content"] != old["content"]:
                    os.makedirs(f"/{NETWORKD_FILES}", exist_ok=True)
                    # systemd-networkd reads it as its own user, by the file's group.
                    replace(f"/{name}", base64.b64decode(new["content"]), new["mode"], (new["uid"], new["gid"]))
        demand(["networkctl", "reload"], "look at `journalctl --unit systemd-networkd`")
        return
    if renderer == NETWORKMANAGER or not all(map(_is_generated, moved(files).values())):
        demand(["netplan", "generate"], "correct the file that it names: the node would not boot with it either")
    demand(["nmcli", "connection", "reload"], "look at `journalctl --unit NetworkManager`")


def until(question: t.Callable[[], bool], seconds: float = SETTLE_SECONDS) -> bool:
    """Whether the answer becomes yes in time."""
    end = time.monotonic() + seconds
    while not question():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def settle(wanted: t.Mapping[str, Record]) -> None:
    """Have the interfaces be what they were; what no file says is set by hand, as somebody had done it."""

    def differs() -> list[str]:
        now = in_force(wanted)
        return [name for name in now if not _is_settled(now[name], wanted[name])]

    for name in differs():
        if wanted[name]["uuid"]:
            # A profile that somebody has removed since is not missed.
            command(["nmcli", "--wait", "20", "connection", "up", "uuid", wanted[name]["uuid"], "ifname", name])
    if until(lambda: not differs()):
        return
    for name, now in in_force(wanted).items():
        for address in set(now["addresses"]) - set(wanted[name]["addresses"]):
            command(["ip", "address", "del", address, "dev", name])
        for address in (*wanted[name]["addresses"], *wanted[name]["ipv6"]):
            if address not in (*now["addresses"], *now["ipv6"]):
                command(["ip", "address", "add", address, "dev", name])
        if now["mtu"] != wanted[name]["mtu"]:
            command(["ip", "link", "set", "dev", name, "mtu", str(wanted[name]["mtu"])])


def _is_settled(now: Record, wanted: Record) -> bool:
    """Whether an interface is what it was. IPv6 addresses are never ours, so one more is nothing of ours."""
    return now["addresses"] == wanted["addresses"] and now["mtu"] == wanted["mtu"] and set(wanted["ipv6"]) <= set(now["ipv6"])


def restore(snapshot: Record) -> None:
    """Put back files and addresses. Can be repeated when it was interrupted."""
    newer = {interface for path, interfaces in snapshot["defines"].items() if _is_newer(path, snapshot) for interface in interfaces}
    for path, kept in snapshot["files"].items():
        put(path, kept, path in snapshot["ours"])
    try:
        reload(snapshot["renderer"], snapshot["ids"], snapshot["files"])
    finally:
        settle({name: one for name, one in snapshot["interfaces"].items() if name not in newer})


def _is_newer(path: str, snapshot: Record) -> bool:
    """Whether somebody has written a file anew that was set aside."""
    now = keep(path)
    return now is not None and now["content"] != snapshot["files"][path]["content"]


def disarm() -> None:
    """Forget what was to be put back when nobody confirms; call it when all else is done."""
    remove(PENDING)
    command(["systemctl", "stop", f"{DEADLINE}.timer"])
    for path in (*reversed(BOOT_FILES), PROGRAM):
        remove(path)
    for folder in (FOLDER, os.path.dirname(FOLDER), os.path.dirname(PROGRAM)):
        # Others have files there too.
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def revert() -> bool:
    """Put back what was before the change that nobody has confirmed; whether there was one."""
    pending = read(PENDING)
    if pending is None:
        return False
    restore(pending)
    disarm()
    return True


if __name__ == "__main__":
    with locked():
        if revert():
            sys.stderr.write("nobody has confirmed the rails' new addresses: put back what was before\n")
