# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 16 and 21: weights that the loader does not know, and answers whose content is empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.acceptance.harness import Playbooks
from tests.acceptance.traps.by_hand import LOCKING, ByHand
from tests.acceptance.traps.evidence import Trap

DSPARK = "/srv/DeepSeek-V4-Flash-DSpark"
HI = {"model": "deepseek-v4-flash", "max_tokens": 18, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def dspark(nodes: dict[str, Any]) -> Iterator[str]:
    """A flat folder with DSpark's weights: the last layers are the draft."""
    snapshot = "/home/nvidia/.cache/huggingface/hub/models--deepseek-ai--DeepSeek-V4-Flash/snapshots/*"
    for node in nodes.values():
        node.check_output(f"mkdir --parents {DSPARK} && cp --dereference {snapshot}/* {DSPARK}")
        node.check_output(f'sed --in-place \'s/"model_type"/"dspark_target_layer_ids": [1, 2, 3], &/\' {DSPARK}/config.json')
    yield DSPARK
    for node in nodes.values():
        node.check_output(f"rm --recursive {DSPARK}")


def test_16_weights_that_the_method_can_not_load_are_refused_before_the_start(ours: Playbooks, by_hand: ByHand, dspark: str) -> None:
    trap = Trap(16)
    options = (*LOCKING, "--volume", f"{dspark}:{dspark}")
    by_hand.start_both(options=options, entrypoint=("/usr/local/bin/dsv4-vllm-entrypoint", "serve", dspark))
    log = by_hand.says(0, "Engine core initialization failed")
    trap.red(
        "docker run with DSpark's weights and method mtp",
        log,
        r"mtp\.py\", line 448, in load_weights",
        r"params_dict\[name\]",
        "KeyError: ",
    )
    run = ours.deploy("-e", f"model_directory={dspark}")
    failed = sorted((event for event in run.failures if event["outcome"] == "failed"), key=lambda event: str(event["host"]))
    assert run.code != 0 and run.changed == set() and failed, run.output[-3000:]
    pattern = "brings the draft dspark for speculative decoding, and the method of speculative-config is mtp, wanted dspark"
    trap.green(f"deploy_dsv4.yml -e model_directory={dspark}", str(failed[0]["message"]), pattern)


def test_21_clients_are_told_how_to_turn_thinking_off(ours: Playbooks, ask: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    trap = Trap(21)
    refused = ask(body={**HI, "reasoning_effort": "non-think"})
    said = f"HTTP {refused['status']}: {refused['body']}"
    trap.red(
        'a request with "reasoning_effort": "non-think"',
        said,
        "^HTTP 400: .*Input should be 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max'",
    )
    empty = ask(body={**HI, "reasoning_effort": "none"})
    message = json.loads(empty["body"])["choices"][0]["message"]
    trap.red(
        'a request with "reasoning_effort": "none"',
        f"content {json.dumps(message['content'])}, reasoning {message['reasoning']}",
        "^content null, reasoning The fabric",
    )
    full = ask(body={**HI, "chat_template_kwargs": {"thinking": False}})
    message = json.loads(full["body"])["choices"][0]["message"]
    trap.green(
        'a request with "chat_template_kwargs": {"thinking": false}',
        f"content {message['content']}, reasoning {json.dumps(message['reasoning'])}",
        "^content The fabric .*, reasoning null$",
    )
    shown = ours.run("playbooks/status.yml", "-e", f"status_file={tmp_path}/status.json").succeeded()
    lines = "\n".join(json.loads((tmp_path / "status.json").read_text())["clients"])
    assert "Clients: " in shown.output
    trap.green(
        "status.yml",
        lines,
        'thinks unless a request says "chat_template_kwargs": {"thinking": false}',
        "reasoning_effort is one of none, minimal",
    )
