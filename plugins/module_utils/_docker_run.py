# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The words of the `docker run` by which a rank is started: by the launcher on a node, and as text for people.

Nothing is run here.  Python's own library only, because the launcher imports this on nodes where nothing else is installed.
"""

from __future__ import annotations

import typing as t

from . import _gid

LAUNCH_LABEL = "dgx-spark.launch"


def removed(launch: t.Mapping[str, t.Any], setting: t.Mapping[str, str]) -> list[str]:
    """Names of variables that must not reach the process, sorted; `setting` is the GID setting of this start, {name: text}."""
    return sorted({*launch["env_unset"], *_gid.NAMES} - set(setting))


def words(
    launch: t.Mapping[str, t.Any],
    image: str,
    env_files: t.Iterable[str],
    unset: t.Iterable[str],
    env: t.Optional[t.Mapping[str, str]] = None,
) -> list[str]:
    """The words after `docker`: `run`, options which all have one value, the image, its command.

    `launch`: content of launch.json. `image`: its name or id. `env_files`: paths, of which the later ones win; `env`: variables that win
    over them. `unset`: names from `removed`: `--env NAME` without a value, NAME being absent from the client's environment, removes what
    the image bakes in (a bare NAME in an env-file does not).
    """
    words = ["run", "--name", launch["container"], "--label", f"{LAUNCH_LABEL}={launch['launch_hash']}"]
    words += ["--label", f"dgx-spark.recipe={launch['recipe']}", "--log-driver", "local", "--log-opt", "max-size=20m"]
    words += ["--stop-timeout", str(launch["stop_seconds"]), "--pull", "never", *launch["docker_options"]]
    for path in env_files:
        words += ["--env-file", path]
    for name, value in sorted((env or {}).items()):
        words += ["--env", f"{name}={value}"]
    for name in unset:
        words += ["--env", name]
    return [*words, "--entrypoint", launch["entrypoint"], image, *launch["command"]]


def split(words: t.Sequence[str]) -> tuple[list[tuple[str, str]], str, list[str]]:
    """What `words` made: the options with their values, the image, the command."""
    end = next(index for index in range(1, len(words), 2) if not words[index].startswith("--"))
    return list(zip(words[1:end:2], words[2:end:2])), words[end], list(words[end + 1 :])
