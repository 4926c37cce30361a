# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Recipes in sparkrun's YAML format as recipes of this collection.

Facts, read in sparkrun 0.0.12, 0.0.23 and 0.4.2 (core/recipe.py, core/recipe_include.py, core/recipe_overrides.py), in its RECIPES.md and
in recipes of the field:

- `recipe_version` (older: `sparkrun_version`) is "1" (the format of eugr's spark-vllm-docker, where `model` may be missing and `build_args`
  and `mods` make the image) or "2", which it also is when it is not said.
- `model` (a Hugging Face repository, `repo:quant` for GGUF, or an absolute path of weights that are on every node), `model_revision`,
  `container` (image; `containers` binds others to host names), `runtime_version` (said for people).
- `runtime`: empty or `vllm` is `vllm-ray` where the backend is ray, else `vllm-distributed` (each node runs `vllm serve` with --nnodes and
  so on); `eugr-vllm` is vLLM too.  Others (`sglang`, `llama-cpp`, `trtllm`, `atlas`, `modular-max`, `tokenary`) are no vLLM.
- `min_nodes`, `max_nodes` (none: no limit), `cluster_only` (at least 2), `solo_only` (exactly 1), `mode` (`auto`, `solo`, `cluster`).  A
  DGX Spark has one GPU: as many nodes run as tensor x pipeline x data parallel size says.
- `defaults`, `command` and `env`: see `_sparkrun_defaults`, `_sparkrun_shell` and `_sparkrun_container`, which has `executor_config` too.
- `pre_exec`, `mods`, `builder`, `builder_config`, `build_args` change the container or build the image; `post_exec`, `post_commands`,
  `stop_after_post` are for after the start; `overrides` are defaults and variables under conditions; `include` names a base recipe, which
  `sparkrun export recipe` merges.
- `metadata`, `benchmark`, `readiness`, `capabilities`, `scheduler`, `layout`, `distribution_config`, `cluster_config`, `runtime_cache`,
  `executor` are sparkrun's own business. Unknown keys are taken into `runtime_config`.
