# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of a sparkrun recipe: placeholders, shell, options."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _sparkrun_options, _sparkrun_shell
from ansible_collections.dgx_spark.vllm.plugins.module_utils._sparkrun_report import Report, SparkrunError

SUBSTITUTED = [
    ("{a}-{b}", {"a": 1, "b": "x"}, "1-x"),
    ("{a}", {"a": "<{b}>", "b": "deep"}, "<deep>"),
    ('{"a":{"b":{n}}}', {"n": 2}, '{"a":{"b":2}}'),
    ('{{"a":{{"b":{n}}}}}', {"n": 2}, '{"a":{"b":2}}'),
    ('{"a": "{n}"}', {"n": "x"}, '{"a": "x"}'),
    ("{j}", {"j": {"a": [1]}}, '{"a":[1]}'),
    ("{j}", {"j": '{{"a": 1}}'}, '{"a": 1}'),
    ("{ } {1} {}", {}, "{ } {1} {}"),
]


@pytest.mark.parametrize(("template", "values", "text"), SUBSTITUTED)
def test_placeholders_are_replaced_and_json_is_left(template: str, values: dict[str, Any], text: str) -> None:
    assert _sparkrun_shell.substitute(template, values) == text


def circle() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


UNRESOLVED: list[tuple[str, dict[str, Any], str]] = [
    ("--x {gone}", {"here": 1}, "command: {gone} has no value; wanted defaults.gone"),
    ("--x {none}", {"none": None}, "command: {none} has no value"),
    ("--x {a}", {"a": "{b}"}, "defaults.a: {b} has no value"),
    ("--x {a}", {"a": "y{a}"}, "{a} holds itself"),
    ("--x {a}", {"a": circle()}, "defaults.a: found list that is not JSON"),
    ("--x {a}", {"a": {1: object()}}, "defaults.a: found dict that is not JSON"),
    ("--x {a}", {"a": 10**5000}, "defaults.a: found a number with too many digits"),
]


@pytest.mark.parametrize(("template", "values", "wanted"), UNRESOLVED)
def test_a_placeholder_without_a_text_is_named(template: str, values: dict[str, Any], wanted: str) -> None:
    with pytest.raises(SparkrunError) as refused:
        _sparkrun_shell.substitute(template, values)
    assert wanted in str(refused.value)


STARTED = [
    ("vllm serve m --a", ["vllm"], ["serve"], ["m", "--a"]),
    ("exec /opt/bin/vllm serve m", ["/opt/bin/vllm"], ["serve"], ["m"]),
    ("taskset -c 5-9,15-19 vllm serve m", ["taskset", "-c", "5-9,15-19", "vllm"], ["serve"], ["m"]),
    ("env A=1 B=2 vllm serve m", ["vllm"], ["serve"], ["m"]),
    ("exec /usr/local/bin/dsv4-vllm-entrypoint serve m", ["/usr/local/bin/dsv4-vllm-entrypoint"], ["serve"], ["m"]),
    (
        "python3 -m vllm.entrypoints.openai.api_server --model m",
        ["python3", "-m", "vllm.entrypoints.cli.main"],
        ["serve"],
        ["--model", "m"],
    ),
    ("python -m vllm.entrypoints.cli.main serve m", ["python", "-m", "vllm.entrypoints.cli.main"], ["serve"], ["m"]),
    ("vllm serve m \\\n  --a 'x y' \\  \n  --b=\"1\" # and no more\n", ["vllm"], ["serve"], ["m", "--a", "x y", "--b=1"]),
    ("# first\n\n  vllm serve m --a x#y\n", ["vllm"], ["serve"], ["m", "--a", "x#y"]),
    ("vllm serve m --a $FROM/${FROM}", ["vllm"], ["serve"], ["m", "--a", "env/env"]),
]


@pytest.mark.parametrize(("command", "program", "before", "words"), STARTED)
def test_the_start_of_vllm_is_found(command: str, program: list[str], before: list[str], words: list[str]) -> None:
    start = _sparkrun_shell.start_of(command, {"FROM": "env"})
    assert (start.program, start.command, start.words, start.shell, start.skipped) == (program, before, words, [], [])


def test_what_is_around_the_start_is_told_apart() -> None:
    start = _sparkrun_shell.start_of("set -e; source /opt/env/bin/activate && cd '/a b'\npip install x\nA=1 vllm serve m & wait", {})
    assert start.shell == ["source /opt/env/bin/activate", "cd '/a b'"]
    assert start.skipped == ["set -e", "pip install x", "wait"]
    assert start.environment == {"A": "1"}


