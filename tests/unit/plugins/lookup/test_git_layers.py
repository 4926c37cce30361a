# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers from a git repository, as the role asks for them."""

from __future__ import annotations

import hashlib
import shutil
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleLookupError
from hypothesis import HealthCheck, settings
from hypothesis import given as over
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.lookup import layers
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay, _overlay_layers
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _git_files
from tests.unit.plugins.git_repository import Program, Repository

FILES = {
    "recipe/overlay/vllm/envs.py": "envs\n",
    "recipe/overlay/vllm/config/speculative.py": "speculative\n",
    "recipe/overlay/vllm/config/b.sh": Program("b\n"),
    "recipe/overlay/vllm/a/x.py": "x\n",
    "README.md": "readme\n",
}
CHOSEN = ["envs.py", "config/speculative.py", "config/b.sh", "a/x.py"]
SITE = "/opt/env/lib/python3.12/site-packages/vllm"


class Origin(t.NamedTuple):
    repository: Repository
    commit: str
    cache: str

    def layer(self, **changes: t.Any) -> dict[str, t.Any]:
        return {
            "git": self.repository.url,
            "revision": self.commit,
            "folder": "recipe/overlay/vllm",
            "target": SITE,
            **changes,
        }

    def read(self, *entries: dict[str, t.Any], name: str = "layers") -> list[dict[str, t.Any]]:
        return layers.read(list(entries), None, name, self.cache)

    def refused(self, *entries: dict[str, t.Any]) -> str:
        with pytest.raises(AnsibleLookupError) as error:
            self.read(*entries)
        return str(error.value)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    repository = Repository(tmp_path_factory.mktemp("git") / "origin")
    return Origin(repository, repository.commit(FILES), str(tmp_path_factory.mktemp("cache")))


