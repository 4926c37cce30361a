# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _snapshot_mounts

# name: (links {path: target}, files, the first mount, the path in it, the mounts that are wanted)
CASES: dict[str, tuple[dict[str, str], list[str], str, str, list[str]]] = {
    "no link": ({}, ["home/model/a"], "home/model", "home/model/a", ["home/model"]),
    "link within": ({"home/snap/a": "../blobs/1"}, ["home/blobs/1"], "home", "home/snap/a", ["home"]),
    "absolute link within": ({"home/snap/a": "{}/home/blobs/1"}, ["home/blobs/1"], "home", "home/snap/a", ["home"]),
    "relative link out": ({"home/snap/a": "../blobs/1"}, ["home/blobs/1"], "home/snap", "home/snap/a", ["home/snap", "home/blobs"]),
    "absolute link out": ({"home/snap/a": "{}/big/1"}, ["big/1"], "home", "home/snap/a", ["home", "big"]),
    "hub is a link": (
        {"home/hub": "{}/big/hub", "big/hub/snap/a": "../blobs/1"}, ["big/hub/blobs/1"], "home", "home/hub/snap/a", ["home", "big/hub"],
    ),
    "hub is a relative link": ({"home/hub": "../big/hub"}, ["big/hub/snap/a"], "home", "home/hub/snap/a", ["home", "big/hub"]),
    "chain of links": (
        {"home/a": "{}/one/a", "one/a": "../two/a", "two/a": "{}/three/a"}, ["three/a"], "home", "home/a", ["home", "one", "two", "three"],
    ),
    "the first mount is itself a link": ({"home": "big", "big/snap/a": "../blobs/1"}, ["big/blobs/1"], "home", "home/snap/a", ["home"]),
    "link by the real path of a mount that is a link": (
        {"home": "big", "big/snap/a": "{}/big/blobs/1"}, ["big/blobs/1"], "home", "home/snap/a", ["home", "big/blobs"],
    ),
    "link to a directory over a link": (
        {"home/hub": "{}/short", "short": "big", "big/a": "b/../c"}, ["big/c", "big/b/x"], "home", "home/hub/a", ["home", "short"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_container_gets_what_the_links_lead_to_and_nothing_else(tmp_path: Path, name: str) -> None:
    links, files, first, path, wanted = CASES[name]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x")
    for link, target in links.items():
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(target.format(tmp_path))
    assert (tmp_path / path).read_text() == "x"
    mounts, refused = _snapshot_mounts.find(str(tmp_path / first), [str(tmp_path / path)])
    assert [os.path.relpath(mount, tmp_path) for mount in mounts] == wanted
    assert refused == []


def test_mount_within_another_is_not_given_twice(tmp_path: Path) -> None:
    (tmp_path / "big" / "deep").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "big" / "deep" / "1").write_text("x")
    (tmp_path / "big" / "2").write_text("x")
    (tmp_path / "home" / "a").symlink_to(tmp_path / "big" / "deep" / "1")
    (tmp_path / "home" / "b").symlink_to(tmp_path / "big" / "2")
    mounts, _refused = _snapshot_mounts.find(str(tmp_path / "home"), [str(tmp_path / "home" / name) for name in "ab"])
    assert mounts == [str(tmp_path / "home"), str(tmp_path / "big")]


@pytest.mark.parametrize("target", ["/etc/hostname", "/proc/version"])
def test_link_into_a_directory_of_the_image_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "a").symlink_to(target)
    assert _snapshot_mounts.find(str(tmp_path), [str(tmp_path / "a")]) == ([str(tmp_path)], [(str(tmp_path / "a"), target)])


def test_model_right_below_the_root_is_refused() -> None:
    assert _snapshot_mounts.find("/", [])[1] == [("/", "/")]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert len(_snapshot_mounts.find(str(tmp_path), [str(tmp_path / "a")])[1]) == 1