"""

from __future__ import annotations

import typing as t

from . import (
    _recipe,
    _recipe_shape,
    _sparkrun_container,
    _sparkrun_defaults,
    _sparkrun_nodes,
    _sparkrun_options,
    _sparkrun_parts,
    _sparkrun_shell,
    _sparkrun_unknown,
)
from ._sparkrun_options import Options
from ._sparkrun_report import Entry, Report, SparkrunError, one_line
from ._sparkrun_shell import Start
from ._vllm_options import Catalogue

_VERSIONS = ("1", "2")
_VLLM = ("vllm", "vllm-distributed", "vllm-ray", "eugr-vllm")
_PLAIN = Start(["vllm"], ["serve"], [], [], {}, [])
_LAYERS = "changes the container at its start; bring what it changes with layers"
_LOST = "behind the end of the command, such as an empty line; vLLM gets it from sparkrun as little as from here"
_AFTER = "nothing runs after the start; readiness is proven by the serve role"
_OWN = "sparkrun's own business"
# Keys that are not converted, and why.
_DROPPED = {
    **dict.fromkeys(("mods", "pre_exec"), _LAYERS),
    **dict.fromkeys(
        ("build_args", "builder", "builder_config", "pull_image"), "builds the image; build it yourself, or add to one with layers"
    ),
    **dict.fromkeys(("post_exec", "post_commands", "stop_after_post"), _AFTER),
    **dict.fromkeys(
        (
            "benchmark",
            "readiness",
            "capabilities",
            "unsupported_capabilities",
            "scheduler",
            "layout",
            "distribution_config",
            "executor",
            "min_sparkrun_version",
        ),
        _OWN,
    ),
    "containers": "every node runs the same image",
    "overrides": "holds under conditions; make recipes of the cases that you need",
    "cluster_config": "the roles find the model in the Hugging Face cache, or in the folder model_directory",
    "runtime_cache": "the caches role keeps compiled kernels per image",
    "runtime_config": "nothing of it reaches vLLM",
    "metadata": "for people, and for estimates of memory; its description is the title where the recipe has none",
}
# What is read below, and the type that it has.
_TYPES: dict[str, t.Union[type, tuple[type, ...]]] = {
    "model": str,
    "model_revision": (str, int),
    "container": str,
    "runtime": str,
    "runtime_version": (str, int, float),
    "command": str,
    "name": str,
    "description": str,
    "defaults": dict,
    "env": dict,
    "executor_config": dict,
    "metadata": dict,
}
_READ = (*_TYPES, "recipe_version", "sparkrun_version", *_sparkrun_nodes.KEYS)


def convert(
    source: t.Any,
    name: str,
    origin: str,
    pattern: t.Mapping[str, t.Any],
    attention_heads: t.Optional[int] = None,
    nodes: t.Optional[int] = None,
    vllm_version: t.Optional[str] = None,
    image: t.Optional[str] = None,
    model: t.Optional[str] = None,
    catalogue: t.Optional[Catalogue] = None,
) -> tuple[dict[str, t.Any], list[Entry]]:
    """A parsed sparkrun recipe as (recipe, report).

    `name`: what the recipe will be called; `origin`: where it comes from, for people; `pattern`: a recipe of ours, for what sparkrun
    does not say; `catalogue`: what each version of vLLM knows, without which nothing is declared as the image's own, and options are not
    checked.  The rest replaces what the recipe says, or says what it does not.  Raises SparkrunError.
    """
    report = Report()
    given = _checked(source)
    if _recipe_shape.RECIPE.keys["name"].problems(name, "name"):
        raise SparkrunError(
            f"to: found the name {name!r}, wanted lower-case letters, digits, dots and hyphens before .yml, because it names a unit"
        )
    start, options = _started(given, report)
    arguments = options.arguments
    _backend(given, arguments, report)
    missing: list[str] = []
    count = _sparkrun_nodes.nodes(given, arguments, nodes, report, missing)
    heads = _sparkrun_nodes.attention_heads(given, attention_heads, report, missing)
    if missing:
        raise SparkrunError("; ".join(missing))
    variables = _sparkrun_container.environment(given["env"], report)
    variables.update(_sparkrun_container.environment(start.environment, report, "command: "))
    variables.update(_sparkrun_container.assumed_environment(variables, pattern["environment"], report))
    parts = _sparkrun_parts
    repo = parts.repo(given, options.elsewhere, model, report)
    recipe: dict[str, t.Any] = {
        "schema": 1,
        "name": name,
        "title": parts.title(given, name),
        "source": f"sparkrun recipe {one_line(origin)}",
        "vllm_version": parts.version(given, vllm_version, image, pattern["vllm_version"], report),
        "nodes": count,
        "image": parts.image(given, start, image, report),
        "nccl": dict(pattern["nccl"]),
        "model": {
            "repo": repo,
            "revision": parts.revision(given, options.elsewhere, report),
            "served_name": parts.served_name(given, options.elsewhere, repo, report),
            "attention_heads": heads,
        },
        "ports": parts.ports(options.elsewhere, pattern["ports"], report),
        "arguments": arguments,
        "environment": variables,
        "container": _sparkrun_container.container(given["executor_config"], pattern["container"], report),
    }
    report.assumed("nccl", f"{recipe['nccl'].get('version')}, as in the recipes of this collection; sparkrun takes what is in the image")
    vllm = catalogue.fitting(recipe["vllm_version"]) if catalogue is not None else None
    arguments.update(_sparkrun_options.lists(options.several, vllm, report))
    parts.draft(arguments, report)
    _rest(given, report)
    if catalogue is not None:
        recipe.update(_sparkrun_unknown.declarations(recipe, catalogue, report))
    problems = _recipe.problems(recipe, name, vllm=catalogue)
    if problems:
        told = _sparkrun_unknown.with_sources(problems, f"recipe {name}: ", report)
        raise SparkrunError("; ".join(["what comes out is no sound recipe", *told]))
    return recipe, report.entries


def _checked(source: t.Any) -> dict[str, t.Any]:
    """The recipe with the types that are read below; empty sections are there."""
    if not isinstance(source, dict):
        raise SparkrunError(
            f"found {one_line(type(source).__name__)}, wanted a sparkrun recipe: a mapping with model, container and defaults or command"
        )
    given = {str(key): value for key, value in source.items() if value is not None}
    if isinstance(given.get("include"), str):
        raise SparkrunError(f"include: found {one_line(given['include'])!r}, wanted one whole recipe; `sparkrun export recipe` writes it")
    if not {"model", "command"} & set(given) or not {"container", "defaults", "command"} & set(given):
        raise SparkrunError(
            f"found {one_line(', '.join(given) or 'no key')}, wanted a sparkrun recipe: model, container and defaults or command"
        )
    version = str(given.get("sparkrun_version", given.get("recipe_version", "2")))
    if version not in _VERSIONS:
        raise SparkrunError(f"recipe_version: found {one_line(version)!r}, wanted {' or '.join(_VERSIONS)}")
    for key, kind in _TYPES.items():
        value = given.get(key, {} if kind is dict else "")
        if not isinstance(value, kind) or isinstance(value, bool):
            wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
            raise SparkrunError(f"{key}: found {one_line(repr(value), 80)}, wanted {wanted}")
        given[key] = value
    if given["runtime"] and given["runtime"] not in _VLLM:
        raise SparkrunError(f"runtime: found {one_line(given['runtime'])!r}, wanted one of {', '.join(_VLLM)}: only vLLM is served here")
    return given


def _started(given: dict[str, t.Any], report: Report) -> tuple[Start, Options]:
    """How vLLM is started, and with which options."""
    if not given["command"].strip():
        return _PLAIN, _sparkrun_options.options(_sparkrun_defaults.of_defaults(given["defaults"], report), report)
    values = {str(name): value for name, value in given["defaults"].items()}
    config = given.get("cluster_config")
    place = config.get("resolved_model_path") if isinstance(config, dict) else None
    values.setdefault("model", given["model"] or None)
    values.setdefault("resolved_model_path", place or given["model"] or None)
    values.setdefault("model_revision", given["model_revision"] or None)
    environment = {str(name): str(value) for name, value in given["env"].items()}
    start = _sparkrun_shell.start_of(_sparkrun_shell.substitute(given["command"], values), environment)
    for command in start.skipped:
        lost = command.startswith("-")
        report.dropped(f"command: {one_line(command, 60)}", _LOST if lost else _LAYERS)
    for line in start.shell:
        report.mapped(f"command: {one_line(line, 60)}", "image.entrypoint", "run by the shell that starts vLLM")
    options = _sparkrun_options.options(_sparkrun_options.of_words(start.words), report)
    _sparkrun_defaults.unused(given["defaults"], given["command"], report)
    return start, options


def _backend(given: dict[str, t.Any], arguments: dict[str, t.Any], report: Report) -> None:
    """This collection runs without Ray: vLLM's own processes join the nodes."""
    key = _sparkrun_options.BACKEND
    said = given["defaults"].get("distributed_executor_backend", arguments.get(key))
    arguments[key] = "mp"
    if said is None:
        report.assumed(f"arguments.{key}", "mp: vLLM's own processes join the nodes")
    elif said == "mp":
        report.kept(key, f"arguments.{key}")
    else:
        report.mapped(key, f"arguments.{key}", f"found {one_line(said, 40)}; mp, because this collection runs without Ray")


def _rest(given: t.Mapping[str, t.Any], report: Report) -> None:
    """Report the keys that nothing above has read."""
    for key, value in given.items():
        if key in _READ and key not in _DROPPED:
            continue
        if value in ({}, [], "", False):
            continue
        if key in _DROPPED:
            report.dropped(key, _DROPPED[key])
        else:
            report.unknown(key, "not a key of sparkrun; it takes such keys into runtime_config, from where nothing reaches vLLM")
