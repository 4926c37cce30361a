# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A `docker run` as a service of the Compose specification: the same container, word by word.

Compose removes a variable that an image bakes in when `environment` has its name with null and the environment of the client lacks it;
versions 2.24.7 to 2.28 kept the image's value (docker/compose#11962). `format: raw` of an env_file, without which Compose reads quotes and
`$` in values, came with 2.30, so that all versions before that refuse the file.
"""

from __future__ import annotations

import re
import typing as t

from . import _docker_run

Service = dict[str, t.Any]


class ComposeError(ValueError):
    """An option of `docker run` that is not said in Compose's words here."""


def project(recipe: str) -> str:
    """A name for the project, in which Compose allows no dots."""
    return re.sub(r"[^a-z0-9_-]", "-", f"vllm-{recipe}")


def service(words: t.Sequence[str]) -> Service:
    """The service, from the words that `_docker_run.words` made; null in `environment` removes a variable.

    Every text has its `$` doubled, because Compose would replace it. Raise ComposeError for an option that is not known here.
    """
    options, image, command = _docker_run.split(words)
    made: Service = {"image": image}
    for option, value in options:
        if option not in _OPTIONS:
            raise ComposeError(
                f"docker run {option} {value}: there are no words for this option in a Compose file; known: {', '.join(_OPTIONS)}"
            )
        _OPTIONS[option](made, value)
    # Never by Compose: one rank must not come back without the others.
    return t.cast("Service", _doubled({**made, "restart": "no", "command": command}))


def _doubled(data: t.Any) -> t.Any:
    if isinstance(data, str):
        return data.replace("$", "$$")
    if isinstance(data, list):
        return [_doubled(entry) for entry in data]
    return {key: _doubled(value) for key, value in data.items()} if isinstance(data, dict) else data


def _scalar(key: str, form: str = "{}") -> t.Callable[[Service, str], None]:
    return lambda made, value: made.update({key: form.format(value)})


def _entry(key: str) -> t.Callable[[Service, str], None]:
    return lambda made, value: made.setdefault(key, []).append(value)


def _pair(made: Service, value: str) -> None:
    name, equals, text = value.partition("=")
    made[name] = text if equals else None


def _log_option(made: Service, value: str) -> None:
    _pair(made["logging"].setdefault("options", {}), value)


def _ulimit(made: Service, value: str) -> None:
    name, _equals, limits = value.partition("=")
    if not re.fullmatch(r"-?\d+(:-?\d+)?", limits):
        raise ComposeError(f"ulimit {name}: found {limits!r}, wanted a whole number, or two with a colon between them")
    soft, _colon, hard = limits.partition(":")
    made.setdefault("ulimits", {})[name] = {"soft": int(soft), "hard": int(hard or soft)}


def _mount(made: Service, value: str) -> None:
    parts = dict(part.partition("=")[::2] for part in value.split(","))
    if parts.get("type") != "bind" or set(parts) - {"readonly"} != {"type", "source", "target"}:
        raise ComposeError(f"mount {value}: wanted type=bind,source=PATH,target=PATH and perhaps readonly, without other commas")
    volume = {"type": "bind", "source": parts["source"], "target": parts["target"], "read_only": "readonly" in parts}
    # As --mount does, and unlike the short form: a folder that is missing is an error and is not made.
    made.setdefault("volumes", []).append({**volume, "bind": {"create_host_path": False}})


_OPTIONS: dict[str, t.Callable[[Service, str], t.Any]] = {
    "--name": _scalar("container_name"),
    "--label": lambda made, value: _pair(made.setdefault("labels", {}), value),
    "--log-driver": lambda made, value: made.update(logging={"driver": value}),
    "--log-opt": _log_option,
    "--stop-timeout": _scalar("stop_grace_period", "{}s"),
    "--pull": _scalar("pull_policy"),
    "--network": _scalar("network_mode"),
    "--ipc": _scalar("ipc"),
    "--gpus": _scalar("gpus"),
    "--runtime": _scalar("runtime"),
    "--ulimit": _ulimit,
    "--cap-add": _entry("cap_add"),
    "--device": _entry("devices"),
    "--mount": _mount,
    "--env-file": lambda made, value: made.setdefault("env_file", []).append({"path": value, "format": "raw"}),
    "--env": lambda made, value: _pair(made.setdefault("environment", {}), value),
    "--entrypoint": lambda made, value: made.update(entrypoint=[value]),
}
