# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._snapshot_cache import NotThere, Place, of_cache, of_directory

REPO = "deepseek-ai/DeepSeek-V4-Flash"
FOLDER = "models--deepseek-ai--DeepSeek-V4-Flash"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A cache with two snapshots: 0aaa is main, 1bbb is tagged v1, and pull request 7 is 1bbb as well."""
    repo = tmp_path / "hub" / FOLDER
    for commit in ("0aaa", "1bbb"):
        (repo / "snapshots" / commit).mkdir(parents=True)
    for name, commit in (("main", "0aaa\n"), ("v1", "1bbb"), ("refs/pr/7", "1bbb"), ("lost", "2ccc")):
        path = repo / "refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit)
    return repo


@pytest.mark.parametrize(
    ("revision", "commit"), [("main", "0aaa"), ("v1", "1bbb"), ("refs/pr/7", "1bbb"), ("0aaa", "0aaa"), ("1bbb", "1bbb")]
)
def test_revision_is_a_name_or_a_commit(tmp_path: Path, repo: Path, revision: str, commit: str) -> None:
    assert of_cache(str(tmp_path), REPO, revision) == Place(str(repo / "snapshots" / commit), str(tmp_path), commit, str(repo / "blobs"))


def test_cache_may_be_given_as_the_hub_itself(tmp_path: Path, repo: Path) -> None:
    assert of_cache(str(tmp_path / "hub"), REPO, "main").mount_root == str(tmp_path / "hub")


@pytest.mark.parametrize(
    ("name", "revision", "kind", "words"),
    [
        (REPO, "v2", "revision-missing", ["lost", "main", "refs/pr/7", "v1", "0aaa", "1bbb"]),
        (REPO, "../refs/main", "revision-missing", ["main"]),
        (REPO, "/etc/hostname", "revision-missing", ["main"]),
        (REPO, "lost", "snapshot-missing", ["0aaa", "1bbb"]),
        ("deepseek-ai/DeepSeek-V3", "main", "repo-missing", [REPO]),
        ("../../etc", "main", "repo-missing", [REPO]),
    ],
)
def test_what_is_missing_is_named_with_what_there_is(
    tmp_path: Path, repo: Path, name: str, revision: str, kind: str, words: list[str]
) -> None:
    with pytest.raises(NotThere) as caught:
        of_cache(str(tmp_path), name, revision)
    assert caught.value.problem.kind == kind
    assert [word for word in words if word not in caught.value.problem.found] == []


@pytest.mark.parametrize("content", ["", "..", ".", "../../../..", "/etc"])
def test_ref_that_leads_out_of_the_snapshots_is_refused(tmp_path: Path, repo: Path, content: str) -> None:
    (repo / "refs" / "main").write_text(content)
    with pytest.raises(NotThere) as caught:
        of_cache(str(tmp_path), REPO, "main")
    assert caught.value.problem.kind == "revision-missing"


def test_empty_cache_has_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotThere) as caught:
        of_cache(str(tmp_path), REPO, "main")
    assert (caught.value.problem.kind, caught.value.problem.found) == ("repo-missing", "no model")


def test_cache_and_directory_that_are_not_there_are_told(tmp_path: Path) -> None:
    for attempt in (lambda: of_cache(str(tmp_path / "no"), REPO, "main"), lambda: of_directory(str(tmp_path / "no"))):
        with pytest.raises(NotThere) as caught:
            attempt()
        assert (caught.value.problem.kind, caught.value.root) == ("directory-missing", str(tmp_path / "no"))
