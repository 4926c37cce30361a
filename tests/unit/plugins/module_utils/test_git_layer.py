# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _git_layer, _overlay_layers

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LAYER = {"git": "https://github.com/OWNER/REPO", "revision": COMMIT, "target": "/opt/vllm"}
SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/OWNER/REPO",
        "https://git.example:8443/a/b.git",
        "https://[::1]/a",
        "ssh://git@github.com/OWNER/REPO.git",
        "ssh://github.com:2222/~me/repo",
        "git@github.com:OWNER/REPO.git",
        "/srv/git/my repo",
        "file:///srv/git/repo",
    ],
)
def test_url_that_git_is_given(url: str) -> None:
    assert _overlay_layers.problems([{**LAYER, "git": url}], "layers") == []


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch /tmp/x'",
        "fd::17/x",
        "https::https://github.com/a",
        "--upload-pack=touch /tmp/x",
        "-u",
        "http://github.com/OWNER/REPO",
        "git://github.com/OWNER/REPO",
        "ssh://-oProxyCommand=x/y",
        "ssh://-lme@host/y",
        "-lme@host:y",
        "-oProxyCommand=x@host:y",
        "git@-oProxyCommand=x:y",
        "git@host:-x",
        "git@host::x",
        "https://-x/y",
        "https://github.com",
        "srv/git/repo",
        "~/repo",
        "github.com:OWNER/REPO",
        "https://github.com/a\nb",
        "/srv/a\0b",
        "",
        None,
        3,
    ],
)
def test_url_that_git_is_not_given(url: t.Any) -> None:
    (text,) = _overlay_layers.problems([{**LAYER, "git": url}], "layers")
    assert text.startswith("layers[0].git: found ")
    assert "wanted" in text


@pytest.mark.parametrize(
    "url",
    [
        f"https://me:{SECRET}@github.com/OWNER/REPO",
        f"https://{SECRET}@github.com/OWNER/REPO",
        f"https://me:a/{SECRET}@github.com/OWNER/REPO",
        f"https://me:a'b {SECRET}@github.com/OWNER/REPO",
        f"http://me:{SECRET}@github.com/OWNER/REPO",
        f"ssh://me:{SECRET}@github.com/OWNER/REPO",
        f"me:{SECRET}@github.com:OWNER/REPO",
        f"https://github.com/OWNER/REPO?access_token={SECRET}",
    ],
)
def test_secret_in_a_url_is_refused_and_not_shown(url: str) -> None:
    (text,) = _overlay_layers.problems([{**LAYER, "git": url}], "layers")
    assert text.startswith("layers[0].git: found a URL")
    assert "credential.helper" in text
    for layers in (
        url,
        [url],
        [{**LAYER, "git": [url]}],
        [{**LAYER, "git": url, "run": ["true"]}],
        [{**LAYER, "git": url, "owner": "root"}],
        [[url]],
    ):
        found = _overlay_layers.problems(layers, "layers")
        assert found and SECRET not in "\n".join(found)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"fatal: unable to access 'https://me:{SECRET}@h/r/': timeout", "fatal: unable to access 'https://***@h/r/': timeout"),
        (f"fatal: https://h/r?token={SECRET} not found", "fatal: https://h/r?*** not found"),
        (f"fatal: ssh://me:{SECRET}@h/r", "fatal: ssh://***@h/r"),
        ("fatal: ssh://git@h/r and git@h:r", "fatal: ssh://git@h/r and git@h:r"),
        ("fatal: '/srv/a' does not exist", "fatal: '/srv/a' does not exist"),
    ],
)
def test_what_git_says_is_shown_without_secrets(said: str, shown: str) -> None:
    assert _git_layer.without_secrets(said) == shown


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:39], COMMIT.upper(), f"{COMMIT}\n", "HEAD", "--all", 123, None, ""])
def test_only_the_whole_id_of_a_commit_is_a_revision(revision: t.Any) -> None:
    (text,) = _overlay_layers.problems([{**LAYER, "revision": revision}], "image_layers")
    assert text.startswith(f"image_layers[0].revision: found {_git_layer.shown(revision)}, wanted the 40 hex digits of a commit's id")
    assert "git rev-parse" in text


@pytest.mark.parametrize("path", ["", "/abs", "../up", "a/../b", "a//b", "./a", "a/", ".", "..", "a\0b", 3, None])
def test_path_that_does_not_stay_inside_is_refused(path: t.Any) -> None:
    (text,) = _overlay_layers.problems([{**LAYER, "folder": path}], "layers")
    assert text.startswith(f"layers[0].folder: found {_git_layer.shown(path)}, wanted")
    (text,) = _overlay_layers.problems([{**LAYER, "files": ["a.py", path]}], "layers")
    assert text.startswith(f"layers[0].files[1]: found {path!r}, wanted the path of a file in folder")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"files": []}, "layers[0].files: found [], wanted a list"),
        ({"files": "a.py"}, "layers[0].files: found 'a.py', wanted a list"),
        ({"files": ["a.py", "b.py", "a.py"]}, "layers[0].files[2]: found 'a.py', which is files[0] too"),
        ({"files": [["a"], ["a"]]}, "layers[0].files[0]: found ['a'], wanted"),
        ({"target": "opt/vllm"}, "layers[0].target: found 'opt/vllm', wanted the absolute path of a folder in the image"),
        ({"target": None}, "layers[0].target: found null, wanted the absolute path of a folder"),
        ({"target": "/opt/dgx-spark/x"}, "is the overlay's own"),
        (
            {"mode": "0755"},
            "layers[0].mode is not known beside git (did you mean folder?); known here: git, revision, folder, files, target",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(change: dict[str, t.Any], text: str) -> None:
    assert text in _overlay_layers.problems([{**LAYER, **change}], "layers")[0]


def test_files_may_go_to_the_top_of_the_image_and_have_awkward_names() -> None:
    assert _overlay_layers.problems([{**LAYER, "target": "/", "folder": "-a b", "files": ["--help", "..x", "é"]}], "layers") == []


def placed(*targets: str) -> list[tuple[str, dict[str, str]]]:
    return [(f"layers[{number}].git", {"target": target}) for number, target in enumerate(targets)]


def test_files_of_two_layers_in_one_place_are_named() -> None:
    (text,) = _overlay_layers.clash_problems(placed("/a/b", "/a/c", "/a/b"))
    assert text.startswith("layers[2].git: found /a/b, which layers[0].git has too; wanted one source for each file")


@pytest.mark.parametrize("targets", [("/a/b", "/a/b/c/d"), ("/a/b/c/d", "/a/b")])
def test_file_in_the_place_of_a_folder_is_named(targets: tuple[str, str]) -> None:
    (text,) = _overlay_layers.clash_problems(placed(*targets))
    assert "found /a/b/c/d, but layers[" in text
    assert "has /a/b as a file, wanted a folder" in text


def test_files_beside_each_other_are_no_clash() -> None:
    assert _overlay_layers.clash_problems(placed("/a/b", "/a/bc", "/a/b.d/c", "/b")) == []
