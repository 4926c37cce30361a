# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from simulation.stand_in.vllm_stand_in.options import non_default, parse


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/models/x", "--no-such-flag"], "vllm: error: unrecognized arguments: --no-such-flag\n"),
        (["serve", "/models/x"], "vllm: error: unrecognized arguments: /models/x\n"),
        (["vllm", "serve", "/models/x"], "vllm: error: unrecognized arguments: serve /models/x\n"),
        (["/models/x", "--headless", ""], "vllm: error: unrecognized arguments: \n"),
        (["/models/x", "--foo.bar", "1"], 'vllm: error: unrecognized arguments: --foo {"bar": 1}\n'),
        (["/models/x", "--kv-cache-dtype", "nvfp4_ds_mla"], "vllm serve: error: argument --kv-cache-dtype: invalid choice: 'nvfp4_ds_mla'"),
        (["/models/x", "--speculative-config", "{method:mtp}"], "Value {method:mtp} cannot be converted to <function loads at 0x"),
        (["/models/x", "--default-chat-template-kwargs", "{thinking:1}"], "invalid loads value: '{thinking:1}'"),
        (["/models/x", "--port", "http"], "invalid int value: 'http'"),
        (["/models/x", "--master-port"], "expected one argument"),
        (["/models/x", "--max-model"], "vllm serve: error: argument --max-model-len: expected one argument"),
        (["/models/x", "--max-num", "3"], "ambiguous option: --max-num could match --max-num"),
    ],
)
def test_wrong_command_line_ends_with_status_two(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_dotted_options_become_one_object() -> None:
    name = "--default-chat-template-kwargs"
    options, _ = parse(["m", f"{name}.thinking=true", f"{name}.reasoning_effort", "high"])
    assert options.default_chat_template_kwargs == {"thinking": True, "reasoning_effort": "high"}


def test_underscores_are_dashes_and_sizes_may_have_suffixes() -> None:
    options, _ = parse(["m", "--max_model_len", "1m", "--max-num-batched-tokens", "8K", "--no-enable-prefix-caching"])
    assert (options.max_model_len, options.max_num_batched_tokens, options.enable_prefix_caching) == (1000000, 8192, False)


def test_a_value_may_hold_dots() -> None:
    options, _ = parse(["m", "--host=10.0.0.1", "--master-addr", "192.168.100.11"])
    assert (options.host, options.master_addr) == ("10.0.0.1", "192.168.100.11")


def test_printed_arguments_are_those_that_differ_from_the_defaults() -> None:
    _, given = parse(["m", "--port", "8000", "--nnodes", "2", "--api-key", "secret"])
    assert non_default(given) == {"model_tag": "m", "model": "m", "nnodes": 2, "api_key": ["secret"]}
