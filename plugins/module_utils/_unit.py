# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The state of a systemd unit and of a Docker container, from what `systemctl show` and `docker inspect` print."""

from __future__ import annotations

import datetime
import json
import re
import typing as t

from ._readiness import epoch, iso

# The state of a unit on which systemd gave no answer.
UNKNOWN = "unknown"
PROPERTIES = (
    "Id",
    "LoadState",
    "UnitFileState",
    "NeedDaemonReload",
    "ActiveState",
    "SubState",
    "Result",
    "NRestarts",
    "InvocationID",
    "ExecMainStatus",
    "ExecMainStartTimestamp",
    "InactiveExitTimestamp",
    "StateChangeTimestamp",
)


def parse_show(text: str) -> list[dict[str, t.Any]]:
    """The units in the output of `TZ=UTC systemctl show --property=... UNIT...`, one block each.

    Each: `unit`, `loaded` (its file is there), `enabled` (whether systemd starts it at boot), `stale` (its
    file has changed since systemd read it), `active`, `sub`, `result`, `restarts`,
    `invocation` (empty before the first start), `exit_status`, `started_at` and `changed_at` (seconds since the epoch, or null).
    """
    return [_unit(dict(line.split("=", 1) for line in block.splitlines() if "=" in line)) for block in text.split("\n\n") if block.strip()]


def _unit(properties: dict[str, str]) -> dict[str, t.Any]:
    def number(name: str) -> t.Optional[int]:
        return int(properties[name]) if properties.get(name, "").isdigit() else None

    def stamp(name: str) -> t.Optional[float]:
        # "Sun 2026-11-22 06:11:17 UTC"; with TZ=UTC every systemd prints it so, whereas --timestamp=unix needs a recent one.
        match = re.search(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (?:UTC|GMT)", properties.get(name, ""))
        if not match:
            return None
        return datetime.datetime.fromisoformat(f"{match.group(1)}T{match.group(2)}+00:00").timestamp()

    # systemd answers for a unit that does not exist too, as an inactive one.
    return {
        "unit": properties.get("Id", ""),
        "loaded": properties.get("LoadState") == "loaded",
        "enabled": properties.get("UnitFileState") in ("enabled", "enabled-runtime"),
        "stale": properties.get("NeedDaemonReload") == "yes",
        "active": properties.get("ActiveState", UNKNOWN),
        "sub": properties.get("SubState", ""),
        "result": properties.get("Result", ""),
        "restarts": number("NRestarts") or 0,
        "invocation": properties.get("InvocationID", ""),
        "exit_status": number("ExecMainStatus"),
        "started_at": stamp("ExecMainStartTimestamp") or stamp("InactiveExitTimestamp"),
        "changed_at": stamp("StateChangeTimestamp"),
    }


def runs(unit: dict[str, t.Any]) -> bool:
    """Whether the unit is up or on its way up, and not waiting for another try after a failure."""
    return unit["active"] in ("active", "activating", "reloading") and unit["sub"] != "auto-restart"


def describe(unit: dict[str, t.Any]) -> str:
    """One line on a unit that does not run, for people: its state, how it ended, what to do."""
    name = unit["unit"]
    if not unit["loaded"]:
        return f"{name} is not installed on this node; deploy the recipe here"
    ended = f"result {unit['result']}, exit status {unit['exit_status']}" if unit["result"] not in ("", "success") else "no error"
    return f"{name} is {unit['active']} ({unit['sub']}; {ended}; {unit['restarts']} restarts); read journalctl -u {name}"


def parse_container(text: str) -> dict[str, t.Any]:
    """The first container in the output of `docker inspect --type container NAME`.

    Returns `exists`, `running`, `status`, `exit_code`, `id`, `image` (as it was named), `image_id`, `labels`, `started_at` (ISO 8601 or
    null). The environment is left out: it holds secrets. Anything but a list with a container gives `exists` false and nulls.
    """
    nothing: dict[str, t.Any] = {
        "exists": False,
        "running": False,
        "status": None,
        "exit_code": None,
        "id": None,
        "image": None,
        "image_id": None,
        "labels": {},
        "started_at": None,
    }
    try:
        found = json.loads(text)[0]
        state = found["State"]
    except (ValueError, LookupError, TypeError):
        return nothing
    started = str(state.get("StartedAt") or "")
    return {
        "exists": True,
        "running": bool(state.get("Running")),
        "status": state.get("Status"),
        "exit_code": state.get("ExitCode"),
        "id": found.get("Id"),
        "image": (found.get("Config") or {}).get("Image"),
        "image_id": found.get("Image"),
        "labels": (found.get("Config") or {}).get("Labels") or {},
        # Docker's "never" is the year 1.
        "started_at": None if started.startswith("0001-") or not started else iso(epoch(started)),
    }
