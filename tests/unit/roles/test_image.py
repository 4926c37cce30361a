# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role image works out on the controller: what it refuses, where it looks for files, what it removes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from packaging.utils import parse_wheel_filename

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay_layers

ROLE = Path(__file__).parents[3] / "roles" / "image"
PACKAGE = {"name": "r", "nccl": {"version": "2.30.4", "wheel_package": "nvidia-nccl-cu13", "wheel_sha256": {"aarch64": "0" * 64}}}
KEYS = ["0123456789abcdef", "1123456789abcdef", "2123456789abcdef", "3123456789abcdef"]


def loaded(path: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / path), trusted_as_template=True)


def templar(**variables: Any) -> Templar:
    base = variables.get("__image_base", {"architecture": "arm64"})
    given = {
        "groups": {"spark_nodes": ["a"]},
        "ansible_play_hosts": ["a"],
        "hostvars": {"a": {"__image_base": base} if base else {}},
        **({"__image_base": base} if base else {}),
        "__image_local_wheel": {"skipped": True},
        "__image_recipe": PACKAGE,
        **{name: value for name, value in variables.items() if name != "__image_base"},
    }
    return Templar(loader=DataLoader(), variables={**loaded("defaults/main.yml"), **loaded("vars/main.yml"), **given})


def refusals(**variables: Any) -> list[str]:
    """What the role stops for, as its task joins it."""
    expression = next(task for task in loaded("tasks/needs.yml") if "__image_missing" in task.get("vars", {}))["vars"]["__image_missing"]
    return list(templar(image_nccl_source="wheel", **variables).template(expression))


def test_role_has_all_that_it_needs_without_further_variables() -> None:
    assert refusals() == []


@pytest.mark.parametrize("base", [None, {"architecture": None}, {"architecture": "amd64"}])
def test_which_wheel_it_must_be_is_judged_once_a_node_has_the_image(base: Any) -> None:
    known = base is not None and base["architecture"] is not None
    found = refusals(__image_base=base)
    assert [message.rpartition("wanted it for ")[2][:6] for message in found] == ["x86_64"] * known
    assert refusals(__image_base=base, image_nccl_wheel="lost.whl") != []


def test_recipe_that_names_no_wheel_is_refused_with_the_keys_name() -> None:
    nccl = {"version": "2.30.4", "wheel_sha256": {"aarch64": "0" * 64}}
    (message,) = refusals(__image_recipe={"name": "r", "nccl": nccl})
    assert message.startswith("image_nccl_source: found wheel, but recipe r has no nccl.wheel_package; wanted apt")


def test_key_of_a_repository_is_taken_by_its_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text("-----BEGIN")
    assert refusals(image_apt_repository="deb http://lan/ ./", image_apt_key=str(tmp_path / "key.asc")) == []


def test_key_by_a_relative_path_is_refused_even_where_the_current_folder_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.asc").write_text("-----BEGIN")
    (message,) = refusals(image_apt_repository="deb http://lan/ ./", image_apt_key="key.asc")
    assert message == "image_apt_key: found key.asc, wanted an absolute path on the controller, such as {{ inventory_dir }}/key.asc."


def test_key_in_the_home_folder_is_checked_and_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {"image_apt_repository": "deb http://lan/ ./", "image_apt_key": "~/key.asc"}
    assert refusals(**given) == ["image_apt_key: found no file ~/key.asc on the controller, wanted the public key of image_apt_repository."]
    (tmp_path / "key.asc").write_text("-----BEGIN")
    assert refusals(**given) == []
    assert templar(**given).template(loaded("vars/main.yml")["__image_apt_key"]) == str(tmp_path / "key.asc")
    assert "lookup('ansible.builtin.file', __image_apt_key)" in loaded("tasks/overlay.yml")[0]["dgx_spark.vllm.overlay_image"]["apt_key"]


def test_wheel_by_a_relative_path_is_refused_even_where_the_current_folder_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nccl.whl").write_text("PK")
    (message,) = refusals(image_nccl_wheel="nccl.whl", __image_local_wheel={"stat": {"exists": True}})
    assert message == "image_nccl_wheel: found nccl.whl, wanted an absolute path on the controller, such as {{ inventory_dir }}/nccl.whl."


