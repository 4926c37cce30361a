# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._journal import MASK, Entry, lines, merge, parse_journal, previous_run, redact

TOKEN = "hf_" + "aB3" * 11


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'port': 15004, 'api_key': ['s3cret', 'other'], 'model'", f"'port': 15004, 'api_key': {MASK}, 'model'"),
        ('{"api_key": "s3cret"}', f'{{"api_key": {MASK}}}'),
        ("VLLM_API_KEY=s3cret NCCL_DEBUG=INFO", f"VLLM_API_KEY={MASK} NCCL_DEBUG=INFO"),
        ("vllm serve --api-key s3cret --port 1", f"vllm serve --api-key {MASK} --port 1"),
        ("['--api-key', 's3cret', '--port']", f"['--api-key', {MASK}, '--port']"),
        ("--api-key=s3cret", f"--api-key={MASK}"),
        ("HF_TOKEN=abc", f"HF_TOKEN={MASK}"),
        ("'hf_token': 'abc', 'hf_overrides': {}", f"'hf_token': {MASK}, 'hf_overrides': {{}}"),
        (f"token {TOKEN} is wrong", f"token {MASK} is wrong"),
        ("{'Authorization': 'Bearer s3cret'}", f"{{'Authorization': 'Bearer {MASK}'}}"),
        ("authorization: bearer s3cret", f"authorization: bearer {MASK}"),
        ("'api_key': None, 'hf_token': None", "'api_key': None, 'hf_token': None"),
        ("the API key differs from the one that was given", "the API key differs from the one that was given"),
        ("hf_transfer and hf_overrides_of_the_user_are_kept", "hf_transfer and hf_overrides_of_the_user_are_kept"),
    ],
)
def test_secrets_are_masked_and_nothing_else(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_a_given_secret_is_masked_wherever_it_stands() -> None:
    assert redact("what s3cret-open said", ["s3cret-open", ""]) == f"what {MASK} said"


def record(message: object, cursor: str = "c1", at: int = 1763774181000000, **more: str) -> str:
    return json.dumps({"MESSAGE": message, "__CURSOR": cursor, "__REALTIME_TIMESTAMP": str(at), **more})


def test_a_message_with_bytes_that_are_not_printable_is_read() -> None:
    entries = parse_journal(record(list("Laden \x1b[32m100%\x1b[0m fertig\xff".encode("latin-1"))))

    assert [line.text for line in lines(entries)] == ["Laden 100% fertig\ufffd"]


@pytest.mark.parametrize(
    "raw", ["", "-- No entries --", "{}", "[]", "null", record(None), record([]), '{"MESSAGE": "x", "__REALTIME_TIMESTAMP": "?"}']
)
def test_what_is_no_entry_is_skipped(raw: str) -> None:
    assert parse_journal(raw) == []


def test_the_time_is_in_seconds_since_the_epoch() -> None:
    assert parse_journal(record("hello", _SYSTEMD_INVOCATION_ID="ab")) == [Entry("c1", "ab", 1763774181.0, "hello")]


def test_a_field_given_twice_counts_once() -> None:
    assert parse_journal(record(["first", "second"]))[0].text == "second"


def test_a_progress_bar_becomes_a_line_for_each_state() -> None:
    entries = parse_journal(record("shards:   0%\rshards: 100% Completed\r\n\n"))

    assert [line.text for line in lines(entries)] == ["shards:   0%", "shards: 100% Completed"]


def test_batches_are_merged_by_time_and_without_doubles() -> None:
    first, second, third = Entry("a", "", 1.0, "a"), Entry("b", "", 2.0, "b"), Entry("c", "", 3.0, "c")

    assert merge([first, third], [second, third]) == [first, second, third]


def test_the_run_before_this_one_is_found() -> None:
    entries = [Entry(str(at), run, float(at), run) for at, run in enumerate(["oldest", "old", "old", "", "new", "new"])]

    assert [entry.at for entry in previous_run(entries, "new")] == [1.0, 2.0]
    assert previous_run(entries[4:], "new") == []
