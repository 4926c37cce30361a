# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _git_files, _git_objects
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git import GitError
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git_objects import DamagedError, Objects
from tests.unit.plugins.git_repository import Link, Program, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


def files(repository: Repository, commit: str, folder: str = "", chosen: t.Optional[list[str]] = None) -> dict[str, tuple[str, bytes]]:
    with Objects(str(repository.folder / ".git")) as objects:
        return {file.path: (file.mode, file.content) for file in _git_files.files(objects, commit, folder, chosen)}


def refused(repository: Repository, commit: str, folder: str = "", chosen: t.Optional[list[str]] = None) -> tuple[str, str]:
    with pytest.raises(GitError) as error:
        files(repository, commit, folder, chosen)
    return error.value.part, str(error.value)


OVERLAY = {
    "recipe/overlay/vllm/envs.py": "1\n",
    "recipe/overlay/vllm/config/speculative.py": "2\n",
    "README.md": "3\n",
    "bin/run": Program("4\n"),
}


def test_folder_brings_all_that_is_below_it(repository: Repository) -> None:
    commit = repository.commit(OVERLAY)
    assert files(repository, commit, "recipe/overlay/vllm") == {"envs.py": ("0644", b"1\n"), "config/speculative.py": ("0644", b"2\n")}


def test_whole_tree_is_brought_without_a_folder(repository: Repository) -> None:
    commit = repository.commit(OVERLAY)
    assert {path: mode for path, (mode, _) in files(repository, commit).items()} == {
        path: "0755" if path == "bin/run" else "0644" for path in OVERLAY
    }


def test_chosen_files_are_below_the_folder(repository: Repository) -> None:
    commit = repository.commit(OVERLAY)
    assert list(files(repository, commit, "recipe/overlay", ["vllm/config/speculative.py"])) == ["vllm/config/speculative.py"]


def test_an_earlier_commit_is_read_as_it_was(repository: Repository) -> None:
    first = repository.commit({"a.py": "first\n"})
    repository.commit({"a.py": "second\n"})
    assert files(repository, first) == {"a.py": ("0644", b"first\n")}


def test_what_git_has_is_brought_whatever_attributes_and_filters_would_make_of_it(repository: Repository) -> None:
    repository.git("config", "filter.shout.smudge", "tr a-z A-Z")
    repository.git("config", "core.autocrlf", "true")
    repository.write({"a.py": "text $Id$\r\n"})
    repository.git("-c", "core.autocrlf=false", "add", "a.py")
    attributes = "*.py text eol=crlf ident filter=shout export-subst\nb.py export-ignore\n"
    commit = repository.commit({".gitattributes": attributes, "b.py": "$Format:%H$\n"})
    found = files(repository, commit)
    assert found["b.py"] == ("0644", b"$Format:%H$\n")
    assert found["a.py"][1] == subprocess.check_output(["git", "cat-file", "blob", f"{commit}:a.py"], cwd=repository.folder)
    assert files(repository, commit, chosen=["b.py"]) == {"b.py": ("0644", b"$Format:%H$\n")}


def test_names_that_look_like_options_or_patterns_are_names(repository: Repository) -> None:
    names = ["--help", "-n", "a*", ":(top)x", "a b", "é.py", "..x"]
    commit = repository.commit({**{f"-d/{name}": name for name in names}, "-d/ab": "no\n"})
    for name in names:
        assert files(repository, commit, "-d", [name]) == {name: ("0644", name.encode())}


def test_links_are_followed_inside_the_commit(repository: Repository) -> None:
    commit = repository.commit(
        {
            "common/run": Program("run\n"),
            "vllm/run": Link("../common/run"),
            "vllm/again": Link("./run"),
            "now": Link("vllm"),
            "vllm/through": Link("../now/../common//run"),
        }
    )
    program = ("0755", b"run\n")
    assert files(repository, commit, "now") == {"run": program, "again": program, "through": program}
    assert files(repository, commit, "", ["now/again"]) == {"now/again": program}


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/etc/passwd", "leads out of the repository"),
        ("../../etc/passwd", "leads out of the repository"),
        ("missing", "leads to nothing"),
        ("link", "leads in a circle"),
        ("../other/a.py/x", "leads to nothing"),
        ("x" * 5000, "is longer than any path"),
    ],
)
def test_link_that_leads_to_no_file_of_the_commit_is_refused(repository: Repository, target: str, why: str) -> None:
    repository.write({"other/a.py": "a\n"})
    if len(target) > 4000:
        # No file system has such a link, but git takes it.
        blob = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"], cwd=repository.folder, input=target.encode(), capture_output=True, check=True
        )
        repository.git("update-index", "--add", "--cacheinfo", f"120000,{blob.stdout.decode().strip()},vllm/link")
        repository.git("commit", "--quiet", "--message=.")
        commit = repository.git("rev-parse", "HEAD")
    else:
        commit = repository.commit({"vllm/link": Link(target)})
    for folder, chosen, part in (("vllm", None, "folder"), ("vllm", ["link"], "files[0]"), ("vllm/link", None, "folder")):
        found, text = refused(repository, commit, folder, chosen)
        assert found == part
        assert f"found vllm/link in commit {commit}, which is or passes a symbolic link that {why}, wanted a file" in text


def test_link_to_a_folder_is_refused_in_a_folder(repository: Repository) -> None:
    commit = repository.commit({"a/x.py": "1\n", "b/a": Link("../a"), "b/up": Link("..")})
    part, text = refused(repository, commit, "b")
    assert (part, "leads to a folder" in text) == ("folder", True)


