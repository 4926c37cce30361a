"""What of an image reaches the process: the words that start it, and none of the variables that it bakes in for another machine."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _gid, _image_baked, _launch
from ansible_collections.dgx_spark.vllm.plugins.module_utils._overlay import NCCL_PATH
from ansible_collections.dgx_spark.vllm.plugins.module_utils._plan import plan
from tests.unit.plugins.fixtures.spark import observed, spark
from tests.unit.plugins.module_utils.test_launch import API, CACHES, IMAGE, MODEL, RECIPE

PLAN = plan({f"spark{n}": observed(spark(n, cage)) for n, cage in enumerate((0, 1), 1)})
SILENT = {**RECIPE, "image": {"name": RECIPE["image"]["name"]}}
# What images of the field bake in (Aiden's and bjk110's), and whatever else would place a rank or say where models are.
MISLEADING = (
    *(
        "GLOO_SOCKET_IFNAME",
        "TP_SOCKET_IFNAME",
        "MN_IF_NAME",
        "OMPI_MCA_btl_tcp_if_include",
        "UCX_NET_DEVICES",
        "VLLM_NCCL_SO_PATH",
        "LD_PRELOAD",
    ),
    *("NCCL_SOCKET_IFNAME", "NCCL_IB_HCA", "NCCL_IB_DISABLE", "NCCL_NET", "NCCL_CROSS_NIC", "NCCL_COMM_ID", "NCCL_CONF_FILE", "NCCL_DEBUG"),
    *(
        "NCCL_IB_GID_INDEX",
        "NCCL_IB_ADDR_RANGE",
        "NCCL_IB_ADDR_FAMILY",
        "NCCL_IB_ROCE_VERSION_NUM",
        "NCCL_SOCKET_FAMILY",
        "NCCL_DEBUG_FILE",
    ),
    *(
        "NCCL_P2P_DISABLE",
        "NCCL_SHM_DISABLE",
        "NCCL_ALGO",
        "NCCL_PROTO",
        "NCCL_TOPO_FILE",
        "NCCL_IB_SUBNET_AWARE_ROUTING",
        "NCCL_IB_MERGE_NICS",
    ),
    *("GLOO_DEVICE_TRANSPORT", "OMPI_MCA_oob_tcp_if_include", "UCX_TLS", "TORCHELASTIC_USE_AGENT_STORE"),
    *("VLLM_HOST_IP", "HOST_IP", "VLLM_PORT", "VLLM_LOOPBACK_IP", "VLLM_DP_RANK", "VLLM_DP_MASTER_IP", "VLLM_DP_MASTER_PORT"),
    *("VLLM_NIXL_SIDE_CHANNEL_HOST", "VLLM_NIXL_SIDE_CHANNEL_PORT", "NODE_RANK", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    *(
        "MASTER_ADDR",
        "MASTER_PORT",
        "HEADLESS",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "TRANSFORMERS_CACHE",
        "VLLM_CACHE_ROOT",
    ),
)
MODEL_OF_THE_HUB = {**MODEL, "environment": {"HF_HOME": "/home/ada/hf", "HF_HUB_CACHE": "/home/ada/hf/hub"}}


def render(host: str = "spark1", recipe: Any = RECIPE, image: Optional[dict[str, Any]] = None, **parts: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"model": MODEL_OF_THE_HUB, "caches": CACHES, "api": API, **parts}
    return _launch.render(recipe, PLAN, host, image={**IMAGE, **(image or {})}, **given)


def process(rendered: dict[str, Any], baked: dict[str, str]) -> dict[str, str]:
    """The environment that Docker makes of the image's, the env-file's and the names without a value."""
    return {**{name: value for name, value in baked.items() if name not in rendered["env_unset"]}, **rendered["env"]}


@pytest.mark.parametrize("host", ["spark1", "spark2"])
@pytest.mark.parametrize("name", MISLEADING)
def test_nothing_that_an_image_bakes_in_for_another_machine_reaches_the_process(host: str, name: str) -> None:
    baked = {name: "baked"}
    found = process(render(host, image={"environment": baked}), baked)
    assert found.get(name) != "baked"


def test_one_nccl_is_loaded_whatever_the_image_says() -> None:
    baked = {"LD_PRELOAD": "/opt/env/lib/libx.so", "VLLM_NCCL_SO_PATH": "/opt/env/lib/libnccl.so.2"}
    found = process(render(image={"environment": baked}), baked)
    assert found["LD_PRELOAD"] == found["VLLM_NCCL_SO_PATH"] == NCCL_PATH


@pytest.mark.parametrize(
    "name", ["PATH", "LD_LIBRARY_PATH", "CUDA_HOME", "NCCL_VERSION", "VLLM_USE_B12X_MHC", "VLLM_API_KEY", "HF_ENDPOINT", "TORCH_HOME"]
)
def test_what_an_image_needs_is_left_to_it(name: str) -> None:
    assert name not in render(image={"environment": {name: "baked"}})["env_unset"]


def test_what_the_recipe_sets_is_set_and_not_taken_away() -> None:
    rendered = render(image={"environment": {"NCCL_CUMEM_ENABLE": "1"}})
    assert rendered["env"]["NCCL_CUMEM_ENABLE"] == "0"
    assert "NCCL_CUMEM_ENABLE" not in rendered["env_unset"]


def test_null_of_a_user_takes_a_variable_of_the_image_away() -> None:
    image = {"environment": {"VLLM_USE_B12X_MHC": "1"}}
    assert "VLLM_USE_B12X_MHC" in render(image=image, extra_environment={"VLLM_USE_B12X_MHC": None})["env_unset"]
    assert "VLLM_USE_B12X_MHC" not in render(extra_environment={"VLLM_USE_B12X_MHC": None})["env_unset"]


def test_null_does_not_take_the_key_of_the_api_away() -> None:
    assert "VLLM_API_KEY" not in render(image={"environment": {"VLLM_API_KEY": "x"}}, extra_environment={"VLLM_API_KEY": None})["env_unset"]


def test_an_image_without_variables_of_its_own_changes_no_launch() -> None:
    aidens = dict.fromkeys(("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "MN_IF_NAME", "VLLM_NCCL_SO_PATH", "PATH"), "x")
    assert render(image={"environment": aidens})["launch"] == render()["launch"]
    assert render(image={"environment": aidens})["findings"] == []


def test_what_becomes_of_the_others_is_told_the_same_of_every_rank() -> None:
    baked = {"NCCL_PROTO": "LL", "VLLM_USE_B12X_MHC": "1", "HF_TOKEN": "hf_secret", "HEADLESS": "1", "NCCL_IB_GID_INDEX": "3", "PATH": "/x"}
    image = {"environment": baked, "name": "own/image:1"}
    found = {entry["id"]: (entry["severity"], entry["host"], entry["found"]) for entry in render(image=image)["findings"]}
    assert found == {
        "image.variables-taken-away": ("info", None, "NCCL_PROTO=LL in image own/image:1"),
        "image.variables-kept": ("info", None, "HF_TOKEN=***, VLLM_USE_B12X_MHC=1 in image own/image:1"),
    }
    assert render("spark2", image=image)["findings"] == render(image=image)["findings"]


def test_names_that_are_decided_at_each_start_are_never_the_images() -> None:
    assert set(_gid.NAMES) <= {*render()["env_unset"], *render()["env"]}
    assert _image_baked.taken_away(dict.fromkeys(_gid.NAMES, "3"), {}) == sorted(_gid.NAMES)


def test_decided_words_start_the_container_on_every_rank() -> None:
    decided = {"entrypoint": ["/opt/nvidia/nvidia_entrypoint.sh", "-x"], "command": ["vllm", "serve"]}
    head, worker = render(recipe=SILENT, image=decided), render("spark2", recipe=SILENT, image=decided)
    assert head["launch"]["entrypoint"] == "/opt/nvidia/nvidia_entrypoint.sh"
    assert head["launch"]["command"][:4] == ["-x", "vllm", "serve", MODEL["argument"]]
    assert head["hash"] == worker["hash"] != render(recipe=SILENT, image={"entrypoint": ["vllm", "serve"], "command": []})["hash"]


def test_the_program_is_part_of_what_must_be_equal_on_all_ranks() -> None:
    hashes = [render(recipe=SILENT, image={"entrypoint": [path, "serve"], "command": []})["hash"] for path in ("vllm", "/opt/env/bin/vllm")]
    assert hashes[0] != hashes[1]


def test_an_image_that_serves_by_itself_is_given_the_model_alone() -> None:
    launch = render(recipe=SILENT, image={"entrypoint": ["vllm", "serve"], "command": []})["launch"]
    assert (launch["entrypoint"], launch["command"][:2]) == ("vllm", ["serve", MODEL["argument"]])


def test_a_recipe_that_says_all_needs_no_image() -> None:
    decided = {key: RECIPE["image"][key] for key in ("entrypoint", "command")}
    assert render(image=decided) == render()
    short = {**RECIPE, "image": {"name": "x", "entrypoint": ["/opt/env/bin/vllm", "serve"]}}
    assert render(recipe=short)["launch"]["command"][:2] == ["serve", MODEL["argument"]]


def test_words_that_nobody_decided_are_not_guessed() -> None:
    with pytest.raises(
        _launch.LaunchError, match=r"dsv4-flash-b12x-1m: no image\.entrypoint, and nothing was decided from the image aidendle94/"
    ):
        render(recipe=SILENT)
