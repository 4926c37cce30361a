# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is right by itself in a recipe and wrong beside something else in it, or beside what the roles do.

vLLM would say most of it itself, but only after images, caches and a model have been brought onto the nodes, and the rest never.
"""

from __future__ import annotations

import typing as t

from ._recipe_words import shown, step

# At these levels NCCL prints its version and its transport (docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html#nccl-debug).
_TALKING = ("INFO", "TRACE")
# Smallest value of options that are counted; vLLM looks at these when the engine starts.
_COUNTED = ("block-size", "max-num-seqs", "max-num-batched-tokens")
# Ports that are used beside each other; the API's is one of the recipe's own.
_PORT_ARGUMENTS = ("data-parallel-rpc-port",)


def problems(recipe: dict[str, t.Any], on_gpu: bool) -> list[str]:
    """One sentence for each contradiction in a recipe whose parts are sound; `on_gpu`: whether its ranks talk by NCCL."""
    arguments, environment = recipe["arguments"], recipe["environment"]
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
        size = arguments.get(option)
        if isinstance(size, (int, float)) and size is not True and size < 1:
            yield f"arguments.{option}: found {shown(size)}, wanted a whole number from 1 on"
    longest = arguments.get("max-model-len")
    if isinstance(longest, (int, float)) and longest is not True and longest < 1 and longest != -1:
        yield f"arguments.max-model-len: found {shown(longest)}, wanted a whole number from 1 on, or -1 or auto for what fits"
    share = arguments.get("gpu-memory-utilization")
    if isinstance(share, (int, float)) and share is not True and not 0 < share <= 1:
        yield f"arguments.gpu-memory-utilization: found {shown(share)}, wanted a share of the memory, above 0 and up to 1"


def _parsers(arguments: dict[str, t.Any]) -> t.Iterator[str]:
    if arguments.get("enable-auto-tool-choice") is True and "tool-call-parser" not in arguments:
        yield "arguments.enable-auto-tool-choice: found no tool-call-parser beside it, wanted one, without which vLLM does not start"
    if arguments.get("enable-log-outputs") is True and "enable-log-requests" not in arguments:
        yield "arguments.enable-log-outputs: found no enable-log-requests beside it, wanted it, without which vLLM does not start"
    parser, config = arguments.get("reasoning-parser"), arguments.get("reasoning-config")
    inner = config.get("reasoning_parser") if isinstance(config, dict) else None
    if parser is not None and inner is not None and parser != inner:
        yield (
            f"arguments.reasoning-config.reasoning_parser: found {shown(inner)}, wanted {shown(parser)}, as in arguments.reasoning-parser, "
            "or one of them left out"
        )


def _empty(arguments: dict[str, t.Any]) -> t.Iterator[str]:
    """Empty texts inside of JSON arguments: they are no better there than as a value of their own."""
    for option, value in arguments.items():
        if isinstance(value, (dict, list)):
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
    proof = "at which every rank prints its NCCL version and its transport; without these lines no start is taken for a good one"
    if level is None or str(level).upper() not in _TALKING:
        yield f"environment.NCCL_DEBUG: found {'nothing' if level is None else shown(level)}, wanted INFO, {proof}"
    if "NCCL_DEBUG_FILE" in environment:
        yield "environment.NCCL_DEBUG_FILE: found a file in the container, wanted none: what NCCL prints is read in the journal"
    systems = str(environment.get("NCCL_DEBUG_SUBSYS", "INIT")).upper()
    if systems.startswith("^") or not {"INIT", "ALL"} & {system.strip() for system in systems.split(",")}:
        yield f"environment.NCCL_DEBUG_SUBSYS: found {shown(environment['NCCL_DEBUG_SUBSYS'])}, wanted INIT among them, or none, {proof}"
