"""Recipes are checked by meaning, and every mistake is named with its path."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe

RECIPES = sorted((Path(__file__).parents[4] / "recipes").glob("*.yml"))
SOUND = yaml.safe_load(RECIPES[0].read_text())
NAME = RECIPES[0].stem


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_the_collection_are_sound(path: Path) -> None:
    assert _recipe.problems(yaml.safe_load(path.read_text()), path.stem) == []


MISTAKES = [
    (("nodes",), "two", "nodes: found 'two', wanted int"),
    (("nodes",), 4, "nodes: found 4, but tensor-parallel-size x pipeline-parallel-size x data-parallel-size is 2"),
    (("name",), "other", "name: found 'other', wanted"),
    (("schema",), 9, "schema: found 9, wanted 1"),
    (("device",), "gpus", "device: found 'gpus', wanted gpu or cpu (did you mean gpu?)"),
    (("modle",), {}, "modle is not a key of a recipe (did you mean model?)"),
    (("image", "entrypint"), [], "image.entrypint is not a key of a recipe (did you mean entrypoint?)"),
    (("image", "entrypoint"), [], "image.entrypoint: found [], wanted the words that start the program"),
    (("image", "entrypoint"), "vllm serve", "image.entrypoint: found 'vllm serve', wanted list"),
    (("image", "command"), [1], "image.command: found [1], wanted a list of words"),
    (("image", "entrypoint"), ["vllm", "serve"], 'image.command: found ["serve"] behind ["vllm", "serve"], wanted one `serve`'),
    (("ports", "api"), 99999, "ports.api: found 99999, wanted 1 to 65535"),
    (("ports", "api"), 25000, "ports: api and master are both 25000"),
    (("nccl", "version"), "2.30", "nccl.version: found '2.30', wanted three numbers"),
    (("nccl", "source"), "git", "nccl.source: found 'git', wanted wheel or apt"),
    (("nccl", "wheel_sha256"), {"arm64": "0" * 64}, "nccl.wheel_sha256.arm64 is no architecture of NCCL's wheels"),
    (("nccl", "wheel_sha256"), {"aarch64": "e993"}, "nccl.wheel_sha256.aarch64: found 'e993', wanted 64 hex digits"),
    (("nccl", "apt_package"), "libnccl2=2.28.9-1+cuda13.0", "nccl.apt_package: found 'libnccl2=2.28.9-1+cuda13.0', wanted a package with"),
    (("nccl", "apt_package"), "libnccl2=2.30.40-1", "nccl.apt_package: found 'libnccl2=2.30.40-1', wanted"),
    (("nccl", "apt_package"), "libnccl2", "nccl.apt_package: found 'libnccl2', wanted"),
    (("layers",), {}, "layers: found {}, wanted list"),
    (("layers",), [{"file": "a", "target": "b"}], "layers[0].target: found 'b', wanted the absolute path"),
    (("layers",), [{"environment": {"LD_PRELOAD": "/x.so"}}], "layers: environment.LD_PRELOAD is found per node or set by the roles"),
    (("arguments", "--block-size"), 1, "wanted the option without its dashes: block-size"),
    (("arguments", "node-rank"), 1, "arguments.node-rank is decided by the roles"),
    (("arguments", "quantization"), "", "arguments.quantization: found ''; leave the option out"),
    (("arguments", "enable-x"), False, "no-enable-x: true"),
    (("arguments", "tensor-parallel-size"), "2", "arguments.tensor-parallel-size: found '2', wanted a whole number"),
    (("model", "attention_heads"), 63, "found 2, wanted a divisor of the model's 63 attention heads"),
    (("environment", "NCCL_DEBUG"), "", "environment.NCCL_DEBUG: found '', wanted text"),
    (("environment", "NCCL_DEBUG"), 1, "environment.NCCL_DEBUG: found 1, wanted text"),
    (("environment", "NCCL_IB_GID_INDEX"), "3", "environment.NCCL_IB_GID_INDEX is found per node"),
    (("environment", "A B"), "3", "environment.A B is no name"),
]


@pytest.mark.parametrize(("path", "value", "text"), MISTAKES)
def test_a_mistake_is_named(path: tuple[str, ...], value: Any, text: str) -> None:
    recipe = copy.deepcopy(SOUND)
    place = recipe
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    found = _recipe.problems(recipe, NAME)
    assert any(text in problem and problem.startswith(f"recipe {NAME}: ") for problem in found), found


@pytest.mark.parametrize("key", sorted(key for key in SOUND if key != "fork_environment"))
def test_a_missing_key_is_named(key: str) -> None:
    assert _recipe.problems({name: value for name, value in SOUND.items() if name != key}, NAME) == [f"recipe {NAME}: {key} is missing"]


@pytest.mark.parametrize("left_out", [("command",), ("entrypoint",), ("entrypoint", "command")])
def test_words_that_start_the_image_may_be_left_out(left_out: tuple[str, ...]) -> None:
    image = {"name": "x", "entrypoint": ["vllm", "serve"], "command": [], "digest": f"sha256:{'0' * 64}"}
    assert _recipe.problems({**SOUND, "image": {key: value for key, value in image.items() if key not in left_out}}, NAME) == []


def test_a_command_can_not_be_left_out_behind_an_entrypoint_that_does_not_say_it() -> None:
    (problem,) = _recipe.problems({**SOUND, "image": {"name": "x", "entrypoint": ["/start.sh"]}}, NAME)
    assert 'image.command is missing; image.entrypoint ["/start.sh"] does not say' in problem


@pytest.mark.parametrize(("said", "gpu"), [({}, True), ({"device": "gpu"}, True), ({"device": "cpu"}, False)])
def test_ranks_are_on_gpus_unless_the_recipe_says_otherwise(said: dict[str, Any], gpu: bool) -> None:
    recipe = {**SOUND, **said}
    assert _recipe.problems(recipe, NAME) == []
    assert _recipe.on_gpu(recipe) is gpu


@pytest.mark.parametrize(("source", "keys"), [("wheel", ["wheel_package", "wheel_sha256"]), ("apt", ["apt_package"])])
def test_what_a_source_of_nccl_needs_is_named(source: str, keys: list[str]) -> None:
    recipe = {**SOUND, "nccl": {"version": "2.30.4", "source": source}}
    assert _recipe.problems(recipe, NAME) == [f"recipe {NAME}: nccl.{key} is missing; source {source} needs it" for key in keys]


def test_layers_of_each_kind_are_sound() -> None:
    layers = [{"file": "a.py", "target": "/a.py"}, {"environment": {"VLLM_TRITON_MLA_SPARSE": "1"}}, {"run": ["true"]}]
    assert _recipe.problems({**SOUND, "layers": layers}, NAME) == []


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_something_that_is_no_mapping_is_named(data: Any) -> None:
    assert len(_recipe.problems(data, NAME)) == 1
