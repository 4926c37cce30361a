# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Recipes: how one model is served, as data.

A recipe is one YAML file; `recipes/README.md` describes its keys.  Here its text, already parsed, is checked: first its shape
(`_recipe_shape`), then its meaning. Each mistake is named with its path inside the file.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from . import _image_command, _overlay_apt, _overlay_layers, _recipe_contradictions, _recipe_declarations, _recipe_shape, _recipe_words
from ._recipe_words import shown
from ._vllm_options import Catalogue

DEVICES = _recipe_shape.DEVICES
_WITH_VERBS = ("/dev", "/dev/infiniband")
suggestion = _recipe_words.suggestion

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
    "hf-token",
    # The model is where the role model has found it, and what is asked is asked by plain HTTP at the port.
    *("model", "config", "download-dir", "uds", "ssl-keyfile", "ssl-certfile", "ssl-ca-certs", "ssl-cert-reqs"),
    *("data-parallel-rank", "data-parallel-start-rank", "data-parallel-address", "data-parallel-size-local"),
    *("data-parallel-hybrid-lb", "data-parallel-external-lb"),
)
# vLLM has one rank for each part of all of these (config/parallel.py).
_PARALLEL = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "prefill-context-parallel-size")
CACHES = (
    "VLLM_CACHE_ROOT",
    "TRITON_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "FLASHINFER_WORKSPACE_BASE",
    "TILELANG_CACHE_DIR",
    "CUTE_DSL_CACHE_DIR",
    "FLASH_ATTENTION_CUTE_DSL_CACHE_DIR",
    "FLASH_ATTENTION_CUTE_DSL_CACHE_ENABLED",
    "DG_JIT_CACHE_DIR",
    "QUACK_CACHE_DIR",
    "CUDA_CACHE_PATH",
    "B12X_COMPILE_CACHE_DIR",
)
"""Variables that the role `caches` sets: shared between images or nodes, compiled kernels give garbage."""
_RESERVED_ENVIRONMENT = re.compile(
    r"^(VLLM_HOST_IP|HOST_IP|VLLM_PORT|VLLM_API_KEY|LD_PRELOAD|VLLM_NCCL_SO_PATH|HF_HOME|HF_HUB_CACHE|HF_TOKEN|HUGGING_FACE_HUB_TOKEN"
    + "".join(f"|{name}" for name in CACHES)
    + r"|NODE_RANK|MASTER_ADDR|HEADLESS"
    r"|NCCL_(NET|CROSS_NIC|SOCKET_FAMILY|IB_DISABLE|IB_HCA|IB_GID_INDEX|IB_ADDR_.*|IB_SUBNET_.*|IB_ROCE_VERSION_NUM)"
    r"|(NCCL|GLOO|TP)_SOCKET_IFNAME|MN_IF_NAME|OMPI_MCA_btl_tcp_if_include)$"
)


def on_gpu(recipe: dict[str, t.Any]) -> bool:
    """Whether the ranks compute on GPUs and so talk by NCCL; on a CPU vLLM takes gloo, and Docker is asked for no GPU."""
    return bool(recipe.get("device", DEVICES[0]) == "gpu")


def problems(recipe: t.Any, name: str, place: t.Optional[str] = None, *, vllm: t.Optional[Catalogue] = None) -> list[str]:
    """Everything that is wrong with a parsed recipe, one sentence each; an empty list when it is sound.

    `name` is the name of the file without its ending, which the recipe must repeat; `place` is what messages call the file, if not that.
    Options and variables are held to what `vllm` knows; without it, as on a node, they are not.
    """
    found = _recipe_shape.problems(recipe) or _meaning_problems(recipe, name) + _unknown_problems(recipe, vllm)
    return [f"recipe {place or name}: {text}" for text in found]


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
        changed[spelt.replace("-", "_") if spelt in changed else spelt] = value
    merged = {**recipe["arguments"], **changed}
    variables = {**recipe["environment"], **(environment or {})}
    return {
        **_recipe_declarations.declaring(recipe, declared),
        "arguments": {option: value for option, value in merged.items() if value is not None},
        "environment": {name: value for name, value in variables.items() if value is not None},
    }


def override_problems(recipe: dict[str, t.Any], *, vllm: t.Optional[Catalogue] = None) -> list[str]:
    """What is wrong with the arguments and the environment of a recipe after `override`, one sentence each; `vllm` as for `problems`."""
    arguments, environment = recipe["arguments"], recipe["environment"]
    shapes = [*_recipe_shape.ARGUMENTS.problems(arguments, "arguments"), *_recipe_shape.ENVIRONMENT.problems(environment, "environment")]
    if shapes:
        return shapes
    found = _argument_problems(recipe) + _environment_problems(environment)
    return found + _recipe_contradictions.problems(recipe, on_gpu(recipe)) + _unknown_problems(recipe, vllm)


def _unknown_problems(recipe: dict[str, t.Any], vllm: t.Optional[Catalogue]) -> list[str]:
    return [] if vllm is None else [problem.text for problem in _recipe_declarations.problems(recipe, vllm)]


def _meaning_problems(recipe: dict[str, t.Any], name: str) -> list[str]:
    found = []
    if recipe["name"] != name:
        found.append(f"name: found {shown(recipe['name'])}, wanted {shown(name)}, the name of its file")
    if recipe["ports"]["api"] == recipe["ports"]["master"]:
        found.append(f"ports: api and master are both {recipe['ports']['api']}, wanted two different ports")
    found += _image_command.problems(recipe["image"])
    if "@" in recipe["image"]["name"] and "digest" in recipe["image"]:
        found.append(f"image.name: found {shown(recipe['image']['name'])} beside image.digest, wanted the digest in one of them")
    found += _nccl_problems(recipe["nccl"])
    found += layer_problems(recipe.get("layers", []), "layers")
    found += _argument_problems(recipe)
    found += _environment_problems(recipe["environment"])
    found += _container_problems(recipe["container"])
    found += _device_problems(recipe)
    return found + _recipe_contradictions.problems(recipe, on_gpu(recipe))