NOT_STARTED = [
    ("", "wanted one that starts vLLM"),
    ("echo hello", "found 'echo hello', wanted one that starts vLLM"),
    ("vllm bench serve", "wanted one that starts vLLM"),
    ("sglang serve m", "wanted one that starts vLLM"),
    ("/opt/bin/trtllm-serve serve m", "wanted one that starts vLLM"),
    ("llama-server -hf m", "wanted one that starts vLLM"),
    ("vllm serve m | tee log", "found '|', wanted one command"),
    ("vllm serve m > log 2>&1", "found '>', wanted one command"),
    ("vllm serve $(cat m)", "found '(', wanted one command"),
    ("vllm serve 'm", "wanted each quote closed"),
    ("vllm serve m --a $GONE", "command: $GONE is not in env"),
    ('export A="`date`" B="$A`x`"; vllm serve m', "before vLLM is started, wanted text and variables only"),
]


@pytest.mark.parametrize(("command", "wanted"), NOT_STARTED)
def test_what_is_no_start_of_vllm_is_named(command: str, wanted: str) -> None:
    with pytest.raises(SparkrunError) as refused:
        _sparkrun_shell.start_of(command, {})
    assert wanted in str(refused.value)


def options(*words: str) -> tuple[_sparkrun_options.Options, list[dict[str, str]]]:
    report = Report()
    return _sparkrun_options.options(_sparkrun_options.of_words(words), report), report.entries


OPTIONS = [
    (["--max_model_len", "5"], {"max-model-len": 5}),
    (["--a", "-1", "--b", "-0.5", "--c=-x"], {"a": -1, "b": -0.5, "c": "-x"}),
    (
        ["--a", "0.90", "--b", "1e3", "--c", "007", "--d", "128k", "--e", "true"],
        {"a": 0.9, "b": "1e3", "c": "007", "d": "128k", "e": "true"},
    ),
    (["-tp=2", "-pp", "3", "-ep"], {"tensor-parallel-size": 2, "pipeline-parallel-size": 3, "enable-expert-parallel": True}),
    (["-O3"], {"optimization-level": 3}),
    (["-O", "2"], {"optimization-level": 2}),
    (["--a", "1", "--a", "2"], {"a": 2}),
    (["--a", "[1, 2]", "--b", '{"x": null}'], {"a": [1, 2], "b": {"x": None}}),
    (["--a.b.c", "1", "--a.d=true", "--a.e", "null", "--a.f", "1x"], {"a": {"b": {"c": 1}, "d": True, "e": None, "f": "1x"}}),
    (["-cc.mode=3", "-cc.ops+", "x", "-cc.ops+=y,z"], {"compilation-config": {"mode": 3, "ops": ["x", "y", "z"]}}),
    (["--a.b", "1", "--a", '{"c": 2}'], {"a": {"b": 1}}),
    (["--a", '{"c": 2}', "--a.b", "1"], {"a": {"b": 1}}),
    (["--cudagraph-capture-sizes", "1", "2"], {"compilation-config": {"cudagraph_capture_sizes": [1, 2]}}),
    (["--data-parallel-rank", "1", "-dpa", "10.0.0.1", "--headless", "-n", "2"], {}),
]


@pytest.mark.parametrize(("words", "arguments"), OPTIONS)
def test_words_become_arguments_as_vllm_takes_them(words: list[str], arguments: dict[str, Any]) -> None:
    assert options("m", *words)[0].arguments == arguments


def test_what_is_said_elsewhere_is_no_argument() -> None:
    given, report = options("m", "stray", "--port", "8000", "--revision=abc", "--served-model-name", "one", "two")
    assert given == _sparkrun_options.Options({}, {"model": "m", "port": "8000", "revision": "abc", "served_name": "one"}, [])
    assert [(entry["what"], entry["key"]) for entry in report] == [
        ("unknown", "command: stray"),
        ("dropped", "command: --served-model-name two"),
    ]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--a", "{1}"], "command: --a: found '{1}', wanted JSON in single quotes"),
        (["--a", "[NaN]"], "NaN is no JSON"),
        (["--a", "[" * 100000], "wanted JSON"),
        (["-cc", '{"cudagraph_capture_sizes":[1]}', "--cudagraph-capture-sizes", "1"], "wanted one of them"),
        (["-cc", "3", "--cudagraph-capture-sizes", "1"], "wanted one of them"),
        (["--port"], "command: --port: found no value"),
        (["-xyz"], "command: -xyz is not a short option"),
        (["--"], "found '--', wanted an option"),
        (["--9"], "found '--9', wanted an option"),
        (["--a.b"], "command: --a.b: wanted a key behind each dot, and a value"),
        (["--a..b", "1"], "wanted a key behind each dot"),
        (["--a.b", "1", "--a.b.c", "2"], "command: --a.b.c: b is given a value and keys"),
        (["--a.b", "1", "--a.b+", "2"], "command: --a.b+: b is given a value and parts of a list"),
        (["--a.b", "8k"], "command: --a.b: found '8k', wanted the number without a unit"),
    ],
)
def test_an_option_that_vllm_would_not_take_is_named(words: list[str], wanted: str) -> None:
    with pytest.raises(SparkrunError) as refused:
        options("m", *words)
    assert wanted in str(refused.value)
