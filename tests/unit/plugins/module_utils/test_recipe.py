"""Recipes are checked by meaning, and every mistake is named with its path."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe
from ansible_collections.dgx_spark.vllm.plugins.module_utils._recipe_words import shown
from tests.unit.plugins.fixtures.recipes import SOUND as SOUND_RECIPES
from tests.unit.plugins.fixtures.recipes import Place, replaced

RECIPES = sorted((Path(__file__).parents[4] / "recipes").glob("*.yml"))
NAME = "dsv4-flash-b12x-1m"
SOUND = yaml.safe_load(RECIPES[0].with_name(f"{NAME}.yml").read_text())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_the_collection_are_sound(path: Path) -> None:
    assert _recipe.problems(yaml.safe_load(path.read_text()), path.stem) == []


MISTAKES = [
    (("nodes",), "two", "nodes: found 'two', wanted a whole number from 2 on"),
    (("nodes",), 4, "nodes: found 4, but tensor-parallel-size x pipeline-parallel-size x data-parallel-size is 2"),
    (("name",), "other", "name: found 'other', wanted"),
    (("schema",), 9, "schema: found 9, wanted 1"),
    (("device",), "gpus", "device: found 'gpus', wanted gpu or cpu (did you mean gpu?)"),
    (("modle",), {}, "modle is not a key of a recipe (did you mean model?)"),
    (("image", "entrypint"), [], "image.entrypint is not a key of a recipe (did you mean entrypoint?)"),
    (("image", "entrypoint"), [], "image.entrypoint: found [], wanted"),
    (("image", "entrypoint"), "vllm serve", "image.entrypoint: found 'vllm serve', wanted"),
    (("image", "command"), [1], "image.command[0]: found 1, wanted"),
    (("image", "entrypoint"), ["python3", "-m", "vllm.entrypoints.openai.api_server"], "which knows no workers; wanted python3 -m vllm"),
    (("arguments", "hf-token"), "hf_x", "arguments.hf-token is decided by the roles"),
    (("image", "entrypoint"), ["vllm", "serve"], 'image.command: found ["serve"] behind ["vllm", "serve"], wanted one `serve`'),
    (("ports", "api"), 99999, "ports.api: found 99999, wanted a whole number from 1 to 65535"),
    (("ports", "api"), 25000, "ports: api and master are both 25000"),
    (("nccl", "version"), "2.30", "nccl.version: found '2.30', wanted three numbers"),
    (("nccl", "source"), "git", "nccl.source: found 'git', wanted wheel or apt"),
    (("nccl", "wheel_sha256"), {"arm64": "0" * 64}, "nccl.wheel_sha256.arm64 is no architecture of NCCL's wheels"),
    (("nccl", "wheel_sha256"), {"aarch64": "e993"}, "nccl.wheel_sha256.aarch64: found 'e993', wanted 64 hex digits"),
    (("nccl", "apt_package"), "libnccl2=2.28.9-1+cuda13.0", "nccl.apt_package: found 'libnccl2=2.28.9-1+cuda13.0', wanted a package with"),
    (("nccl", "apt_package"), "libnccl2=2.30.40-1", "nccl.apt_package: found 'libnccl2=2.30.40-1', wanted"),
    (("nccl", "apt_package"), "libnccl2", "nccl.apt_package: found 'libnccl2', wanted"),
    (("layers",), {}, "layers: found {}, wanted a list"),
    (("layers",), [{"file": "a", "target": "b"}], "layers[0].target: found 'b', wanted the absolute path"),
    (("layers",), [{"environment": {"LD_PRELOAD": "/x.so"}}], "layers: environment.LD_PRELOAD is found per node or set by the roles"),
    (("arguments", "--block-size"), 1, "arguments.--block-size is no name of an option, wanted it with hyphens and without leading dashes"),
    (("arguments", "block_size"), 1, "arguments.block_size is no name of an option, wanted it with hyphens"),
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


# What a key may hold, by examples of what it may not; the JSON Schema refuses all of these too (tests/unit/repository).
SHAPES: list[tuple[Place, Any, str]] = [
    (("schema",), 2, "schema: found 2, wanted 1"),
    (("name",), "Two Nodes", "name: found 'Two Nodes', wanted lower-case letters, digits, dots and hyphens"),
    (("title",), "", "title: found '', wanted text of one line"),
    (("source",), "a\nb", "source: found 'a\\nb', wanted text of one line"),
    (("vllm_version",), 0.21, "vllm_version: found 0.21, wanted a version in quotes, such as 0.21.1"),
    (("vllm_version",), "new", "vllm_version: found 'new', wanted a version in quotes"),
    (("nodes",), 1, "nodes: found 1, wanted a whole number from 2 on"),
    (("nodes",), "2", "nodes: found '2', wanted a whole number from 2 on, without quotes"),
    (("nodes",), True, "nodes: found true, wanted a whole number from 2 on"),
    (("image",), None, "image: found null, wanted a mapping with name"),
    (("image", "name"), "a b", "image.name: found 'a b', wanted the name of an image"),
    (("image", "digest"), "0" * 64, f"image.digest: found '{'0' * 64}', wanted sha256: and 64 hex digits"),
    (("image", "entrypoint"), [], "image.entrypoint: found [], wanted a list, not empty"),
    (("image", "entrypoint"), ["vllm", ""], "image.entrypoint[1]: found '', wanted a word, not empty"),
    (("image", "command"), "serve", "image.command: found 'serve', wanted a list"),
    (("nccl", "version"), 2.3, "nccl.version: found 2.3, wanted three numbers in quotes, such as 2.30.4"),
    (("nccl", "rings"), "yes", "nccl.rings: found 'yes', wanted true or false, without quotes"),
    (("nccl", "wheel_package"), "a b", "nccl.wheel_package: found 'a b', wanted the name of a Python package"),
    (("nccl", "wheel_sha256", "arch64"), "0" * 64, "nccl.wheel_sha256.arch64 is no architecture of NCCL's wheels (did you mean aarch64?)"),
    (
        ("layers",),
        [{"fil": "a"}],
        "layers[0]: found fil, wanted one of file (with target), environment, run, git (with revision, target) (did you mean file?)",
    ),
    (("layers",), [{"file": "a", "tarket": "/a"}], "layers[0].tarket is not known beside file (did you mean target?)"),
    (("layers",), [{"file": "a"}], "layers[0].target is missing, wanted the absolute path of a file"),
    (("layers",), [{"environment": {"A": 1}}], "layers[0].environment.A: found 1, wanted text of one line, in quotes"),
    (("layers",), [{"run": "true"}], "layers[0].run: found 'true', wanted a list of shell commands"),
    (("model", "repo"), "a/b/c", "model.repo: found 'a/b/c', wanted OWNER/NAME"),
    (("model", "revision"), "", "model.revision: found '', wanted a commit, tag or branch"),
    (("model", "revision"), 1234567, "model.revision: found 1234567, wanted a commit, tag or branch in quotes"),
    (("model", "served_name"), "", "model.served_name: found '', wanted a name without blanks"),
    (("model", "served_name"), "--port", "model.served_name: found '--port', wanted a name without blanks that begins with no dash"),
    (("model", "attention_heads"), 0, "model.attention_heads: found 0, wanted a whole number from 1 on"),
    (("ports", "api"), 0, "ports.api: found 0, wanted a whole number from 1 to 65535"),
    (("ports", "api"), "8e3", "ports.api: found '8e3', wanted a whole number from 1 to 65535; YAML reads 8e3 as text: write 8000"),
    (("ports", "mastre"), 1, "ports.mastre is not a key of a recipe (did you mean master?); known here: api, master"),
    (("arguments",), [], "arguments: found [], wanted a mapping"),
    (("arguments", "a b"), 1, "arguments.a b is no name of an option"),
    (("fork_arguments",), ["--only-here"], "fork_arguments[0]: found '--only-here', wanted an option of vllm serve with hyphens"),
    (("fork_arguments",), ["a", "b", "a"], "fork_arguments[2]: found 'a' again, as in fork_arguments[0]; once is enough"),
    (("fork_values",), {"kv-cache-dtype": "fp8"}, "fork_values.kv-cache-dtype: found 'fp8', wanted a list, not empty"),
    (("fork_values",), {"kv-cache-dtype": [[]]}, "fork_values.kv-cache-dtype[0]: found [], wanted text, a number, true or false"),
    (("fork_values",), {"kv-cache-dtype": [1, True, 1]}, "fork_values.kv-cache-dtype[2]: found 1 again"),
    (("environment", "HF_HUB_OFFLINE"), True, "environment.HF_HUB_OFFLINE: found true, wanted text of one line, in quotes"),
    (("fork_environment",), ["A", "A B"], "fork_environment[1]: found 'A B', wanted the name of an environment variable"),
    (("other_environment",), "OMP_NUM_THREADS", "other_environment: found 'OMP_NUM_THREADS', wanted a list"),
    (("container", "ipc"), "hots", "container.ipc: found 'hots', wanted host, private or shareable (did you mean host?)"),
    (("container", "ulimits"), {"memlok": "-1"}, "container.ulimits.memlok is no limit that Docker knows (did you mean memlock?)"),
    (("container", "ulimits"), {"stack": 67108864}, "container.ulimits.stack: found 67108864, wanted SOFT or SOFT:HARD in quotes"),
    (("container", "ulimits"), {"stack": "64M"}, "container.ulimits.stack: found '64M', wanted SOFT or SOFT:HARD in quotes"),
    (("container", "capabilities"), ["CAP_IPC_LOCK"], "wanted a capability of Linux without CAP_ (did you mean IPC_LOCK?)"),
    (("container", "capabilities"), ["IPC_LOCK", "IPC_LOCK"], "container.capabilities[1]: found 'IPC_LOCK' again"),
    (("container", "devices"), ["dev/infiniband"], "container.devices[0]: found 'dev/infiniband', wanted PATH, PATH:PATH or PATH:PATH:rwm"),
    (("container", "mounts"), ["models"], "container.mounts[0]: found 'models', wanted an absolute path"),
    (("container", "mounts"), [3], "container.mounts[0]: found 3, wanted a mapping with source, target or an absolute path"),
    (("container", "mounts", 1, "target"), "etc/group", "container.mounts[1].target: found 'etc/group', wanted an absolute path"),
    (
        ("container", "mounts", 1, "source"),
        "/a,readonly",
        "container.mounts[1].source: found '/a,readonly', wanted an absolute path without commas",
    ),
    (("container", "mounts", 1, "read_only"), "true", "container.mounts[1].read_only: found 'true', wanted true or false, without quotes"),
    (("container", "mounts", 1, "readonly"), True, "container.mounts[1].readonly is not a key of a recipe (did you mean read_only?)"),
    (("container", "mounts", 1, "optional"), 1, "container.mounts[1].optional: found 1, wanted true or false"),
    (("container", "stop_seconds"), 111, "container.stop_seconds: found 111, wanted a whole number from 1 to 110"),
]
# What only the check knows.
MEANINGS: list[tuple[Place, Any, str]] = [
    (("arguments", "max-model-len"), "1e6", "found '1e6'; YAML reads that as text, not as a number: write 1000000"),
    (("arguments", "max-model-len"), "2.5E-7", "found '2.5E-7'; YAML reads that as text, not as a number: write 2.5e-07"),
    (
        ("arguments", "hf-overrides"),
        {"rope": {"theta": "1e-5"}},
        "arguments.hf-overrides.rope.theta: found '1e-5'; YAML reads that as text",
    ),
    (
        ("arguments", "hf-overrides"),
        {True: 1},
        "arguments.hf-overrides[true] is no text; yes, no, on, off, true and false are text only in",
    ),
    (("arguments", "hf-overrides"), [float("nan")], "arguments.hf-overrides[0]: found nan, wanted a number that is finite"),
    (("arguments", "hf-overrides"), datetime.date(2026, 1, 2), "found datetime.date(2026, 1, 2), wanted text, a number, true, a list"),
    (("arguments", "seed"), 2**63, "arguments.seed: found 9223372036854775808, wanted a number of at most 63 bits"),
    (("arguments", "chat-template"), "a\nb", "arguments.chat-template: found 'a\\nb', wanted text of one line"),
    (("arguments", "chat-template"), "\ud800", "arguments.chat-template: found '\\ud800', wanted text of one line"),
    (("arguments", "reasoning-config"), {"end": "\x00"}, "arguments.reasoning-config.end: found '\\x00', wanted text without control"),
    (("environment", "HF_HUB_OFFLINE"), "a\u2028b", "environment.HF_HUB_OFFLINE: found 'a\\u2028b', wanted text of one line"),
    (("environment", 1), "x", "environment[1] is no name of an environment variable; put it in quotes"),
    (("nodes",), 2.0, "nodes: found 2.0, wanted a whole number from 2 on"),
    (
        ("container", "ulimits"),
        {"stack": "9:8"},
        "container.ulimits.stack: found '9:8', wanted a soft limit that is not above the hard one",
    ),
    (
        ("container", "ulimits"),
        {"stack": "-1:8"},
        "container.ulimits.stack: found '-1:8', wanted a soft limit that is not above the hard one",
    ),
    (("container", "mounts", 1, "source"), "/etc/../x", "container.mounts[1].source: found '/etc/../x', wanted it without ., .., doubled"),
    (("container", "mounts", 1), "/etc/passwd", "container.mounts[1]: found '/etc/passwd', which is the target of container.mounts[0] too"),
    (("container", "mounts", 1, "target"), "/opt", "container.mounts[1].target: found '/opt', which would hide /opt/dgx-spark"),
    (
        ("container", "mounts", 1, "target"),
        "/opt/dgx-spark/nccl",
        "container.mounts[1].target: found '/opt/dgx-spark/nccl', which would hide",
    ),
]


@pytest.mark.parametrize(("path", "value", "text"), [*MISTAKES, *SHAPES, *MEANINGS])
def test_a_mistake_is_named(path: Place, value: Any, text: str) -> None:
    found = _recipe.problems(replaced(SOUND, path, value), NAME)
    assert any(text in problem and problem.startswith(f"recipe {NAME}: ") for problem in found), found


@pytest.mark.parametrize("recipe", SOUND_RECIPES, ids=lambda recipe: recipe["name"])
def test_every_key_may_be_there(recipe: dict[str, Any]) -> None:
    assert _recipe.problems(recipe, recipe["name"]) == []


def test_text_inside_of_json_may_have_lines() -> None:
    assert _recipe.problems(replaced(SOUND, ("arguments", "reasoning-config"), {"end": "\n\t</think>", "n": [None, False, 0]}), NAME) == []


def test_messages_name_the_file_as_the_caller_does() -> None:
    assert _recipe.problems({**SOUND, "nodes": 1}, NAME, "/home/ada/mine.yml")[0].startswith("recipe /home/ada/mine.yml: nodes: found 1")


def test_a_value_that_python_can_not_write_down_is_named_all_the_same() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert shown([10**5000]) == "something too long to show"
    assert len(shown("x" * 5000)) < 100
    assert "20 levels" in _recipe.problems(replaced(SOUND, ("arguments", "hf-overrides"), endless), NAME)[0]


def test_all_mistakes_are_named_at_once() -> None:
    recipe = replaced(replaced(SOUND, ("ports", "api"), "x"), ("container", "ipc"), None)
    assert [problem.split(": ")[1] for problem in _recipe.problems({**recipe, "nodse": 2}, NAME)] == [
        "nodse is not a key of a recipe (did you mean nodes?); known here",
        "ports.api",
        "container.ipc",
    ]


def test_what_a_user_adds_is_checked_like_a_recipe() -> None:
    merged = _recipe.override(SOUND, {"max_model_len": "1e6", "--x": 1}, {"A B": "1", "C": 2})
    found = _recipe.override_problems(merged)
    assert [problem.split(" ")[0] for problem in found] == ["arguments.max-model-len:", "arguments.--x", "environment.A", "environment.C:"]


@pytest.mark.parametrize("key", sorted(key for key in SOUND if key != "fork_environment"))
def test_a_missing_key_is_named(key: str) -> None:
    (problem,) = _recipe.problems({name: value for name, value in SOUND.items() if name != key}, NAME)
    assert problem.startswith(f"recipe {NAME}: {key} is missing, wanted ")


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