def _nccl_problems(nccl: dict[str, t.Any]) -> list[str]:
    found = []
    needs = {"wheel": ("wheel_package", "wheel_sha256"), "apt": ("apt_package",)}
    missing = [key for key in needs[nccl["source"]] if key not in nccl]
    found += [f"nccl.{key} is missing; source {nccl['source']} needs it" for key in missing]
    if "apt_package" in nccl:
        problem = _overlay_apt.package_problem(nccl["apt_package"])
        if problem or not nccl["apt_package"].partition("=")[2].startswith(f"{nccl['version']}-"):
            wanted = f"a package with nccl.version, such as libnccl2={nccl['version']}-1+cuda13.2"
            found.append(f"nccl.apt_package: found {shown(nccl['apt_package'])}, wanted {wanted}")
    return found


def _argument_problems(recipe: dict[str, t.Any]) -> list[str]:
    found = []
    arguments = recipe["arguments"]
    for option, value in arguments.items():
        where = f"arguments.{option}"
        if option in RESERVED_ARGUMENTS:
            found.append(f"{where} is decided by the roles (ranks, addresses, ports, names, places); leave it out")
        if value is None or value == "" or value is False:
            opposite = (
                f", or name its opposite, no-{option}: true, if it has one" if value is False and not option.startswith("no-") else ""
            )
            found.append(f"{where}: found {shown(value)}; leave the option out{opposite}")
    parallel = 1
    for option in _PARALLEL:
        size = arguments.get(option, 1)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            found.append(f"arguments.{option}: found {shown(size)}, wanted a whole number from 1 on")
            return found
        parallel *= size
    if parallel != recipe["nodes"]:
        found.append(
            f"nodes: found {recipe['nodes']}, but {' x '.join(_named_sizes(arguments))} is {parallel};"
            " a DGX Spark has one GPU, so the two must be equal"
        )
    heads, tensor = recipe["model"]["attention_heads"], arguments.get("tensor-parallel-size", 1)
    if heads % tensor:
        found.append(f"arguments.tensor-parallel-size: found {tensor}, wanted a divisor of the model's {heads} attention heads")
    context = arguments.get("decode-context-parallel-size", 1)
    if not isinstance(context, int) or isinstance(context, bool) or context < 1 or tensor % context:
        found.append(
            f"arguments.decode-context-parallel-size: found {context}, wanted a divisor of tensor-parallel-size, which is {tensor}"
        )
    return found


def _named_sizes(arguments: dict[str, t.Any]) -> list[str]:
    """The sizes whose product is the number of ranks; of those that are rarely given only the given."""
    return [option for option in _PARALLEL if option != _PARALLEL[-1] or option in arguments]


def layer_problems(layers: t.Any, where: str) -> list[str]:
    """What is wrong with layers as a user writes them, one sentence each; `where` names the list."""
    found = _overlay_layers.problems(layers, where)
    reserved = [] if found else [name for name in _overlay_layers.variables(layers) if _RESERVED_ENVIRONMENT.match(name)]
    return found + [f"{where}: environment.{name} is found per node or set by the roles; leave it out" for name in reserved]


def _environment_problems(environment: dict[str, t.Any]) -> list[str]:
    reserved = filter(_RESERVED_ENVIRONMENT.match, environment)
    return [f"environment.{variable} is found per node or set by the roles; leave it out" for variable in reserved]


def _device_problems(recipe: dict[str, t.Any]) -> list[str]:
    devices = recipe["container"]["devices"]
    if not on_gpu(recipe) or any(device.split(":")[0] in _WITH_VERBS or device.startswith("/dev/infiniband/") for device in devices):
        return []
    return [f"container.devices: found {shown(devices)}, wanted /dev/infiniband among them: the ranks talk by RDMA, or not at all"]


def _container_problems(container: dict[str, t.Any]) -> list[str]:
    found = []
    for limit, value in container["ulimits"].items():
        soft, _colon, hard = value.partition(":")
        if hard and hard != "-1" and (soft == "-1" or int(soft) > int(hard)):
            found.append(f"container.ulimits.{limit}: found {shown(value)}, wanted a soft limit that is not above the hard one")
    first: dict[str, str] = {}
    for number, mount in enumerate(container["mounts"]):
        place = f"container.mounts[{number}]"
        paths = {f"{place}.{end}": mount[end] for end in ("source", "target")} if isinstance(mount, dict) else {place: mount}
        for where, path in paths.items():
            # POSIX lets two slashes at the beginning stand for something else, and normpath lets them stand.
            if posixpath.normpath(path) != path or path.startswith("//"):
                found.append(f"{where}: found {shown(path)}, wanted it without ., .., doubled or trailing slashes")
        where, target = list(paths.items())[-1]
        if target in first:
            found.append(f"{where}: found {shown(target)}, which is the target of {first[target]} too; wanted one mount for each target")
        first.setdefault(target, place)
        if _overlay_layers.hides_own(target):
            found.append(
                f"{where}: found {shown(target)}, which would hide {_overlay_layers.OWN}, where the overlay's NCCL is; wanted another place"
            )
    return found
