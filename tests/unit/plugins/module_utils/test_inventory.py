"""Mistakes in an inventory are found before any node is asked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _inventory


def find(hosts: list[str], **change: Any) -> list[dict[str, Any]]:
    given: dict[str, Any] = {
        "group": "spark_nodes",
        "head": None,
        "wanted_nodes": 2,
        "addresses": {host: f"10.0.0.{index}" for index, host in enumerate(hosts)},
        "inventory": "inventories/mine",
    }
    return _inventory.host_findings(hosts, **{**given, **change})


CASES = [
    (["ada"], {}, "inventory.too-few-nodes", "group spark_nodes has 1 host: ada"),
    ([], {}, "inventory.too-few-nodes", "group spark_nodes has 0 hosts"),
    (["ada", "bob", "eve"], {}, "inventory.node-count", "group spark_nodes has 3 hosts"),
    (["ada", "bob"], {"head": "bib"}, "inventory.head-not-in-group", "spark_head is bib"),
    (["ada", "bob"], {"addresses": {"ada": "10.0.0.1", "bob": "10.0.0.1"}}, "inventory.same-machine", "ada and bob are both 10.0.0.1"),
    (
        ["ada", "bob"],
        {"addresses": {"ada": "REPLACE-ME-x", "bob": "b"}},
        "inventory.placeholder",
        "ansible_host of ada is still REPLACE-ME",
    ),
]


@pytest.mark.parametrize(("hosts", "change", "identifier", "text"), CASES)
def test_a_mistake_in_the_group_is_named(hosts: list[str], change: dict[str, Any], identifier: str, text: str) -> None:
    found = find(hosts, **change)
    assert [item["id"] for item in found] == [identifier]
    assert text in found[0]["found"]
    assert found[0]["wanted"] and found[0]["remedy"]


@pytest.mark.parametrize(
    ("hosts", "wanted", "spares", "identifier", "words"),
    [
        (3, 2, True, "inventory.spares", ("3 hosts, 1 of them as spare", "2 or more, for this recipe")),
        (4, 2, True, "inventory.spares", ("4 hosts, 2 of them as spares", "2 or more")),
        (3, 2, False, "inventory.node-count", ("3 hosts", "2, for this playbook and recipe")),
        (2, 3, True, "inventory.node-count", ("2 hosts", "3 or more, for this playbook and recipe")),
        (2, 3, False, "inventory.node-count", ("2 hosts", "3, for")),
        (2, 1, True, "inventory.node-count", ("2 hosts", "1, for")),
    ],
)
def test_more_hosts_than_are_wanted_are_spares_and_fewer_are_a_mistake(
    hosts: int, wanted: int, spares: bool, identifier: str, words: tuple[str, ...]
) -> None:
    (found,) = find([f"spark{number}" for number in range(hosts)], wanted_nodes=wanted, spares=spares)
    assert (found["id"], found["severity"]) == (identifier, "info" if identifier == "inventory.spares" else "error")
    assert [word for word in words if word not in f"{found['found']}; {found['wanted']}"] == []


def test_a_sound_group_has_no_findings() -> None:
    assert find(["ada", "bob"], head="bob") == []


def test_a_misspelt_head_is_answered_with_the_nearest_host() -> None:
    assert find(["ada", "bob"], head="bib")[0]["remedy"] == "did you mean bob?"


def test_an_unknown_variable_is_answered_with_the_nearest_known_one() -> None:
    found = _inventory.variable_findings({"ada": ["serve_api_prot"], "bob": ["serve_api_prot"]}, ["serve_api_port"], [], "mine")
    assert [(item["host"], item["found"], item["wanted"]) for item in found] == [
        ("ada, bob", "variable serve_api_prot", "did you mean serve_api_port?")
    ]


@pytest.mark.parametrize("name", ["spark_haed", "dsv4_recipes", "image_pul", "preflight_x"])
def test_names_that_look_like_ours_are_checked(name: str) -> None:
    assert _inventory.variable_findings({"ada": [name]}, ["image_pull"], [], "mine")


@pytest.mark.parametrize("name", ["ansible_user", "my_image_pull", "spark_head", "dsv4_recipe", "image_pull"])
def test_other_names_are_left_alone(name: str) -> None:
    assert _inventory.variable_findings({"ada": [name]}, ["image_pull"], [], "mine") == []


def test_a_users_own_variable_can_be_declared() -> None:
    assert _inventory.variable_findings({"ada": ["image_vault"]}, [], ["image_vault"], "mine") == []
