# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `vllm serve`, made from a list of the real parser's options."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .shape import played

DEFAULTS: dict[str, Any] = {
    "api_key": None,
    "block_size": 16,
    "default_chat_template_kwargs": None,
    "distributed_timeout_seconds": None,
    "enable_flashinfer_autotune": False,
    "fail_on_environ_validation": False,
    "headless": False,
    "api_server_count": None,
    "host": None,
    "kv_cache_memory_bytes": None,
    "master_addr": "127.0.0.1",
    "master_port": 29501,
    "max_model_len": 1048576,
    "model_tag": "Qwen/Qwen3-0.6B",
    "nnodes": 1,
    "node_rank": 0,
    "pipeline_parallel_size": 1,
    "data_parallel_size": 1,
    "port": 8000,
    "reasoning_parser": "",
    "revision": None,
    "served_model_name": None,
    "speculative_config": None,
    "tensor_parallel_size": 1,
}
USAGE = "usage: vllm [-h] [-v]\n            {chat,complete,serve,launch,bench,collect-env,run-batch} ..."
SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 2**10, "M": 2**20, "G": 2**30}


def human_readable_int(text: str) -> int:
    """1000000, 1m or 1M."""
    if text[-1:] in SUFFIXES:
        return int(float(text[:-1]) * SUFFIXES[text[-1]])
    return int(text)


def optional_json(text: str) -> Any:
    """JSON, or nothing where the text is empty or None."""
    if text in ("", "None"):
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"Value {text} cannot be converted to {json.loads}.") from error


def value_of(text: str) -> Any:
    """JSON if it is, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


# The functions that argparse names in its messages, by the list's word for them.
TYPES: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "size": human_readable_int,
    "size-or-auto": human_readable_int,
    "json": json.loads,
    "json-or-text": value_of,
}


def add_option(parser: argparse.ArgumentParser, name: str, option: dict[str, Any]) -> None:
    """One option of the list."""
    words: dict[str, Any] = {"default": argparse.SUPPRESS}
    if option["kind"] == "flag":
        words["action"] = "store_true"
    elif option["kind"] == "switch":
        words["action"] = argparse.BooleanOptionalAction
    else:
        words["type"] = optional_json if name == "speculative-config" else TYPES.get(option.get("type", ""), str)
        words["action"] = "append" if option.get("repeats") else "store"
        if "nargs" in option:
            words["nargs"] = option["nargs"]
        if "choices" in option:
            words["choices"] = [words["type"](choice) for choice in option["choices"]]
    parser.add_argument(f"--{name}", *option.get("also", ()), **words)


def make_parser() -> argparse.ArgumentParser:
    """As `vllm serve`: the same options, the same refusals, exit status 2."""
    parser = argparse.ArgumentParser(prog="vllm serve", usage="vllm serve [model_tag] [options]")
    parser.add_argument("model_tag", nargs="?", default=argparse.SUPPRESS)
    for name, option in played().release()["options"].items():
        if name == "kv-cache-dtype":
            option["choices"] = sorted([*option["choices"], *played().kv_cache_dtypes])
        add_option(parser, name, option)
    return parser


def undotted(words: Iterable[str]) -> list[str]:
    """`--name.a.b=c` (or `--name.a.b c`) becomes `--name {"a": {"b": "c"}}`, merged over all of a name; underscores become dashes."""
    plain: list[str] = []
    dotted: dict[str, dict[str, Any]] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("--"):
            plain.append(word)
            continue
        name = name.replace("_", "-") if "." not in name else name.split(".", 1)[0].replace("_", "-") + "." + name.split(".", 1)[1]
        if "." not in name:
            plain.append(name + equals + value)
            continue
        base, *path = name.split(".")
        place = dotted.setdefault(base, {})
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value_of(value if equals else next(rest, ""))
    for base, merged in dotted.items():
        plain += [base, json.dumps(merged)]
    return plain


def parse(words: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """All arguments with the defaults that matter here, and those that were given.  Ends the program as argparse does."""
    found, rest = make_parser().parse_known_args(undotted(words))
    if rest:  # words that nobody takes come back to the parser of `vllm` itself
        print(f"{USAGE}\nvllm: error: unrecognized arguments: {' '.join(rest)}", file=sys.stderr)
        raise SystemExit(2)
    given = vars(found)
    return argparse.Namespace(**{**DEFAULTS, **given}), given


def non_default(given: dict[str, Any]) -> dict[str, Any]:
    """What vLLM prints at its start, the API key in clear as the real one does."""
    shown = {"model_tag": given["model_tag"], "model": given["model_tag"]} if "model_tag" in given else {}
    for name, value in given.items():
        if name != "model_tag" and not (name in DEFAULTS and DEFAULTS[name] == value):
            shown[name] = value
    return shown
