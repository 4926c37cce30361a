# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where ranks are installed, against where the plan of today has them."""

from __future__ import annotations

import typing as t

from ._explain import why_spare
from ._findings import errors


class Places(t.NamedTuple):
    """`spares` are the hosts that take no part in the state, each with the reason."""

    spares: dict[str, str]
    problems: list[str]
    warnings: list[str]


def answers(rank: t.Any) -> bool:
    """Tell whether this is a result of rank_info."""
    return isinstance(rank, t.Mapping) and "unit" in rank


def installed(rank: t.Any) -> bool:
    """Tell whether anything of a rank is known to be on the host."""
    return answers(rank) and bool(rank["launch"] or rank["enabled"] or rank["active"] or rank["other_instances"])


def places(ranks: t.Mapping[str, t.Any], plan: t.Mapping[str, t.Any]) -> Places:
    """Compare {host: rank_info} with the plan.

    A host that does not answer is a spare only if all ranks are found elsewhere: else it may have one, and nothing is said of places,
    because no deployment goes past it. The plan was made without frames sent over the rails, from less than a deployment knows. So a
    rank that is not where it would be is a problem only if what keeps its host out is seen, or if there are more ranks than wanted.
    """
    nodes, spares = plan.get("nodes") or {}, plan.get("spares") or ()
    hosts = list(dict.fromkeys([*nodes, *ranks]))
    there = [host for host in hosts if installed(ranks.get(host))]
    whole = len(there) >= len([host for host in hosts if host not in spares])
    left = {host: why_spare(plan, host) for host in spares if host not in there and (whole or answers(ranks.get(host)))}
    moved = {host: why_spare(plan, host) for host in spares if host in there}
    lacking = [host for host in nodes if there and host not in there and answers(ranks.get(host))]
    if errors(plan.get("findings") or ()):
        return Places(left, [], [])
    away = any(not answers(ranks.get(host)) for host in hosts if host not in left)
    if away or any("observation.missing" in reason for reason in moved.values()):
        return Places({**left, **dict.fromkeys(lacking, "no rank is installed")}, [], [])
    if moved and len(moved) == len(lacking) and not any(_is_kept_out(plan, host) for host in moved):
        here, elsewhere = ", ".join(moved), ", ".join(lacking)
        told = f"{here}: has a rank that {elsewhere} would get now, unless a deployment finds what is not seen here; deploy to move it"
        return Places({**left, **dict.fromkeys(lacking, f"no rank, and {here} in its place since a deployment")}, [], [told])
    problems = [f"{host}: has a rank, and would be a spare now ({reason})" for host, reason in moved.items()]
    problems += [f"{host}: would get a rank now, and has none" for host in lacking]
    return Places(left, [f"{text}; deploy again" for text in problems], [])


def _is_kept_out(plan: t.Mapping[str, t.Any], host: str) -> bool:
    ids = [finding["id"] for finding in plan.get("findings") or () if finding["host"] == host]
    return "plan.passed-over" in ids or "plan.spare-unfit" in ids
