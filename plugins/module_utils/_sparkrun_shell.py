# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The `command` of a sparkrun recipe: placeholders, then what a shell would make of it.

Facts, read in sparkrun 0.4.2 (utils/text.py, core/recipe.py, orchestration/docker.py):
- `{key}` is replaced by the value of `defaults`, by `model`, `model_revision` or `resolved_model_path`
  (`cluster_config.resolved_model_path`, else `model`); the values may hold placeholders themselves.  What is not known is left as it is,
  and vLLM gets the braces.
- A span of braces that holds another brace is no placeholder, so JSON is written plainly.  Version 1 doubles each brace that is meant
  literally; `{{` anywhere says that the whole text does so.
- A blank behind the backslash at the end of a line is taken away.  The text is then run by `bash -c` in the container.
"""

from __future__ import annotations

import json
import re
import shlex
import typing as t

from ._sparkrun_report import SparkrunError, one_line

_BRACES = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_OPERATORS = "();<>|&\n"
# What only prepares the shell in which vLLM is started, so that it can be said before it again.
_PREPARES = ("source", ".", "cd", "ulimit")
_DEPTH = 10
_CLI = "vllm.entrypoints.cli.main"
_API_SERVER = "vllm.entrypoints.openai.api_server"
# Programs that start another one, which stands behind their options.
_WRAPPERS = ("taskset", "numactl", "nice", "ionice", "chrt", "stdbuf", "nohup")
_OTHERS = ("sglang", "spark", "atlas", "max", "trtllm-serve", "llama-server", "tokenary")


class Start(t.NamedTuple):
    """How the command starts vLLM: `program` and `command` (words before the model), `words` after them, the `shell` commands that
    prepare the shell, variables that the command sets, and the other commands, which are not converted (`skipped`)."""

    program: list[str]
    command: list[str]
    words: list[str]
    shell: list[str]
    environment: dict[str, str]
    skipped: list[str]


def text_of(value: t.Any, where: str) -> str:
    """A default as it stands in the command: mappings and lists as JSON, anything else as sparkrun writes it."""
    if isinstance(value, (dict, list)):
        try:
            return json.dumps(value, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise SparkrunError(f"{where}: found {one_line(type(value).__name__)} that is not JSON ({one_line(error)})") from error
    try:
        return str(value)
    except ValueError as error:
        raise SparkrunError(f"{where}: found a number with too many digits") from error


def substitute(template: str, values: t.Mapping[str, t.Any], where: str = "command", depth: int = _DEPTH) -> str:
    """The text with its placeholders replaced; SparkrunError for one that has no value, or that holds itself."""
    doubled = "{{" in template

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group()[0] if doubled else match.group()
        if values.get(name) is None:
            raise SparkrunError(f"{where}: {{{name}}} has no value; wanted defaults.{name}, or the value itself in its place")
        if depth == 0:
            raise SparkrunError(f"{where}: {{{name}}} holds itself; wanted a value that ends")
        return substitute(text_of(values[name], f"defaults.{name}"), values, f"defaults.{name}", depth - 1)

    return _BRACES.sub(replaced, template)


def placeholders(template: str, values: t.Mapping[str, t.Any]) -> set[str]:
    """Names of the placeholders of the text, and of those in their values."""
    found: set[str] = set()
    waiting = [template]
    while waiting:
        for match in _BRACES.finditer(waiting.pop()):
            name = match.group(1)
            if name is not None and name not in found:
                found.add(name)
                waiting.append(str(values.get(name)))
    return found


def start_of(command: str, environment: t.Mapping[str, str]) -> Start:
    """What the command runs.  `environment`: the recipe's, for `$NAME` in the words of vLLM."""
    shell: list[str] = []
    variables: dict[str, str] = {}
    skipped: list[str] = []
    found: t.Optional[tuple[list[str], list[str], list[str]]] = None
    for words in _commands(command):
        if found is not None:
            skipped.append(shlex.join(words))
            continue
        before, words = _assignments(words)
        found = _vllm(words)
        if found is not None or not words:
            variables.update(before)
        elif words[0] == "export":
            exported, rest = _assignments(words[1:])
            if rest:
                skipped.append(shlex.join(words))
            plain = {name: value for name, value in exported.items() if "$" not in value}
            variables.update(plain)
            shell += [f"export {name}={_quoted(value)}" for name, value in exported.items() if name not in plain]
        elif words[0] in _PREPARES:
            shell.append(" ".join([words[0], *map(_quoted, words[1:])]))
        else:
            skipped.append(shlex.join(words))
    if found is None:
        raise SparkrunError(f"command: found {one_line(command, 80)!r}, wanted one that starts vLLM: vllm serve MODEL --option value")
    program, start, words = found
    known = {**environment, **variables}
    return Start(program, start, [_expanded(word, known) for word in words], shell, variables, skipped)


