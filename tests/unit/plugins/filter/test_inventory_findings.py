"""The check of an inventory as the playbooks call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible.errors import AnsibleError

from ansible_collections.dgx_spark.vllm.plugins.filter.inventory_findings import inventory_findings, role_options
from ansible_collections.dgx_spark.vllm.plugins.lookup.recipe import RECIPES

NODES = {"ada": {"ansible_host": "10.0.0.1"}, "bob": {"ansible_host": "10.0.0.2"}}
CONTEXT = {"group": "spark_nodes", "inventory": "inventories/mine", "recipe": "dsv4-flash-b12x-1m"}


def check(hosts: Any, **change: Any) -> list[dict[str, Any]]:
    """All findings but those about the recipe, which is sound and has something of its image's fork in it."""
    return [item for item in inventory_findings(hosts, list(hosts), **{**CONTEXT, **change}) if not item["id"].startswith("recipe.")]


def find(variables: Any = None, **change: Any) -> list[dict[str, Any]]:
    return check({host: {**values, **(variables or {})} for host, values in NODES.items()}, **change)


def test_a_sound_inventory_has_no_findings() -> None:
    assert find({"serve_api_port": "8001", "image_pull": "never", "spark_head": "ada"}, head="ada") == []


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    found = find(recipe="dsv4-flash-b12x-2m")
    assert [item["id"] for item in found] == ["inventory.recipe"]
    assert "did you mean dsv4-flash-b12x-1m?" in found[0]["found"]


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"serve_api_port": "eighty"}, "serve_api_port"),
        ({"serve_extra_arguments": 3}, "serve_extra_arguments"),
        ({"image_pull": "sometimes"}, "image_pull"),
        ({"preflight_infiniband": "perhaps"}, "preflight_infiniband"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_for_each_host(variables: dict[str, Any], text: str) -> None:
    found = find(variables)
    assert [(item["id"], item["host"]) for item in found] == [("inventory.wrong-type", "ada"), ("inventory.wrong-type", "bob")]
    assert text in found[0]["found"]


def test_the_value_of_a_secret_is_never_shown() -> None:
    found = find({"serve_api_key": {"s3cr3t": 1}})
    assert found == [] or "s3cr3t" not in str(found)


def test_all_mistakes_are_named_at_once() -> None:
    found = find({"serve_api_prot": 1, "image_pull": "x"}, head="eve")
    assert {item["id"] for item in found} == {"inventory.head-not-in-group", "inventory.unknown-variable", "inventory.wrong-type"}


def test_the_number_of_nodes_is_that_of_the_playbook_or_of_the_recipe() -> None:
    assert find(expected_nodes=4)[0]["wanted"].startswith("4,")


def test_more_hosts_than_the_recipe_is_for_are_spares_unless_the_playbook_says_how_many() -> None:
    hosts = {**NODES, "eve": {"ansible_host": "10.0.0.3"}}
    assert [(item["id"], item["severity"]) for item in check(hosts)] == [("inventory.spares", "info")]
    assert [item["id"] for item in check(hosts, expected_nodes=2)] == ["inventory.node-count"]


def test_each_mistake_in_a_recipe_is_a_finding_of_its_own_that_names_file_and_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(
        (Path(RECIPES) / "dsv4-flash-b12x-1m.yml").read_text().replace("ipc: host", "ipc: hots").replace("api: 8000", "api: 80000")
    )
    found = [item for item in find(recipe=str(path)) if item["id"] == "inventory.recipe"]
    assert [item["found"].partition(", wanted")[0] for item in found] == [
        f"recipe {path}: ports.api: found 80000",
        f"recipe {path}: container.ipc: found 'hots'",
    ]
    assert all("correct the recipe" in item["remedy"] for item in found)


@pytest.mark.parametrize("recipe", [3, None, [], {"name": "x"}, "/home/ada"])
def test_a_recipe_that_is_no_text_is_named(recipe: Any) -> None:
    assert [item["id"] for item in find(recipe=recipe)] == ["inventory.recipe"]


def test_the_recipe_is_read_even_if_the_playbook_says_how_many_nodes() -> None:
    assert find(expected_nodes=2, recipe="nope")[0]["id"] == "inventory.recipe"
    assert [item["id"] for item in find(expected_nodes="4")] == ["inventory.node-count", "inventory.recipe"]


def test_arguments_that_do_not_fit_the_recipe_are_named() -> None:
    found = find({"serve_extra_arguments": {"tensor_parallel_size": 4}, "serve_extra_environment": {"NCCL_IB_GID_INDEX": "3"}})
    assert {item["id"] for item in found} == {"inventory.arguments"}
    assert any("NCCL_IB_GID_INDEX is found per node" in item["found"] for item in found)


class Broken(dict):
    def __getitem__(self, name: str) -> Any:
        if name == "image_nccl_wheel":
            raise AnsibleError("no such file")
        if name == "other":
            raise AssertionError("a variable that is not ours must not be read")
        return super().__getitem__(name)


def test_a_variable_that_can_not_be_evaluated_is_named_and_other_variables_are_not_read() -> None:
    hosts = {host: Broken(values, image_nccl_wheel="x", other="y") for host, values in NODES.items()}
    found = check(hosts)
    assert [(item["id"], item["found"]) for item in found] == [("inventory.unreadable-variable", "image_nccl_wheel: no such file")] * 2


def test_a_variable_that_is_undefined_is_named() -> None:
    found = find({"image_nccl_wheel": jinja2.StrictUndefined(hint="No first item, sequence was empty.")})
    assert [item["found"] for item in found] == ["image_nccl_wheel: No first item, sequence was empty."] * 2


def test_secrets_are_marked() -> None:
    assert role_options()["serve_api_key"]["no_log"] is True


@pytest.mark.parametrize(("port", "text"), [(70000, "a port from 1 to 65535"), ("-5", "a port from 1 to 65535"), (25000, "ports.master")])
def test_a_port_that_the_api_can_not_have_is_named(port: Any, text: str) -> None:
    found = find({"serve_api_port": port})
    assert [(item["id"], item["host"]) for item in found] == [("inventory.port", "ada"), ("inventory.port", "bob")]
    assert text in found[0]["found"]


@pytest.mark.parametrize("port", [0, "0", "", 8001])
def test_a_port_that_the_api_can_have_is_not(port: Any) -> None:
    assert [item for item in find({"serve_api_port": port}) if item["id"] == "inventory.port"] == []


def test_a_layer_that_is_none_is_named_on_each_host() -> None:
    found = find({"image_layers": [{"copy": "patch.py", "target": "/opt/patch.py"}]})
    assert [(item["id"], item["host"]) for item in found] == [("inventory.layers", "ada"), ("inventory.layers", "bob")]
    assert "image_layers[0]" in found[0]["found"]
    assert find({"image_layers": [{"run": ["true"]}]}) == []


def test_a_variable_of_a_layer_that_nothing_reads_is_named() -> None:
    layers = {"image_layers": [{"environment": {"NCLL_DEBUG": "INFO"}}]}
    found = find(layers)
    assert [(item["id"], item["host"]) for item in found] == [("inventory.layers", "ada"), ("inventory.layers", "bob")]
    assert "image_layers[0].environment.NCLL_DEBUG" in found[0]["found"] and "NCCL_DEBUG" in found[0]["found"]
    assert find({**layers, "serve_extra_declared": {"other_environment": ["NCLL_DEBUG"]}}) == []


def told(variables: Any = None, **change: Any) -> list[tuple[str, str]]:
    hosts = {host: {**values, **(variables or {})} for host, values in NODES.items()}
    found = inventory_findings(hosts, list(hosts), **{**CONTEXT, **change})
    return [(item["id"], item["found"]) for item in found if item["id"].startswith("recipe.")]


def test_what_only_the_image_s_fork_knows_is_told_once_and_as_far_as_it_is_used() -> None:
    used = "recipe dsv4-flash-b12x-1m uses what vLLM 0.21.1 does not know: VLLM_USE_B12X_MOE"
    assert told() == told({"serve_api_port": "eighty"}) == [("recipe.fork-only", used)]
    assert told({"serve_extra_environment": {"VLLM_USE_B12X_MOE": None}}) == []
    assert told(recipe="nope") == []


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        (
            {"serve_extra_arguments": {"max-num-seq": 4}},
            "arguments.max-num-seq: vLLM 0.21.1, going by 0.21.0, has no such option (did you mean",
        ),
        ({"serve_extra_arguments": {"kv-cache-dtype": "fp9"}}, "arguments.kv-cache-dtype: found 'fp9', wanted one that vLLM 0.21.1"),
        (
            {"serve_extra_environment": {"VLLM_LOGGING_LEVL": "x"}},
            "environment.VLLM_LOGGING_LEVL: vLLM 0.21.1, going by 0.21.0, does not know it",
        ),
    ],
)
def test_what_vllm_does_not_know_is_named_for_each_host(variables: dict[str, Any], text: str) -> None:
    found = find(variables)
    assert [(item["id"], item["host"]) for item in found] == [("inventory.arguments", "ada"), ("inventory.arguments", "bob")]
    assert all(item["found"].startswith(text) for item in found)


def test_what_the_image_knows_of_an_override_is_declared_beside_it() -> None:
    extra = {"serve_extra_arguments": {"enable-b12x": "any"}, "serve_extra_environment": {"DSPARK_SLOT_CLAMP": "1"}}
    declared = {"fork_arguments": ["enable-b12x"], "other_environment": ["DSPARK_SLOT_CLAMP"]}
    assert {item["id"] for item in find(extra)} == {"inventory.arguments"}
    assert find({**extra, "serve_extra_declared": declared}) == []
    assert "enable-b12x, VLLM_USE_B12X_MOE" in told({**extra, "serve_extra_declared": declared})[0][1]


@pytest.mark.parametrize("declared", [{"fork_argument": ["x"]}, {"fork_values": ["x"]}, {"fork_arguments": {"x": 1}}, 3])
def test_a_declaration_of_another_shape_is_named(declared: Any) -> None:
    found = find({"serve_extra_declared": declared})
    assert [(item["id"], item["host"]) for item in found] == [("inventory.wrong-type", "ada"), ("inventory.wrong-type", "bob")]
    assert all("serve_extra_declared" in item["found"] for item in found)
