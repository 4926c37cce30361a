# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The environment and the container of a sparkrun recipe as those of a recipe.

Facts, read in sparkrun 0.4.2 (core/recipe.py, runtimes/, orchestration/executors/): values of `env` reach the container as text, `$NAME` in
them included; for ranks of vLLM on several nodes sparkrun adds NCCL_CUMEM_ENABLE=0, OMP_NUM_THREADS=4, HF_HUB_OFFLINE=1 and
TRANSFORMERS_OFFLINE=1 where the recipe is silent; it mounts the Hugging Face cache at `/cache/huggingface` and its caches of compiled
kernels at `/cache/runtime`.
"""

from __future__ import annotations

import re
import typing as t

from . import _image_baked, _recipe, _recipe_contradictions
from ._sparkrun_report import Report, SparkrunError, one_line

# Where sparkrun mounts what our roles mount elsewhere.
_MOUNTED = "/cache/"
_OF_SPARKRUN = {"NCCL_CUMEM_ENABLE": "0", "OMP_NUM_THREADS": "4", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
# Variables of our recipes that suit any model.
_OF_OURS = ("NCCL_DEBUG", "NCCL_NVLS_ENABLE", "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS", "VLLM_ENGINE_READY_TIMEOUT_S")
# Key of executor_config -> why it has no place in a recipe.
_EXECUTOR = {
    "auto_remove": "the unit removes the container",
    "restart_policy": "the unit decides about restarts",
    "privileged": "the container gets the devices, capabilities and limits that it needs instead",
    "gpus": "the roles give the node's GPU",
    "gpu_access_mode": "the preflight role finds how Docker gives GPUs",
    "network": "the host's network, always",
    "entrypoint": "image.entrypoint is always said",
    "user": "root, in the container",
    "security_opt": "not given to the container",
    "memory_limit": "the container's memory is not limited",
    "labels": "not given to the container",
}


def environment(variables: t.Mapping[str, t.Any], report: Report, prefix: str = "env.") -> dict[str, str]:
    """Those of the variables that a recipe may set; `prefix`: where in the source they are."""
    found: dict[str, str] = {}
    for name, value in variables.items():
        key = f"{prefix}{name}"
        text = _text(value, key)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            report.unknown(key, "no name of an environment variable")
        elif str(name) in _recipe.CACHES:
            report.dropped(key, "the caches role keeps compiled kernels per image")
        elif _recipe._RESERVED_ENVIRONMENT.match(str(name)):
            report.dropped(key, "found per node or set by the roles")
        elif _image_baked.SECRET.search(str(name)):
            report.dropped(key, "what may be a secret does not belong into a recipe, which many read")
        elif str(name) in ("NCCL_DEBUG_FILE", "NCCL_DEBUG_SUBSYS"):
            report.dropped(key, "what NCCL prints of its version and transport is looked for in the journal")
        elif text.startswith(_MOUNTED):
            report.dropped(key, f"found {text}, a folder that only sparkrun mounts; the caches role has its own")
        elif not text or "\n" in text or re.search(r"\$\{?[A-Za-z_]", text):
            report.dropped(key, "wanted text of one line that is not empty and holds no other variable")
        elif str(name) == "NCCL_DEBUG" and text.upper() not in _recipe_contradictions.TALKING:
            report.mapped(
                key, "environment.NCCL_DEBUG", f"found {text}; only from INFO on does each rank tell its NCCL version and transport"
            )
            found[str(name)] = "INFO"
        else:
            report.kept(key, f"environment.{name}")
            found[str(name)] = text
    return found


def assumed_environment(found: t.Mapping[str, str], pattern: t.Mapping[str, str], report: Report) -> dict[str, str]:
    """What the recipe leaves to sparkrun, or to us; `pattern`: the environment of a recipe of ours."""
    ours = {name: pattern[name] for name in _OF_OURS if name in pattern and name not in found}
    theirs = {name: value for name, value in _OF_SPARKRUN.items() if name not in found}
    for name, value in theirs.items():
        report.assumed(f"environment.{name}", f"{value}, which sparkrun sets on several nodes")
    for name, value in ours.items():
        report.assumed(f"environment.{name}", f"{value}, as in the recipes of this collection")
    return {**theirs, **ours}


def container(given: t.Mapping[str, t.Any], pattern: t.Mapping[str, t.Any], report: Report) -> dict[str, t.Any]:
    """`container` of a recipe; `given`: executor_config, `pattern`: the container of a recipe of ours, whose mounts are its own."""
    made: dict[str, t.Any] = {
        "ipc": pattern["ipc"],
        "ulimits": dict(pattern["ulimits"]),
        "capabilities": list(pattern["capabilities"]),
        "devices": list(pattern["devices"]),
        "mounts": [],
        "stop_seconds": pattern["stop_seconds"],
    }
    report.assumed(
        "container", "limits, capabilities, devices and stop_seconds as in the recipes of this collection; nothing else is mounted"
    )
    for name, value in given.items():
        key = f"executor_config.{name}"
        if name == "ipc":
            report.mapped(key, "container.ipc", f"{made['ipc']}, always")
        elif name == "shm_size":
            report.dropped(key, "with the host's IPC namespace /dev/shm is the host's")
        elif name == "ulimit":
            made["ulimits"].update(_ulimits(value, key))
            report.mapped(key, "container.ulimits", "name and value apart")
        elif name == "cap_add":
            made["capabilities"] = list(dict.fromkeys([*made["capabilities"], *_texts(value, key)]))
            report.kept(key, "container.capabilities")
        elif name == "devices":
            made["devices"] = list(dict.fromkeys([*made["devices"], *(_device(text) for text in _texts(value, key))]))
            report.kept(key, "container.devices")
        elif name == "volumes":
            pairs = [f"{source}:{target}" for source, target in value.items()] if isinstance(value, dict) else value
            made["mounts"] += [_mount(text, key) for text in _texts(pairs, key)]
            report.mapped(key, "container.mounts", "each must be there on every node")
        elif name in _EXECUTOR:
            report.dropped(key, _EXECUTOR[name])
        else:
            report.unknown(key, "not a key of sparkrun's executor for Docker")
    return made


def _text(value: t.Any, key: str) -> str:
    try:
        return "" if value is None else str(value)
    except ValueError as error:
        raise SparkrunError(f"{key}: found a number with too many digits, wanted text") from error


def _texts(value: t.Any, key: str) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in listed):
        raise SparkrunError(f"{key}: found {one_line(value)!r}, wanted a list of texts")
    return listed


def _ulimits(value: t.Any, key: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in _texts(value, key)]
    if not all(name and limit for name, _equals, limit in pairs):
        raise SparkrunError(f"{key}: found {one_line(value)!r}, wanted texts such as memlock=-1:-1")
    return {name: limit for name, _equals, limit in pairs}


def _device(text: str) -> str:
    source, _colon, target = text.partition(":")
    return source if source == target else text


def _mount(text: str, key: str) -> dict[str, t.Any]:
    source, _colon, rest = text.partition(":")
    target, _colon, mode = (rest or source).partition(":")
    if not source.startswith("/") or not target.startswith("/"):
        raise SparkrunError(f"{key}: found {one_line(text)!r}, wanted /on/the/node:/in/the/container, with :ro where it is only read")
    return {"source": source, "target": target, "read_only": "ro" in mode.split(",")}
