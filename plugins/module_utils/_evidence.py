# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which lines of a failed rank matter: the root cause first, not the wrappers that re-raise it.

A failing vLLM prints a hundred lines or more: the exception of the worker, the same one re-raised by the executor, the engine core, the API
server, C++ frames, and complaints about leaked objects. The rules below are ordered by how close a line is to the cause:

- CAUSE     names what is wrong on this node (a missing device, a wrong argument, memory, a file).
- PEER      says that another rank is gone or never came: what is wrong is printed by that other rank.
- ERROR     any other exception.
- WRAPPER   re-raises or announces one of the above; evidence only where nothing better is there.

Lines that a healthy rank prints too are never evidence.
"""

from __future__ import annotations

import re
import typing as t

from ._journal import redact

CAUSE, PEER, ERROR, WRAPPER = 0, 1, 2, 3
MAX_LENGTH = 600

# `(Worker_TP0 pid=511) ERROR 11-22 01:17:03 [multiproc_executor.py:953] ` and Python's `ERROR:root:`.
_PREFIX = re.compile(r"^(?:\([\w .-]+ pid=\d+\) ?)?(?:(?:INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?)?")

_BENIGN = re.compile(
    r"No available shared memory broadcast block"  # a peer has been busy for a minute: compiling, capturing graphs
    # Normal on GB10.
    r"|GPU Direct RDMA Disabled|dlvsym failed on|ncclOsDlopen\(|Could not find: libnccl-|Failed to initialize any GIN plugin"
    r"|leaked|nanobind|refleaks|resource_tracker|is not found in LD_PRELOAD|FutureWarning|UserWarning|DeprecationWarning"
    r"|Found ulimit of|ENV/Plugin: Closing|The hostname of the client socket cannot be retrieved"
)
_NOISE = re.compile(r"^\s|^frame #\d+|^<omitting|^Traceback \(most recent|^Exception raised from|^Process \w+:$|\[shutdown\]|^[\s^~|]*$")

_RULES: tuple[tuple[int, t.Pattern[str]], ...] = tuple(
    (rank, re.compile(pattern))
    for rank, patterns in (
        (
            WRAPPER,  # first, because a wrapper quotes what it wraps
            (
                r"Engine core initialization failed|WorkerProc initialization failed|EngineCore encountered|EngineDeadError",
                r"Worker failed with error|WorkerProc (failed to start|hit an exception)|EngineCore failed to start",
                r"Worker proc \S+ died unexpectedly|AsyncLLM output_handler failed",
                r"^(SystemExit|KeyboardInterrupt|asyncio\.exceptions\.CancelledError)\b",
            ),
        ),
        (
            CAUSE,
            (
                r"Bootstrap Root : mismatch in info from procs|Mismatched NCCL version detected",
                r"Call to ibv_\w+ failed",
                r"Bootstrap : no socket interface found|Failed to initialize any NET plugin",
                r"object '[^']*libnccl[^']*' from LD_PRELOAD cannot be preloaded",
                r"ifa != nullptr\. Unable to find address for",
                r"ZMQError: ",
                r"EADDRINUSE|\[Errno 98\]",
                r"error: (unrecognized arguments|argument |the following arguments are required|ambiguous option)",
                r"invalid choice: |invalid loads value",
                r"Free memory on device|CUDA out of memory|OutOfMemoryError|No available memory for the cache blocks",
                r"Invalid repository ID or local directory|HFValidationError|LocalEntryNotFoundError",
                r"SafetensorError|Weight files referenced in index but missing",
                r"Error response from daemon: |docker: invalid reference format|Cannot connect to the Docker daemon",
                r"could not select device driver|unknown or invalid runtime name|error gathering device information|error setting rlimit",
                r"collective_rpc should not be called on follower node|KV cache specs for the same layer are different",
                r"CUDA error: |CUDA driver version is insufficient|No CUDA GPUs are available",
                r"^launcher: \S+: vllm@",
            ),
        ),
        (
            PEER,
            (
                r"(DistNetworkError|DistStoreError): ",
                r"Connection closed by peer|Connection reset by peer|remote process exited or there was a network error",
                r"RPC call to \w+ timed out",
                r"^(the head is gone|rank \S+ is gone|the worker at \S+ is gone)",
            ),
        ),
        (ERROR, (r"^(?:\w+\.)*\w*(?:Error|Exception)(?::\s|$)", r"NCCL WARN ", r"NCCL error: ")),
    )
    for pattern in patterns
)
# The rest of a message that is broken over two lines.
_CONTINUATION = re.compile(r"curr state \w+, next state|^desired GPU memory utilization")
# Exceptions whose own line says little: the place where they were raised says the rest.
_TERSE = re.compile(r"^(?:\w+\.)*(KeyError|IndexError|AssertionError|AttributeError|TypeError|NotImplementedError)\b")
_FRAME = re.compile(r'^\s*File "[^"]+", line \d+')

# Said by processes that go on as if nothing were wrong, or that take their time to die.
_FATAL = re.compile(
    r"Bootstrap Root : mismatch in info from procs|Mismatched NCCL version detected"
    r"|object '[^']*libnccl[^']*' from LD_PRELOAD cannot be preloaded"
    r"|WorkerProc failed to start|EngineCore failed to start|EngineCore encountered a fatal error|Engine core initialization failed"
    r"|WorkerProc initialization failed|EngineDeadError|Worker proc \S+ died unexpectedly|RPC call to \w+ timed out"
)


def body(line: str) -> str:
    """The line without vLLM's process and time stamps."""
    return _PREFIX.sub("", line, count=1)


def weight(line: str) -> t.Optional[int]:
    """How close a line is to the root cause: CAUSE, PEER, ERROR or WRAPPER; null where it is no evidence."""
    text = body(line)
    return next((rank for rank, pattern in _RULES if pattern.search(text)), None)


def is_fatal(line: str) -> bool:
    """Whether the line means that this start has failed although the process is (still) there."""
    return bool(_FATAL.search(line))


def select(lines: t.Sequence[str], limit: int = 3, secrets: t.Iterable[str] = (), last_resort: bool = True) -> list[str]:
    """At most `limit` lines that say why a rank failed, verbatim but for secrets, the root cause first.

    Of equal weight the earlier one comes first; repeated ones count once. Wrappers are left out where anything better is there.
    Without any recognised line, and with `last_resort`, the last one that is neither benign nor part of a traceback is returned.
    """
    hidden = list(secrets)
    best: dict[str, tuple[int, int]] = {}
    for index, line in enumerate(lines):
        found = weight(line)
        if found is not None:
            best.setdefault(body(line), (found, index))
    ranked = sorted(best.values())
    if any(rank < WRAPPER for rank, _index in ranked):
        ranked = [(rank, index) for rank, index in ranked if rank < WRAPPER]
    chosen = [piece for _rank, index in ranked for piece in _with_context(lines, index)]
    if not chosen and last_resort:
        chosen = [line for line in lines if body(line).strip() and not _NOISE.search(body(line)) and not _BENIGN.search(line)][-1:]
    return [redact(line.strip(), hidden)[:MAX_LENGTH] for line in list(dict.fromkeys(chosen))[:limit]]


def _with_context(lines: t.Sequence[str], index: int) -> list[str]:
    found = [lines[index]]
    if index + 1 < len(lines) and _CONTINUATION.search(lines[index + 1].strip()):
        found.append(lines[index + 1])
    if _TERSE.search(body(lines[index])):
        frame = next((line for line in reversed(lines[max(0, index - 12) : index]) if _FRAME.search(body(line))), None)
        found += [frame] if frame else []
    return found
