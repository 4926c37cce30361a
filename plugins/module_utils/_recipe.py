# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Recipes: how one model is served, as data.

A recipe is one YAML file; `recipes/README.md` describes its keys.  Here its text, already parsed, is checked by meaning:
what is missing, misspelt or of the wrong type is named with its path inside the file.
"""

from __future__ import annotations

import re
import typing as t

from . import _overlay_apt, _overlay_layers, _recipe_environment, _recipe_options
from ._findings import did_you_mean
from ._vllm_options import Catalogue

SCHEMA = 1
DEVICES = ("gpu", "cpu")

# Key -> (type, required).  A nested dictionary describes a mapping whose keys are known.
_SHAPE: dict[str, t.Any] = {
    "schema": (int, True),
    "name": (str, True),
    "title": (str, True),
    "source": (str, True),
    "vllm_version": (str, True),
    "nodes": (int, True),
    "device": (str, False),
    "image": ({"name": (str, True), "entrypoint": (list, True), "command": (list, True)}, True),
    "nccl": (
        {
            "version": (str, True),
            "source": (str, True),
            "wheel_package": (str, False),
            "wheel_sha256": (dict, False),
            "apt_package": (str, False),
            "rings": (bool, False),
        },
        True,
    ),
    "layers": (list, False),
    "model": (
        {"repo": (str, True), "revision": (str, True), "served_name": (str, True), "attention_heads": (int, True)},
        True,
    ),
    "ports": ({"api": (int, True), "master": (int, True)}, True),
    "arguments": (dict, True),
    "environment": (dict, True),
    "fork_arguments": (list, False),
    "fork_values": (dict, False),
    "fork_environment": (list, False),
    "other_environment": (list, False),
    "container": (
        {
            "ipc": (str, True),
            "ulimits": (dict, True),
            "capabilities": (list, True),
            "devices": (list, True),
            "mounts": (list, True),
            "stop_seconds": (int, True),
        },
        True,
    ),
}

# The roles decide these per node or per cluster; a recipe that sets one would be overridden in silence.
RESERVED_ARGUMENTS = (
    "nnodes",
    "node-rank",
    "master-addr",
    "master-port",
    "headless",
    "host",
    "port",
    "served-model-name",
    "revision",
    "api-key",
)
_RESERVED_ENVIRONMENT = re.compile(
    r"^(VLLM_HOST_IP|HOST_IP|VLLM_PORT|VLLM_API_KEY|LD_PRELOAD|VLLM_NCCL_SO_PATH|HF_HOME|HF_HUB_CACHE|HF_TOKEN|HUGGING_FACE_HUB_TOKEN"
    r"|NODE_RANK|MASTER_ADDR|HEADLESS|NCCL_(NET|CROSS_NIC|SOCKET_FAMILY|IB_DISABLE|IB_HCA|IB_GID_INDEX|IB_ADDR_.*|IB_SUBNET_.*|IB_ROCE_VERSION_NUM)"
    r"|(NCCL|GLOO|TP)_SOCKET_IFNAME|MN_IF_NAME|OMPI_MCA_btl_tcp_if_include)$"
)
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]*$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def suggestion(word: str, known: t.Iterable[str]) -> str:
    """` (did you mean X?)` for the known word nearest to `word`, or nothing."""
    text = did_you_mean(word, known)
    return f" ({text})" if text else ""


def on_gpu(recipe: dict[str, t.Any]) -> bool:
    """Whether the ranks compute on GPUs and so talk by NCCL; on a CPU vLLM takes gloo, and Docker is asked for no GPU."""
    return bool(recipe.get("device", DEVICES[0]) == "gpu")


def problems(recipe: t.Any, name: str, *, vllm: t.Optional[Catalogue] = None) -> list[str]:
    """Everything that is wrong with a parsed recipe, one sentence each; an empty list when it is sound.

    `name` is the name of the file without its ending, which the recipe must repeat.  Options and variables are held to what `vllm` knows;
    without it, as on a node, they are not.
    """
    if not isinstance(recipe, dict):
        return [f"recipe {name}: found {type(recipe).__name__}, wanted a mapping"]
    found = _shape_problems(recipe, _SHAPE, "")
    if found:
        return [f"recipe {name}: {text}" for text in found]
    return [f"recipe {name}: {text}" for text in _meaning_problems(recipe, name) + _unknown_problems(recipe, vllm)]


def override(
    recipe: dict[str, t.Any],
    arguments: t.Optional[dict[str, t.Any]] = None,
    environment: t.Optional[dict[str, t.Any]] = None,
    declared: t.Optional[dict[str, t.Any]] = None,
) -> dict[str, t.Any]:
    """The recipe with a user's arguments and variables in place of its own; null takes one of the recipe's away.

    vLLM takes `max_model_len` and `max-model-len` for the same option, and so does this.  One that is given in both spellings keeps both,
    and is a problem.  `declared` has keys of a recipe such as `fork_arguments`, whose entries are added to the recipe's.
    """
    changed: dict[str, t.Any] = {}
    for option, value in (arguments or {}).items():
        spelt = str(option).replace("_", "-")
        changed[str(option) if spelt in changed else spelt] = value
    merged = {**recipe["arguments"], **changed}
    variables = {**recipe["environment"], **(environment or {})}
    return {
        **_recipe_options.declaring(recipe, declared),
        "arguments": {option: value for option, value in merged.items() if value is not None},
        "environment": {name: value for name, value in variables.items() if value is not None},
    }


def override_problems(recipe: dict[str, t.Any], *, vllm: t.Optional[Catalogue] = None) -> list[str]:
    """What is wrong with the arguments and the environment of a recipe after `override`, one sentence each; `vllm` as for `problems`."""
    return _argument_problems(recipe) + _environment_problems(recipe["environment"]) + _unknown_problems(recipe, vllm)


def _unknown_problems(recipe: dict[str, t.Any], vllm: t.Optional[Catalogue]) -> list[str]:
    return [] if vllm is None else _recipe_options.problems(recipe, vllm) + _recipe_environment.problems(recipe, vllm)


def _shape_problems(data: dict[str, t.Any], shape: dict[str, t.Any], path: str) -> list[str]:
    found = []
    for key in data:
        if key not in shape:
            found.append(f"{path}{key} is not a key of a recipe{suggestion(str(key), shape)}; known here: {', '.join(shape)}")
    for key, (kind, required) in shape.items():
        if key not in data:
            if required:
                found.append(f"{path}{key} is missing")
            continue
        wanted = dict if isinstance(kind, dict) else kind
        value = data[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            found.append(f"{path}{key}: found {value!r}, wanted {wanted.__name__}")
        elif isinstance(kind, dict):
            found += _shape_problems(value, kind, f"{path}{key}.")
    return found


def _meaning_problems(recipe: dict[str, t.Any], name: str) -> list[str]:
    found = []
    if recipe["schema"] != SCHEMA:
        found.append(f"schema: found {recipe['schema']}, wanted {SCHEMA}")
    if recipe["name"] != name:
        found.append(f"name: found {recipe['name']!r}, wanted {name!r}, the name of its file")
    if not _NAME.match(recipe["name"]):
        found.append(f"name: found {recipe['name']!r}, wanted lower-case letters, digits, dots and hyphens, because it names a unit")
    if recipe.get("device", DEVICES[0]) not in DEVICES:
        found.append(f"device: found {recipe['device']!r}, wanted {' or '.join(DEVICES)}{suggestion(recipe['device'], DEVICES)}")
    for part in ("ports.api", "ports.master"):
        port = recipe["ports"][part.split(".")[1]]
        if not 1 <= port <= 65535:
            found.append(f"{part}: found {port}, wanted 1 to 65535")
    if recipe["ports"]["api"] == recipe["ports"]["master"]:
        found.append(f"ports: api and master are both {recipe['ports']['api']}, wanted two different ports")
    found += _nccl_problems(recipe["nccl"])
    found += layer_problems(recipe.get("layers", []), "layers")
    found += _argument_problems(recipe)
    found += _environment_problems(recipe["environment"])
    return found


def _nccl_problems(nccl: dict[str, t.Any]) -> list[str]:
    found = []
    if not re.match(r"^\d+\.\d+\.\d+$", nccl["version"]):
        found.append(f"nccl.version: found {nccl['version']!r}, wanted three numbers such as 2.30.4")
    needs = {"wheel": ("wheel_package", "wheel_sha256"), "apt": ("apt_package",)}
    if nccl["source"] not in needs:
        found.append(f"nccl.source: found {nccl['source']!r}, wanted wheel or apt")
    else:
        missing = [key for key in needs[nccl["source"]] if key not in nccl]
        found += [f"nccl.{key} is missing; source {nccl['source']} needs it" for key in missing]
    for machine, sha256 in nccl.get("wheel_sha256", {}).items():
        if machine not in ("aarch64", "x86_64"):
            found.append(
                f"nccl.wheel_sha256.{machine} is no architecture of NCCL's wheels{suggestion(str(machine), ('aarch64', 'x86_64'))}"
            )
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", str(sha256)):
            found.append(f"nccl.wheel_sha256.{machine}: found {sha256!r}, wanted 64 hex digits")
    if "apt_package" in nccl:
        problem = _overlay_apt.package_problem(nccl["apt_package"])
        if problem or not str(nccl["apt_package"]).partition("=")[2].startswith(f"{nccl['version']}-"):
            wanted = f"a package with nccl.version, such as libnccl2={nccl['version']}-1+cuda13.2"
            found.append(f"nccl.apt_package: found {nccl['apt_package']!r}, wanted {wanted}")
    return found


def _argument_problems(recipe: dict[str, t.Any]) -> list[str]:
    found = []
    arguments = recipe["arguments"]
    for option, value in arguments.items():
        where = f"arguments.{option}"
        if option.startswith("-"):
            found.append(f"{where}: wanted the option without its dashes: {option.lstrip('-')}")
        if option in RESERVED_ARGUMENTS:
            found.append(f"{where} is decided by the roles (ranks, addresses, ports, names); leave it out")
        if value is None or value == "" or value is False:
            found.append(f"{where}: found {value!r}; leave the option out, or name its opposite, such as no-{option}: true")
    parallel = 1
    for option in ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"):
        size = arguments.get(option, 1)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            found.append(f"arguments.{option}: found {size!r}, wanted a whole number from 1 on")
            return found
        parallel *= size
    if parallel != recipe["nodes"]:
        found.append(
            f"nodes: found {recipe['nodes']}, but tensor-parallel-size x pipeline-parallel-size x data-parallel-size is {parallel};"
            " a DGX Spark has one GPU, so the two must be equal"
        )
    heads, tensor = recipe["model"]["attention_heads"], arguments.get("tensor-parallel-size", 1)
    if heads % tensor:
        found.append(f"arguments.tensor-parallel-size: found {tensor}, wanted a divisor of the model's {heads} attention heads")
    return found


def layer_problems(layers: t.Any, where: str) -> list[str]:
    """What is wrong with layers as a user writes them, one sentence each; `where` names the list."""
    found = _overlay_layers.problems(layers, where)
    reserved = [] if found else [name for name in _overlay_layers.variables(layers) if _RESERVED_ENVIRONMENT.match(name)]
    return found + [f"{where}: environment.{name} is found per node or set by the roles; leave it out" for name in reserved]


def _environment_problems(environment: dict[str, t.Any]) -> list[str]:
    found = []
    for variable, value in environment.items():
        where = f"environment.{variable}"
        if not _VARIABLE.match(str(variable)):
            found.append(f"{where} is no name of an environment variable")
        if not isinstance(value, str) or value == "" or "\n" in value:
            found.append(f"{where}: found {value!r}, wanted text of one line, in quotes (an empty value is not the same as none)")
        if _RESERVED_ENVIRONMENT.match(str(variable)):
            found.append(f"{where} is found per node or set by the roles; leave it out")
    return found
