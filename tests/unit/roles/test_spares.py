# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each role does on a node that gets no rank, by the conditions of its outline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _neighbours
from ansible_collections.dgx_spark.vllm.plugins.module_utils._subset import plan_of
from tests.unit.plugins.fixtures.spark import cabled, observed
from tests.unit.plugins.module_utils.test_ring import ring

ROLES = Path(__file__).parents[3] / "roles"
HOSTS = ["a", "b", "c"]
OBSERVATIONS = ring("abc")
PLAN = plan_of({**OBSERVATIONS, "b": {"msg": "away"}}, nodes=2)
FORWARDING = "dgx_spark.vllm.rail_forwarding"
RUNS = {"active": False, "other_instances": [], "launch": {"plan_hash": ""}}


def loaded(role: str, path: str) -> Any:
    return DataLoader().load_from_file(str(ROLES / role / path), trusted_as_template=True)


def templar(role: str, host: str, **variables: Any) -> Templar:
    of_host = {"__validate_rank": RUNS, "discover_observation": {}}
    given: dict[str, Any] = {
        "groups": {"spark_nodes": HOSTS},
        "ansible_play_hosts": HOSTS,
        "ansible_check_mode": False,
        "inventory_hostname": host,
        "hostvars": dict.fromkeys(HOSTS, of_host),
        "__serve_restart": True,
        **variables,
    }
    return Templar(loader=DataLoader(), variables={**loaded(role, "defaults/main.yml"), **loaded(role, "vars/main.yml"), **given})


def included(role: str, host: str, outline: str = "main", **variables: Any) -> list[str]:
    """The files of tasks that the role includes on a host."""
    conditions = templar(role, host, **{"discover_plan": PLAN, **variables})
    found = []
    for task in loaded(role, f"tasks/{outline}.yml"):
        when = task.get("when", [])
        if "ansible.builtin.include_tasks" in task and all(
            map(conditions.evaluate_conditional, when if isinstance(when, list) else [when])
        ):
            found.append(task["ansible.builtin.include_tasks"])
    return found


def test_the_plan_of_these_tests_has_a_spare() -> None:
    assert (list(PLAN["nodes"]), PLAN["spares"]) == (["a", "c"], ["b"])


OUTLINES = [
    ("model", ["verify.yml"], []),
    ("image", ["base.yml", "overlay.yml"], []),
    ("caches", ["present.yml"], []),
    ("validate", ["measure.yml"], []),
    ("serve", ["needs.yml", "install.yml", "configure.yml", "run.yml", "ready.yml"], ["needs.yml", "spare.yml"]),
]


@pytest.mark.parametrize(("role", "rank", "spare"), OUTLINES)
def test_on_a_spare_a_role_does_nothing_but_remove_what_is_left(role: str, rank: list[str], spare: list[str]) -> None:
    assert {host: included(role, host) for host in HOSTS} == {"a": rank, "b": spare, "c": rank}


def test_what_a_rank_runs_is_rendered_for_ranks_only() -> None:
    assert {host: included("serve", host, "needs") for host in HOSTS} == {
        "a": ["open.yml", "render.yml"],
        "b": ["open.yml"],
        "c": ["open.yml", "render.yml"],
    }


@pytest.mark.parametrize(("role", "rank"), [(role, rank) for role, rank, _spare in OUTLINES if role not in ("validate", "serve")])
def test_without_a_plan_a_role_that_is_run_alone_leaves_nobody_out(role: str, rank: list[str]) -> None:
    conditions = {host: templar(role, host) for host in HOSTS}
    for task in loaded(role, "tasks/main.yml"):
        if task["ansible.builtin.include_tasks"] in rank:
            when = task["when"] if isinstance(task["when"], list) else [task["when"]]
            assert all(conditions[host].evaluate_conditional(one) for host in HOSTS for one in when)


@pytest.mark.parametrize(
    ("role", "file"), [("image", "absent.yml"), ("caches", "absent.yml"), ("serve", "absent.yml")], ids=["image", "caches", "serve"]
)
def test_everything_is_removed_everywhere(role: str, file: str) -> None:
    for host in HOSTS:
        assert included(role, host, **{f"{role}_state": "absent"}) == [file]


