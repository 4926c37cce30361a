# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is said of the nodes that get no rank: why they are spares, and what is wrong on them that would harm a rank."""

from __future__ import annotations

import typing as t

from ._findings import Finding, errors
from ._plan import Observations
from ._plan_checks import address_findings, is_observation, machine_findings
from ._plan_ids import planned
from ._rails import rails_of

Plan = dict[str, t.Any]
Tried = list[tuple[list[str], Plan]]
"""Choices that have an error, each with its plan, in the order in which they were looked at."""
Unfit = dict[str, list[Finding]]
"""By host, what keeps it out of every plan."""


def harmful_findings(found: Plan, hosts: t.Sequence[str], observations: Observations) -> list[Finding]:
    """Return the errors on spares of the plan for `hosts` that don't go away with another choice: a spare is there all the same.

    Where a spare is a rank's machine under another name, what is done on a spare would remove the rank. Where it has the address of a rail
    that a rank uses, it answers for the rank.
    """
    spares = found["spares"]
    ranks = [host for host in hosts if host not in spares]
    present = {host: observations[host] for host in (*ranks, *spares) if is_observation(observations.get(host))}
    rails = {host: rails_of(observation["devices"]) for host, observation in present.items()}
    for host, node in found["nodes"].items():
        used = {rail["netdev"] for rail in node["rails"]}
        rails[host] = [device for device in rails[host] if device["netdev"] in used]
    wrong = machine_findings(present) + address_findings(list(found["nodes"]), rails, [host for host in spares if host in present])
    # Of two hosts the second is told of. What is between two that get a rank is in their plan.
    return [finding for finding in wrong if finding["host"] in spares]


def _brief(findings: t.Sequence[Finding]) -> str:
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{findings[0]['id']} ({findings[0]['found']}){more}"


def spare_findings(found: Plan, hosts: t.Sequence[str], first: t.Sequence[str], unfit: Unfit, tried: Tried) -> list[Finding]:
    """Say of each spare why it is one: `first` would have got ranks, `hosts` are all."""
    findings = []
    instead = ", ".join(host for host in hosts if host in found["nodes"] and host not in first)
    for host in found["spares"]:
        if host in first:
            # A host that is fit by itself is in the first choice.
            why = unfit.get(host) or _of(host, errors(tried[0][1]["findings"]))
            moved = f"; rank 0, and with it the API, is on {next(iter(found['nodes']))}" if host == first[0] else ""
            text = f"no rank, and {instead} in its place, because of {_brief(why)}{moved}"
            findings.append(planned("plan.passed-over", host, text, why[0]["wanted"], why[0]["remedy"]))
        elif host in unfit:
            findings.append(unfit_finding(host, unfit[host]))
        else:
            text = f"no rank: {len(found['nodes'])} of {len(hosts)} hosts get one"
            wanted = "as many hosts as there are ranks, or more"
            findings.append(planned("plan.spare", host, text, wanted, "nothing: it gets a rank where a host before it can't have one"))
    return findings


def _of(host: str, findings: t.Sequence[Finding]) -> list[Finding]:
    """Those of the host; where there are none, those of the cluster, and else all."""
    own = [finding for finding in findings if finding["host"] == host]
    return own or [finding for finding in findings if finding["host"] is None] or list(findings)


def unfit_finding(host: str, why: t.Sequence[Finding]) -> Finding:
    text = f"no rank, and it could take no other's place, because of {_brief(why)}"
    return planned("plan.spare-unfit", host, text, why[0]["wanted"], why[0]["remedy"])
