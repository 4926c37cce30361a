"""Mistakes cost one message, which names them all, and change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.acceptance.conftest import inventory_file
from tests.acceptance.harness import ROOT, Playbooks


def alone(group: dict[str, Any]) -> None:
    del group["hosts"]["spark2"]


def twice(group: dict[str, Any]) -> None:
    group["hosts"]["spark2"]["ansible_host"] = "10.77.0.11"


def twice_by_another_name(group: dict[str, Any]) -> None:
    group["hosts"]["spark2"]["ansible_host"] = "sim-alias"
    group["hosts"]["spark2"]["ansible_ssh_extra_args"] = "-o HostName=10.77.0.11 -o HostKeyAlias=10.77.0.11"


def away(group: dict[str, Any]) -> None:
    group["hosts"]["spark2"]["ansible_host"] = "10.77.0.99"
    group["vars"]["ansible_ssh_extra_args"] = "-o ConnectTimeout=3"


def variable(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda group: group["vars"].update({name: value})


MISTAKES = [
    pytest.param(alone, ["spark_nodes", "1 host: spark1", "two or more"], id="one host"),
    pytest.param(twice, ["spark1 and spark2 are both 10.77.0.11", "ansible_host"], id="the same address twice"),
    pytest.param(twice_by_another_name, ["spark1", "spark2", "same"], id="the same machine under two names"),
    pytest.param(away, ["spark2", "10.77.0.99", "wanted a login"], id="a node that does not answer"),
    pytest.param(
        variable("serve_api_prot", 8001),
        ["serve_api_prot", "spark1, spark2", "did you mean serve_api_port?"],
        id="a role variable misspelt",
    ),
    pytest.param(variable("spark_haed", "spark1"), ["spark_haed", "did you mean spark_head?"], id="a cluster variable misspelt"),
    pytest.param(
        variable("dsv4_recipe", "dsv4-flash-b12x-2m"), ["dsv4-flash-b12x-2m", "did you mean dsv4-flash-b12x-1m?"], id="an unknown recipe"
    ),
    pytest.param(variable("serve_api_port", "eighty"), ["serve_api_port", "eighty", "int"], id="a wrong type"),
    pytest.param(
        variable("serve_extra_arguments", {"max-num-seqs": False}), ["max-num-seqs", "spark1", "serve_extra_arguments"], id="an argument"
    ),
    pytest.param(variable("spark_head", "spark3"), ["spark3", "spark_nodes", "spark1, spark2"], id="a head that is not in the group"),
]


@pytest.mark.parametrize(("mistake", "words"), MISTAKES)
def test_a_mistake_is_one_message_and_no_change(
    playbooks: Playbooks, tmp_path: Path, mistake: Callable[[dict[str, Any]], None], words: list[str]
) -> None:
    run = playbooks.deploy(inventory=inventory_file(tmp_path, mistake))
    assert run.code != 0
    # A node that can't be reached is reported by Ansible too, in its own words, before our message.
    failed = [event for event in run.failures if event["outcome"] == "failed"]
    assert len(failed) == 1, run.output[-3000:]
    missing = [word for word in words if word not in json.dumps(failed[0]["message"])]
    assert missing == [], failed[0]["message"]
    assert run.changed == set()


def test_a_mistake_in_a_recipe_is_named_with_its_place_and_no_node_is_asked(playbooks: Playbooks, tmp_path: Path) -> None:
    recipe = tmp_path / "dsv4-flash-b12x-1m.yml"
    recipe.write_text(
        (ROOT / "recipes" / recipe.name).read_text().replace("target: /etc/group", "target: etc/group").replace("ipc: host", "ipc: hots")
    )
    run = playbooks.deploy(inventory=inventory_file(tmp_path, variable("dsv4_recipe", str(recipe))))
    assert run.code != 0 and len(run.failures) == 1 and run.changed == set(), run.output[-3000:]
    said = run.failures[0]["message"]
    assert f"recipe {recipe}: container.mounts[1].target: found 'etc/group', wanted an absolute path" in said, said
    assert f"recipe {recipe}: container.ipc: found 'hots', wanted host, private or shareable (did you mean host?)" in said, said
    assert {event["host"] for event in run.events if "host" in event} == {"localhost"}


def test_several_mistakes_are_named_in_one_message(playbooks: Playbooks, tmp_path: Path) -> None:
    def several(group: dict[str, Any]) -> None:
        group["vars"].update({"spark_head": "spark3", "serve_api_prot": 1, "image_pull": "sometimes"})

    run = playbooks.deploy(inventory=inventory_file(tmp_path, several))
    assert len(run.failures) == 1
    assert all(word in run.failures[0]["message"] for word in ("spark3", "serve_api_prot", "sometimes"))


def test_part_of_the_cluster_is_not_deployed(playbooks: Playbooks) -> None:
    run = playbooks.deploy("--limit", "spark1")
    assert run.code != 0 and "spark2 of group spark_nodes left out (--limit spark1)" in run.output and run.changed == set()


def test_the_inventory_to_copy_says_which_file_to_edit(playbooks: Playbooks) -> None:
    run = playbooks.deploy(inventory=ROOT / "inventories" / "two_spark")
    assert run.code != 0 and len(run.failures) == 1
    assert "inventories/two_spark" in run.failures[0]["message"] and "edit" in run.failures[0]["message"]


def test_nodes_that_do_not_give_root_are_all_named_in_one_message(playbooks: Playbooks, tmp_path: Path) -> None:
    run = playbooks.deploy(inventory=inventory_file(tmp_path, variable("ansible_become_user", "nobody-here")))
    said = [event["message"] for event in run.failures if event["task"] == "Stop when a node can't be reached"]
    assert run.code != 0 and len(said) == 1 and run.changed == set(), run.output[-3000:]
    assert all(f"inventory.login {host}: " in said[0] for host in ("spark1", "spark2")) and "--ask-become-pass" in said[0]
