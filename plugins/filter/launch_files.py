# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import textwrap
import typing as t

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _compose, _docker_run, _gid, _run_script

_COMMENTS = {
    "restart": "One rank must not come back without the others: a rank that is left over from before never rejoins.",
    "env_file": "Yours to make, with mode 0600: VLLM_API_KEY=... if clients must send a key, else empty.",
    "environment": "null removes what the image bakes in, unless the environment of the client has the name.",
}
_COMPOSE_HEAD = (
    "Needs Compose 2.30 or newer. Start it without variables of your own, which would be taken where null stands below:",
    'env -i PATH="$PATH" HOME="$HOME" docker compose up',
)


class _Quoted(str):
    """A text that YAML 1.1 and 1.2 both read as text: `1e3` and `0o17` are numbers to one of them."""


class _Dumper(yaml.SafeDumper):
    """Writes quoted texts."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _represent(dumper: _Dumper, text: _Quoted) -> yaml.ScalarNode:
    # Between single quotes a line break of any alphabet would be read as a space.
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="'" if text.isprintable() else '"')


_Dumper.add_representer(_Quoted, _represent)


def launch_files(rendered: dict[str, t.Any], host: str, env: dict[str, str], image_there: bool = True) -> dict[str, str]:
    """The files that say what `host` runs, {name: text}; `rendered` is from `_launch.render`, `env` the plan's environment of the host."""
    launch = rendered["launch"]
    setting = {name: str(env[name]) for name in _gid.NAMES if name in env}
    unset = _docker_run.removed(launch, setting)
    comments = [
        f"Rank {launch['rank']} of recipe {launch['recipe']} on {host}, as the launcher of dgx_spark.vllm starts it.",
        "README.md in the folder above says what this file lacks.",
    ]
    if not image_there:
        comments.append(f"The image was not on {host} when this was written; see there.")
    env_files = [_run_script.STATIC_ENV, _run_script.SECRET_ENV]
    words = _docker_run.words(launch, launch["image"], env_files, unset, setting)
    try:
        service = _compose.service(
            _docker_run.words(launch, launch["image"], env_files[1:], unset, {**rendered["env"], **setting}),
        )
    except _compose.ComposeError as error:
        raise AnsibleFilterError(f"{host}: recipe {launch['recipe']} can't be written as a Compose file: {error}") from error
    return {
        "launch.json": rendered["launch_json"],
        "static.env": rendered["static_env"],
        "docker-run.sh": _run_script.script(words, unset, comments),
        "compose.yaml": _compose_text(launch["recipe"], service, [*comments, *_COMPOSE_HEAD]),
    }


def _compose_text(recipe: str, service: dict[str, t.Any], comments: t.Iterable[str]) -> str:
    lines = [*(f"# {' '.join(comment.split())}" for comment in comments), f"name: {_compose.project(recipe)}", "services:", "  vllm:"]
    for key, value in service.items():
        lines += [f"    # {_COMMENTS[key]}"] if key in _COMMENTS else []
        text = yaml.dump({key: _quoted(value)}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
        lines.append(textwrap.indent(text, "    ").rstrip("\n"))
    return "\n".join([*lines, ""])


def _quoted(data: t.Any) -> t.Any:
    if isinstance(data, str):
        return _Quoted(data)
    if isinstance(data, list):
        return [_quoted(entry) for entry in data]
    return {str(key): _quoted(value) for key, value in data.items()} if isinstance(data, dict) else data


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"launch_files": launch_files}
