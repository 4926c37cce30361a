# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What is wrong with a fabric, by what was measured of it: a name for each fault, with the figure, what it was held to, and what to do."""

from __future__ import annotations

import typing as t

from ._fabric_case import Case
from ._fabric_links import Entry, Fabric, name
from ._fabric_nccl import judge_allreduce, judge_planned_rails
from ._fabric_pings import judge_pings
from ._fabric_rdma import at_least, judge_rdma
from ._fabric_state import judge_gids, judge_rates
from ._fabric_thresholds import BOTH_RAILS, BUSBW, RAIL, figure
from ._fabric_verdict_ids import ORDER, Verdict, verdict
from ._findings import text
from ._preflight_check import table as aligned

SCHEMA = 1

_BANDS = {"rdma": RAIL, "both rails": BOTH_RAILS, "allreduce": BUSBW}
_KINDS = list(_BANDS)
_HEADINGS = ("MEASURED", "FROM", "TO", "RAIL", "FIGURE", "ELSEWHERE")


def judge(
    plan: t.Optional[t.Mapping[str, t.Any]] = None,
    observations: t.Optional[t.Mapping[str, t.Any]] = None,
    pings: t.Optional[t.Sequence[Entry]] = None,
    rdma: t.Optional[t.Sequence[Entry]] = None,
    allreduce: t.Optional[Entry] = None,
    kernel: t.Optional[t.Mapping[str, t.Any]] = None,
) -> dict[str, t.Any]:
    """Judge a fabric. Any part may be left out; what is not there is said to be missing (but for `kernel`), and never taken for healthy.

    - `plan`: what `_plan.plan` returns; `observations`: by host, what `_roce.observe` returned when the rest was measured.
    - `pings`: one entry for each run of ping: `from` and `to` (hosts), `rail` (device) or `netdev`, `source`, `target` (addresses), `bytes`
      (as for ``ping -s``), `df`, `sent`, `received`, `error` (text or None). Wanted with DF and as large as the MTU, from and to every
      rail; small ones tell an MTU that is too small from a rail that nothing comes through.
    - `rdma`: one entry for each run of ib_write_bw: `from`, `to`, `device`, `gid_index`, `gbps` (Gb/s, or None), `output` (its last
      lines, text or list), `error`. Wanted over every rail, from one end. An entry with `devices`, two or more, in place of `device`
      is of all of them at once, `gbps` then being their sum; wanted for each node with two rails to one other.
    - `allreduce`: `nodes` (hosts), `bytes`, `busbw_gbps` (GB/s, as nccl-tests prints it), `lines` ({host: log of its rank}, or one list),
      `using` ({host: [``device:port``]}, or the list of the first of `nodes`) and `transport` (``IB``, ``Socket``), both read from
      `lines` if they are not given, `carrying` (as `using`: the devices that carried traffic, where that is known), `error`.
    - `kernel`: by host `release`, `cmdline` and `lines` (of the kernel's log), each where it is known.

    An entry may have a `status`: ``ok``, ``missing`` (its tool is not there), ``timeout`` or ``failed``; without one it is ``ok`` if it
    has a figure, else ``failed`` if it has an `error` or `output`, else ``missing``.

    Returns `schema`, `verdict` (the worst id), `severity` (its), `verdicts` (the worst first, see `_fabric_verdict_ids`) and `figures`
    [{`what` (``rdma``, ``both rails``, ``allreduce``), `host`, `rail`, `peer`, `value`, `unit`, `elsewhere` (a band)}]. A fabric of
    which everything was measured and nothing is wrong has the one verdict ``fabric.healthy``. Of causes of one symptom the nearest to
    it is named: a rail that no ping comes through is not said to have a wrong GID too. The order of the input does not matter.
    """
    case = Case(Fabric(plan, observations), kernel or {})
    if not case.fabric.links:
        case.miss("plan", None, "no two rails in one network")
    if not case.fabric.hosts and not case.fabric.observations:
        case.miss("observations", None, "none")
    judge_rates(case)
    judge_gids(case)
    judge_planned_rails(case)
    if not pings:
        case.miss("ping", None, "none at all")
    judge_pings(case, pings)
    if not rdma:
        case.miss("rdma", None, "nothing at all")
    judge_rdma(case, rdma)
    judge_allreduce(case, allreduce)
    verdicts = _sorted(case, case.verdicts + case.not_measured()) or [_healthy(case)]
    figures = sorted(case.figures, key=lambda one: (_KINDS.index(one["what"]), _place(case, one["host"], one["rail"]), one["value"]))
    return {
        "schema": SCHEMA,
        "verdict": verdicts[0]["id"],
        "severity": verdicts[0]["severity"],
        "verdicts": verdicts,
        "figures": figures,
    }


def _place(case: Case, host: t.Optional[str], rails: t.Optional[str]) -> tuple[t.Any, ...]:
    """Hosts by rank and their rails as the plan has them, others behind; what is of a whole node, or of all, comes first of its own."""
    hosts, first = case.fabric.hosts, (rails or "").split(",")[0]
    names = [name(rail) for rail in case.fabric.rails.get(host or "", [])]
    rank = hosts.index(host) if host in hosts else len(hosts)
    return rank, host or "", names.index(first) if first in names else len(names) if first else -1, rails or ""


def _sorted(case: Case, verdicts: t.Iterable[Verdict]) -> list[Verdict]:
    def place(one: Verdict) -> tuple[t.Any, ...]:
        return ORDER[one["id"]], _place(case, one["host"], one["rail"]), one["peer"] or "", one["found"]

    return sorted(verdicts, key=place)


def _healthy(case: Case) -> Verdict:
    """The verdict on a fabric without fault, with its most telling figure."""
    what, band = next((what, band) for what, band in reversed(_BANDS.items()) if any(one["what"] == what for one in case.figures))
    lowest = min(one["value"] for one in case.figures if one["what"] == what)
    found = f"{what} {lowest:g} {band.unit}, and every rail carries what it does elsewhere"
    return verdict("fabric.healthy", found, at_least(band), figure(lowest, band.unit), band.edge())


def table(document: t.Mapping[str, t.Any]) -> list[str]:
    """Return a judgement for people: the name of the worst, all figures with what others measured, and one line for each verdict."""
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for one in document["figures"]:
        band = one["elsewhere"]
        places = (one["host"] or "all", one["peer"] or "", one["rail"] or "")
        rows.append((one["what"], *places, f"{one['value']:g} {one['unit']}", f"{band['low']:g} to {band['high']:g} {band['unit']}"))
    figures = aligned(rows) if len(rows) > 1 else ["no figures"]
    return [f"{document['verdict']} ({document['severity']})", *figures, *map(text, document["verdicts"])]
