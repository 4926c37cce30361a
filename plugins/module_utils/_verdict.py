# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""All ranks judged together: ready only if the head got a token, every rank reached its phase, and all run one NCCL over RDMA."""

from __future__ import annotations

import typing as t

from ._evidence import WRAPPER, weight
from ._readiness import PHASES


def ready_verdict(
    results: t.Mapping[str, t.Any],
    head: str,
    wanted_nccl: t.Optional[str] = None,
    wanted_network: t.Optional[str] = "IB",
    banner_required: bool = True,
    wanted_hcas: t.Optional[t.Mapping[str, t.Sequence[str]]] = None,
) -> dict[str, t.Any]:
    """Judge the results of vllm_ready of all hosts.

    `results`: {host: result}; a host without a result (null, skipped) is waited for, one that was unreachable or whose module failed has
    failed. `wanted_nccl`: version that every rank's banner has to show; `wanted_network`: what NCCL has to use between nodes; null for any.
    `banner_required`: whether a rank that shows no banner has failed; of one that has run for weeks the journal may have dropped it.
    `wanted_hcas`: {host: [`device:port`]} that NCCL has to use there, no more and no fewer; looked at where it has said which it uses.

    Returns `state` (`waiting`, `ready`, `failed`), `lines` (a table, one line for each host), `evidence` [{`host`, `line`}] (root causes
    first), `nccl` {host: report}, `problems` (texts; any of them means `failed`), `warnings` (texts).
    """
    states = {host: _state(result) for host, result in results.items()}
    answers = {host: result for host, result in results.items() if _answered(result)}
    nccl = {host: result["nccl"] for host, result in answers.items()}
    token = head in answers and answers[head]["completion"] is not None
    ready = token and all(state == "ready" for state in states.values())
    problems = _nccl_problems(nccl, wanted_nccl, wanted_network if len(results) > 1 else None)
    problems += _hca_problems(nccl, wanted_hcas or {})
    if ready and wanted_nccl and banner_required and len(results) > 1:
        problems += [
            f"{host}: no NCCL banner, so version {wanted_nccl} is not proven; set NCCL_DEBUG=INFO on every rank"
            for host, report in nccl.items()
            if report["version"] is None
        ]
    failed = bool(problems) or "failed" in states.values()
    return {
        "state": "failed" if failed else "ready" if ready else "waiting",
        "lines": _table(results, head, states),
        "evidence": _evidence(results),
        "nccl": nccl,
        "problems": problems,
        "warnings": [
            f"{host}: this vLLM does not know {', '.join(result['unknown_environment'])} and ignores it"
            for host, result in answers.items()
            if result["unknown_environment"]
        ],
    }


def _answered(result: t.Any) -> bool:
    return isinstance(result, t.Mapping) and "state" in result and "nccl" in result


def _lost(result: t.Any) -> bool:
    return isinstance(result, t.Mapping) and bool(result.get("unreachable") or result.get("failed"))


def _state(result: t.Any) -> str:
    if _lost(result):
        return "failed"
    return str(result["state"]) if _answered(result) else "waiting"


def _nccl_problems(nccl: t.Mapping[str, t.Mapping[str, t.Any]], wanted: t.Optional[str], network: t.Optional[str]) -> list[str]:
    problems = []
    versions = {host: report["version"] for host, report in nccl.items() if report["version"]}
    if len(set(versions.values())) > 1:
        named = ", ".join(f"{host} {version}" for host, version in versions.items())
        problems.append(f"the ranks run different versions of NCCL ({named}), with which they hang; give all nodes the same image")
    for host, report in nccl.items():
        if report["preload_ignored"]:
            problems.append(f"{host}: libnccl could not be preloaded, so another NCCL runs; build the overlay image again on this node")
        if wanted and report["version"] and report["version"] != wanted:
            problems.append(f"{host}: NCCL {report['version']} runs, wanted {wanted}; check image, LD_PRELOAD and VLLM_NCCL_SO_PATH")
        if len(report["versions"]) > 1:
            problems.append(f"{host}: one process runs NCCL {' and '.join(report['versions'])}; set LD_PRELOAD and VLLM_NCCL_SO_PATH alike")
        if network and report["network"] and report["network"] != network:
            problems.append(f"{host}: NCCL uses network {report['network']}, wanted {network}; check NCCL_IB_HCA and /dev/infiniband")
    return problems


def _hca_problems(nccl: t.Mapping[str, t.Mapping[str, t.Any]], wanted: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """One rail less costs half of the bandwidth, and nothing but this line of NCCL's tells."""
    return [
        f"{host}: NCCL uses {', '.join(report['hcas'])}, wanted {', '.join(wanted[host])}; check the ports' state, then deploy again"
        for host, report in nccl.items()
        if report["hcas"] and host in wanted and set(report["hcas"]) != set(wanted[host])
    ]


def _evidence(results: t.Mapping[str, t.Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for host, result in results.items():
        if _answered(result):
            found += [{"host": host, "line": item["line"]} for item in result["evidence"]]
        elif _lost(result):
            found.append({"host": host, "line": str(result.get("msg") or "the node can not be reached")})
    # A rank that lost its peer says so loudly; what the peer died of is the cause.
    return sorted(found, key=lambda item: WRAPPER if weight(item["line"]) is None else t.cast(int, weight(item["line"])))


def _table(results: t.Mapping[str, t.Any], head: str, states: t.Mapping[str, str]) -> list[str]:
    """Seconds until each phase, one row for each host; `-` is a phase that a host did not show."""
    rows = [["host", "state", *PHASES]]
    for host, result in results.items():
        seconds = {step["phase"]: step["seconds"] for step in result["timeline"]} if _answered(result) else {}
        cells = [("?" if seconds[phase] is None else f"{seconds[phase]:.0f} s") if phase in seconds else "-" for phase in PHASES]
        rows.append([f"{host} (head)" if host == head else host, states[host], *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) if column < 2 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]
