# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _git, _git_cache, _git_files
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git import GitError
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git_cache import Cache
from tests.unit.plugins.git_repository import Repository

ABSENT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "git"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings, and no system's."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def contents(folder: Path, url: str, commit: str) -> dict[str, bytes]:
    files = Cache(str(folder)).read(url, commit, lambda objects: _git_files.files(objects, commit, "", None))
    return {file.path: file.content for file in files}


def refused(folder: Path, url: str, commit: str) -> tuple[str, str]:
    with pytest.raises(GitError) as error:
        contents(folder, url, commit)
    # Nothing but locks is left of it.
    assert {path.suffix for path in folder.iterdir()} == {".lock"}
    return error.value.part, str(error.value)


def entry(folder: Path) -> Path:
    (found,) = (path for path in folder.iterdir() if path.suffix != ".lock" and path.name != "files")
    return found


def test_commit_is_fetched_alone(repository: Repository, folder: Path) -> None:
    first = repository.commit({"a.py": "1\n"})
    second = repository.commit({"a.py": "2\n"})
    assert contents(folder, repository.url, second) == {"a.py": b"2\n"}
    lacking = subprocess.run(["git", f"--git-dir={entry(folder)}", "cat-file", "-e", first], capture_output=True)
    assert lacking.returncode != 0
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("url", ["{0}", "file://{0}", "{0}/.git"])
def test_commit_stays_what_it_was_when_its_branch_moves(repository: Repository, folder: Path, url: str) -> None:
    first = repository.commit({"a.py": "1\n"})
    repository.commit({"a.py": "2\n"})
    assert contents(folder, url.format(repository.url), first) == {"a.py": b"1\n"}


def test_second_read_does_not_need_the_origin(repository: Repository, folder: Path) -> None:
    commit = repository.commit({"a.py": "1\n", "b.py": "2\n"})
    both = contents(folder, repository.url, commit)
    shutil.rmtree(repository.folder)
    assert contents(folder, repository.url, commit) == both
    assert "can't be fetched" in refused_beside(folder, repository.url, ABSENT)


def refused_beside(folder: Path, url: str, commit: str) -> str:
    with pytest.raises(GitError) as error:
        contents(folder, url, commit)
    return str(error.value)


def test_commit_that_a_forced_push_took_away_is_named_unless_it_was_fetched_before(repository: Repository, folder: Path) -> None:
    repository.commit({"a.py": "1\n"})
    lost = repository.commit({"a.py": "2\n"})
    known = folder.parent / "known"
    assert contents(known, repository.url, lost) == {"a.py": b"2\n"}
    repository.git("reset", "--quiet", "--hard", "HEAD~")
    repository.forget()
    part, text = refused(folder, repository.url, lost)
    assert part == "revision"
    assert f"found no commit {lost} in {repository.url}, wanted one that a branch or tag there leads to" in text
    assert contents(known, repository.url, lost) == {"a.py": b"2\n"}


@pytest.mark.parametrize("tagged", [False, True])
def test_server_that_hands_out_branches_and_tags_only_is_asked_for_all(
    repository: Repository, folder: Path, home: Path, tagged: bool
) -> None:
    # By the older protocol a server refuses an id that no branch or tag has.
    (home / ".gitconfig").write_text("[protocol]\n\tversion = 0\n")
    first = repository.commit({"a.py": "1\n"})
    if tagged:
        repository.git("tag", "old")
        repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit({"a.py": "2\n"})
    if tagged:
        repository.git("branch", "--quiet", "--delete", "--force", "main")
        repository.commit({"a.py": "3\n"})
        first = repository.git("rev-parse", "HEAD~")
    assert contents(folder, repository.url, first) == {"a.py": b"2\n" if tagged else b"1\n"}
    assert refused_beside(folder, repository.url, ABSENT).startswith(f"found no commit {ABSENT}")


def test_id_of_something_else_is_not_taken_for_a_commit(repository: Repository, folder: Path) -> None:
    commit = repository.commit({"a.py": "1\n"})
    repository.git("tag", "--annotate", "--message=.", "v1")
    for name, kind in (("v1", "tag"), ("HEAD^{tree}", "tree"), ("HEAD:a.py", "blob")):
        identity = repository.git("rev-parse", name)
        part, text = refused(folder, repository.url, identity)
        assert part == "revision", text
        assert f"found {identity} to be a {kind} of" in text or f"found no commit {identity}" in text
        shutil.rmtree(folder)
    assert contents(folder, repository.url, commit)


def test_url_that_leads_nowhere_is_told_with_gits_words(folder: Path, tmp_path: Path) -> None:
    part, text = refused(folder, str(tmp_path / "nowhere"), ABSENT)
    assert part == "git"
    assert f"{tmp_path}/nowhere can't be fetched, wanted a repository" in text
    assert "does not appear to be a git repository" in text


