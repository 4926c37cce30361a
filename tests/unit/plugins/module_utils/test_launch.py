"""Rendering of what one node runs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _launch
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

RECIPE = yaml.safe_load((Path(__file__).parents[4] / "recipes" / "dsv4-flash-b12x-1m.yml").read_text())
IMAGE = {"reference": "dgx-spark/vllm:0123456789abcdef", "key": "0123456789abcdef"}
MODEL: dict[str, Any] = {
    "argument": "deepseek-ai/DeepSeek-V4-Flash",
    "revision": "c0ffee",
    "environment": {"HF_HOME": "/home/ada/.cache/huggingface"},
    "mounts": ["/home/ada/.cache/huggingface"],
    "link_targets": ["/home/ada/.cache/huggingface/hub", "/data/blobs"],
    "read_only": False,
}
CACHES = {
    "mounts": [{"source": "/var/lib/dgx-spark/caches/0123456789abcdef", "target": "/var/cache/dgx-spark", "read_only": False}],
    "environment": {"VLLM_CACHE_ROOT": "/var/cache/dgx-spark/vllm"},
}
API = {"address": "127.0.0.1", "port": 8000}


def node(rank: int) -> dict[str, Any]:
    address = f"192.168.100.{11 + rank}"
    rail = {
        "device": f"mlx5_{rank}",
        "port": 1,
        "netdev": "enp1s0f0np0",
        "ipv4": address,
        "network": "192.168.100.0/24",
        "gid_index": 3,
        "mtu": 9000,
    }
    return {
        "rank": rank,
        "host_ip": address,
        "socket_ifname": "enp1s0f0np0",
        "rails": [rail],
        "env": {"VLLM_HOST_IP": address, "NCCL_IB_HCA": f"=mlx5_{rank}:1", "NCCL_IB_GID_INDEX": "3"},
        "env_unset": ["HOST_IP", "NCCL_IB_ADDR_RANGE"],
    }


def plan(*names: str) -> dict[str, Any]:
    """A plan with a rank for each name, in that order."""
    nodes = {name: node(rank) for rank, name in enumerate(names)}
    return {"topology": "pair" if len(names) == 2 else "switch", "master_addr": "192.168.100.11", "hash": "plan", "nodes": nodes}


PLAN = plan("ada", "bob")


def render(host: str = "ada", recipe: Any = RECIPE, plan: Optional[dict] = None, **parts: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"image": IMAGE, "model": MODEL, "caches": CACHES, "api": API}
    return _launch.render(recipe, plan or PLAN, host, **{**given, **parts})


def test_the_common_vector_and_its_hash_are_equal_on_all_ranks() -> None:
    head, worker = render("ada"), render("bob")
    assert head["argv_common"] == worker["argv_common"]
    assert head["hash"] == worker["hash"]
    assert head["launch"]["launch_hash"] != worker["launch"]["launch_hash"]


def test_the_launch_names_the_image_by_its_id_too_which_is_each_nodes_own() -> None:
    built = {host: render(host, image={**IMAGE, "id": f"sha256:{host}"}) for host in ("ada", "bob")}
    assert {host: found["launch"]["image_id"] for host, found in built.items()} == {"ada": "sha256:ada", "bob": "sha256:bob"}
    assert built["ada"]["hash"] == built["bob"]["hash"] == render()["hash"]
    assert built["ada"]["launch"]["launch_hash"] != render()["launch"]["launch_hash"]


def test_only_the_rank_and_the_api_address_differ() -> None:
    assert render("ada")["argv_rank"] == ["--node-rank", "0", "--host", "127.0.0.1", "--port", "8000"]
    assert render("bob")["argv_rank"] == ["--node-rank", "1", "--headless"]


def test_the_words_are_those_of_the_compose_file() -> None:
    words = render()["argv_common"]
    assert words[:6] == ["serve", "deepseek-ai/DeepSeek-V4-Flash", "--served-model-name", "deepseek-v4-flash", "--revision", "c0ffee"]
    assert words[words.index("--speculative-config") + 1] == '{"method":"mtp","num_speculative_tokens":2,"revision":"c0ffee"}'
    assert words[words.index("--max-model-len") + 1] == "1000000"
    assert words[words.index("--enable-prefix-caching") + 1].startswith("--")
    assert words[-6:] == ["--nnodes", "2", "--master-addr", "192.168.100.11", "--master-port", "25000"]


def test_json_is_handed_over_without_a_shell_reading_it() -> None:
    launch = render()["launch"]
    assert launch["entrypoint"] == "bash"
    assert launch["command"][:3] == ["-lc", 'exec /usr/local/bin/dsv4-vllm-entrypoint "$@"', "dsv4-vllm-entrypoint"]
    assert all(json.loads(word) for word in launch["command"] if word.startswith("{"))


def test_what_moves_between_starts_is_in_no_file_and_in_no_hash() -> None:
    moved = copy.deepcopy(PLAN)
    moved["nodes"]["ada"]["rails"][0].update(gid_index=5, mtu=1500)
    moved["nodes"]["ada"]["env"]["NCCL_IB_GID_INDEX"] = "5"
    assert render(plan=moved) == render()
    assert "GID_INDEX" not in render()["static_env"]
    assert "NCCL_IB_GID_INDEX" in render()["env_unset"]


def test_one_file_is_preloaded_and_given_to_vllm() -> None:
    env = render()["env"]
    assert env["LD_PRELOAD"] == env["VLLM_NCCL_SO_PATH"] == "/opt/dgx-spark/nccl/libnccl.so.2"


def test_nothing_is_set_and_removed_at_once_and_nothing_is_empty() -> None:
    rendered = render()
    assert not set(rendered["env"]) & set(rendered["env_unset"])
    assert all(rendered["env"].values())


def test_links_resolve_through_the_fewest_mounts() -> None:
    targets = [mount["target"] for mount in render()["mounts"]]
    assert targets == ["/etc/passwd", "/etc/group", "/home/ada/.cache/huggingface", "/data/blobs", "/var/cache/dgx-spark"]


def test_a_read_only_model_leaves_the_caches_writable() -> None:
    mounts = {mount["target"]: mount["read_only"] for mount in render(model={**MODEL, "read_only": True})["mounts"]}
    assert mounts["/data/blobs"] and mounts["/home/ada/.cache/huggingface"] and not mounts["/var/cache/dgx-spark"]


@pytest.mark.parametrize(
    ("gpu", "words"),
    [("gpus", ["--gpus", "all"]), ("cdi", ["--device", "nvidia.com/gpu=all"]), ("runtime", ["--runtime", "nvidia"])],
)
def test_gpus_are_asked_for_in_the_way_the_node_has(gpu: str, words: list[str]) -> None:
    assert render(gpu=gpu)["launch"]["docker_options"][4:6] == words


@pytest.mark.parametrize("gpu", ["gpus", None])
def test_a_recipe_on_the_cpu_asks_docker_for_no_gpu_and_has_a_hash_of_its_own(gpu: Optional[str]) -> None:
    launch = render(recipe={**RECIPE, "device": "cpu"}, gpu=gpu)["launch"]
    assert launch["docker_options"][:6] == ["--network", "host", "--ipc", "host", "--ulimit", "memlock=-1:-1"]
    assert not {"--gpus", "--runtime", "nvidia.com/gpu=all"} & set(launch["docker_options"])
    assert launch["hash"] != render()["hash"] == render(recipe={**RECIPE, "device": "gpu"})["hash"]


def test_a_node_without_a_way_to_give_gpus_can_not_run_a_recipe_that_needs_them() -> None:
    with pytest.raises(_launch.LaunchError, match="gpu is None, wanted one of gpus, cdi, runtime"):
        render(gpu=None)


def test_an_extra_argument_replaces_the_recipes_on_every_rank() -> None:
    rendered = render("bob", extra_arguments={"max-model-len": 262144})
    assert rendered["argv_common"].count("--max-model-len") == 1
    assert rendered["launch"]["max_model_len"] == 262144
    assert rendered["hash"] != render("bob")["hash"]


def test_an_option_that_takes_several_words_gets_them_one_by_one() -> None:
    lists = {"cudagraph-capture-sizes": [1, 2, 4], "allowed-origins": ["*"], "lora-modules": ["a=b", {"name": "c"}]}
    words = " ".join(render(extra_arguments=lists, vllm=CATALOGUE)["argv_common"])
    assert ' --cudagraph-capture-sizes 1 2 4 --allowed-origins ["*"] --lora-modules a=b {"name":"c"} --nnodes ' in words


@pytest.mark.parametrize("port", [0, -5, 70000, "eighty", "٣", None])
def test_a_port_that_is_none_is_refused(port: Any) -> None:
    with pytest.raises(_launch.LaunchError, match=f"serve_api_port: found {port}, wanted a port from 1 to 65535"):
        render(api={**API, "port": port})


def test_a_port_at_which_the_ranks_meet_is_refused_for_the_api() -> None:
    with pytest.raises(_launch.LaunchError, match=r"serve_api_port: found 25000, which is ports\.master of recipe dsv4"):
        render(api={**API, "port": "25000"})


@pytest.mark.parametrize("target", ["/", "/opt", "/opt/dgx-spark", "/opt/dgx-spark/nccl"])
def test_a_model_in_the_place_of_the_images_nccl_is_refused(target: str) -> None:
    model = {**MODEL, "mounts": [{"source": target, "target": target, "read_only": True}]}
    with pytest.raises(_launch.LaunchError, match=f"mounted at {target}, which hides the image's NCCL, /opt/dgx-spark/nccl/libnccl.so.2"):
        render(model=model)


@pytest.mark.parametrize(
    ("host", "change", "text"),
    [
        ("eve", {}, "eve is not in the plan, which has ada, bob"),
        ("ada", {"nodes": 4}, "is for 4 nodes, the plan has 2"),
    ],
)
def test_what_can_not_be_rendered_is_named(host: str, change: dict, text: str) -> None:
    with pytest.raises(_launch.LaunchError, match=text):
        render(host, recipe={**RECIPE, **change})


def test_the_image_is_told_its_rank_as_the_compose_file_does() -> None:
    head, worker = render("ada"), render("bob")
    assert {name: head["env"][name] for name in ("NODE_RANK", "MASTER_ADDR")} == {"NODE_RANK": "0", "MASTER_ADDR": "192.168.100.11"}
    assert "HEADLESS" in head["env_unset"] and "HEADLESS" not in head["env"]
    assert worker["env"]["NODE_RANK"] == worker["env"]["HEADLESS"] == "1"


def test_an_option_written_with_underscores_is_the_same_option() -> None:
    rendered = render(extra_arguments={"max_model_len": 4096})
    assert rendered["launch"]["max_model_len"] == 4096
    assert rendered["argv_common"].count("--max-model-len") == 1 and "--max_model_len" not in rendered["argv_common"]


@pytest.mark.parametrize("words", [("max_model_len", "max-model-len"), ("max-model-len", "max_model_len")])
def test_an_option_in_two_spellings_is_refused_in_either_order(words: tuple[str, str]) -> None:
    with pytest.raises(_launch.LaunchError, match="max_model_len is no name of an option, wanted it with hyphens"):
        render(extra_arguments=dict.fromkeys(words, 4096), vllm=CATALOGUE)


def test_null_takes_an_option_or_a_variable_of_the_recipe_away() -> None:
    rendered = render(extra_arguments={"speculative-config": None}, extra_environment={"NCCL_NVLS_ENABLE": None})
    assert "--speculative-config" not in rendered["argv_common"] and "None" not in rendered["argv_common"]
    assert "NCCL_NVLS_ENABLE" not in rendered["env"]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"extra_arguments": {"generation-config": ""}}, "arguments.generation-config"),
        ({"extra_arguments": {"enable-prefix-caching": False}}, "no-enable-prefix-caching"),
        ({"extra_arguments": {"api-key": "x"}}, "arguments.api-key is decided by the roles"),
        ({"extra_arguments": {"tensor-parallel-size": 4}}, "nodes: found 2"),
        ({"extra_environment": {"NCCL_IB_GID_INDEX": "3"}}, "environment.NCCL_IB_GID_INDEX is found per node"),
        ({"extra_environment": {"VLLM_API_KEY": "x"}}, "environment.VLLM_API_KEY"),
        ({"extra_environment": {"A": "b\nC=d"}}, "environment.A"),
    ],
)
def test_what_a_user_adds_is_checked_like_a_recipe(extra: dict[str, Any], text: str) -> None:
    with pytest.raises(_launch.LaunchError, match=text):
        render(**extra)


def test_the_launch_says_whether_the_model_thinks_by_default() -> None:
    assert render()["launch"]["reasoning"] == {"parser": "deepseek_v4", "thinking": True}
    quiet = render(extra_arguments={"default-chat-template-kwargs": {"thinking": False}})
    assert quiet["launch"]["reasoning"] == {"parser": "deepseek_v4", "thinking": False}


def ring_node(rank: int) -> dict[str, Any]:
    beside = {"host_ip": f"10.9.0.{rank + 1}", "socket_ifname": "enP7s7"}
    found = node(rank)
    return {**found, **beside, "env": {**found["env"], "NCCL_ALGO": "Ring", "NCCL_IB_MERGE_NICS": "0"}}


RING: dict[str, Any] = {**PLAN, "topology": "ring", "nodes": {"ada": ring_node(0), "bob": ring_node(1)}}


def test_the_launch_names_what_is_waited_for_beside_the_rails() -> None:
    assert "control" not in render()["launch"], "a pair that serves is not restarted because it could have one"
    assert render("bob", plan=RING)["launch"]["control"] == {"netdev": "enP7s7", "ipv4": "10.9.0.2"}


def test_a_variable_that_the_plan_needs_otherwise_is_refused_and_an_equal_one_is_not() -> None:
    assert render(plan=RING, extra_environment={"NCCL_ALGO": "Ring"})["env"]["NCCL_ALGO"] == "Ring"
    with pytest.raises(_launch.LaunchError, match=r"sets NCCL_ALGO=Tree \(here Ring\), which the ring of ada needs otherwise") as refused:
        render(plan=RING, extra_environment={"NCCL_ALGO": "Tree"})
    assert "null in serve_extra_environment" in str(refused.value)


def test_a_file_that_nodes_may_have_is_mounted_where_it_is_and_its_content_is_part_of_the_hash() -> None:
    recipe = copy.deepcopy(RECIPE)
    mount = {"source": "/opt/dgx-spark/patches/fallbacks.py", "target": "/usr/lib/fallbacks.py", "read_only": True, "optional": True}
    recipe["container"]["mounts"].append(mount)
    absent = render(recipe=recipe, host_files={mount["source"]: None})
    there = {sha: render(recipe=recipe, host_files={mount["source"]: sha}) for sha in ("aa", "bb")}
    assert absent == render() == render(recipe=recipe)
    assert [entry for entry in there["aa"]["mounts"] if entry not in absent["mounts"]] == [
        {"source": mount["source"], "target": mount["target"], "read_only": True}
    ]
    assert (
        len({run["hash"] for run in (absent, *there.values())})
        == len({run["launch"]["launch_hash"] for run in (absent, *there.values())})
        == 3
    )


def test_a_mount_in_the_place_of_the_caches_is_refused() -> None:
    recipe = copy.deepcopy(RECIPE)
    recipe["container"]["mounts"].append({"source": "/srv", "target": "/var/cache/dgx-spark"})
    with pytest.raises(_launch.LaunchError, match=r"container\.mounts has the target /var/cache/dgx-spark, where the roles mount"):
        render(recipe=recipe)
