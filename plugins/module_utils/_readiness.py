# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The ladder of a rank's start: which phases there are, which lines prove them, and when each was reached.

The lines are those of vLLM 0.21 ... 0.32, NCCL 2.28 ... 2.30 and uvicorn:

- `started`     systemd started the unit's main process.
- `rendezvous`  `DP group leader: node_rank=0, ...` (head), `Launching vLLM (v...) headless multiproc executor, with head node address ...`
                (worker), `... distributed_init_method=tcp://HEAD:PORT backend=nccl` (both). The last line one sees while a peer is missing.
- `nccl`        `... Init COMPLETE`, `Connected all rings`, or `rank 1 in world size 2 is assigned as DP rank ...`, which follows the
                creation of all groups and is there without NCCL_DEBUG too, and where the ranks talk by gloo. The banner alone proves
                nothing: ranks of unequal versions print it and hang.
- `weights`     `Loading safetensors checkpoint shards: 100% Completed`, `Loading weights took`, `Model loading took`.
- `compile`     torch.compile (`torch.compile took`, `saved AOT compiled function`), TileLang (`mhc_pre_big_fuse_tilelang`), FlashInfer's
                autotuner and profiling (`Initial profiling/warmup run took`).
- `kv_cache`    `Available KV cache memory`, `GPU KV cache size: ... tokens`.
- `graphs`      `Graph capturing finished`, or `init engine (profile, create kv cache, warmup model) took`, there in eager mode too.
- `api`         `Application startup complete`, or /v1/models answers.
- `token`       a completion that this collection asked for brought a token. No line proves it.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ._journal import Line

PHASES = ("started", "rendezvous", "nccl", "weights", "compile", "kv_cache", "graphs", "api", "token")

PROOFS: dict[str, str] = {
    "rendezvous": r"DP group leader: node_rank=|headless multiproc executor, with head node address|distributed_init_method=tcp://",
    "nccl": r"NCCL INFO .*Init COMPLETE|NCCL INFO Connected all rings|rank \d+ in world size \d+ is assigned as DP rank",
    "weights": r"Loading \S+ checkpoint shards: 100% Completed|Loading weights took|Model loading took",
    "compile": (
        r"torch\.compile took|saved AOT compiled function|\w+_tilelang\b|TileLang completes to compile"
        r"|Autotuning process|FlashInfer autotune cache file|Initial profiling/warmup run took"
    ),
    "kv_cache": r"Available KV cache memory|[CG]PU KV cache size: [\d,]+ tokens",
    "graphs": r"Graph capturing finished|init engine \(profile, create kv cache, warmup model\) took",
    "api": r"Application startup complete",
}
_COMPILED = {phase: re.compile(pattern) for phase, pattern in PROOFS.items()}
_UNKNOWN_ENVIRONMENT = re.compile(r"Unknown vLLM environment variable detected: (\w+)")

# Once these scroll out of the bounded tail that is read, they are fetched on their own (journalctl --grep).
_NCCL = ("NCCL version", "is using nccl==", "NET/", "Using network", "LD_PRELOAD")
START_PATTERN = "|".join((*PROOFS.values(), _UNKNOWN_ENVIRONMENT.pattern, *_NCCL))


def final_phase(rank: int) -> str:
    """What a rank has to reach. A headless worker has no API and is quiet after its groups are formed; the head must bring a token."""
    return "token" if rank == 0 else "nccl"


def reached(phase: t.Optional[str], wanted: str) -> bool:
    """Whether `phase` is `wanted` or above it on the ladder."""
    return phase is not None and PHASES.index(phase) >= PHASES.index(wanted)


def highest(timeline_: t.Iterable[dict[str, t.Any]]) -> t.Optional[str]:
    """The highest phase of a timeline: it implies those below, which may have been skipped or come later."""
    return max((step["phase"] for step in timeline_), key=PHASES.index, default=None)


def timeline(
    lines: t.Iterable[Line], started_at: t.Optional[float] = None, marks: t.Optional[dict[str, float]] = None
) -> list[dict[str, t.Any]]:
    """When a rank reached each phase, in the order of the ladder; a phase that nothing proves is left out.

    `started_at`: start of the unit's main process, seconds since the epoch; null leaves `seconds` null.
    `marks`: phases that were seen otherwise than in a line ({`token`: seconds since the epoch}); the earlier of line and mark counts.
    Returns [{`phase`, `at` (ISO 8601, UTC), `seconds` (since the unit started)}].
    """
    found: dict[str, float] = {} if started_at is None else {"started": started_at}
    for line in lines:
        for phase, pattern in _COMPILED.items():
            if phase not in found and pattern.search(line.text):
                found[phase] = line.at
    for phase, at in (marks or {}).items():
        found[phase] = min(at, found.get(phase, at))
    return [
        {"phase": phase, "at": iso(found[phase]), "seconds": None if started_at is None else round(max(0.0, found[phase] - started_at), 1)}
        for phase in PHASES
        if phase in found
    ]


def unknown_environment(lines: t.Iterable[Line]) -> list[str]:
    """Names that vLLM said it does not know, each once, in the order of their appearance."""
    names = (match.group(1) for line in lines for match in _UNKNOWN_ENVIRONMENT.finditer(line.text))
    return list(dict.fromkeys(names))


def iso(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the second: 2026-11-22T01:16:21Z."""
    return datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time (UTC where it names no zone) or of a plain number, `@` before it or not.

    Docker prints nine digits after the point; what is below a microsecond is cut. Raises ValueError on anything else.
    """
    number = text.strip().lstrip("@")
    if re.fullmatch(r"\d+(\.\d+)?", number):
        return float(number)
    microseconds = re.sub(r"(\.\d{1,6})\d*", lambda match: match.group(1).ljust(7, "0"), number)
    at = datetime.datetime.fromisoformat(microseconds.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=datetime.timezone.utc)).timestamp()
