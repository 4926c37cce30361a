# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import struct
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import (
    _safetensors,
    _snapshot,
    _snapshot_cache,
    _snapshot_problem,
    _snapshot_weights,
)

COMMIT = "60d8d70770c6776ff598c94bb586a859a38244f1"
REPO = "deepseek-ai/DeepSeek-V4-Flash"
FOLDER = "models--deepseek-ai--DeepSeek-V4-Flash"
SHARDS = {f"model-0000{number}-of-00003.safetensors": {f"layer.{number}.a": 40, f"layer.{number}.b": 24} for number in (1, 2, 3)}
CONFIG = {"num_attention_heads": 64, "model_type": "deepseek_v4"}


def safetensors(tensors: dict[str, int]) -> bytes:
    """A weight file that holds tensors of these numbers of bytes."""
    header: dict[str, t.Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, size in tensors.items():
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def index(total: t.Optional[int] = 192) -> bytes:
    weight_map = {tensor: shard for shard, tensors in SHARDS.items() for tensor in tensors}
    return json.dumps({"metadata": {} if total is None else {"total_size": total}, "weight_map": weight_map}).encode()


def contents() -> dict[str, bytes]:
    files = {name: safetensors(tensors) for name, tensors in SHARDS.items()}
    return {**files, "config.json": json.dumps(CONFIG).encode(), "model.safetensors.index.json": index()}


def flat(directory: Path, **changes: t.Optional[bytes]) -> Path:
    """A model in a directory; `changes` replace files, None leaves them out."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in {**contents(), **changes}.items():
        if content is not None:
            (directory / name).write_bytes(content)
    return directory


def cache(home: Path, ref: t.Optional[str] = COMMIT, hub: str = "hub") -> Path:
    """A Hugging Face cache with one snapshot, as huggingface_hub lays it out."""
    repo = home / hub / FOLDER
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    (repo / "refs").mkdir()
    if ref is not None:
        (repo / "refs" / "main").write_text(ref)
    for number, (name, content) in enumerate(contents().items()):
        (repo / "blobs" / f"e7a6{number}").write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/e7a6{number}")
    return home


def inspect(path: t.Optional[Path] = None, home: t.Optional[Path] = None, revision: str = "main", repo: str = REPO) -> dict[str, t.Any]:
    try:
        place = _snapshot_cache.of_directory(str(path)) if path else _snapshot_cache.of_cache(str(home), repo, revision)
    except _snapshot_cache.NotThere as missing:
        return _snapshot.nothing(missing.root, missing.problem)
    return _snapshot.inspect(*place)


def kinds(result: dict[str, t.Any]) -> list[tuple[str, str]]:
    assert result["complete"] is not bool(result["problems"])
    assert {problem["kind"] for problem in result["problems"]} <= set(_snapshot_problem.KINDS)
    assert all(problem["found"] and problem["wanted"] for problem in result["problems"])
    return [(problem["file"], problem["kind"]) for problem in result["problems"]]


def test_whole_model_in_a_cache_is_complete(tmp_path: Path) -> None:
    result = inspect(home=cache(tmp_path))
    size = sum(len(content) for content in contents().values())
    assert result == {
        "complete": True,
        "problems": [],
        "bytes": size,
        "weight_bytes": sum(len(safetensors(tensors)) for tensors in SHARDS.values()),
        "shards": 3,
        "root": str(tmp_path / "hub" / FOLDER / "snapshots" / COMMIT),
        "revision": COMMIT,
        "links": "relative",
        "mounts": [str(tmp_path)],
        "heads": 64,
        "model_type": "deepseek_v4",
        "draft": None,
    }


def test_whole_model_in_a_directory_is_complete(tmp_path: Path) -> None:
    result = inspect(flat(tmp_path / "model"))
    assert (result["complete"], result["links"], result["revision"], result["mounts"]) == (True, "none", None, [str(tmp_path / "model")])


def test_snapshot_given_as_a_directory_knows_its_commit_and_its_blobs(tmp_path: Path) -> None:
    repo = cache(tmp_path) / "hub" / FOLDER
    result = inspect(repo / "snapshots" / COMMIT)
    assert (result["complete"], result["revision"], result["mounts"]) == (True, COMMIT, [str(repo)])


def test_model_in_one_file_needs_no_index(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(safetensors({"a": 8}))
    result = inspect(tmp_path)
    assert (result["complete"], result["shards"], result["heads"], result["model_type"]) == (True, 1, None, None)


def truncated(name: str, by: int) -> bytes:
    return contents()[name][:-by]


FIRST, SECOND, THIRD = SHARDS
INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({SECOND: None}, [(SECOND, "file-missing")]),
        ({"config.json": None}, [("config.json", "file-missing")]),
        ({"config.json": b"{"}, [("config.json", "json-invalid")]),
        ({"config.json": b"[]"}, [("config.json", "json-invalid")]),
        ({INDEX: None}, [(INDEX, "file-missing")]),
        ({INDEX: b""}, [(INDEX, "json-invalid")]),
        ({INDEX: b'{"weight_map": {}}'}, [(INDEX, "json-invalid")]),
        ({INDEX: b'{"weight_map": {"a": "../other.safetensors"}}'}, [(INDEX, "json-invalid")]),
        ({INDEX: index(total=193)}, [(INDEX, "total-differs")]),
        ({INDEX: index(total=None)}, []),
        ({INDEX: index(total=sum(len(safetensors(tensors)) for tensors in SHARDS.values()))}, []),
        ({THIRD: truncated(THIRD, 1)}, [(THIRD, "size-differs")]),
        ({THIRD: contents()[THIRD] + b"\0"}, [(THIRD, "size-differs")]),
        ({THIRD: contents()[THIRD][:30]}, [(THIRD, "size-differs")]),
        ({THIRD: contents()[THIRD][:7]}, [(THIRD, "size-differs")]),
        ({THIRD: b""}, [(THIRD, "size-differs")]),
        ({THIRD: struct.pack("<Q", 100_000_001) + bytes(64)}, [(THIRD, "header-invalid")]),
        ({THIRD: struct.pack("<Q", 4) + b"nope"}, [(THIRD, "header-invalid")]),
        ({THIRD: struct.pack("<Q", 2) + b"[]"}, [(THIRD, "header-invalid")]),
        ({THIRD: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"}, [(THIRD, "header-invalid")]),
        ({THIRD: safetensors({"layer.3.a": 64})}, [(THIRD, "tensor-missing")]),
        ({FIRST: None, THIRD: truncated(THIRD, 9), "config.json": None}, [
            ("config.json", "file-missing"), (FIRST, "file-missing"), (THIRD, "size-differs"),
        ]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, changes: dict[str, t.Optional[bytes]], expected: list[tuple[str, str]]) -> None:
    assert kinds(inspect(flat(tmp_path, **changes))) == expected


def test_truncated_shard_is_told_with_both_lengths(tmp_path: Path) -> None:
    whole = len(contents()[THIRD])
    (problem,) = inspect(flat(tmp_path, **{THIRD: truncated(THIRD, 5)}))["problems"]
    assert problem == {
        "file": THIRD,
        "kind": "size-differs",
        "found": f"{whole - 5} bytes",
        "wanted": f"{whole} bytes, as the file's header says",
    }


def test_only_the_header_of_a_shard_is_read(tmp_path: Path) -> None:
    """A sparse file of 3.5 GB has the right length; reading it would show in memory and time."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [3_500_000_000], "data_offsets": [0, 3_500_000_000]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(path, 8 + len(header) + 3_500_000_000)
    assert _safetensors.read_header(str(path)).tensors == {"a": 3_500_000_000}


def test_dangling_links_are_told_once_each(tmp_path: Path) -> None:
    blobs = cache(tmp_path) / "hub" / FOLDER / "blobs"
    snapshot = blobs.parent / "snapshots" / COMMIT
    (snapshot / "tokenizer.json").symlink_to("../../blobs/gone")
    for name in ("config.json", SECOND):
        (snapshot / name).resolve().unlink()
    result = inspect(home=tmp_path)
    assert kinds(result) == [("config.json", "link-dangling"), (SECOND, "link-dangling"), ("tokenizer.json", "link-dangling")]
    assert "../../blobs/gone" in result["problems"][2]["found"]


def test_link_in_a_circle_is_unreadable(tmp_path: Path) -> None:
    flat(tmp_path, **{"config.json": None})
    (tmp_path / "config.json").symlink_to("config.json")
    assert ("config.json", "unreadable") in kinds(inspect(tmp_path))


def test_link_to_the_directory_above_is_not_followed_for_ever(tmp_path: Path) -> None:
    flat(tmp_path)
    (tmp_path / "again").symlink_to(".")
    result = inspect(tmp_path)
    assert (result["complete"], result["links"]) == (True, "relative")
    assert result["bytes"] == sum(len(content) for content in contents().values())


def test_absolute_links_and_a_hub_on_another_disk_are_told_as_mounts(tmp_path: Path) -> None:
    cache(tmp_path / "disk", hub="hub")
    home = tmp_path / "home"
    home.mkdir()
    (home / "hub").symlink_to(tmp_path / "disk" / "hub")
    shard = tmp_path / "disk" / "hub" / FOLDER / "snapshots" / COMMIT / THIRD
    elsewhere = tmp_path / "copy" / THIRD
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(contents()[THIRD])
    shard.unlink()
    shard.symlink_to(elsewhere)
    result = inspect(home=home)
    assert (result["complete"], result["links"]) == (True, "absolute")
    assert result["mounts"] == [str(home), str(tmp_path / "disk" / "hub"), str(tmp_path / "copy")]


def test_link_that_no_container_can_follow_is_told(tmp_path: Path) -> None:
    (flat(tmp_path) / "LICENSE").symlink_to("/proc/version")
    assert kinds(inspect(tmp_path)) == [("LICENSE", "link-unmountable")]


def test_hidden_directories_beside_a_model_are_no_part_of_it(tmp_path: Path) -> None:
    flat(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "lost").symlink_to("nowhere")
    assert inspect(tmp_path)["complete"] is True


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (flat(tmp_path) / SECOND).chmod(0)
    assert kinds(inspect(tmp_path)) == [(SECOND, "unreadable")]


def test_weight_file_that_is_a_directory_is_unreadable(tmp_path: Path) -> None:
    (flat(tmp_path, **{SECOND: None}) / SECOND).mkdir()
    assert kinds(inspect(tmp_path)) == [(SECOND, "unreadable")]


def unfinished(repo: Path, name: str) -> None:
    (repo / "blobs" / name).write_bytes(b"half")


def test_unfinished_download_of_the_only_snapshot_is_told(tmp_path: Path) -> None:
    repo = cache(tmp_path) / "hub" / FOLDER
    unfinished(repo, "beef.incomplete")
    assert kinds(inspect(home=tmp_path)) == [(str(repo / "blobs" / "beef.incomplete"), "download-incomplete")]


def test_unfinished_download_that_was_overtaken_is_not_told(tmp_path: Path) -> None:
    repo = cache(tmp_path) / "hub" / FOLDER
    unfinished(repo, "e7a60.1f2e.incomplete")
    assert inspect(home=tmp_path)["complete"] is True


def test_unfinished_download_of_another_snapshot_is_not_told(tmp_path: Path) -> None:
    repo = cache(tmp_path) / "hub" / FOLDER
    (repo / "snapshots" / "1234").mkdir()
    unfinished(repo, "beef.incomplete")
    assert inspect(home=tmp_path)["complete"] is True


def test_unfinished_download_that_a_link_waits_for_is_told_whatever_other_snapshots_there_are(tmp_path: Path) -> None:
    repo = cache(tmp_path) / "hub" / FOLDER
    (repo / "snapshots" / "1234").mkdir()
    (repo / "snapshots" / COMMIT / "tokenizer.json").symlink_to("../../blobs/beef")
    unfinished(repo, "beef.incomplete")
    assert ("tokenizer.json", "link-dangling") in kinds(inspect(home=tmp_path))
    assert (str(repo / "blobs" / "beef.incomplete"), "download-incomplete") in kinds(inspect(home=tmp_path))


def test_unfinished_download_into_a_directory_is_told(tmp_path: Path) -> None:
    local = flat(tmp_path) / ".cache" / "huggingface" / "download"
    local.mkdir(parents=True)
    (local / "x.beef.incomplete").write_bytes(b"half")
    assert kinds(inspect(tmp_path)) == [(str(local / "x.beef.incomplete"), "download-incomplete")]


@pytest.mark.parametrize(
    ("config", "draft"),
    [
        ({}, None),
        ({"num_nextn_predict_layers": 0}, None),
        ({"num_nextn_predict_layers": "1"}, None),
        ({"num_nextn_predict_layers": 1}, "mtp"),
        ({"num_nextn_predict_layers": 1, "dspark_target_layer_ids": [40, 41, 42]}, "dspark"),
    ],
)
def test_the_draft_is_told_from_the_configuration(config: dict[str, t.Any], draft: t.Optional[str]) -> None:
    assert _snapshot_weights.draft(config) == draft
