# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""An all-reduce of NCCL between all nodes, as the ranks of the recipe would make it: in its image, with the plan's devices and settings."""

from __future__ import annotations

import json
import signal
import typing as t

from . import _gid, _image_baked, _launch, _nccl_tests
from ._overlay import NCCL_PATH
from ._tool import TIMED_OUT

Plan = t.Mapping[str, t.Any]
Outcome = t.Mapping[str, t.Any]

CONTAINER = "dgx-spark-allreduce"
LARGEST = 4_000_000_000
"""Bytes. A node of which all memory is one was frozen by an all-reduce of 16 GB (NVIDIA/dgx-spark-playbooks#102)."""

# A login shell, because images of the field set PATH in its profile. It stays, because an alarm does not kill a container's first process.
_SHELL = ("-lc", 'python3 "$@"; exit "$?"', "python3")
_ALARM = 128 + signal.SIGALRM
_LOOK = "import json, torch; print(json.dumps({'nccl': torch.distributed.is_nccl_available(), 'gpus': torch.cuda.device_count()}))"
# Of what a rank sends, the least by which a device can be said to have had a part in it.
_PART = 0.02
_LINES = 400


class AllreduceError(ValueError):
    """No all-reduce can be made of what was given; the text says what was found and what was wanted."""


def look(recipe: dict[str, t.Any], image: str, gpu: t.Optional[str]) -> list[str]:
    """The command that shows whether the image has what an all-reduce needs."""
    return _docker(recipe, image, gpu, "--rm", program=[_LOOK])


def lacks(outcome: Outcome) -> str:
    """What an all-reduce lacks, by what the command of `look` said; empty if it lacks nothing."""
    found = next((each for each in map(_json, reversed(outcome["output"].splitlines())) if "nccl" in each), None)
    if found is None:
        last = next((line.strip() for line in reversed(outcome["output"].splitlines()) if line.strip()), f"status {outcome['rc']}")
        return f"no PyTorch in the image ({last})"
    if not found["nccl"]:
        return "PyTorch in the image has no NCCL"
    return "" if found["gpus"] else "no GPU in the container"


def words(
    recipe: dict[str, t.Any],
    plan: Plan,
    host: str,
    image: str,
    gpu: t.Optional[str],
    program: str,
    size: int,
    seconds: int,
    baked: t.Mapping[str, str],
) -> list[str]:
    """The command of one rank. `program`: text of all_reduce.py; `size`: bytes, at most LARGEST; after `seconds` it ends itself.

    `baked`: what the image bakes in; of that it gets what a rank that serves does.
    """
    if not 4 <= size <= LARGEST:
        raise AllreduceError(f"all-reduce of {size} bytes, wanted at most {LARGEST}: more can freeze a node")
    node = plan["nodes"][host]
    environment = {key: value for key, value in recipe["environment"].items() if key.startswith("NCCL_")}
    environment.update({**node["env"], "NCCL_DEBUG": "INFO", "LD_PRELOAD": NCCL_PATH, "VLLM_NCCL_SO_PATH": NCCL_PATH})
    options = ["--name", CONTAINER, "--rm"]
    for key, value in sorted(environment.items()):
        options += ["--env", f"{key}={value}"]
    # A bare name takes away what the image bakes in.
    for key in sorted({*node["env_unset"], *_gid.NAMES, *_image_baked.taken_away(baked, environment)} - set(environment)):
        options += ["--env", key]
    devices = [f"{rail['device']}:{rail['port']}" for rail in node["rails"]]
    place = [node["rank"], len(plan["nodes"]), plan["master_addr"], recipe["ports"]["master"], size, seconds]
    return _docker(recipe, image, gpu, *options, program=[program, *map(str, place), *devices])


def afterwards() -> list[list[str]]:
    """What removes the container, which outlives the client that started it."""
    return [["docker", "rm", "--force", CONTAINER]]


def entry(plan: Plan, outcomes: t.Mapping[str, Outcome]) -> dict[str, t.Any]:
    """What a judgement takes. `outcomes`: by host, how its rank ended."""
    hosts = sorted(plan["nodes"], key=lambda host: plan["nodes"][host]["rank"])
    head = outcomes[hosts[0]]
    # A rank that ended itself is as late as one that had to be ended.
    found = _nccl_tests.parse(head["output"], TIMED_OUT if head["rc"] == _ALARM else head["rc"])
    carrying = {host: _carrying(said["output"]) for host, said in outcomes.items()}
    return {
        **found,
        "nodes": hosts,
        "lines": {host: said["output"].splitlines()[-_LINES:] for host, said in outcomes.items()},
        **({"carrying": carrying} if all(carrying.values()) else {}),
    }


def _carrying(output: str) -> list[str]:
    """The devices that had a part in what a rank sent; none where that is not known."""
    said = next((each for each in map(_json, reversed(output.splitlines())) if "carried" in each), {})
    return [device for device, sent in said.get("carried", {}).items() if sent >= _PART * said["moved"]]


def _json(line: str) -> dict[str, t.Any]:
    """The object in a line of a program's output, where it is one."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _docker(recipe: dict[str, t.Any], image: str, gpu: t.Optional[str], *options: str, program: t.Sequence[str]) -> list[str]:
    run = ["docker", "run", "--pull", "never", *_launch.docker_options(recipe, [], gpu), *options, "--entrypoint", "sh", image]
    return [*run, *_SHELL, "-c", *program]
