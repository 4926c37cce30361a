# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role image makes of what the nodes' images say: the pin, the words that start them, the key, what they bake in."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.dgx_spark.vllm.plugins.filter.image_findings import image_findings
from tests.unit.roles.test_image import ROLE, loaded

DIGEST, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
RECIPE = {"name": "r", "image": {"name": "recipe/image:1", "digest": DIGEST}}
HOSTS = ["spark1", "spark2"]


def base(identity: Optional[str] = "sha256:x", **facts: Any) -> dict[str, Any]:
    known = {"entrypoint": ["vllm", "serve"], "env": {}, "architecture": "amd64"} if identity else {}
    return {
        **dict.fromkeys(("entrypoint", "env", "architecture", "verified")),
        **{"name": "recipe/image:1", "id": identity, "reference": "recipe/image:1", **known, **facts},
    }


def role(bases: Any = None, **variables: Any) -> Templar:
    """The role's variables on spark1, as they are once both nodes have looked at their images."""
    bases = bases or [base(), base()]
    of_hosts = dict(zip(HOSTS, bases))
    hostvars = {host: {"__image_base": found} for host, found in of_hosts.items()}
    given = {
        "hostvars": hostvars,
        "__image_hosts": HOSTS,
        "inventory_hostname": "spark1",
        "__image_base": bases[0],
        "__image_recipe": RECIPE,
    }
    # What the variable of that name says, without the collection's filter.
    judged = image_findings(of_hosts, RECIPE, DIGEST)
    given.update({"__image_layers": [], "__image_judged": judged})
    return Templar(loader=DataLoader(), variables={**loaded("defaults/main.yml"), **loaded("vars/main.yml"), **given, **variables})


def value(name: str, templar: Templar) -> Any:
    return templar.template(loaded("vars/main.yml")[name])


@pytest.mark.parametrize(
    ("variables", "digest"),
    [
        ({}, DIGEST),
        ({"image_digest": OTHER}, OTHER),
        ({"image_name": "own/image:1"}, ""),
        ({"image_name": "own/image:1", "image_digest": OTHER}, OTHER),
        ({"__image_recipe": {"name": "r", "image": {"name": "x"}}}, ""),
    ],
)
def test_an_own_image_does_not_inherit_the_recipes_digest(variables: dict[str, Any], digest: str) -> None:
    assert value("__image_digest", role(**variables)) == digest
    tasks = [task for name in ("base", "look") for task in loaded(f"tasks/{name}.yml") if "dgx_spark.vllm.base_image" in task]
    assert len(tasks) == 2
    for arguments in (task["dgx_spark.vllm.base_image"] for task in tasks):
        assert (arguments["name"], arguments["digest"]) == ("{{ __image_name }}", "{{ __image_digest | default(omit, true) }}")


@pytest.mark.parametrize(
    ("bases", "identity", "architecture"),
    [
        ([base("sha256:x"), base("sha256:x")], "sha256:x", "x86_64"),
        ([base(None), base("sha256:x")], "sha256:x", "x86_64"),
        ([base(None), base(None)], "not pulled yet", "aarch64"),
    ],
)
def test_nodes_are_taken_to_get_one_image_before_it_is_pulled(bases: list[dict[str, Any]], identity: str, architecture: str) -> None:
    assert value("__image_expected_id", role(bases)) == identity
    assert value("__image_architecture", role(bases)) == architecture


def test_what_all_nodes_said_is_judged_together() -> None:
    judged = loaded("vars/main.yml")["__image_judged"]
    assert "map('extract', hostvars, '__image_base')" in judged
    assert "dgx_spark.vllm.image_findings(__image_recipe, digest=__image_digest)" in judged


def handed_on(templar: Templar) -> dict[str, Any]:
    """The words and the variables of the fact image_result."""
    task = next(task for task in loaded("tasks/overlay.yml") if "image_result" in str(task.get("ansible.builtin.set_fact", "")))
    written = task["ansible.builtin.set_fact"]["image_result"]
    return {key: templar.template(written[key]) for key in ("name", "entrypoint", "command", "environment")}