@pytest.mark.parametrize(
    ("second", "passes"), [({"image_nccl_wheel": "/x/a.whl"}, True), ({"image_nccl_wheel": "/x/b.whl"}, False), ({}, False)]
)
def test_wheel_must_be_one_for_all_hosts(second: dict[str, str], passes: bool) -> None:
    task = next(task for task in loaded("tasks/needs.yml") if "__image_wheels_given" in task.get("vars", {}))
    hostvars = {"spark1": {"image_nccl_wheel": "/x/a.whl"}, "spark2": second}
    found = templar(hostvars=hostvars, __image_hosts=["spark1", "spark2"], **task["vars"])
    assert found.template(loaded("vars/main.yml")["__image_given_wheel"]) == ""
    assert found.evaluate_conditional(task["ansible.builtin.assert"]["that"]) is passes
    assert "/x/a.whl" in found.template(task["ansible.builtin.assert"]["fail_msg"])


@pytest.mark.parametrize(("exists", "words"), [(True, []), (False, ["image_nccl_wheel: found no file ~/nccl.whl on the controller"])])
def test_wheel_in_the_home_folder_is_read_there(monkeypatch: pytest.MonkeyPatch, exists: bool, words: list[str]) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found = refusals(image_nccl_wheel="~/nccl.whl", __image_local_wheel={"stat": {"exists": exists, "checksum": "0" * 64}})
    assert [message.split(",")[0] for message in found] == words
    assert templar(image_nccl_wheel="~/nccl.whl").template(loaded("vars/main.yml")["__image_given_wheel"]) == "/home/me/nccl.whl"
    tasks = {task["name"]: task for name in ("base", "needs", "overlay", "files") for task in loaded(f"tasks/{name}.yml")}
    readers = [str(task) for task in tasks.values() if "__image_given_wheel" in str(task)]
    assert len(readers) == 3 and not [task for task in tasks.values() if "{{ image_nccl_wheel }}" in str(task)]


def test_key_without_a_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text("-----BEGIN")
    (message,) = refusals(image_apt_key=str(tmp_path / "key.asc"))
    assert "key.asc without image_apt_repository" in message


@pytest.mark.parametrize("given", ["{folder}/mine.yml", "mine.yml", "~/mine.yml"])
def test_files_of_a_linked_recipe_are_beside_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "elsewhere.yml").write_text("schema: 1\n")
    (tmp_path / "mine" / "mine.yml").symlink_to(tmp_path / "elsewhere.yml")
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path / "mine"))
    variables = templar(dsv4_recipe=given.format(folder=tmp_path / "mine"), role_path=str(ROLE))
    assert variables.template(loaded("vars/main.yml")["__image_recipe_folder"]) == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("own", "ids", "base"),
    [
        ("sha256:1", {"a": "sha256:1", "b": None}, "sha256:1"),
        (None, {"a": None, "b": "sha256:1"}, "sha256:1"),
        (None, {"a": None}, "not pulled yet"),
    ],
)
def test_a_node_that_would_pull_the_image_gets_the_key_of_those_that_have_it(own: Any, ids: dict[str, Any], base: str) -> None:
    task = next(task for task in loaded("tasks/base.yml") if "image_key" in task.get("ansible.builtin.set_fact", {}))
    expression = task["ansible.builtin.set_fact"]["image_key"].split(" | dgx_spark")[0] + " }}"
    given = {"__image_base": {"id": own}, "__image_ids": ids}
    assert templar(**given).template(trust_as_template(str(expression))) == base


def test_files_of_layers_are_roots_alone() -> None:
    folder, files = (task for task in loaded("tasks/files.yml") if "layers" in task["name"])
    assert (folder["ansible.builtin.file"]["mode"], files["ansible.builtin.copy"]["mode"]) == ("0700", "0600")


ORIGIN = {"repository": "https://forge/r", "revision": "1" * 40}
GIT_FILES = [
    {"kind": "file", "target": f"/v/{name}", "mode": "0644", "sha256": sha256, "source": f"/c/{sha256}", "origin": {**ORIGIN, "path": name}}
    for name, sha256 in (("a", "0" * 64), ("b", "1" * 64), ("c", "0" * 64))
]


def of_layers(expression: str, *layers: dict[str, Any]) -> Any:
    given = {"__image_recipe_layers": list(layers[:1]), "__image_own_layers": list(layers[1:]), "image_layers": []}
    return templar(**given).template(trust_as_template(expression))