def test_submodule_is_refused(repository: Repository) -> None:
    repository.write({"v/a.py": "1\n"})
    repository.git("add", "v/a.py")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},v/sub")
    repository.git("commit", "--quiet", "--message=.")
    commit = repository.git("rev-parse", "HEAD")
    assert "found v/sub, a submodule in commit" in refused(repository, commit, "v")[1]
    assert refused(repository, commit, "", ["v/sub"])[0] == "files[0]"
    assert "found no v/sub/x" in refused(repository, commit, "", ["v/sub/x"])[1]
    assert list(files(repository, commit, "v", ["a.py"])) == ["a.py"]


@pytest.mark.parametrize(
    ("folder", "chosen", "part", "text"),
    [
        ("recipe/overlays", None, "folder", "found no recipe/overlays in commit"),
        ("README.md", None, "folder", "found README.md, a file in commit"),
        ("README.md/x", None, "folder", "found no README.md/x in commit"),
        ("recipe/overlay/vllm", ["envs.py", "env.py"], "files[1]", "(env.py is missing; what is there: config, envs.py), wanted"),
        ("recipe", ["overlay"], "files[0]", "found recipe/overlay, a folder in commit"),
    ],
)
def test_what_the_commit_does_not_have_is_named(
    repository: Repository, folder: str, chosen: t.Optional[list[str]], part: str, text: str
) -> None:
    commit = repository.commit(OVERLAY)
    found, message = refused(repository, commit, folder, chosen)
    assert found == part
    assert text in message and commit in message


def test_empty_tree_is_refused(repository: Repository) -> None:
    repository.git("commit", "--quiet", "--allow-empty", "--message=.")
    assert "found no file there" in refused(repository, repository.git("rev-parse", "HEAD"))[1]


def test_too_many_files_are_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_git_files, "MOST_FILES", 3)
    commit = repository.commit({f"d/{number}": "x" for number in range(4)})
    assert refused(repository, commit)[0] == "git"
    part, text = refused(repository, commit, "d")
    assert part == "folder" and "found more than 3 files" in text and "because" in text
    assert refused(repository, commit, "d", ["0", "1", "2", "3"])[0] == "files"
    assert len(files(repository, commit, "d", ["0", "1", "2"])) == 3


@pytest.mark.parametrize("folder", ["", "d"])
def test_folders_that_hold_one_another_are_not_counted_to_the_end(repository: Repository, folder: str) -> None:
    """Ten folders in each of ten, ten levels deep: a few objects, and more files than can be counted."""
    repository.commit({"a.py": "1\n"})
    tree = repository.git("rev-parse", "HEAD^{tree}")
    for _ in range(10):
        names = "".join(f"040000 tree {tree}\t{name}\n" for name in "abcdefghid")
        made = subprocess.run(["git", "mktree"], cwd=repository.folder, input=names, capture_output=True, text=True, check=True)
        tree = made.stdout.strip()
    commit = repository.git("commit-tree", "-m.", tree)
    assert "found more than 100 files" in refused(repository, commit, folder)[1]


def test_too_much_content_is_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_git_files, "MOST_BYTES", 3 * 1024**2)
    commit = repository.commit({"a": b"x" * 1024**2, "b": b"y" * 2 * 1024**2, "c": b"z"})
    assert len(files(repository, commit, "", ["a", "b"])) == 2
    part, text = refused(repository, commit, "", ["c", "b", "a"])
    assert part == "files[0]"
    assert "with c the files of commit" in text and "more than 3 MiB" in text


def test_note_of_git_lfs_is_not_taken_for_the_file(repository: Repository) -> None:
    commit = repository.commit({"w.bin": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"})
    part, text = refused(repository, commit, "", ["w.bin"])
    assert part == "files[0]" and "w.bin is in Git LFS" in text


def test_names_of_any_bytes_are_shown_as_text(repository: Repository) -> None:
    name = b"a\x1b[31m\xff\n".decode("utf-8", "surrogateescape")
    commit = repository.commit({f"d/{name}": "1\n"})
    _, text = refused(repository, commit, "d", ["x"])
    assert text.isprintable() and "a?[31m??" in text


def test_only_a_commit_has_a_top(repository: Repository) -> None:
    repository.commit({"a": "tree 1\n"})
    with Objects(str(repository.folder / ".git")) as objects, pytest.raises(DamagedError):
        objects.top(repository.git("rev-parse", "HEAD:a"))


def loose(repository: Repository, identity: str) -> Path:
    return repository.folder / ".git" / "objects" / identity[:2] / identity[2:]


@pytest.mark.parametrize("which", ["{0}", "{0}^{{tree}}", "{0}:d", "{0}:d/a.py"])
@pytest.mark.parametrize("other", [None, b"", b"blob", "swapped"])
def test_object_that_is_not_what_its_id_says_is_noticed(repository: Repository, which: str, other: t.Any) -> None:
    first = repository.commit({"d/a.py": "1\n"})
    second = repository.commit({"d/a.py": "2\n"})
    path = loose(repository, repository.git("rev-parse", which.format(second)))
    path.chmod(0o644)
    if other is None:
        path.unlink()
    else:
        path.write_bytes(loose(repository, repository.git("rev-parse", which.format(first))).read_bytes() if other == "swapped" else other)
    with pytest.raises(DamagedError):
        files(repository, second)
    assert files(repository, first) == {"d/a.py": ("0644", b"1\n")}


@pytest.mark.parametrize("name", [b"/etc/ld.so.preload", b"a/b", b"..", b"."])
def test_a_name_that_git_itself_never_writes_is_damage(name: bytes) -> None:
    with pytest.raises(DamagedError):
        list(_git_objects._entries(b"100644 " + name + b"\0" + bytes(20)))
    assert [found for found, _entry in _git_objects._entries(b"100644 a.b\0" + bytes(20))] == ["a.b"]