@pytest.mark.parametrize("role", ["model", "image", "preflight", "serve"])
def test_the_ranks_are_in_the_order_of_the_inventory(role: str) -> None:
    name = f"__{role}_hosts"
    for plan, wanted in ((PLAN, ["a", "c"]), (plan_of(OBSERVATIONS), HOSTS)):
        assert templar(role, "b", discover_plan=plan).template(loaded(role, "vars/main.yml")[name]) == wanted
    assert templar(role, "b").template(loaded(role, "vars/main.yml")[name]) == HOSTS


def test_the_fabric_is_that_of_all_nodes_and_no_rank_talks_with_a_spare() -> None:
    hosts = templar("fabric", "b", discover_plan=PLAN).template(loaded("fabric", "vars/main.yml")["__fabric_hosts"])
    assert hosts == ["a", "c", "b"]
    talks = loaded("fabric", "vars/main.yml")["__fabric_talks_with"]
    assert [templar("fabric", host, discover_plan=PLAN).template(talks) for host in HOSTS] == [["c"], [], ["a"]]
    assert _neighbours.peers(PLAN, "b", OBSERVATIONS) == []
    assert len(_neighbours.peers(PLAN, "a", OBSERVATIONS)) == 2


def fabric(observations: Any, ours: bool = True, manage: bool = True) -> dict[str, Any]:
    """Whether it is known what the nodes forward, whether they do, and over which interfaces of b."""
    plans = {"discover_plan": plan_of(observations, nodes=2), "discover_fabric": plan_of(observations)}
    variables, (task,) = loaded("fabric", "vars/main.yml"), [t for t in loaded("fabric", "tasks/addresses.yml") if FORWARDING in t]
    given = templar("fabric", "b", **plans, __fabric_rails={"ours": ours}, fabric_manage=manage)
    found = {name: given.template(variables[f"__fabric_{name}"]) for name in ("is_known", "forwards")}
    return {**found, "interfaces": given.template(task[FORWARDING]["interfaces"]) if found["is_known"] else None}


def test_the_nodes_of_a_ring_pass_on_what_is_sent_through_them_whoever_has_a_rank() -> None:
    rails = ["enp1s0f0np0", "enp1s0f1np1", "enP2p1s0f0np0", "enP2p1s0f1np1"]
    assert fabric(OBSERVATIONS) == {"is_known": True, "forwards": True, "interfaces": rails}
    assert fabric(OBSERVATIONS, ours=False) == fabric(OBSERVATIONS, manage=False) == {"is_known": True, "forwards": False, "interfaces": []}
    switch = {host: observed(cabled(number, {0: ("10.0.0", "10.0.1")})) for number, host in enumerate(HOSTS, 1)}
    assert fabric(switch) == {"is_known": True, "forwards": False, "interfaces": []}


def test_what_the_nodes_of_a_ring_forward_stays_as_it_is_while_a_spare_is_without_a_cable() -> None:
    assert fabric({**OBSERVATIONS, "c": {"devices": []}})["is_known"] is False


def test_a_cluster_that_is_left_on_a_spare_is_not_disturbed() -> None:
    variables = loaded("validate", "vars/main.yml")
    for host in HOSTS:
        running = {name: {"__validate_rank": {**RUNS, "active": name == host}} for name in HOSTS}
        assert templar("validate", "a", discover_plan=PLAN, hostvars=running).template(variables["__validate_serves"]) is True
    assert templar("validate", "a", discover_plan=PLAN).template(variables["__validate_serves"]) is False