def test_where_a_file_comes_from_is_not_part_of_what_it_is() -> None:
    found = of_layers("{{ __image_layer_content }}", *GIT_FILES, {"kind": "run", "lines": ["true"]})
    assert found[:-1] == [{key: layer[key] for key in ("kind", "target", "mode", "sha256")} for layer in GIT_FILES]
    assert found[-1] == {"kind": "run", "lines": ["true"]}
    assert of_layers("{{ __image_specification.layers }}", *GIT_FILES) == found[:-1]


def test_files_of_the_same_content_are_copied_once() -> None:
    assert [layer["target"] for layer in of_layers("{{ __image_files }}", *GIT_FILES)] == ["/v/a", "/v/b"]
    assert of_layers("{{ __image_brings }}", *GIT_FILES) is True


def test_commits_that_files_come_from_are_labels_of_the_image_and_told() -> None:
    other = {**GIT_FILES[0], "origin": {**ORIGIN, "revision": "2" * 40, "path": "a"}}
    own = {"kind": "file", "target": "/v/d", "mode": "0644", "sha256": "3" * 64, "source": "/d"}
    assert of_layers("{{ __image_revisions }}", *GIT_FILES, own, other) == [f"https://forge/r@{'1' * 40}", f"https://forge/r@{'2' * 40}"]
    assert of_layers("{{ __image_revisions }}", own) == []
    tasks = loaded("tasks/overlay.yml")
    module = next(task for task in tasks if task["name"].startswith("overlay | Look"))["dgx_spark.vllm.overlay_image"]
    assert of_layers(module["labels"], *GIT_FILES) == {"dgx-spark.layer-revisions": f"https://forge/r@{'1' * 40}"}
    assert of_layers(module["labels"], own) == {}
    told = next(task for task in tasks if "ansible.builtin.set_fact" in task)["ansible.builtin.set_fact"]["image_result"]
    assert told["layer_revisions"] == "{{ __image_revisions }}"


def test_layers_are_read_before_any_node_is_asked_or_changed() -> None:
    play = DataLoader().load_from_file(str(ROLE.parents[1] / "playbooks" / "deploy_dsv4.yml"))[-1]
    assert [task["ansible.builtin.import_role"] for task in play["pre_tasks"]] == [{"name": "dgx_spark.vllm.image", "tasks_from": "layers"}]
    assert loaded("tasks/base.yml")[0]["ansible.builtin.include_tasks"] == "layers.yml"
    (task,) = loaded("tasks/layers.yml")
    assert set(task) == {"name", "ansible.builtin.set_fact", "vars"}
    for query in task["ansible.builtin.set_fact"].values():
        assert "**__git" in query
    assert templar(image_git_cache="/c").template(task["vars"]["__git"]) == {"cache": "/c"}
    assert templar().template(task["vars"]["__name"]) == "recipe r: layers"


def test_teardown_finds_overlays_by_their_tags_and_by_the_containers_of_a_killed_build() -> None:
    tasks = loaded("tasks/absent.yml")
    containers = next(task for task in tasks if task.get("register") == "__image_containers")
    assert {"name=dgx-spark-package-", "name=dgx-spark-proof-"} <= set(containers["ansible.builtin.command"]["argv"])
    assert (containers["check_mode"], containers["changed_when"]) == (False, False)
    task = next(task for task in tasks if "loop" in task)
    names = [f"dgx-spark-package-{KEYS[2]}", f"dgx-spark-proof-{KEYS[3]}", f"dgx-spark-proof-{KEYS[0]}", "dgx-spark-package-other"]
    found = templar(
        __image_tags={"stdout_lines": [KEYS[0], f"{KEYS[0]}-base", f"{KEYS[1]}-candidate", "latest"]},
        __image_containers={"stdout_lines": names},
        **task["vars"],
    )
    assert sorted(found.template(task["loop"])) == KEYS


def test_example_of_layers_brings_what_its_commands_install() -> None:
    text = (ROLE.parents[1] / "recipes" / "README.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("layers:")]
    layers = [layer for block in blocks for layer in yaml.safe_load(block)["layers"]]
    assert {kind for layer in layers for kind in _overlay_layers.KINDS if kind in layer} == set(_overlay_layers.KINDS)
    assert _overlay_layers.problems(layers, "layers") == []
    wheels = [word for layer in layers for line in layer.get("run", []) for word in line.split() if word.endswith(".whl")]
    assert wheels and set(wheels) <= {layer.get("target") for layer in layers}
    for wheel in wheels:
        parse_wheel_filename(Path(wheel).name)
