# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay_layers

FILE = {"file": "fallbacks.py", "target": "/usr/lib/fallbacks.py"}


def normalized(layer: dict[str, t.Any]) -> dict[str, t.Any]:
    return _overlay_layers.normalized(layer, lambda file: f"hash of {file}")


def test_each_kind_of_layer_is_taken() -> None:
    layers: list[dict[str, t.Any]] = [FILE, {**FILE, "mode": "755"}, {"environment": {"A": "1", "B": ""}}, {"run": ["true", "echo 'a b'"]}]
    assert _overlay_layers.problems(layers, "layers") == []
    assert [normalized(layer) for layer in layers] == [
        {"kind": "file", "target": "/usr/lib/fallbacks.py", "mode": "0644", "sha256": "hash of fallbacks.py"},
        {"kind": "file", "target": "/usr/lib/fallbacks.py", "mode": "0755", "sha256": "hash of fallbacks.py"},
        {"kind": "environment", "variables": {"A": "1", "B": ""}},
        {"kind": "run", "lines": ["true", "echo 'a b'"]},
    ]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ("x", "layers[0]: found 'x', wanted one of file (with target), environment, run, git (with revision, target)"),
        ({}, "layers[0]: found nothing, wanted one of"),
        ({"copy": "a"}, "layers[0]: found copy, wanted one of"),
        ({"\x1f": None, "": 1, 2: 3}, "layers[0]: found '\\x1f', '', 2, wanted one of"),
        (dict.fromkeys("abcdefghijk"), "layers[0]: found a, b, c, d, e, f, g, h, wanted one of"),
        ({**FILE, "run": ["true"]}, "layers[0]: found file, target, run, wanted one of"),
        ({**FILE, "owner": "root"}, "layers[0].owner is not known beside file; known here: file, target, mode"),
        ({**FILE, "file": 3}, "layers[0].file: found 3, wanted the path"),
        ({"file": "a"}, "layers[0].target is missing, wanted the absolute path"),
        ({**FILE, "target": "usr/lib/x"}, "layers[0].target: found 'usr/lib/x', wanted the absolute path"),
        ({**FILE, "target": "/usr/../etc/x"}, "layers[0].target: found '/usr/../etc/x', wanted the absolute path"),
        ({**FILE, "target": "/usr/lib/"}, "layers[0].target: found '/usr/lib/', wanted"),
        ({**FILE, "target": "/usr/$HOME"}, "layers[0].target: found '/usr/$HOME', wanted"),
        ({**FILE, "target": "/opt/dgx-spark/nccl/libnccl.so.2"}, "is the overlay's own"),
        ({**FILE, "target": "/opt/dgx-spark"}, "is the overlay's own"),
        ({**FILE, "mode": 0o644}, "layers[0].mode: found 420, wanted three octal digits in quotes"),
        ({**FILE, "mode": "rw"}, "layers[0].mode: found 'rw', wanted"),
        ({"environment": {}}, "layers[0].environment: found {}, wanted names and values"),
        ({"environment": {"A B": "1"}}, "layers[0].environment.A B is no name"),
        ({"environment": {"A": 1}}, "layers[0].environment.A: found 1, wanted text"),
        ({"environment": {"A": "1\n2"}}, "layers[0].environment.A: found '1\\n2', wanted text of one line"),
        ({"run": "true"}, "layers[0].run: found 'true', wanted a list"),
        ({"run": []}, "layers[0].run: found [], wanted a list"),
        ({"run": ["true", "a\nUSER 0"]}, "layers[0].run[1]: found 'a\\nUSER 0', wanted a shell command of one line"),
        ({"run": [" "]}, "layers[0].run[0]: found ' ', wanted"),
    ],
)
def test_a_mistake_is_named_with_its_place(layer: t.Any, text: str) -> None:
    found = _overlay_layers.problems([layer], "layers")
    assert len(found) == 1
    assert text in found[0]


def test_something_that_is_no_list_is_named() -> None:
    assert _overlay_layers.problems({"a": 1}, "image_layers") == ["image_layers: found {'a': 1}, wanted a list"]


def test_all_mistakes_are_named_at_once() -> None:
    assert len(_overlay_layers.problems([{"run": []}, {**FILE, "target": "x", "mode": "y"}], "layers")) == 3


def test_variables_of_all_layers_are_found_in_both_forms() -> None:
    layers = [{"environment": {"A": "1"}}, FILE, normalized({"environment": {"A": "2", "B": "3"}}), {"run": ["true"]}]
    assert _overlay_layers.variables(layers) == {"A": "2", "B": "3"}


def test_value_of_a_variable_is_taken_as_it_is() -> None:
    layers = [normalized({"environment": {"A": 'a "b" $HOME \\ c'}})]
    assert _overlay_layers.instructions(layers, "") == ['ENV A="a \\"b\\" \\$HOME \\\\ c"']


def test_commands_are_run_as_root_and_the_images_user_is_put_back() -> None:
    layers = [normalized({"run": ["echo $HOME", 'echo "x"']})]
    commands = ['RUN ["/bin/sh", "-c", "echo $HOME"]', 'RUN ["/bin/sh", "-c", "echo \\"x\\""]']
    assert _overlay_layers.instructions(layers, "1000:1000") == ["USER 0", *commands, "USER 1000:1000"]
    assert _overlay_layers.instructions(layers, "") == ["USER 0", *commands]
