# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The state of one rank of a recipe on one node, from its unit, its container and its files."""

from __future__ import annotations

import json
import re
import typing as t

from ._docker_run import LAUNCH_LABEL
from ._readiness import epoch, iso
from ._unit import UNKNOWN, parse_container, parse_show

_INSTANCE = re.compile(r"vllm@([^@/]+)\.service")


def unit_name(recipe: str) -> str:
    """`vllm@RECIPE.service`."""
    return f"vllm@{recipe}.service"


def container_name(recipe: str) -> str:
    """`vllm-RECIPE`."""
    return f"vllm-{recipe}"


def parse_env(text: str) -> dict[str, str]:
    """The NAME=value lines of a file for `docker run --env-file`: values are taken as they are, comments and bare names are skipped."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value for name, value in pairs}


def parse_launch(text: str) -> t.Optional[dict[str, t.Any]]:
    """The content of launch.json, or null where it is no JSON object."""
    try:
        launch = json.loads(text)
    except ValueError:
        return None
    return launch if isinstance(launch, dict) else None


def other_instances(own: str, shown: str, wanted_paths: t.Iterable[str]) -> list[str]:
    """Units of other recipes that run or are enabled on this node, sorted.

    `shown`: output of `systemctl show 'vllm@*.service'`, which knows those that are loaded. `wanted_paths`: links in *.target.wants, which
    tell those that are enabled and not loaded yet.
    """
    loaded = {unit["unit"] for unit in parse_show(shown) if unit["enabled"] or unit["active"] not in ("inactive", "failed", UNKNOWN)}
    enabled = {match.group(0) for match in map(_INSTANCE.search, wanted_paths) if match}
    return sorted(name for name in loaded | enabled if _INSTANCE.fullmatch(name) and name != own)


def rank_state(
    recipe: str,
    show: str,
    inspect: str,
    launch: str,
    live_env: str,
    secret_mtime: t.Optional[float],
    others: list[str],
    other_recipes: list[str],
) -> dict[str, t.Any]:
    """What the module rank_info returns.

    `show`: `systemctl show` of the unit; `inspect`: `docker inspect` of the container; `launch`, `live_env`: texts of launch.json and
    live.env; each may be empty. `secret_mtime`: when secret.env was written, seconds since the epoch, or null. `others`: other instances.
    `other_recipes`: names of other recipes of which there are files.
    """
    name = unit_name(recipe)
    unit = (parse_show(show) or parse_show(f"Id={name}"))[0]
    known = unit["active"] != UNKNOWN
    container = parse_container(inspect)
    started = epoch(container["started_at"]) if container["running"] and container["started_at"] else None
    return {
        "unit": name,
        "loaded": unit["loaded"],
        "enabled": unit["enabled"],
        "active": unit["active"] == "active" and container["running"],
        "unit_state": {key: unit[key] for key in ("active", "sub", "result", "restarts", "invocation")} if known else None,
        "since": iso(unit["changed_at"]) if unit["changed_at"] else None,
        "restarts": unit["restarts"] if known else None,
        "container": container,
        "launch_hash": container["labels"].get(LAUNCH_LABEL) if container["running"] else None,
        # The container got its secrets when it started; Docker's time is cut to the second, so one second is no difference.
        "secret_stale": started is not None and secret_mtime is not None and secret_mtime > started + 1,
        "live_env": parse_env(live_env),
        "launch": parse_launch(launch),
        "other_instances": others,
        "other_recipes": other_recipes,
    }