def _commands(text: str) -> list[list[str]]:
    """The simple commands of a shell text, each as its words."""
    joined = re.sub(r"\\[ \t]*\n", " ", text)
    joined = re.sub(r"^[ \t]*#.*$", "", joined, flags=re.MULTILINE)
    lexer = shlex.shlex(joined, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise SparkrunError(f"command: {one_line(error)}; wanted each quote closed") from error
    commands: list[list[str]] = [[]]
    comment = False
    for token in tokens:
        if token and not token.strip(_OPERATORS):
            if not comment and set(token) - set("&;\n"):
                wanted = "one command, without pipes, redirections and subshells"
                raise SparkrunError(f"command: found {one_line(token.strip())!r}, wanted {wanted}")
            comment = comment and "\n" not in token
            commands.append([])
        else:
            comment = comment or token.startswith("#")
            if not comment:
                commands[-1].append(token)
    return [words for words in commands if words]


def _assignments(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Leading `NAME=value` words, and the rest; `exec` and `env` before them say nothing more."""
    found: dict[str, str] = {}
    for position, word in enumerate(words):
        match = _ASSIGNMENT.fullmatch(word)
        if match:
            found[match.group(1)] = match.group(2)
        elif word not in ("exec", "env"):
            return found, words[position:]
    return found, []


def _vllm(words: list[str]) -> t.Optional[tuple[list[str], list[str], list[str]]]:
    """(program, words before the model, words from the model on) of a command that starts vLLM."""
    name = words[0].rpartition("/")[2] if words else ""
    if len(words) > 2 and re.fullmatch(r"python[0-9.]*", name) and words[1] == "-m":
        if words[2] == _API_SERVER:
            # That server knows no workers; the command line takes the same words.
            return [*words[:2], _CLI], ["serve"], words[3:]
        if words[2].startswith("vllm.entrypoints.cli") and words[3:4] == ["serve"]:
            return words[:3], ["serve"], words[4:]
    for position, word in enumerate(words):
        if name in _WRAPPERS and word.rpartition("/")[2] == "vllm" and words[position + 1 : position + 2] == ["serve"]:
            return words[: position + 1], ["serve"], words[position + 2 :]
    # The program of an image that wraps vLLM's, such as dsv4-vllm-entrypoint, is told `serve` like it.
    if len(words) > 1 and words[1] == "serve" and name not in _OTHERS:
        return words[:1], ["serve"], words[2:]
    return None


def _quoted(value: str) -> str:
    """A word for a shell which expands the variables in it, and nothing else."""
    if re.search(r'["`\\\n]|\$\(', value):
        raise SparkrunError(f"command: found {one_line(value)!r} before vLLM is started, wanted text and variables only")
    return f'"{value}"' if "$" in value else shlex.quote(value)


def _expanded(word: str, environment: t.Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name not in environment:
            raise SparkrunError(f"command: ${name} is not in env, wanted its value there, or in its place")
        return environment[name]

    return _VARIABLE.sub(value, word)
