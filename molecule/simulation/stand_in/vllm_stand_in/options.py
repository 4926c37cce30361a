# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `vllm serve`, made from a list of the real parser's options (vllm-0.21.0.json)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .shape import played

OPTIONS = Path(__file__).with_name("vllm-0.21.0.json")
# The list says nothing of types; these are the ones that a launch depends on.
INTEGERS = frozenset(
    [
        "port",
        "nnodes",
        "node_rank",
        "master_port",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "max_num_seqs",
        "block_size",
        "distributed_timeout_seconds",
        "api_server_count",
        "max_lora_rank",
        "kv_cache_memory_bytes",
    ]
)
HUMAN_INTEGERS = frozenset(["max_model_len", "max_num_batched_tokens"])
FLOATS = frozenset(["gpu_memory_utilization", "swap_space"])
JSON_VALUES = frozenset(
    [
        "default_chat_template_kwargs",
        "hf_overrides",
        "pooler_config",
        "override_generation_config",
        "model_loader_extra_config",
        "eplb_config",
        "media_io_kwargs",
        "mm_processor_kwargs",
        "speculative_config",
        "kv_transfer_config",
        "kv_events_config",
        "ec_transfer_config",
        "compilation_config",
        "attention_config",
        "reasoning_config",
        "kernel_config",
        "additional_config",
        "structured_outputs_config",
        "profiler_config",
        "weight_transfer_config",
    ]
)
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


def type_of(destination: str) -> Any:
    """The function argparse names in its messages."""
    if destination in INTEGERS:
        return int
    if destination in HUMAN_INTEGERS:
        return human_readable_int
    if destination in FLOATS:
        return float
    if destination == "speculative_config":
        return optional_json
    return json.loads if destination in JSON_VALUES else str


def add_option(parser: argparse.ArgumentParser, names: list[str], nargs: Any, choices: Any, kind: str) -> None:
    """One line of the list."""
    destination = names[0].lstrip("-").replace("-", "_")
    words: dict[str, Any] = {"default": argparse.SUPPRESS}
    if names[0] == "model_tag":
        parser.add_argument("model_tag", nargs="?", default=argparse.SUPPRESS)
        return
    if kind == "_StoreTrueAction":
        words["action"] = "store_true"
    elif kind == "BooleanOptionalAction":
        words["action"] = argparse.BooleanOptionalAction
        names = [name for name in names if not name.startswith("--no-")]
    else:
        words["type"] = type_of(destination)
        words["action"] = "append" if kind == "_AppendAction" else "store"
        if nargs:
            words["nargs"] = nargs
        if choices:
            words["choices"] = [words["type"](choice) for choice in choices]
    parser.add_argument(*names, **words)


def make_parser() -> argparse.ArgumentParser:
    """As `vllm serve`: the same options, the same refusals, exit status 2."""
    parser = argparse.ArgumentParser(prog="vllm serve", usage="vllm serve [model_tag] [options]")
    for names, nargs, choices, kind in json.loads(OPTIONS.read_text())["options"]:
        if "--kv-cache-dtype" in names:
            choices = sorted([*choices, *played().kv_cache_dtypes])
        if kind != "_HelpAction":
            add_option(parser, names, nargs, choices, kind)
    return parser


def value_of(text: str) -> Any:
    """What stands behind a dotted option: JSON if it is, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


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