def content_of(layer: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the role gives to the module."""
    return {key: value for key, value in layer.items() if key not in ("source", "origin")}


def test_each_file_becomes_a_layer_named_by_its_content(origin: Origin) -> None:
    found = origin.read(origin.layer(), {"run": ["true"]})
    assert [layer.get("target") for layer in found] == [
        f"{SITE}/envs.py",
        f"{SITE}/a/x.py",
        f"{SITE}/config/b.sh",
        f"{SITE}/config/speculative.py",
        None,
    ]
    assert content_of(found[2]) == {
        "kind": "file",
        "target": f"{SITE}/config/b.sh",
        "mode": "0755",
        "sha256": hashlib.sha256(b"b\n").hexdigest(),
    }
    assert found[2]["origin"] == {
        "repository": origin.repository.url,
        "revision": origin.commit,
        "path": "recipe/overlay/vllm/config/b.sh",
    }
    for layer in found[:-1]:
        assert _overlay.file_sha256(layer["source"]) == layer["sha256"]
    assert _overlay_layers.normalized_problems([content_of(layer) for layer in found], "layers") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@over(files=st.permutations(CHOSEN))
def test_order_of_the_files_makes_no_difference(origin: Origin, files: list[str]) -> None:
    assert origin.read(origin.layer(files=files)) == origin.read(origin.layer())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@over(files=st.lists(st.sampled_from(CHOSEN), min_size=1, unique=True))
def test_chosen_files_are_those_and_as_in_the_whole_folder(origin: Origin, files: list[str]) -> None:
    found = origin.read(origin.layer(files=files))
    assert found == [layer for layer in origin.read(origin.layer()) if layer["target"].removeprefix(f"{SITE}/") in files]


def test_same_files_of_another_url_or_commit_give_the_same_key(origin: Origin, tmp_path: Path) -> None:
    shutil.copytree(origin.repository.folder, tmp_path / "mirror")
    mirror = Repository(tmp_path / "other")
    commit = mirror.commit({**FILES, "README.md": "another\n"})
    assert commit != origin.commit

    def key(**changes: t.Any) -> str:
        return _overlay.image_key("sha256:1", {"layers": [content_of(layer) for layer in origin.read(origin.layer(**changes))]})

    assert key() == key(git=str(tmp_path / "mirror")) == key(git=mirror.url, revision=commit)
    assert key() != key(files=CHOSEN[:3])


def test_whole_tree_goes_to_the_top_of_the_image(origin: Origin) -> None:
    found = origin.read({"git": origin.repository.url, "revision": origin.commit, "target": "/"})
    assert sorted(layer["target"] for layer in found) == sorted(f"/{path}" for path in FILES)
    assert found[0]["origin"]["path"] == "README.md"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"folder": "recipe/overlays"}, "layers[1].folder: found no recipe/overlays in commit"),
        ({"files": ["envs.py", "env.py"]}, "layers[1].files[1]: found no recipe/overlay/vllm/env.py in commit"),
        ({"revision": "main"}, "layers[1].revision: found 'main', wanted the 40 hex digits"),
        ({"revision": "1" * 40}, f"layers[1].revision: found no commit {'1' * 40} in "),
        ({"git": "/nowhere/at/all"}, "layers[1].git: /nowhere/at/all can't be fetched"),
        ({"git": "https://me:s3cr3t@h/r"}, "layers[1].git: found a URL that begins with https://"),
        ({"target": "opt"}, "layers[1].target: found 'opt', wanted the absolute path of a folder"),
        ({"target": "/opt/dgx-spark"}, "layers[1].target: found /opt/dgx-spark, but"),
    ],
)
def test_a_mistake_is_an_error_of_the_lookup(origin: Origin, changes: dict[str, t.Any], text: str) -> None:
    message = origin.refused({"run": ["true"]}, origin.layer(**changes))
    assert message.startswith(text)
    assert "s3cr3t" not in message


def test_all_mistakes_are_told_at_once(origin: Origin) -> None:
    message = origin.refused(origin.layer(folder="x"), origin.layer(files=["y"]), origin.layer(), origin.layer(files=["envs.py"]))
    assert [line.split(":")[0] for line in message.splitlines()] == ["layers[0].folder", "layers[1].files[0]", "layers[3].git"]


def test_file_of_two_layers_is_refused(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "envs.py").write_text("mine\n")
    message = origin.refused({"file": str(tmp_path / "envs.py"), "target": f"{SITE}/envs.py"}, origin.layer())
    assert message.startswith(f"layers[1].git: found {SITE}/envs.py, which layers[0].file has too; wanted one source for each file")


def test_file_that_would_be_the_overlays_own_is_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "origin")
    commit = repository.commit({"dgx-spark/nccl/libnccl.so.2": "x"})
    with pytest.raises(
        AnsibleLookupError, match=r"layers\[0\].git: .*/opt/dgx-spark/nccl/libnccl.so.2, but /opt/dgx-spark and what is below"
    ):
        layers.read([{"git": repository.url, "revision": commit, "target": "/opt"}], None, "layers", str(tmp_path / "cache"))


def test_file_whose_name_the_image_cannot_be_given_is_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "origin")
    commit = repository.commit({"a b.py": "x", "c.py": "y"})
    layer = {"git": repository.url, "revision": commit, "target": "/opt/x"}
    with pytest.raises(AnsibleLookupError, match=r"layers\[0\].git: .*'/opt/x/a b.py', wanted .* choose other files with files"):
        layers.read([layer], None, "layers", str(tmp_path / "cache"))
    assert len(layers.read([{**layer, "files": ["c.py"]}], None, "layers", str(tmp_path / "cache"))) == 1


def test_too_many_files_are_told_with_the_place(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_git_files, "MOST_FILES", 2)
    assert origin.refused(origin.layer()).startswith("layers[0].folder: found more than 2 files in commit")


def test_cache_by_a_relative_path_is_refused(origin: Origin) -> None:
    with pytest.raises(AnsibleLookupError, match="image_git_cache: found cache, wanted an absolute path on the controller"):
        layers.read([origin.layer()], None, "layers", "cache")


def test_cache_in_the_home_folder_is_the_users(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    for given, expected in (("~/mine", tmp_path / "mine"), ("", tmp_path / "xdg" / "dgx-spark-vllm" / "git")):
        found = layers.read([origin.layer()], None, "layers", given)
        assert Path(found[0]["source"]).parent == expected / "files"


def test_options_of_the_lookup_reach_it(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"folder": None, "name": "x", "cache": str(tmp_path / "c")}
    documented = yaml.safe_load(layers.DOCUMENTATION)["options"]
    assert {*options, "_terms"} == set(documented)
    monkeypatch.setattr(layers.LookupModule, "set_options", lambda self, **given: None)
    monkeypatch.setattr(layers.LookupModule, "get_option", lambda self, name: options[name])
    found = layers.LookupModule().run([[origin.layer()]])
    assert Path(found[0]["source"]).parent == tmp_path / "c" / "files"
    with pytest.raises(AnsibleLookupError, match=r"x\[0\].revision"):
        layers.LookupModule().run([[origin.layer(revision="HEAD")]])