@pytest.mark.parametrize(
    ("active", "plan_hash", "files"), [(True, "x" * 64, ["measure.yml"]), (True, PLAN["hash"], []), (False, PLAN["hash"], [])]
)
def test_ranks_that_run_by_another_plan_are_stopped_only_when_the_new_rails_were_pinged(
    active: bool, plan_hash: str, files: list[str]
) -> None:
    ranks = {host: {"__validate_rank": {**RUNS, "active": active, "launch": {"plan_hash": plan_hash}}} for host in HOSTS}
    given: dict[str, Any] = {"hostvars": ranks, "discover_plan": PLAN, "validate_when": "changed"}
    assert {host: included("validate", host, **given) for host in HOSTS} == {"a": files, "b": [], "c": files}
    if active:
        reason = templar("validate", "a", **given).template(loaded("validate", "vars/main.yml")["__validate_reason"])
        assert reason == "the cluster serves, and would be disturbed"


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_status_plans_for_the_same_nccl_as_a_deployment(device: str) -> None:
    recipe = {"name": "mini", "nodes": 3, "device": device, "nccl": {"version": "2.29.7", "rings": True}}

    def asked(role: str, expression: str, **variables: Any) -> Any:
        """What the filter is called with."""
        call = re.sub(r"__\w+_observations \| dgx_spark[.]vllm[.]cluster_plan", "dict", expression)
        return templar(role, "a", **{f"__{role}_recipe": recipe, **variables}).template(trust_as_template(call))

    (planned,) = [task for task in loaded("discover", "tasks/plan.yml") if "ansible.builtin.set_fact" in task]
    (status,) = [task["vars"] for task in loaded("serve", "tasks/status.yml") if "__serve_plan" in task.get("vars", {})]
    wanted = {"head": None, "nodes": 3, "nccl": "2.29.7" if device == "gpu" else None, "nccl_rings": True}
    # Says who is a spare where a discovery counts no nodes, and nothing where a recipe does.
    assert asked("discover", planned["ansible.builtin.set_fact"]["discover_plan"]) == {**wanted, "spare_unfit": True}
    assert plan_of(OBSERVATIONS, nodes=2, spare_unfit=True) == plan_of(OBSERVATIONS, nodes=2)
    assert asked("serve", status["__serve_plan"], **status) == wanted


def test_the_space_for_images_is_wanted_by_what_each_node_has_and_a_spare_keeps_them() -> None:
    tasks = loaded("preflight", "tasks/main.yml")
    (look,) = [task for task in tasks if "ansible.builtin.stat" in task]
    (note,) = [task["ansible.builtin.set_fact"] for task in tasks if "__preflight_is_deployed" in task.get("ansible.builtin.set_fact", {})]
    # a was a rank and is a spare now, b serves, c is new.
    there = {"a": ["/var/lib/dgx-spark/caches"], "b": ["/etc/dgx-spark", "/var/lib/dgx-spark/caches"], "c": []}
    hostvars = {}
    for host, paths in there.items():
        looked_at = templar("preflight", host).template(look["loop"])
        results = [{"stat": {"exists": path in paths}} for path in looked_at]
        found = templar("preflight", host, __preflight_left={"results": results}).template(note)
        hostvars[host] = found
    (judged,) = [task["vars"]["__preflight_wanted"] for task in tasks if "__preflight_wanted" in task.get("vars", {})]
    for host in HOSTS:
        assert templar("preflight", host, hostvars=hostvars).template(judged["deployed"]) == ["a", "b"]
        assert set(templar("preflight", host, hostvars=hostvars).template(judged["min_free_disk_gib"]).values()) == {40}


def test_the_head_that_is_stopped_first_is_where_rank_0_is_installed() -> None:
    stops = {task["name"]: task for task in loaded("serve", "tasks/absent.yml") if "dgx_spark.vllm.rank" in task}
    # a was passed over, c became the head; b has what a deployment left that was interrupted, and the files of another recipe.
    found: dict[str, list[tuple[str, Any]]] = {
        "a": [],
        "b": [("mini", {"rank": 1}), ("broken", None), ("old", {}), ("other", {"rank": 0})],
        "c": [("mini", {"rank": 0})],
    }
    stopped: dict[str, dict[str, list[str]]] = {}
    for host, recipes in found.items():
        results = [{"item": recipe, "launch": launch} for recipe, launch in recipes]
        given = templar("serve", host, __serve_found={"results": results})
        stopped[host] = {
            name.split(" | ")[1]: given.template(task["loop"])
            for name, task in stops.items()
            if "when" not in task or given.evaluate_conditional(task["when"])
        }
    head, workers = "Stop the head for good", "Stop the workers for good"
    assert list(stopped["a"]) == [head, workers]
    assert stopped == {
        "a": {head: [], workers: []},
        "b": {head: ["other"], workers: ["mini", "broken", "old"]},
        "c": {head: ["mini"], workers: []},
    }
