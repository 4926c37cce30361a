# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What runs on one node: recipe + plan + host -> argument vector, environment, mounts, and the two files that the launcher reads.

Nothing here is executed and nothing goes through a shell: `launch.json` holds lists, `static.env` one NAME=value a line.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from . import _gid, _image_baked, _image_command, _overlay_layers, _reasoning, _recipe, _recipe_contradictions
from ._overlay import NCCL_PATH
from ._vllm_options import Catalogue, Vllm

# Recipes of the field give an image's entrypoint its rank in these, beside the arguments.
_RANK_NAMES = ("NODE_RANK", "MASTER_ADDR", "HEADLESS")
# What secret.env sets: taking one of these away would take that away.
_SECRET_NAMES = ("VLLM_API_KEY",)
_GPU_OPTIONS = {
    "gpus": ["--gpus", "all"],
    "cdi": ["--device", "nvidia.com/gpu=all"],
    "runtime": ["--runtime", "nvidia"],
}


class LaunchError(ValueError):
    """The recipe, the plan and the results of the roles do not make a launch; the text says what was found and what was wanted."""


def canonical(data: t.Any) -> str:
    """The same JSON text for the same data, whatever the order of its keys."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def sha256(data: t.Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `data`."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def arguments_to_argv(arguments: dict[str, t.Any], vllm: t.Optional[Vllm] = None) -> list[str]:
    """`{block-size: 256, trust-remote-code: true, x-config: {a: 1}}` as the words of a command line, in the recipe's order.

    True is the bare option; mappings and lists become JSON, which is how vLLM takes them, but for lists of options that take one word or
    more in `vllm`.
    """
    argv: list[str] = []
    for option, value in arguments.items():
        argv.append(f"--{option}")
        if value is not True:
            argv += map(_word, value) if isinstance(value, list) and vllm and vllm.takes_several(option) else [_word(value)]
    return argv


def _word(value: t.Any) -> str:
    # The order of a JSON argument's keys is the recipe's own: it is one word of the common vector.
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else str(value)


def render(
    recipe: dict[str, t.Any],
    plan: dict[str, t.Any],
    host: str,
    image: dict[str, t.Any],
    model: dict[str, t.Any],
    caches: dict[str, t.Any],
    api: dict[str, t.Any],
    gpu: t.Optional[str] = "gpus",
    rail_wait_seconds: int = 600,
    extra_arguments: t.Optional[dict[str, t.Any]] = None,
    extra_environment: t.Optional[dict[str, str]] = None,
    host_files: t.Optional[dict[str, t.Optional[str]]] = None,
    extra_declared: t.Optional[dict[str, t.Any]] = None,
    vllm: t.Optional[Catalogue] = None,
) -> dict[str, t.Any]:
    """Render what `host` runs.

    `image`: `reference`, `key`, `id` if the image is there already, `entrypoint` and `command` as decided from it (without them the recipe
    must say all), `environment`, what the image `name` bakes in.  `model`: `argument` (what vLLM is given), `revision` (or empty),
    `environment`, `mounts` (host paths that appear at the same path in the container, or {source, target, read_only}), `link_targets`
    (folders that the model's links lead to; they appear at the same path), `read_only`.  `caches`: `mounts`, `environment`.
    `api`: `address`, `port`.  `gpu`: `gpus`, `cdi` or `runtime`; for a recipe on the CPU it is not looked at and may be null.
    `host_files`: SHA-256 (hex) of each file that the recipe mounts where a node has it, by its path on the host; null where it has not.
    `vllm`: what options and variables are held to, as for `_recipe.problems`.

    Returns `argv_common`, `argv_rank`, `entrypoint`, `env`, `env_unset`, `mounts`, `hash` (equal on every rank, or the launch must not
    happen), `launch` (what is in launch.json), `launch_json` and `static_env` (the texts of launch.json and static.env), `findings` (what
    becomes of what the image bakes in).
    """
    node = plan["nodes"].get(host)
    if node is None:
        raise LaunchError(
            f"{host} is not in the plan, which has {', '.join(plan['nodes']) or 'no node'}; run the discover role on the whole group"
        )
    if len(plan["nodes"]) != recipe["nodes"]:
        raise LaunchError(
            f"recipe {recipe['name']} is for {recipe['nodes']} nodes, the plan has {len(plan['nodes'])}; choose another recipe or group"
        )
    recipe = _recipe.override(recipe, extra_arguments, extra_environment, extra_declared)
    problems = _recipe.override_problems(recipe, vllm=vllm)
    if problems:
        raise LaunchError("\n".join(["serve_extra_arguments and serve_extra_environment do not fit the recipe:", *problems]))
    problem = _recipe_contradictions.api_port_problem(recipe, api["port"])
    if problem:
        raise LaunchError(problem)
    _refuse_contradictions(recipe, plan["topology"], host, node["env"])
    try:
        words = _image_command.of_launch(recipe, image)
    except _image_command.CommandError as error:
        raise LaunchError(f"recipe {recipe['name']}: {error}") from error
    argv_common = _argv_common(recipe, words.command, plan, model, vllm)
    argv_rank = ["--node-rank", str(node["rank"])]
    argv_rank += ["--headless"] if node["rank"] else ["--host", str(api["address"]), "--port", str(api["port"])]
    env_common = {**recipe["environment"], **caches["environment"]}
    env_common.update({"LD_PRELOAD": NCCL_PATH, "VLLM_NCCL_SO_PATH": NCCL_PATH})
    planned = {name: value for name, value in node["env"].items() if name not in _gid.NAMES}
    env = {**env_common, **model["environment"], **planned, **_rank_environment(node["rank"], plan["master_addr"])}
    baked = image.get("environment") or {}
    withdrawn = [name for name, value in (extra_environment or {}).items() if value is None and name in baked and name not in _SECRET_NAMES]
    env_unset = sorted({*node["env_unset"], *_gid.NAMES, *_RANK_NAMES, *_image_baked.taken_away(baked, env), *withdrawn} - set(env))
    present = {path: sha256 for path, sha256 in (host_files or {}).items() if sha256}
    mounts = _mounts(recipe, model, caches, present)
    _refuse_hidden(recipe["name"], mounts)
    common = {
        "recipe": recipe["name"],
        "image_key": image["key"],
        "entrypoint": words.entrypoint,
        "argv": argv_common,
        "env": env_common,
        "container": {key: value for key, value in recipe["container"].items() if key != "mounts"},
        # Not the usual one, so that saying it is no difference.
        **({} if _recipe.on_gpu(recipe) else {"device": recipe["device"]}),
        # By content, so that another file under the same name starts the ranks anew.
        **({"host_files": present} if present else {}),
    }
    launch: dict[str, t.Any] = {
        "schema": 1,
        "recipe": recipe["name"],
        "rank": node["rank"],
        "world_size": len(plan["nodes"]),
        "hash": sha256(common),
        "plan_hash": plan["hash"],
        "image": image["reference"],
        "image_id": image.get("id"),
        "image_key": image["key"],
        "container": f"vllm-{recipe['name']}",
        "docker_options": docker_options(recipe, mounts, gpu),
        "stop_seconds": recipe["container"]["stop_seconds"],
        "entrypoint": words.entrypoint[0],
        "command": [*words.entrypoint[1:], *argv_common, *argv_rank],
        "env_unset": env_unset,
        "rails": [{key: rail[key] for key in ("device", "port", "netdev", "ipv4")} for rail in node["rails"]],
        **_control(node),
        "rail_wait_seconds": rail_wait_seconds,
        "host_ip": node["host_ip"],
        "master_addr": plan["master_addr"],
        "master_port": recipe["ports"]["master"],
        "model": recipe["model"]["served_name"],
        "max_model_len": recipe["arguments"].get("max-model-len"),
        "reasoning": _reasoning.of_arguments(recipe["arguments"]),
        "api": {"address": str(api["address"]), "port": int(api["port"])} if not node["rank"] else None,
    }
    static_env = "".join(f"{name}={value}\n" for name, value in sorted(env.items()))
    # The running container carries this as a label: it tells whether what runs is what these two files say.
    launch["launch_hash"] = sha256([launch, static_env])
    return {
        "argv_common": argv_common,
        "argv_rank": argv_rank,
        "entrypoint": words.entrypoint,
        "env": env,
        "env_unset": env_unset,
        "mounts": mounts,
        "hash": launch["hash"],
        "launch": launch,
        "launch_json": json.dumps(launch, indent=4, sort_keys=True) + "\n",
        "static_env": static_env,
        # Some of these are set on some ranks, or at each start, and on the others removed: nothing of the image's reaches any of them.
        "findings": _image_baked.findings(
            baked, {*env, *_gid.NAMES, *_RANK_NAMES}, env_unset, image.get("name") or recipe["image"]["name"]
        ),
    }


def _refuse_contradictions(recipe: dict[str, t.Any], topology: str, host: str, planned: dict[str, str]) -> None:
    """What the plan sets replaces what a recipe sets, and nobody would notice."""
    environment = recipe["environment"]
    unequal = sorted(name for name in planned if name in environment and planned[name] != str(environment[name]))
    if unequal:
        listing = ", ".join(f"{name}={environment[name]} (here {planned[name]})" for name in unequal)
        raise LaunchError(
            f"recipe {recipe['name']} or serve_extra_environment sets {listing}, which the {topology} of {host} needs otherwise; "
            "take them away with null in serve_extra_environment"
        )


def _refuse_hidden(recipe: str, mounts: list[dict[str, t.Any]]) -> None:
    """Docker refuses two mounts with one target when the rank starts, which is late."""
    targets = [mount["target"] for mount in mounts]
    twice = sorted({target for target in targets if targets.count(target) > 1})
    if twice:
        raise LaunchError(
            f"recipe {recipe}: container.mounts has the target {', '.join(twice)}, where the roles mount the model or the caches; "
            "wanted another target, or none"
        )
    hiding = sorted(target for target in targets if _overlay_layers.hides_own(target))
    if hiding:
        raise LaunchError(
            f"recipe {recipe}: the model or the caches are mounted at {', '.join(hiding)}, which hides the image's NCCL, {NCCL_PATH}; "
            "wanted them in another place on the node"
        )


def _control(node: dict[str, t.Any]) -> dict[str, t.Any]:
    """The interface by which the other ranks find this one, where that is no rail; nothing is said where it is one."""
    if node["host_ip"] in [rail["ipv4"] for rail in node["rails"]]:
        return {}
    return {"control": {"netdev": node["socket_ifname"], "ipv4": node["host_ip"]}}


def _argv_common(
    recipe: dict[str, t.Any], command: list[str], plan: dict[str, t.Any], model: dict[str, t.Any], vllm: t.Optional[Catalogue]
) -> list[str]:
    argv = [*command, model["argument"], "--served-model-name", recipe["model"]["served_name"]]
    arguments = dict(recipe["arguments"])
    if model["revision"]:
        argv += ["--revision", model["revision"]]
        draft = arguments.get("speculative-config")
        # A draft that is part of the model does not inherit the model's revision; without one it would be looked up under "main".
        if isinstance(draft, dict) and "model" not in draft:
            arguments["speculative-config"] = {**draft, "revision": model["revision"]}
    argv += arguments_to_argv(arguments, vllm.fitting(recipe["vllm_version"]) if vllm else None)
    return [*argv, "--nnodes", str(recipe["nodes"]), "--master-addr", plan["master_addr"], "--master-port", str(recipe["ports"]["master"])]


def _rank_environment(rank: int, master_addr: str) -> dict[str, str]:
    return {"NODE_RANK": str(rank), "MASTER_ADDR": master_addr, **({"HEADLESS": "1"} if rank else {})}


def _mounts(
    recipe: dict[str, t.Any], model: dict[str, t.Any], caches: dict[str, t.Any], present: t.Collection[str]
) -> list[dict[str, t.Any]]:
    mounts = [
        _mount(mount)
        for mount in recipe["container"]["mounts"]
        if isinstance(mount, str) or not mount.get("optional") or mount["source"] in present
    ]
    mounts += [_mount(mount, model["read_only"]) for mount in model["mounts"]]
    for folder in model["link_targets"]:
        # A folder below one that is there already resolves without a mount of its own.
        if not any(m["source"] == m["target"] and f"{folder}/".startswith(f"{m['source']}/") for m in mounts):
            mounts.append(_mount(folder, model["read_only"]))
    return mounts + [_mount(mount) for mount in caches["mounts"]]


def _mount(mount: t.Union[str, dict[str, t.Any]], read_only: bool = False) -> dict[str, t.Any]:
    if isinstance(mount, str):
        mount = {"source": mount, "target": mount}
    return {"source": mount["source"], "target": mount["target"], "read_only": bool(mount.get("read_only", read_only))}


def docker_options(recipe: dict[str, t.Any], mounts: list[dict[str, t.Any]], gpu: t.Optional[str]) -> list[str]:
    """The options by which a container of a recipe gets network, limits, devices, GPUs (`gpus`, `cdi`, `runtime`) and mounts."""
    container = recipe["container"]
    options = ["--network", "host", "--ipc", container["ipc"]]
    if _recipe.on_gpu(recipe):
        if gpu not in _GPU_OPTIONS:
            raise LaunchError(f"gpu is {gpu!r}, wanted one of {', '.join(_GPU_OPTIONS)}")
        options += _GPU_OPTIONS[gpu]
    for name, value in container["ulimits"].items():
        options += ["--ulimit", f"{name}={value}"]
    for capability in container["capabilities"]:
        options += ["--cap-add", capability]
    for device in container["devices"]:
        options += ["--device", device]
    for mount in mounts:
        bind = f"type=bind,source={mount['source']},target={mount['target']}"
        options += ["--mount", bind + (",readonly" if mount["read_only"] else "")]
    return options
