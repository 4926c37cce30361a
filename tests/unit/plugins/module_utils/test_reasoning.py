# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _reasoning


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, None),
        ({"default-chat-template-kwargs": {"thinking": True}}, None),
        ({"reasoning-parser": "deepseek_v4"}, {"parser": "deepseek_v4", "thinking": False}),
        (
            {"reasoning-parser": "deepseek_v4", "default-chat-template-kwargs": {"thinking": True}},
            {"parser": "deepseek_v4", "thinking": True},
        ),
        (
            {"reasoning-parser": "deepseek_v3", "default-chat-template-kwargs": {"enable_thinking": True}},
            {"parser": "deepseek_v3", "thinking": True},
        ),
        ({"reasoning-parser": "deepseek_v4", "default-chat-template-kwargs": "text"}, {"parser": "deepseek_v4", "thinking": False}),
        ({"reasoning-parser": "deepseek_v4", "default-chat-template-kwargs": "3"}, {"parser": "deepseek_v4", "thinking": False}),
        (
            {"reasoning-parser": "deepseek_v4", "default-chat-template-kwargs": '{"thinking": true}'},
            {"parser": "deepseek_v4", "thinking": True},
        ),
    ],
)
def test_what_the_arguments_say(arguments: dict[str, t.Any], found: t.Optional[dict[str, t.Any]]) -> None:
    assert _reasoning.of_arguments(arguments) == found


def test_clients_of_a_model_that_thinks_are_told_how_to_stop_it() -> None:
    texts = _reasoning.hints({"parser": "deepseek_v4", "thinking": True})
    assert '"chat_template_kwargs": {"thinking": false}' in texts[0] and "thinks unless" in texts[0]
    assert "none, minimal, low, medium, high, xhigh, max" in texts[1]
    assert "leaves content empty" in texts[2]


def test_clients_of_one_that_does_not_are_told_how_to_start_it() -> None:
    texts = _reasoning.hints({"parser": "deepseek_v4", "thinking": False})
    assert '{"thinking": true}' in texts[0] and len(texts) == 2


@pytest.mark.parametrize("reasoning", [None, {"parser": "qwen3", "thinking": True}])
def test_nothing_is_said_of_what_is_not_known(reasoning: t.Optional[dict[str, t.Any]]) -> None:
    assert _reasoning.hints(reasoning) == []