def test_the_other_roles_get_what_was_decided() -> None:
    found = base(entrypoint=["/opt/nvidia/nvidia_entrypoint.sh"], env={"NCCL_PROTO": "LL"})
    assert handed_on(role([found, found])) == {
        "name": "recipe/image:1",
        "entrypoint": ["/opt/nvidia/nvidia_entrypoint.sh"],
        "command": ["vllm", "serve"],
        "environment": {"NCCL_PROTO": "LL"},
    }


def test_an_image_that_is_not_there_yet_is_told_honestly() -> None:
    absent = base(None)
    assert handed_on(role([absent, absent])) == {
        "name": "recipe/image:1",
        "entrypoint": ["not pulled yet"],
        "command": [],
        "environment": {},
    }


def test_a_layers_own_variables_are_no_accident_of_the_image() -> None:
    layers = [{"kind": "environment", "variables": {"NCCL_PROTO": "LL128"}}, {"kind": "run", "lines": ["true"]}]
    found = base(env={"NCCL_PROTO": "LL", "NCCL_ALGO": "Ring"})
    assert handed_on(role([found, found], __image_layers=layers))["environment"] == {"NCCL_ALGO": "Ring"}


def stop() -> dict[str, Any]:
    """The task that shows the findings, and stops for an error."""
    return next(task["ansible.builtin.assert"] for task in loaded("tasks/judge.yml") if "__image_judged" in str(task))


@pytest.mark.parametrize(
    ("bases", "passes", "silent"),
    [
        ([base(verified=True), base(verified=True)], True, True),
        ([base(verified=True), base(verified=False)], True, False),
        ([base(entrypoint=["/start.sh"]), base(entrypoint=["/start.sh"])], False, False),
    ],
)
def test_only_an_image_of_which_nothing_is_known_stops_the_deployment(bases: list[dict[str, Any]], passes: bool, silent: bool) -> None:
    assert role(bases).evaluate_conditional(stop()["that"]) is passes
    assert role(bases).template(stop()["quiet"]) is silent
    assert role(bases, image_state="checked").template(stop()["quiet"]) is True
    assert stop()["fail_msg"] == stop()["success_msg"] == "{{ __image_judged.findings | dgx_spark.vllm.findings_text }}"


def included(**variables: Any) -> list[str]:
    """The files of tasks that the role includes."""
    conditions = role(**variables)
    return [
        task["ansible.builtin.include_tasks"]
        for task in loaded("tasks/main.yml")
        if all(map(conditions.evaluate_conditional, task["when"] if isinstance(task["when"], list) else [task["when"]]))
    ]


def test_images_are_judged_before_anything_is_built() -> None:
    assert included() == ["base.yml", "overlay.yml"]
    actions = [next(key for key in task if "." in key) for task in loaded("tasks/base.yml")]
    judged = [task.get("ansible.builtin.include_tasks") for task in loaded("tasks/base.yml")].index("judge.yml")
    assert actions[judged - 1] == "dgx_spark.vllm.base_image"
    assert not any("overlay_image" in str(task) for name in ("base", "judge", "look") for task in loaded(f"tasks/{name}.yml"))


def test_a_deployment_looks_at_the_images_before_it_changes_anything() -> None:
    # So is what the overlay is made of.
    assert included(image_state="checked") == ["look.yml", "needs.yml"]
    assert included(image_state="checked", image_pull="always") == ["needs.yml"]
    look, judge = loaded("tasks/look.yml")
    assert (look["check_mode"], look["changed_when"], judge["ansible.builtin.include_tasks"]) == (True, False, "judge.yml")
    (play,) = (play for play in DataLoader().load_from_file(str(ROLE.parents[1] / "playbooks" / "deploy_dsv4.yml")) if "roles" in play)
    names = []
    for entry in play["roles"]:
        name = entry["role"].rpartition(".")[2]
        names.append(f"{name} {entry.get('vars', {}).get(f'{name}_state', '')}".strip())
    assert names[:5] == ["preflight", "discover", "image checked", "serve checked", "model"]
    assert names.index("image") > names.index("fabric")


def test_the_overlay_is_built_on_the_image_that_was_found() -> None:
    overlay = loaded("tasks/overlay.yml")[0]["dgx_spark.vllm.overlay_image"]
    assert (overlay["base"], overlay["base_id"]) == ("{{ __image_base.reference }}", "{{ __image_base.id | default(omit, true) }}")
