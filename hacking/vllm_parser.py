# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `vllm serve`'s own parser says, as JSON on standard output. hacking/vllm_options runs this where vLLM can be imported.

vllm_parser.py dump           {option without dashes: what recipes/vllm/*.json hold of it}
vllm_parser.py parse < JSON   a list of command lines after `vllm serve` -> the refusal of each, null where it is accepted
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import sys
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MODULES = ("vllm.entrypoints.openai.cli_args", "vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.common.cli_args")
TYPES = {
    "int": "int",
    "float": "float",
    "str": "text",
    "loads": "json",
    "parse_dataclass": "json",
    "union_dict_and_str": "json-or-text",
    "human_readable_int": "size",
    "human_readable_int_or_auto": "size-or-auto",
}
# Options that the parser takes as JSON and that become this class later.
CLASSES = {"speculative-config": ("vllm.config", "SpeculativeConfig")}


def cli_args() -> Any:
    """The module that makes the parser, which has moved twice."""
    for name in MODULES:
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    raise SystemExit(f"vLLM has none of {', '.join(MODULES)}: look where make_arg_parser is now")


def make_parser(module: Any) -> Any:
    """The real parser."""
    utilities = importlib.import_module("vllm.utils.argparse_utils")
    return module.make_arg_parser(utilities.FlexibleArgumentParser(prog="vllm serve"))


def innermost(function: Any) -> Any:
    """The function that vLLM's wrappers for optional values and better messages are around."""
    while getattr(function, "__closure__", None):
        inner = [cell.cell_contents for cell in function.__closure__ if callable(cell.cell_contents)]
        if not inner or function.__name__ == "parse_dataclass":
            break
        function = inner[0]
    return function


def literals(hint: Any) -> list[Any] | None:
    """The values that an annotation allows; None where it allows others than those it names."""
    if get_origin(hint) is Literal:
        return [value for part in get_args(hint) for value in (literals(part) or [part])]
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        parts = [literals(part) for part in get_args(hint) if part is not type(None)]
        return None if None in parts else [value for part in parts for value in part or []]
    return None


def keys(kind: Any) -> dict[str, list[str] | None]:
    """{key of a JSON argument: its choices or None}."""
    hints = get_type_hints(kind, include_extras=True)
    found: dict[str, list[str] | None] = {}
    for field in dataclasses.fields(kind):
        # What vLLM fills in itself is not validated.
        if field.init and "SkipValidation" not in repr(hints[field.name]):
            choices = literals(hints[field.name])
            found[field.name] = sorted(map(str, choices)) if choices else None
    return dict(sorted(found.items()))


def described(action: argparse.Action, name: str, spellings: set[str]) -> dict[str, Any]:
    """One line of the file; what is usual is left out of it."""
    switch = f"--no-{name}" in spellings
    kind = "value" if action.nargs != 0 else "switch" if switch else "flag"
    usual = {f"--{name}", *([f"--no-{name}"] if switch else [])}
    entry: dict[str, Any] = {"kind": kind, "also": sorted(spellings - usual)}
    if kind == "value":
        function = innermost(action.type)
        # Adapters are given as NAME=PATH or as JSON, which that action tells apart itself.
        adapters = type(action).__name__ == "LoRAParserAction"
        entry["type"] = "json-or-text" if adapters else TYPES.get(getattr(function, "__name__", ""), "text")
        entry["nargs"] = action.nargs
        entry["repeats"] = isinstance(action, argparse._AppendAction)
        entry["choices"] = [str(choice) for choice in action.choices] if action.choices else None
        place = CLASSES.get(name)
        defaults = getattr(function, "__defaults__", None) or ()
        config = getattr(importlib.import_module(place[0]), place[1]) if place else next(filter(dataclasses.is_dataclass, defaults), None)
        entry["keys"] = keys(config) if config else None
    return {key: value for key, value in entry.items() if value and (key, value) != ("type", "text")}


def dump(parser: Any) -> dict[str, Any]:
    """Every option but --help; the model, which has no dashes, is none."""
    found = {}
    for action in parser._actions:
        # Some spellings are accepted and no longer shown: those are only in the table by which the parser finds its options.
        spellings = {word for word, known in parser._option_string_actions.items() if known is action}
        if action.option_strings and not isinstance(action, argparse._HelpAction):
            name = next(word for word in action.option_strings if word.startswith("--"))[2:]
            found[name] = described(action, name, spellings)
    return dict(sorted(found.items()))


def refusal(module: Any, parser: Any, words: list[str]) -> str | None:
    """What the parser says to a command line, and what vLLM checks right after it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            module.validate_parsed_serve_args(parser.parse_args(words))
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1]
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def main(words: list[str]) -> Any:
    """What is printed."""
    with contextlib.redirect_stdout(sys.stderr):  # vLLM logs to where the answer goes
        module = cli_args()
        parser = make_parser(module)
        if words == ["dump"]:
            return dump(parser)
        return [refusal(module, parser, line) for line in json.load(sys.stdin)]


if __name__ == "__main__":
    answer = main(sys.argv[1:])
    print(json.dumps(answer))
