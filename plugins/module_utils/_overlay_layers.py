# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What goes into an overlay beside NCCL, in order: files, variables, commands.

A user writes `{file, target, mode}`, `{environment: {NAME: text}}`, `{run: [command, ...]}` or `{git, revision, folder, files, target}`.
Everything else works on what `normalized` makes of these, in which a file is named by its content, so that equal lists mean equal layers
and a changed file gives the overlay another key. A layer of `git` has been made file layers before, on the controller.
"""

from __future__ import annotations

import json
import posixpath
import re
import typing as t

from . import _git_layer
from ._recipe_words import line as is_line
from ._recipe_words import near, shown, step

KINDS = ("file", "environment", "run", "git")
_KEYS = {"file": ("file", "target", "mode"), "environment": ("environment",), "run": ("run",), "git": _git_layer.KEYS}
# Words of a Dockerfile, in which `$` and a backslash mean something.
TARGET = re.compile(r"/[A-Za-z0-9._+@/-]*[A-Za-z0-9._+@-]")
MODE = re.compile(r"0?[0-7]{3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# More keys than that of what is no layer are not worth naming.
_MANY = 8
# Where the overlay's own library is.
OWN = "/opt/dgx-spark"

Layer = t.Mapping[str, t.Any]


def problems(layers: t.Any, where: str) -> list[str]:
    """Everything that is wrong with what a user wrote, one sentence each. `where` is what the list is called, such as `layers`."""
    if not isinstance(layers, list):
        return [f"{where}: found {_git_layer.shown(layers)}, wanted a list"]
    found = []
    for number, layer in enumerate(layers):
        place = f"{where}[{number}]"
        kinds = [kind for kind in KINDS if isinstance(layer, dict) and kind in layer]
        if len(kinds) != 1:
            keys = ", ".join(map(_git_layer.named, list(layer)[:_MANY])) if isinstance(layer, dict) else _git_layer.shown(layer)
            nearest = next(filter(None, (near(key, KINDS) for key in layer)), "") if isinstance(layer, dict) and not kinds else ""
            wanted = "one of file (with target), environment, run, git (with revision, target)"
            found.append(f"{place}: found {keys or 'nothing'}, wanted {wanted}{nearest}")
            continue
        kind = kinds[0]
        found += [
            f"{step(place, key)} is not known beside {kind}{near(key, _KEYS[kind])}; known here: {', '.join(_KEYS[kind])}"
            for key in layer
            if key not in _KEYS[kind]
        ]
        if kind == "file":
            found += _file_problems(layer, place)
        elif kind == "git":
            found += [*_git_layer.problems(layer, place), *_given_target_problems(layer, place, "a folder")]
        else:
            found += {"environment": _environment_problems, "run": _run_problems}[kind](layer[kind], f"{place}.{kind}")
    return found


def normalized_problems(layers: t.Sequence[Layer], where: str) -> list[str]:
    """Everything that is wrong with layers that claim to be normalized, one sentence each: a caller may have written them by hand."""
    found = []
    for number, layer in enumerate(layers):
        place = f"{where}[{number}]"
        if layer["kind"] == "environment":
            found += _environment_problems(layer["variables"], f"{place}.variables")
        elif layer["kind"] == "run":
            found += _run_problems(layer["lines"], f"{place}.lines")
        else:
            found += [*target_problems(layer["target"], place), *_mode_problems(layer["mode"], place)]
            if not _SHA256.fullmatch(layer["sha256"]):
                found.append(f"{place}.sha256: found {layer['sha256']!r}, wanted 64 hex digits in lower case")
    return found


def variables(layers: t.Any) -> dict[str, str]:
    """All variables that the layers set, as written by a user or normalized; a later layer wins."""
    merged: dict[str, str] = {}
    for layer in layers:
        merged.update(layer.get("variables") or layer.get("environment") or {})
    return merged


def normalized(layer: Layer, sha256: t.Callable[[str], str]) -> dict[str, t.Any]:
    """A layer that has no problems, as data that says all that it puts into the image. `sha256` gives that of a file's content, in hex."""
    if "file" in layer:
        mode = str(layer.get("mode", "0644"))
        return {"kind": "file", "target": layer["target"], "mode": mode.rjust(4, "0"), "sha256": sha256(layer["file"])}
    if "environment" in layer:
        return {"kind": "environment", "variables": dict(layer["environment"])}
    return {"kind": "run", "lines": list(layer["run"])}


def hides_own(target: str) -> bool:
    """Whether a mount at `target` would take the place of the overlay's own library, which the process is told to load."""
    return f"{OWN}/".startswith(f"{target.rstrip('/')}/") or target.startswith(f"{OWN}/")


def file_name(layer: Layer) -> str:
    """Name of a file layer's content in the folder that docker is given to build from."""
    return f"layer-{layer['sha256']}-{layer['mode']}"


