# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What goes into an overlay beside NCCL, in order: files, variables, commands.

A user writes `{file, target, mode}`, `{environment: {NAME: text}}` or `{run: [command, ...]}`. Everything else works on what `normalized`
makes of these, in which a file is named by its content, so that equal lists mean equal layers and a changed file gives the overlay another
key.
"""

from __future__ import annotations

import json
import posixpath
import re
import typing as t

KINDS = ("file", "environment", "run")
_KEYS = {"file": ("file", "target", "mode"), "environment": ("environment",), "run": ("run",)}
# Words of a Dockerfile, in which `$` and a backslash mean something.
_TARGET = re.compile(r"/[A-Za-z0-9._+@/-]*[A-Za-z0-9._+@-]")
_MODE = re.compile(r"0?[0-7]{3}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Where the overlay's own library is.
OWN = "/opt/dgx-spark"

Layer = t.Mapping[str, t.Any]


def problems(layers: t.Any, where: str) -> list[str]:
    """Everything that is wrong with what a user wrote, one sentence each. `where` is what the list is called, such as `layers`."""
    if not isinstance(layers, list):
        return [f"{where}: found {layers!r}, wanted a list"]
    found = []
    for number, layer in enumerate(layers):
        place = f"{where}[{number}]"
        kinds = [kind for kind in KINDS if isinstance(layer, dict) and kind in layer]
        if len(kinds) != 1:
            shown = ", ".join(map(str, layer)) if isinstance(layer, dict) else repr(layer)
            found.append(f"{place}: found {shown or 'nothing'}, wanted one of file (with target), environment, run")
            continue
        kind = kinds[0]
        found += [
            f"{place}.{key} is not known beside {kind}; known here: {', '.join(_KEYS[kind])}" for key in layer if key not in _KEYS[kind]
        ]
        found += {"file": _file_problems, "environment": _environment_problems, "run": _run_problems}[kind](layer, place)
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


def file_name(layer: Layer) -> str:
    """Name of a file layer's content in the folder that docker is given to build from."""
    return f"layer-{layer['sha256']}-{layer['mode']}"


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
    found = []
    file, target, mode = layer["file"], layer.get("target"), layer.get("mode", "0644")
    if not isinstance(file, str) or not file:
        found.append(f"{place}.file: found {file!r}, wanted the path of a file")
    if not isinstance(target, str) or not _TARGET.fullmatch(target) or posixpath.normpath(target) != target:
        found.append(
            f"{place}.target: found {target!r}, wanted the absolute path of a file in the image, of letters, digits and . _ + @ - /"
        )
    elif target.startswith(f"{OWN}/"):
        found.append(f"{place}.target: found {target}, but what is below {OWN} is the overlay's own; put NCCL there with nccl.version")
    if not isinstance(mode, str) or not _MODE.fullmatch(mode):
        found.append(f'{place}.mode: found {mode!r}, wanted three octal digits in quotes, such as "0644"')
    return found


def _environment_problems(layer: Layer, place: str) -> list[str]:
    if not isinstance(layer["environment"], dict) or not layer["environment"]:
        return [f"{place}.environment: found {layer['environment']!r}, wanted names and values"]
    found = []
    for name, value in layer["environment"].items():
        if not _VARIABLE.fullmatch(str(name)):
            found.append(f"{place}.environment.{name} is no name of an environment variable")
        if not isinstance(value, str) or "\n" in value or "\r" in value:
            found.append(f"{place}.environment.{name}: found {value!r}, wanted text of one line, in quotes")
    return found


def _run_problems(layer: Layer, place: str) -> list[str]:
    lines = layer["run"]
    if not isinstance(lines, list) or not lines:
        return [f"{place}.run: found {lines!r}, wanted a list of shell commands"]
    return [
        f"{place}.run[{number}]: found {line!r}, wanted a shell command of one line"
        for number, line in enumerate(lines)
        if not isinstance(line, str) or not line.strip() or "\n" in line or "\r" in line
    ]


def _quoted(value: str) -> str:
    """A value in the double quotes of a Dockerfile."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'
