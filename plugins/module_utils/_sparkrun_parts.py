# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Image, model and ports of a sparkrun recipe; each function says one part of ours, and reports where it comes from."""

from __future__ import annotations

import re
import typing as t

from ._sparkrun_report import Report, SparkrunError, one_line
from ._sparkrun_shell import Start

# Images whose tags are versions of vLLM; those of others are their own.
_OF_VLLM = re.compile(r"(?:.*/)?vllm(?:-openai)?:([^:/]*)")
_RELEASE = re.compile(r"(?<![0-9.])v?([0-9]+\.[0-9]+\.[0-9]+)(?![0-9.])")


def title(given: t.Mapping[str, t.Any], name: str) -> str:
    """One line for people."""
    said = given["description"] or given["metadata"].get("description") or given["name"]
    return one_line(said) or name


def image(given: t.Mapping[str, t.Any], start: Start, wanted: t.Optional[str], report: Report) -> dict[str, t.Any]:
    """Image and entrypoint.  sparkrun runs the command behind the image's own entrypoint; ours is always said."""
    if wanted:
        report.mapped("container", "image.name", f"{wanted}, as asked for")
    elif not given["container"].strip():
        raise SparkrunError(
            "container: the recipe names no image, and sparkrun's own is not known here; name one with -e image=REGISTRY/NAME:TAG"
        )
    elif "/" not in given["container"]:
        report.kept(
            "container",
            "image.name",
            "a name without a registry, so built locally: each node must have it; another is named with -e image=REGISTRY/NAME:TAG",
        )
    else:
        report.kept("container", "image.name")
    entrypoint = start.program
    if start.shell:
        entrypoint = ["bash", "-c", " && ".join([*start.shell, 'exec "$0" "$@"']), *start.program]
    report.mapped("command", "image.entrypoint", "the image's own entrypoint is not run before it")
    return {"name": wanted or given["container"].strip(), "entrypoint": entrypoint, "command": start.command}


def version(given: t.Mapping[str, t.Any], wanted: t.Optional[str], image: t.Optional[str], usual: str, report: Report) -> str:
    """The vLLM version that the arguments are for; `usual`: that of our recipes."""
    if wanted:
        report.assumed("vllm_version", f"{wanted}, as asked for")
        return wanted
    tagged = _OF_VLLM.fullmatch((image or given["container"]).strip().partition("@")[0])
    for key, text in (("runtime_version", str(given["runtime_version"])), ("container", tagged.group(1) if tagged else "")):
        match = _RELEASE.search(text)
        if match:
            report.mapped(key, "vllm_version", f"{match.group(1)}, as {key} says")
            return match.group(1)
    report.assumed("vllm_version", f"{usual}, as in the recipes of this collection; say that of the image with -e vllm_version=VERSION")
    return usual


def repo(given: t.Mapping[str, t.Any], elsewhere: t.Mapping[str, str], wanted: t.Optional[str], report: Report) -> str:
    """The Hugging Face repository."""
    if wanted:
        report.mapped("model", "model.repo", f"{wanted}, as asked for")
        return wanted
    named, served = given["model"].strip(), elsewhere.get("model", "")
    # The command may name a folder in the container; the recipe says whose it is.
    found = served if served and not served.startswith(("/", ".", "~")) else named
    if not found or found.startswith(("/", ".", "~")):
        raise SparkrunError(
            f"model: found {one_line(found or served)!r}, wanted a Hugging Face repository; name it with -e model=OWNER/NAME"
            " (weights in a folder of their own are served with model_directory)"
        )
    if ":" in found:
        raise SparkrunError(
            f"model: found {one_line(found)!r}, which is GGUF for llama.cpp, wanted a Hugging Face repository of safetensors"
        )
    report.kept("model" if found == named else "command", "model.repo")
    return found


def revision(given: t.Mapping[str, t.Any], elsewhere: t.Mapping[str, str], report: Report) -> str:
    """Commit, branch or tag of the model."""
    pinned, served = str(given["model_revision"]).strip(), elsewhere.get("revision", "")
    if served and pinned and served != pinned:
        raise SparkrunError(
            f"model_revision: found {one_line(pinned)!r}, but --revision {one_line(served)} in the command, wanted the same"
        )
    if not served and not pinned:
        report.assumed("model.revision", "main: the recipe pins none")
        return "main"
    if pinned:
        report.kept("model_revision", "model.revision")
    if served:
        report.mapped("command: --revision", "model.revision", "the serve role tells vLLM")
    return served or pinned


def served_name(given: t.Mapping[str, t.Any], elsewhere: t.Mapping[str, str], repository: str, report: Report) -> str:
    """What clients ask for."""
    if elsewhere.get("served_name"):
        report.mapped("command: --served-model-name", "model.served_name", "the serve role tells vLLM")
        return elsewhere["served_name"]
    default = given["defaults"].get("served_model_name")
    if isinstance(default, str) and default:
        report.mapped("defaults.served_model_name", "model.served_name", "the serve role tells vLLM")
        return default
    report.assumed("model.served_name", f"{repository}: vLLM serves a model under its own name unless it is told another")
    return repository


def ports(elsewhere: t.Mapping[str, str], usual: t.Mapping[str, int], report: Report) -> dict[str, int]:
    """Ports of the API and of the rendezvous; `usual`: those of our recipes."""
    api, master = usual["api"], usual["master"]
    if "port" in elsewhere:
        if not re.fullmatch(r"[0-9]{1,5}", elsewhere["port"]):
            raise SparkrunError(f"port: found {one_line(elsewhere['port'], 40)!r}, wanted 1 to 65535")
        api = int(elsewhere["port"])
        report.mapped("port", "ports.api", "the serve role tells vLLM")
    else:
        report.assumed("ports.api", f"{api}: the recipe says none")
    if api == master:
        master += 1
    report.assumed("ports.master", f"{master}: sparkrun chooses a port for the rendezvous at each start")
    return {"api": api, "master": master}


def draft(arguments: t.Mapping[str, t.Any], report: Report) -> None:
    """A draft model of its own is a second repository, which nothing here loads."""
    config = arguments.get("speculative-config")
    second = config.get("model") if isinstance(config, dict) else None
    if second:
        note = f"{one_line(second)} must be in the Hugging Face cache of each node; the model role only looks after model.repo"
        report.mapped("speculative_config", "arguments.speculative-config", note)
