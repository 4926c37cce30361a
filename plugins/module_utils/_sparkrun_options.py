# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The words behind `vllm serve` as the `arguments` of a recipe.

Facts about vLLM's parser, read in 0.21.0 and 0.32.0 (utils/argparse_utils.py, engine/arg_utils.py): `_` and `-` are the same in an option's
name; of an option that is given twice the later counts; `--option.key value`, also of a short option, sets one key of a JSON argument,
`--option.key+ a,b` adds to a list, and dotted keys together replace a JSON text for the same option; `-O3` is `--optimization-level 3`.
"""

from __future__ import annotations

import json
import re
import typing as t

from ._recipe import RESERVED_ARGUMENTS
from ._sparkrun_report import Report, SparkrunError, one_line
from ._vllm_options import Vllm

_SHORT = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "dcp": "decode-context-parallel-size",
    "pcp": "prefill-context-parallel-size",
    "dpn": "data-parallel-rank",
    "dpr": "data-parallel-start-rank",
    "dpl": "data-parallel-size-local",
    "dpa": "data-parallel-address",
    "dpp": "data-parallel-rpc-port",
    "dpb": "data-parallel-backend",
    "dph": "data-parallel-hybrid-lb",
    "dpe": "data-parallel-external-lb",
    "ep": "enable-expert-parallel",
    "n": "nnodes",
    "r": "node-rank",
    "q": "quantization",
    "cc": "compilation-config",
    "ac": "attention-config",
    "sc": "speculative-config",
    "dc": "diffusion-config",
    "asc": "api-server-count",
    "O": "optimization-level",
}
_PER_RANK = (
    "nnodes node-rank master-addr master-port headless data-parallel-rank data-parallel-start-rank data-parallel-address "
    "data-parallel-rpc-port data-parallel-size-local data-parallel-hybrid-lb data-parallel-external-lb"
)
_DECIDED = {
    "host": "the API listens on serve_api_address",
    "api-key": "a secret does not belong into a recipe; set serve_api_key, in a vault",
    "hf-token": "a secret does not belong into a recipe; the model is on the nodes before the start",
    **dict.fromkeys(_PER_RANK.split(), "the roles tell each rank its own"),
}
# Said for every recipe, so that the report has it in any case.
BACKEND = "distributed-executor-backend"
# vLLM takes it as a key of the other option, and refuses both.
_SIZES = ("cudagraph-capture-sizes", "compilation-config", "cudagraph_capture_sizes")
# Options that a recipe says elsewhere.
_ELSEWHERE = {"model": "model", "served-model-name": "served_name", "revision": "revision", "port": "port"}


class Given(t.NamedTuple):
    """One option: its `name` without dashes, the `keys` behind its dots, its `values`, and the `key` by which the report calls it."""

    name: str
    keys: list[str]
    values: list[str]
    key: str


class Options(t.NamedTuple):
    """`arguments` of a recipe; what has another place there (`model`, `served_name`, `revision`, `port`, as texts); what is for `lists`."""

    arguments: dict[str, t.Any]
    elsewhere: dict[str, str]
    several: list[Given]


def options(every: t.Iterable[Given], report: Report) -> Options:
    """Options as a recipe says them; what becomes of each goes into the report."""
    arguments: dict[str, t.Any] = {}
    elsewhere: dict[str, str] = {}
    dotted: dict[str, dict[str, t.Any]] = {}
    sizes: list[t.Any] = []
    several: list[Given] = []
    for given in every:
        key = given.key
        if not given.name:
            elsewhere.setdefault("model", given.values[0])
            for word in given.values[1:]:
                report.unknown(f"command: {word}", "a word that belongs to no option")
        elif given.name in _ELSEWHERE:
            if not given.values or not given.values[0]:
                raise SparkrunError(f"{key}: found no value, wanted one")
            elsewhere[_ELSEWHERE[given.name]] = given.values[0]
            for word in given.values[1:]:
                report.dropped(f"{key} {word}", "a recipe has one name for clients")
        elif given.name in _DECIDED or given.name in RESERVED_ARGUMENTS:
            report.dropped(key, _DECIDED.get(given.name, "the roles decide it"))
        elif given.name == _SIZES[0]:
            sizes = [typed(value, key) for value in given.values]
            report.mapped(key, f"arguments.{_SIZES[1]}", "which has a key for it; vLLM refuses both")
        elif len(given.values) > 1:
            several.append(given)
        elif given.values == [""]:
            report.dropped(key, "its value is empty, which is not the same as none")
        elif given.keys:
            _set(dotted.setdefault(given.name, {}), given)
            arguments[given.name] = dotted[given.name]
            report.mapped(key, f"arguments.{given.name}", "one JSON argument in place of dotted ones")
        else:
            if given.name in arguments:
                report.mapped(key, f"arguments.{given.name}", "given more than once; the last one counts")
            if given.name not in dotted:
                arguments[given.name] = typed(given.values[0], key) if given.values else True
            if given.name != BACKEND:
                report.kept(key, f"arguments.{given.name}", _note(given))
    if sizes:
        config = arguments.setdefault(_SIZES[1], {})
        if not isinstance(config, dict) or _SIZES[2] in config:
            raise SparkrunError(
                f"command: found --{_SIZES[0]} and --{_SIZES[1]} {one_line(config, 80)}, wanted one of them, or JSON without that key"
            )
        config[_SIZES[2]] = sizes
    return Options(arguments, elsewhere, several)


def lists(several: t.Iterable[Given], vllm: t.Optional[Vllm], report: Report) -> dict[str, t.Any]:
    """Those options with several values which vLLM takes so, as a recipe says them; what becomes of each goes into the report."""
    arguments: dict[str, t.Any] = {}
    for given in several:
        if vllm is not None and vllm.takes_several(given.name) and not given.keys:
            arguments[given.name] = [typed(value, given.key) for value in given.values]
            report.kept(given.key, f"arguments.{given.name}", "")
        else:
            known = f"vLLM {vllm.version} takes one value of it" if vllm else "whether this version of vLLM takes several is not known"
            report.dropped(f"{given.key} {' '.join(given.values)}", known)
    return arguments


def typed(text: str, where: str) -> t.Any:
    """A word as a recipe says it: numbers as such, JSON objects and lists as mappings and lists, anything else as text."""
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text):
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,9}\.[0-9]{1,9}", text):
        return float(text)
    if text[:1] in ("{", "["):
        return _json(text, where)
    return text


def _json(text: str, where: str) -> t.Any:
    def refused(name: str) -> t.NoReturn:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError) as error:
        raise SparkrunError(f"{where}: found {one_line(text, 80)!r}, wanted JSON in single quotes ({one_line(error)})") from error


def of_words(words: t.Sequence[str]) -> t.Iterator[Given]:
    """The words behind `serve`: options with the words behind each, the words before the first of them under an empty name."""
    current = Given("", [], [], "")
    for word in words:
        # A negative number is a value.
        if not word.startswith("-") or word == "-" or re.fullmatch(r"-[0-9.]+", word):
            current.values.append(word)
            continue
        if current.name or current.values:
            yield current
        current = _option(word)
    if current.name or current.values:
        yield current


def _option(word: str) -> Given:
    written, equals, value = word.partition("=")
    values = [value] if equals else []
    name, *keys = written.lstrip("-").split(".")
    if not written.startswith("--"):
        level = re.fullmatch(r"-O([0-9a-z]+)", written)
        if level:
            return Given(_SHORT["O"], [], [level.group(1)], f"command: {written}")
        if name not in _SHORT:
            raise SparkrunError(f"command: {one_line(word)} is not a short option that is known here, wanted the long one")
        name = _SHORT[name]
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise SparkrunError(f"command: found {one_line(word)!r}, wanted an option such as --max-model-len")
    return Given(name.replace("_", "-"), keys, values, f"command: {written}")


def _set(target: dict[str, t.Any], given: Given) -> None:
    """Set one dotted key in the mapping that stands for the option's JSON."""
    *folders, last = given.keys
    if not given.values or not all(key.rstrip("+") for key in given.keys):
        raise SparkrunError(f"{given.key}: wanted a key behind each dot, and a value")
    place: t.Any = target
    for folder in folders:
        place = place.setdefault(folder, {})
        if not isinstance(place, dict):
            raise SparkrunError(f"{given.key}: {folder} is given a value and keys, wanted one of them")
    text = given.values[0]
    if last.endswith("+"):
        listed = place.setdefault(last[:-1], [])
        if not isinstance(listed, list):
            raise SparkrunError(f"{given.key}: {last[:-1]} is given a value and parts of a list, wanted one of them")
        listed += text.split(",")
        return
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?[kKmMgGtT]", text):
        raise SparkrunError(f"{given.key}: found {text!r}, wanted the number without a unit, because JSON has none")
    words = {"true": True, "false": False, "null": None}
    place[last] = words[text] if text in words else typed(text, given.key)


def _note(given: Given) -> str:
    value = given.values[0] if given.values else ""
    if value.startswith("/cache/"):
        return "below a folder that only sparkrun mounts: bring it with layers, or mount it with container.mounts"
    if given.name == "chat-template" and value.endswith(".jinja"):
        return "a file: it must be in the image, or be brought there with layers"
    return ""
