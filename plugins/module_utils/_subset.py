# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Which nodes of a group that has more than are needed get a rank, and why the others are spares.

The first hosts do, in the order of the inventory, as long as their plan has no error: what happens to a node moves ranks to another one
only where they could not run as they are, and not without a warning.
"""

from __future__ import annotations

import itertools
import typing as t

from . import _addressing, _foresee
from ._findings import Finding, errors
from ._plan import Observations, plan
from ._plan_checks import own_errors
from ._plan_ids import planned
from ._spare_findings import Plan, Tried, Unfit, harmful_findings, spare_findings, unfit_finding

LOOKED_AT = 256
"""How many choices are looked at for one head. Up to eleven hosts these are all; of more hosts, those that keep most of the first ones.

With eight of sixteen hosts, any two of the eight may be bad."""
SHOWN = 4
"""How many choices an error tells of."""


def plan_of(
    observations: Observations,
    head: t.Optional[str] = None,
    order: t.Optional[t.Sequence[str]] = None,
    nccl: t.Optional[str] = None,
    nccl_rings: bool = False,
    nodes: t.Optional[int] = None,
    spare_unfit: bool = False,
) -> Plan:
    """Return the plan for `nodes` of the hosts (None: all), with the others as its `spares`; see `_plan.plan` for the rest.

    `spare_unfit` is about all hosts: those that have an error of their own are then spares, if two or more have none and `head` is not
    one of them.

    The hosts are `head`, if it is given, and the first ones of `order`. Where their plan has an error the next choice is looked at,
    which leaves out as few of them as possible and takes the first of the others; where no `head` is given, the first host is left out
    last of all. Hosts that have an error of their own are in no choice. The plan is what it would be without the spares, but for findings:
    what is wrong on a spare is a warning, unless it would harm a rank, which is an error whatever is chosen. Where no choice is without an
    error the plan is that of the first hosts, with its errors. Raise ValueError for `nodes` below 2.
    """
    if nodes is not None and nodes < 2:
        raise ValueError(f"nodes: found {nodes}, wanted 2 or more, or none for all hosts")
    hosts = list(dict.fromkeys([*(order or ()), *observations]))
    ranks = hosts if head is None else [head, *(host for host in hosts if host != head)]
    judged = ranks if nodes is not None or spare_unfit else []
    unfit = {host: found for host in judged for found in [own_errors(host, observations.get(host))] if found}
    fit = [host for host in ranks if host not in unfit]
    all_fit = nodes is None and bool(unfit) and len(fit) > 1 and head in (None, *fit)
    if not all_fit and (nodes is None or len(hosts) <= nodes or head not in (None, *hosts)):
        whole = plan(observations, head, order, nccl, nccl_rings)
        if nodes is not None and 2 <= len(hosts) < nodes:
            whole["findings"].insert(0, _too_few(hosts, nodes))
        return whole

    def planned_for(choice: t.Sequence[str]) -> Plan:
        chosen = {host: observations.get(host, {}) for host in choice}
        beside = {host: observations.get(host, {}) for host in hosts if host not in choice}
        return plan(chosen, choice[0], choice, nccl, nccl_rings, beside)

    if nodes is None:
        found = planned_for(fit)
        found["findings"] += spare_findings(found, hosts, fit, unfit, []) + harmful_findings(found, hosts, observations)
        return found
    first = ranks[:nodes]
    tried: Tried = []
    for choice in _choices(fit, nodes, head) if head not in unfit else ():
        found = planned_for(choice)
        if not errors(found["findings"]):
            found["findings"] += spare_findings(found, hosts, first, unfit, tried) + harmful_findings(found, hosts, observations)
            return found
        tried.append((choice, found))
    found = planned_for(first)
    found["findings"] = [_no_choice(hosts, nodes, unfit, tried), *found["findings"], *harmful_findings(found, hosts, observations)]
    return found


def _choices(hosts: t.Sequence[str], nodes: int, head: t.Optional[str]) -> t.Iterator[list[str]]:
    """The choices with the first host as head, and if no `head` is wanted, those with the second as head after them, and so on."""
    for number in range(1 if head is not None else len(hosts)):
        others = hosts[number + 1 :]
        yield from itertools.islice(_with_head(hosts[number], others[: nodes - 1], others[nodes - 1 :], nodes), LOOKED_AT)


def _with_head(head: str, first: t.Sequence[str], rest: t.Sequence[str], nodes: int) -> t.Iterator[list[str]]:
    for left_out in range(nodes if len(first) == nodes - 1 else 0):
        # The first of the others are tried in the place of each before the next ones are: most often they are as good as those.
        for taken in itertools.combinations(rest, left_out):
            for kept in itertools.combinations(first, nodes - 1 - left_out):
                yield [head, *kept, *taken]


def _too_few(hosts: t.Sequence[str], nodes: int) -> Finding:
    listing = f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}{': ' if hosts else ''}{', '.join(hosts)}"
    return planned("inventory.node-count", None, listing, f"{nodes} or more", "add the others to the group, or choose another recipe")


def _no_choice(hosts: t.Sequence[str], nodes: int, unfit: Unfit, tried: Tried) -> Finding:
    told = [f"{', '.join(choice)}: {errors(found['findings'])[0]['id']}" for choice, found in tried[:SHOWN]]
    told += [f"{len(tried) - SHOWN} more"] if len(tried) > SHOWN else []
    told += [f"never {host}: {found[0]['id']}" for host, found in unfit.items()]
    looked = f"{len(tried)} choice{'' if len(tried) == 1 else 's'} of {nodes} of {len(hosts)} hosts looked at"
    return planned(
        "plan.no-choice",
        None,
        f"{looked}, none of them without an error ({'; '.join(told)})",
        f"{nodes} hosts that can serve together",
        "do what is said of the first ones, or of others, so that they can",
    )


def addressing_of(
    observations: Observations,
    order: t.Sequence[str],
    addresses: str = _addressing.RANGE,
    prefix_length: int = _addressing.PREFIX_LENGTH,
    head: t.Optional[str] = None,
    nodes: t.Optional[int] = None,
) -> _addressing.Addressing:
    """Return the rails' addresses of all hosts, see `_addressing.addressing`, of which `nodes` get a rank (None: all).

    A host that can't have any, for what is wrong on itself, is left out with a warning if the others are enough, and is not the `head`.
    """
    found = _addressing.addressing(observations, order, addresses, prefix_length)
    wrong: Unfit = {}
    for error in errors(found.findings):
        wrong.setdefault(error["host"], []).append(error)
    rest = [host for host in order if host not in wrong]
    if not wrong or None in wrong or head in wrong or len(rest) < max(nodes or len(order), 2):
        return found
    others = _addressing.addressing(observations, rest, addresses, prefix_length)
    left_out = [unfit_finding(host, why) for host, why in wrong.items()]
    return _addressing.Addressing({**others.rails, **{host: [] for host in wrong}}, [*others.findings, *left_out])


def addressing_needed(
    observations: Observations,
    found: _addressing.Addressing,
    head: t.Optional[str] = None,
    nodes: t.Optional[int] = None,
    spare_unfit: bool = False,
) -> bool:
    """Tell whether the rails must have the addresses `found`, or the fabric does as it is.

    They must where the plan has an error. Where it has none a host may still be out of it, or could not take another's place, only because
    of its addresses: then they must if that goes away by them, and if, where no host was passed over, no rail in use changes.
    """
    current = plan_of(observations, head, nodes=nodes, spare_unfit=spare_unfit)
    if errors(current["findings"]):
        return True
    # The others have no cable, or one that leads to no other host: no address mends that.
    hosts = [host for host in observations if found.rails.get(host)]
    if errors(found.findings) or len(hosts) < 2:
        return False
    now, then = (
        {(error["id"], error["host"]) for error in errors(plan({host: seen[host] for host in hosts})["findings"])}
        for seen in (observations, _foresee.foresee(observations, found.rails))
    )
    changed = {(host, rail["interface"]) for host in hosts for rail in found.rails[host] if not rail["kept"]}
    used = {(host, rail["netdev"]) for host, node in current["nodes"].items() for rail in node["rails"]}
    passed_over = any(finding["id"] == "plan.passed-over" and finding["host"] in hosts for finding in current["findings"])
    return bool(now - then) and (passed_over or not used & changed)