def lasting_files(layers: t.Sequence[Layer]) -> list[tuple[int, Layer]]:
    """The file layers and their numbers, without those whose target a later file layer has too."""
    last = {layer["target"]: (number, layer) for number, layer in enumerate(layers) if layer["kind"] == "file"}
    return list(last.values())


def clash_problems(placed: t.Sequence[tuple[str, Layer]]) -> list[str]:
    """Files of one list that are in each other's place, one sentence each.

    `placed` are file layers with what names each of them in a message, such as `layers[2].git`.
    """
    found = []
    owners: dict[str, str] = {}
    for place, layer in placed:
        if layer["target"] in owners:
            found.append(
                f"{place}: found {layer['target']}, which {owners[layer['target']]} has too; wanted one source for each file; "
                "leave it out of one of the two"
            )
        owners.setdefault(layer["target"], place)
    for target, place in owners.items():
        above = posixpath.dirname(target)
        while above != "/":
            if above in owners:
                found.append(f"{place}: found {target}, but {owners[above]} has {above} as a file, wanted a folder; correct one target")
            above = posixpath.dirname(above)
    return found


def instructions(layers: t.Sequence[Layer], user: str) -> list[str]:
    """The lines of the Dockerfile. `user` is the base image's own user, which is put back after commands have been run as root."""
    lines: list[str] = []
    for layer in layers:
        if layer["kind"] == "file":
            lines.append(f"COPY {json.dumps([file_name(layer), layer['target']])}")
        elif layer["kind"] == "environment":
            lines += [f"ENV {name}={_quoted(value)}" for name, value in layer["variables"].items()]
        else:
            # As a list: neither Docker nor a builder's own syntax reads anything in the command.
            commands = [f"RUN {json.dumps(['/bin/sh', '-c', line])}" for line in layer["lines"]]
            lines += ["USER 0", *commands, *([f"USER {user}"] if user else [])]
    return lines


def description(layers: t.Sequence[Layer]) -> list[str]:
    """One line for each thing, for a diff."""
    lines: list[str] = []
    for layer in layers:
        if layer["kind"] == "file":
            lines.append(f"file {layer['target']} {layer['mode']} sha256:{layer['sha256']}")
        elif layer["kind"] == "environment":
            lines += [f"environment {name}={value}" for name, value in layer["variables"].items()]
        else:
            lines += [f"run {line}" for line in layer["lines"]]
    return lines


def _file_problems(layer: Layer, place: str) -> list[str]:
    file = layer["file"]
    found = [] if isinstance(file, str) and file and is_line(file) else [f"{place}.file: found {shown(file)}, wanted the path of a file"]
    return [*found, *_given_target_problems(layer, place), *_mode_problems(layer.get("mode", "0644"), place)]


def _given_target_problems(layer: Layer, place: str, what: str = "a file") -> list[str]:
    """What is wrong with the target that a layer has to name; that of folders may be the root."""
    if "target" not in layer:
        return [f"{place}.target is missing, wanted {_wanted(what)}"]
    return [] if what != "a file" and layer["target"] == "/" else target_problems(layer["target"], place, what)


def _wanted(what: str) -> str:
    return f"the absolute path of {what} in the image, of letters, digits and . _ + @ - /"


def target_problems(target: t.Any, place: str, what: str = "a file") -> list[str]:
    """What is wrong with a path in the image, one sentence each; `what` it is the path of."""
    if not isinstance(target, str) or not TARGET.fullmatch(target) or posixpath.normpath(target) != target:
        return [f"{place}.target: found {shown(target)}, wanted {_wanted(what)}"]
    if f"{target}/".startswith(f"{OWN}/"):
        return [f"{place}.target: found {target}, but {OWN} and what is below is the overlay's own; put NCCL there with nccl.version"]
    return []


def _mode_problems(mode: t.Any, place: str) -> list[str]:
    if isinstance(mode, str) and MODE.fullmatch(mode):
        return []
    return [f'{place}.mode: found {shown(mode)}, wanted three octal digits in quotes, such as "0644"']


def _environment_problems(values: t.Any, place: str) -> list[str]:
    if not isinstance(values, dict) or not values:
        return [f"{place}: found {shown(values)}, wanted names and values"]
    found = []
    for name, value in values.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            found.append(f"{step(place, name)} is no name of an environment variable")
        if not isinstance(value, str) or not is_line(value):
            found.append(f"{step(place, name)}: found {shown(value)}, wanted text of one line, in quotes")
    return found


def _run_problems(lines: t.Any, place: str) -> list[str]:
    if not isinstance(lines, list) or not lines:
        return [f"{place}: found {shown(lines)}, wanted a list of shell commands"]
    return [
        f"{place}[{number}]: found {shown(line)}, wanted a shell command of one line"
        for number, line in enumerate(lines)
        if not isinstance(line, str) or not line.strip() or not is_line(line)
    ]


def _quoted(value: str) -> str:
    """A value in the double quotes of a Dockerfile."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'
