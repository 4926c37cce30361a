# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is right by itself in a recipe and wrong beside something else in it, or beside what the roles do.

vLLM would say most of it itself, but only after images, caches and a model have been brought onto the nodes, and the rest never.
"""

from __future__ import annotations

import typing as t

from . import _overlay_layers
from ._recipe_words import shown, step

# At these levels NCCL prints its version and its transport (docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html#nccl-debug).
TALKING = ("INFO", "TRACE")
# Smallest value of options that are counted; vLLM looks at these when the engine starts.
_COUNTED = ("block-size", "max-num-seqs", "max-num-batched-tokens")
# In others an empty text may be a default, such as the backend of compilation-config.
_NEVER_EMPTY = ("reasoning-config", "speculative-config")
# Ports that are used beside each other; the API's is one of the recipe's own.
_PORT_ARGUMENTS = ("data-parallel-rpc-port",)


def problems(recipe: dict[str, t.Any], on_gpu: bool) -> list[str]:
    """One sentence for each contradiction in a recipe whose parts are sound; `on_gpu`: whether its ranks talk by NCCL."""
    arguments = recipe["arguments"]
    environment = {**_overlay_layers.variables(recipe.get("layers", [])), **recipe["environment"]}
    found = [*_executor(recipe), *_numbers(arguments), *_parsers(arguments), *_empty(arguments), *_ports(recipe)]
    return found + (list(_nccl(environment)) if on_gpu else [])


def api_port_problem(recipe: dict[str, t.Any], port: t.Any) -> t.Optional[str]:
    """What is wrong with the port that a user gives the API in place of the recipe's."""
    number = int(port) if str(port).isascii() and str(port).isdecimal() and len(str(port)) < 9 else 0
    if not 1 <= number <= 65535:
        return f"serve_api_port: found {port}, wanted a port from 1 to 65535"
    if number == recipe["ports"]["master"]:
        meeting = f"which is ports.master of recipe {recipe['name']} too, where the ranks meet"
        return f"serve_api_port: found {number}, {meeting}; wanted another port"
    return None


def _executor(recipe: dict[str, t.Any]) -> t.Iterator[str]:
    backend = recipe["arguments"].get("distributed-executor-backend")
    if recipe["nodes"] > 1 and backend not in (None, "mp"):
        yield f"arguments.distributed-executor-backend: found {shown(backend)}, wanted mp, by which the roles start one rank on each node"


def _numbers(arguments: dict[str, t.Any]) -> t.Iterator[str]:
    for option in _COUNTED:
        size = _number(arguments.get(option))
        if size is not None and size < 1:
            yield f"arguments.{option}: found {shown(arguments[option])}, wanted a whole number from 1 on"
    longest = _number(arguments.get("max-model-len"))
    if longest is not None and longest < 1 and longest != -1:
        wanted = "a whole number from 1 on, or -1 or auto for what fits"
        yield f"arguments.max-model-len: found {shown(arguments['max-model-len'])}, wanted {wanted}"
    share = _number(arguments.get("gpu-memory-utilization"))
    if share is not None and not 0 < share <= 1:
        yield f"arguments.gpu-memory-utilization: found {shown(arguments['gpu-memory-utilization'])}, wanted a share above 0 and up to 1"


def _number(value: t.Any) -> t.Optional[float]:
    """A value as a number if it is one, also as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _parsers(arguments: dict[str, t.Any]) -> t.Iterator[str]:
    if arguments.get("enable-auto-tool-choice") is True and "tool-call-parser" not in arguments:
        yield "arguments.enable-auto-tool-choice: found no tool-call-parser beside it, wanted one, without which vLLM does not start"
    if arguments.get("enable-log-outputs") is True and "enable-log-requests" not in arguments:
        yield "arguments.enable-log-outputs: found no enable-log-requests beside it, wanted it, without which vLLM does not start"
    compilation = arguments.get("compilation-config")
    if "cudagraph-capture-sizes" in arguments and isinstance(compilation, dict) and "cudagraph_capture_sizes" in compilation:
        yield "arguments.cudagraph-capture-sizes: found compilation-config.cudagraph_capture_sizes beside it; vLLM refuses both, wanted one"
    parser, config = arguments.get("reasoning-parser"), arguments.get("reasoning-config")
    inner = config.get("reasoning_parser") if isinstance(config, dict) else None
    if parser is not None and inner is not None and parser != inner:
        yield (
            f"arguments.reasoning-config.reasoning_parser: found {shown(inner)}, wanted {shown(parser)}, as in arguments.reasoning-parser, "
            "or one of them left out"
        )


def _empty(arguments: dict[str, t.Any]) -> t.Iterator[str]:
    """Empty texts inside of those JSON arguments in which none means anything."""
    for option in _NEVER_EMPTY:
        value = arguments.get(option)
        if isinstance(value, dict):
            for place in _empty_places(value, f"arguments.{option}"):
                yield f"{place}: found '', wanted a text, or the key left out: an empty one is not the same as none"


def _empty_places(value: t.Any, place: str) -> t.Iterator[str]:
    if value == "":
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty_places(inner, step(place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _empty_places(inner, f"{place}[{number}]")


def _ports(recipe: dict[str, t.Any]) -> t.Iterator[str]:
    taken = recipe.get("ports", {})
    for option in _PORT_ARGUMENTS:
        port = recipe["arguments"].get(option)
        for name, number in taken.items():
            if port == number:
                yield f"arguments.{option}: found {shown(port)}, which is ports.{name} too; wanted a port of its own"


def _nccl(environment: dict[str, t.Any]) -> t.Iterator[str]:
    level = environment.get("NCCL_DEBUG")
    proof = "every rank prints its NCCL version and its transport then, and without these lines no start is taken for a good one"
    if level is None or str(level).upper() not in TALKING:
        yield f"environment.NCCL_DEBUG: found {'nothing' if level is None else shown(level)}, wanted INFO: {proof}"
    file = environment.get("NCCL_DEBUG_FILE")
    if file not in (None, "/dev/stdout", "/dev/stderr"):
        yield f"environment.NCCL_DEBUG_FILE: found {shown(file)}, wanted none: what NCCL prints is read in the journal"
    systems = str(environment.get("NCCL_DEBUG_SUBSYS", "INIT")).upper()
    named = {"INIT", "ALL"} & {system.strip() for system in systems.lstrip("^").split(",")}
    if bool(named) == systems.startswith("^"):
        yield f"environment.NCCL_DEBUG_SUBSYS: found {shown(environment['NCCL_DEBUG_SUBSYS'])}, wanted INIT among what is printed: {proof}"