def test_network_that_is_not_reached_is_told_with_gits_words(folder: Path) -> None:
    # A port of this machine on which nobody listens.
    part, text = refused(folder, "https://127.0.0.1:9/OWNER/REPO", ABSENT)
    assert part == "git"
    assert "https://127.0.0.1:9/OWNER/REPO can't be fetched" in text and "git ls-remote" in text and "127.0.0.1" in text.split("words:")[1]


def test_controller_without_git_is_told(folder: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repository.commit({"a.py": "1\n"})
    contents(folder, repository.url, commit)
    monkeypatch.setenv("PATH", str(folder))
    assert "found no program git in the PATH of the controller, wanted it" in refused_beside(folder, repository.url, commit)


def test_cache_that_cannot_be_written_is_told(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "image_git_cache" in refused_beside(tmp_path / "file" / "x", repository.url, ABSENT)
    with pytest.raises(GitError, match="image_git_cache"):
        Cache(str(tmp_path / "file")).keep(b"x")


@pytest.mark.parametrize("damage", ["no objects", "cut pack", "empty", "swapped"])
def test_damaged_entry_is_fetched_again(repository: Repository, folder: Path, damage: str) -> None:
    commit = repository.commit({"a.py": "1\n" * 1000})
    whole = contents(folder, repository.url, commit)
    found = entry(folder)
    if damage == "no objects":
        shutil.rmtree(found / "objects")
    elif damage == "cut pack":
        repack(found)
        for pack in (found / "objects" / "pack").glob("*.pack"):
            pack.chmod(0o644)
            os.truncate(pack, pack.stat().st_size // 2)
    else:
        shutil.rmtree(found)
        found.mkdir()
        if damage == "swapped":
            other = Repository(folder.parent / "other")
            other.commit({"a.py": "2\n"})
            shutil.copytree(other.folder / ".git", found, dirs_exist_ok=True)
    assert contents(folder, repository.url, commit) == whole
    shutil.rmtree(repository.folder)
    assert contents(folder, repository.url, commit) == whole


def repack(repository: Path) -> None:
    subprocess.run(["git", f"--git-dir={repository}", "repack", "-adq"], check=True)


def test_damaged_origin_is_told_and_not_believed(repository: Repository, folder: Path) -> None:
    commit = repository.commit({"a.py": "1\n"})
    identity = repository.git("rev-parse", "HEAD:a.py")
    path = repository.folder / ".git" / "objects" / identity[:2] / identity[2:]
    path.chmod(0o644)
    path.write_bytes(b"")
    assert refused(folder, repository.url, commit)[0] == "git"


def test_what_a_killed_run_left_is_cleared_away(repository: Repository, folder: Path) -> None:
    commit = repository.commit({"a.py": "1\n"})
    contents(folder, repository.url, commit)
    whole = entry(folder)
    half = Path(f"{whole}.new-1")
    half.mkdir()
    (whole.rename(half / "repository") / "HEAD").unlink()
    assert contents(folder, repository.url, commit) == {"a.py": b"1\n"}
    assert entry(folder) == whole


def test_run_that_is_killed_while_it_fetches_leaves_nothing_that_is_believed(repository: Repository, folder: Path, home: Path) -> None:
    commit = repository.commit({"a.py": "1\n"})
    begun, go = home / "begun", home / "go"
    os.mkfifo(go)
    slow = program(home / "slow", f"touch {begun}", f"read line <{go}", 'exec "$@"')
    (home / ".gitconfig").write_text(f"[uploadpack]\n\tpackObjectsHook = {slow}\n")
    process = multiprocessing.get_context("fork").Process(target=contents, args=(folder, repository.url, commit))
    process.start()
    wait_for(begun)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert [path.suffix[:5] for path in folder.iterdir() if path.is_dir()] == [".new-"]
    (home / ".gitconfig").unlink()
    assert contents(folder, repository.url, commit) == {"a.py": b"1\n"}
    # The killed run's git is let go on.
    with open(go, "w"):
        pass
    assert contents(folder, repository.url, commit) == {"a.py": b"1\n"}
    assert entry(folder).suffix == ""


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)


def _read_at_once(folder: Path, url: str, commit: str, start: t.Any, results: t.Any) -> None:
    start.wait()
    try:
        results.put(contents(folder, url, commit))
    except BaseException as error:
        results.put(repr(error))


def test_runs_at_once_fetch_once_and_read_the_same(repository: Repository, folder: Path, home: Path) -> None:
    commit = repository.commit({f"d/{number}": f"{number}\n" * 100 for number in range(50)})
    asked = home / "asked"
    note = program(home / "note", f"echo >>{asked}", 'exec "$@"')
    (home / ".gitconfig").write_text(f"[uploadpack]\n\tpackObjectsHook = {note}\n")
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(6), context.Queue()
    processes = [context.Process(target=_read_at_once, args=(folder, repository.url, commit, start, results)) for _ in range(6)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(each == found[0] for each in found) and len(found[0]) == 50
    assert asked.read_text() == "\n"


def test_hooks_and_a_foreign_repository_of_the_environment_are_not_used(
    repository: Repository, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"a.py": "1\n"})
    ran = home / "ran"
    hooks = home / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("reference-transaction", "post-checkout", "pre-auto-gc", "post-rewrite"):
        program(hooks / name, f"touch {ran}")
    (home / ".gitconfig").write_text(
        f"[init]\n\ttemplateDir = {hooks.parent}\n\tdefaultObjectFormat = sha256\n[core]\n\thooksPath = {hooks}\n"
        "[safe]\n\tbareRepository = explicit\n[fetch]\n\trecurseSubmodules = true\n"
    )
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(home / "elsewhere"))
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    assert contents(folder, repository.url, commit) == {"a.py": b"1\n"}
    assert not ran.exists() and not (home / "elsewhere").exists() and not (entry(folder) / "hooks").exists()


def test_user_is_asked_nothing_and_only_known_protocols_are_spoken() -> None:
    inherited = {
        "PATH": "/bin",
        "GIT_DIR": "/x",
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath=/x'",
        "GIT_ALLOW_PROTOCOL": "ext",
        "GIT_TERMINAL_PROMPT": "1",
        "SSH_ASKPASS": "/x",
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_CONFIG_COUNT": "0",
    }
    found = _git.environment(inherited)
    assert found["GIT_TERMINAL_PROMPT"] == "0" and found["GIT_ALLOW_PROTOCOL"] == "https:ssh:file"
    # A newer git makes a repository of another kind if the user's settings say so.
    assert found["GIT_DEFAULT_HASH"] == "sha1"
    assert found["GIT_SSH_COMMAND"] == "ssh -i key" and found["GIT_CONFIG_COUNT"] == "0" and found["PATH"] == "/bin"
    assert not {"GIT_DIR", "GIT_CONFIG_PARAMETERS", "SSH_ASKPASS"} & set(found)


def test_rewritten_url_of_another_protocol_is_refused(repository: Repository, folder: Path, home: Path) -> None:
    ran = home / "ran"
    (home / ".gitconfig").write_text(f'[url "ext::touch {ran} "]\n\tinsteadOf = https://forge/\n[protocol "ext"]\n\tallow = always\n')
    _, text = refused(folder, "https://forge/x", ABSENT)
    assert "transport 'ext' not allowed" in text and not ran.exists()


def program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def ssh(home: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Have git run these lines for ssh."""
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program(home / "ssh", *lines)))


def test_secret_that_a_user_put_into_a_rewritten_url_is_not_shown(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(home, monkeypatch, "echo cannot reach ssh://me:s3cr3t@h/r or https://s3cr3t@h/r >&2", "exit 255")
    assert "cannot reach ssh://***@h/r or https://***@h/r\n" in refused(folder, "ssh://git@forge/x", ABSENT)[1]
    (home / ".gitconfig").write_text('[url "https://me:s3cr3t@127.0.0.1:9/"]\n\tinsteadOf = https://forge/\n')
    _, text = refused(folder, "https://forge/x", ABSENT)
    assert "https://forge/x can't be fetched" in text and "s3cr3t" not in text


def test_ssh_has_no_terminal_to_ask_on(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(home, monkeypatch, "if (: </dev/tty) 2>/dev/null; then echo terminal; else echo none; fi >&2", "exit 255")
    assert "\nnone\n" in refused(folder, "ssh://git@forge/x", ABSENT)[1]


def test_fetch_that_does_not_end_is_ended(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = home / "pid"
    ssh(home, monkeypatch, f"echo $$ >{pid}", "exec sleep 600")
    monkeypatch.setattr(_git_cache, "FETCH_SECONDS", 2)
    assert "no end after 2 s" in refused(folder, "ssh://git@forge/x", ABSENT)[1]
    state = Path(f"/proc/{pid.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_kept_file_is_named_by_its_content_and_put_right(folder: Path) -> None:
    path = Path(Cache(str(folder)).keep(b"content\n"))
    assert path.name == "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"cont")
    assert Cache(str(folder)).keep(b"content\n") == str(path)
    assert path.read_bytes() == b"content\n" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c"}, "/c/dgx-spark-vllm/git"),
        ({"XDG_CACHE_HOME": "c"}, "{home}/.cache/dgx-spark-vllm/git"),
        ({}, "{home}/.cache/dgx-spark-vllm/git"),
    ],
)
def test_cache_is_the_users(home: Path, variables: dict[str, str], expected: str) -> None:
    assert _git_cache.default_folder(variables) == expected.format(home=home)
