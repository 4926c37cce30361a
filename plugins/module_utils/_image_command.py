# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""By which words an image starts `vllm serve`: what its ENTRYPOINT already says, and what must stand between that and the model.

The launcher always passes `--entrypoint`, so that Docker forgets the image's own ENTRYPOINT and CMD: what is decided here is all there is.
"""

from __future__ import annotations

import json
import re
import typing as t

Words = t.Sequence[str]

UNKNOWN = "not pulled yet"
"""Stands for the words of an image that is not there yet, which is in check mode only."""

_SERVE = ("vllm", "serve")
_CLI = "vllm.entrypoints.cli.main"
# The server without the command line around it: it takes the model as an option only, and knows no worker without an API (`--headless`).
_SERVER = "vllm.entrypoints.openai.api_server"
_PYTHON = re.compile(r"^python[0-9.]*$")
_SHELLS = ("sh", "bash", "dash")
# Programs and scripts that do something and then become the words that they are given.
_WRAPPERS = ("env", "nvidia_entrypoint.sh", "docker-entrypoint.sh")
# Programs that stay, reap what is left of the words that they are given, and end as these do; they may have options before the words.
_INITS = ("tini", "docker-init", "dumb-init")


class CommandError(ValueError):
    """The words can't be decided; the text says what was found and what was wanted."""


class Command(t.NamedTuple):
    """`entrypoint` starts the container (at least one word), `command` stands before the model."""

    entrypoint: list[str]
    command: list[str]


def problems(image: t.Mapping[str, t.Any]) -> list[str]:
    """What is wrong with `entrypoint` and `command` of a recipe's `image`, each of which may be left out; one sentence each."""
    found = []
    for key in ("entrypoint", "command"):
        words = image.get(key, [])
        if not all(isinstance(word, str) and word for word in words):
            found.append(f"image.{key}: found {words!r}, wanted a list of words, each of them text")
    if image.get("entrypoint") == []:
        found.append("image.entrypoint: found [], wanted the words that start the program; leave it out to go by the image's own")
    if found or "entrypoint" not in image:
        return found
    if "command" not in image:
        try:
            decide(image, None)
        except CommandError:
            found.append(
                f"image.command is missing; image.entrypoint {shown(image['entrypoint'])} does not say what stands before the model"
            )
    elif _runs_module(image["entrypoint"], _SERVER):
        wanted = f"python3 -m {_CLI}, and serve in image.command"
        found.append(f"image.entrypoint: found {shown(image['entrypoint'])}, which knows no workers; wanted {wanted}")
    elif _serves([*image["entrypoint"], *image["command"]]) > 1:
        found.append(
            f"image.command: found {shown(image['command'])} behind {shown(image['entrypoint'])}, wanted one `serve` in both together"
        )
    return found


def decide(recipe_image: t.Mapping[str, t.Any], entrypoint: t.Optional[Words]) -> Command:
    """The words for a recipe's `image` whose own ENTRYPOINT is `entrypoint` (empty or None if it has none).

    What the recipe gives is taken as it is. Raises CommandError where the recipe leaves out what the image does not tell.
    """
    given, before = recipe_image.get("entrypoint"), recipe_image.get("command")
    if given and before is not None:
        return Command(list(given), list(before))
    own = list(given or entrypoint or [])
    if before is not None:
        return _behind(own, list(before))
    found = _of(own)
    if found is None:
        raise CommandError(
            f"ENTRYPOINT {shown(own)}, wanted one that starts `vllm serve`, none, or one that is known to run the words that it is given"
        )
    return found


def of_launch(recipe: t.Mapping[str, t.Any], image: t.Mapping[str, t.Any]) -> Command:
    """The words decided for an `image` (`entrypoint`, `command`), else those of a recipe that says all; CommandError without both."""
    if image.get("entrypoint"):
        return Command(list(image["entrypoint"]), list(image["command"]))
    if "entrypoint" in recipe["image"]:
        return decide(recipe["image"], None)
    name = recipe["image"]["name"]
    raise CommandError(f"no image.entrypoint, and nothing was decided from the image {name}, wanted one of them; run the image role first")


def shown(words: t.Optional[Words]) -> str:
    """Words as a Dockerfile has them."""
    return json.dumps(list(words or []), ensure_ascii=False)


def _behind(entrypoint: list[str], before: list[str]) -> Command:
    """The recipe's words behind the image's own ENTRYPOINT."""
    if _serves([*entrypoint, *before]) > 1:
        raise CommandError(
            f"ENTRYPOINT {shown(entrypoint)} before the recipe's image.command {shown(before)}, wanted one `serve` in both together"
        )
    if entrypoint:
        return Command(entrypoint, before)
    if not before:
        raise CommandError("no ENTRYPOINT and no words in the recipe's image.command, wanted the words that start vLLM in one of them")
    return Command(before[:1], before[1:])


def _of(own: list[str]) -> t.Optional[Command]:
    """The words for an image whose ENTRYPOINT is `own`; None for one that nothing is known of."""
    wrapper, program = _split(own)
    if not program:
        return Command(wrapper, list(_SERVE)) if wrapper else Command(list(_SERVE), [])
    if program[-1] == "serve" and _is_vllm(program[:-1]):
        return Command(own, [])
    if _is_vllm(program):
        return Command(own, ["serve"])
    if _runs_module(program, _SERVER):
        return Command([*own[:-1], _CLI], ["serve"])
    return None


def _is_vllm(words: Words) -> bool:
    """Whether words end with the program `vllm`: its path, or its module run by Python."""
    if words and _name(words[-1]) == "vllm":
        return not any(_name(word) in _SHELLS for word in words)
    return _runs_module(words, _CLI)


def _runs_module(words: Words, module: str) -> bool:
    return list(words[-2:]) == ["-m", module] and any(_PYTHON.match(_name(word)) for word in words[:-2])


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """An ENTRYPOINT as what only runs its arguments, made so that it does, and what it runs."""
    wrapper: list[str] = []
    while words:
        name = _name(words[0])
        if name in _WRAPPERS:
            wrapper, words = [*wrapper, words[0]], words[1:]
        elif name in _INITS:
            options = next((place for place, word in enumerate(words[1:], 1) if word == "--" or not word.startswith("-")), len(words))
            ends = options + (words[options : options + 1] == ["--"])
            wrapper, words = [*wrapper, *words[:ends]], words[ends:]
        elif name in _SHELLS and len(words) == 1:
            # A shell without options would take the word behind it for the name of a script.
            return wrapper, []
        elif name in _SHELLS and len(words) == 2 and re.fullmatch(r"-[a-z]*c", words[1]):
            # It would take the word behind it for its script and the rest for that script's arguments.
            return [*wrapper, *words, 'exec "$@"', name], []
        else:
            break
    return wrapper, words


def _serves(words: Words) -> int:
    """How often the words say `serve`, those of a shell's script included."""
    return sum(word.split().count("serve") for word in words)


def _name(word: str) -> str:
    return word.rpartition("/")[2]
