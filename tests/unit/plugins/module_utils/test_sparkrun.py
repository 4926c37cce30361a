# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sparkrun recipe becomes one of ours, and the report says what became of each key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe, _sparkrun, _sparkrun_report
from ansible_collections.dgx_spark.vllm.plugins.module_utils._sparkrun_report import SparkrunError
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from tests.unit.plugins.fixtures.sparkrun import LEGACY, PATTERN, PLAIN, TEMPLATE, parsed

ROLES = Path(__file__).parents[4] / "roles"
Report = list[dict[str, str]]


def convert(source: Any, **options: Any) -> tuple[dict[str, Any], Report]:
    return _sparkrun.convert(source, "mine", "theirs.yaml", PATTERN, **{"attention_heads": 64, "catalogue": CATALOGUE, **options})


def told(report: Report, key: str) -> list[tuple[str, str]]:
    """(what, to) of a key; of what the source does not say, the key is the place in ours."""
    return [(entry["what"], entry["to"]) for entry in report if key in (entry["key"], entry["to"] if not entry["key"] else None)]


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(SparkrunError) as refused:
        convert(source, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("text", [TEMPLATE, LEGACY, PLAIN])
def test_what_comes_out_is_sound(text: str) -> None:
    recipe, report = convert(parsed(text))
    assert _recipe.problems(recipe, "mine", vllm=CATALOGUE) == []
    assert {entry["what"] for entry in report} <= set(_sparkrun_report.WHAT)


def test_the_command_becomes_arguments() -> None:
    recipe, report = convert(parsed(TEMPLATE))
    assert recipe["arguments"] == {
        "tensor-parallel-size": 2,
        "data-parallel-size": 1,
        "max-model-len": 65536,
        "gpu-memory-utilization": 0.85,
        "distributed-executor-backend": "mp",
        "speculative-config": {"method": "mtp", "num_speculative_tokens": 3},
        "default-chat-template-kwargs": {"thinking": {"on": True}},
        "compilation-config": {
            "cudagraph_mode": "FULL_AND_PIECEWISE",
            "custom_ops": ["all", "none"],
            "level": 3,
            "cudagraph_capture_sizes": [1, 2, 4],
        },
        "chat-template": "unsloth.jinja",
        "seed": -1,
        "enforce-eager": True,
        "no-enable-prefix-caching": True,
        "collect-detailed-traces": ["model", "worker"],
    }
    assert told(report, "command: --collect-detailed-traces") == [("kept", "arguments.collect-detailed-traces")]
    assert recipe["model"] == {"repo": "example/Big-MoE", "revision": "0123456789abcdef", "served_name": "big-moe", "attention_heads": 64}
    assert recipe["ports"] == {"api": 9000, "master": 25000}
    assert told(report, "distributed-executor-backend") == [("mapped", "arguments.distributed-executor-backend")]
    for key in ("command: --host", "command: --node-rank", "command: --tokenizer", "command: --middleware a b"):
        assert told(report, key) == [("dropped", "")], key
    assert told(report, "command: --served-model-name second-name") == [("dropped", "")]
    assert told(report, "defaults.never") == [("dropped", "")]
    assert told(report, "defaults.tokens") == []


def test_a_key_is_said_nowhere() -> None:
    recipe, report = convert(parsed(TEMPLATE))
    assert told(report, "command: --api-key") == [("dropped", "")]
    assert "hunter2" not in str(recipe) + str(report)


def test_what_prepares_the_shell_is_run_before_vllm_starts() -> None:
    recipe, report = convert(parsed(TEMPLATE))
    script = 'export PATH="/opt/env/bin:$PATH" && exec "$0" "$@"'
    assert recipe["image"] == {
        "name": "registry.example/serve/vllm:v0.32.0",
        "entrypoint": ["bash", "-c", script, "/opt/env/bin/vllm"],
        "command": ["serve"],
    }
    assert recipe["environment"]["CUDA_HOME"] == "/opt/cuda"
    assert recipe["environment"]["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert told(report, "command: mkdir -p /tmp/x") == [("dropped", "")]
    assert told(report, "command: echo done") == [("dropped", "")]


def test_variables_that_roles_decide_are_dropped() -> None:
    recipe, report = convert(parsed(TEMPLATE))
    kept = {"VLLM_USE_DEEP_GEMM": "0", "OMP_NUM_THREADS": "8", "NCCL_DEBUG": "INFO"}
    assert {name: recipe["environment"].get(name) for name in kept} == kept
    for name in ("NCCL_IB_HCA", "GLOO_SOCKET_IFNAME", "TRITON_CACHE_DIR", "TORCH_HOME", "HF_TOKEN", "TOOL_HOME", "EMPTY"):
        assert name not in recipe["environment"]
        assert told(report, f"env.{name}") == [("dropped", "")], name
    assert told(report, "env.two words") == [("unknown", "")]
    assert told(report, "env.NCCL_DEBUG") == [("mapped", "environment.NCCL_DEBUG")]
    assert told(report, "environment.NCCL_CUMEM_ENABLE") == [("assumed", "environment.NCCL_CUMEM_ENABLE")]
    assert told(report, "environment.OMP_NUM_THREADS") == []


def test_what_may_be_a_secret_is_not_imported() -> None:
    source = {**parsed(TEMPLATE), "env": {"OPENAI_API_KEY": "sk-1", "MODEL_PASSWORD": "x"}}
    recipe, report = convert(source)
    for name in source["env"]:
        assert name not in recipe["environment"]
        assert told(report, f"env.{name}") == [("dropped", "")]


def test_the_container_gets_what_the_executor_gets() -> None:
    recipe, report = convert(parsed(TEMPLATE))
    assert recipe["container"] == {
        **PATTERN["container"],
        "ulimits": {**PATTERN["container"]["ulimits"], "nofile": "1048576:1048576"},
        "capabilities": ["IPC_LOCK", "SYS_PTRACE"],
        "devices": ["/dev/infiniband", "/dev/fuse"],
        "mounts": [
            {"source": "/srv/prompts", "target": "/prompts", "read_only": True},
            {"source": "/srv/logs", "target": "/srv/logs", "read_only": False},
        ],
    }
    assert told(report, "executor_config.colour") == [("unknown", "")]
    assert told(report, "executor_config.shm_size") == [("dropped", "")]


def test_what_changes_the_container_points_to_layers() -> None:
    _, report = convert(parsed(TEMPLATE))
    notes = {entry["key"]: entry["note"] for entry in report if entry["what"] == "dropped"}
    assert "layers" in notes["mods"] and "layers" in notes["pre_exec"]
    assert {"benchmark", "metadata", "post_commands"} <= set(notes)
    _, report = convert(parsed(LEGACY))
    notes = {entry["key"]: entry["note"] for entry in report if entry["what"] == "dropped"}
    assert "layers" in notes["build_args"]
    assert "mods" not in notes, "an empty list says nothing"


def test_doubled_braces_of_the_old_format_are_single_ones() -> None:
    recipe, report = convert(parsed(LEGACY))
    assert recipe["arguments"]["speculative-config"] == {"method": "mtp", "num_speculative_tokens": 2, "nested": {"a": 1}}
    assert recipe["arguments"]["default-chat-template-kwargs"] == {"thinking": True, "reasoning_effort": "high"}
    assert recipe["model"]["repo"] == recipe["model"]["served_name"] == "example/Old-Model"
    assert recipe["title"] == "An old recipe"
    assert told(report, "model.revision") == [("assumed", "model.revision")]
    assert told(report, "nodes") == [("assumed", "nodes")]


def test_without_a_command_the_defaults_are_the_arguments() -> None:
    recipe, report = convert(parsed(PLAIN))
    assert recipe["arguments"] == {
        "tensor-parallel-size": 2,
        "gpu-memory-utilization": 0.9,
        "trust-remote-code": True,
        "no-enable-prefix-caching": True,
        "compilation-config": {"cudagraph_mode": "FULL"},
        "distributed-executor-backend": "mp",
    }
    assert recipe["image"] == {"name": "registry.example/vllm:latest", "entrypoint": ["vllm"], "command": ["serve"]}
    assert recipe["vllm_version"] == "0.25.0"
    assert told(report, "defaults.enforce_eager") == [("dropped", "")]
    assert told(report, "defaults.chat_template_kwargs") == [("unknown", "")]
    assert told(report, "min_nodes") == [("kept", "nodes")]


@pytest.mark.parametrize(
    ("options", "changes", "version"),
    [
        ({}, {}, "0.32.0"),
        ({}, {"container": "registry.example:5000/vllm"}, PATTERN["vllm_version"]),
        ({}, {"container": f"registry.example/vllm@sha256:{'0' * 64}"}, PATTERN["vllm_version"]),
        ({}, {"container": "vllm/vllm-openai:v0.25.0-aarch64"}, "0.25.0"),
        ({}, {"container": "registry.example/vllm-of-someone:0.1.1"}, PATTERN["vllm_version"]),
        ({"vllm_version": "0.33.0"}, {}, "0.33.0"),
        ({"image": "registry.example/vllm:v0.22.0"}, {}, "0.22.0"),
    ],
)
def test_the_version_is_what_is_asked_for_or_what_the_image_says(options: dict[str, Any], changes: dict[str, Any], version: str) -> None:
    assert convert(parsed(TEMPLATE, **changes), **options)[0]["vllm_version"] == version


def test_options_replace_what_the_recipe_says() -> None:
    recipe, report = convert(parsed(TEMPLATE), nodes=4, image="other/image:1", model="other/model")
    assert (recipe["nodes"], recipe["arguments"]["tensor-parallel-size"]) == (4, 4)
    assert (recipe["image"]["name"], recipe["model"]["repo"]) == ("other/image:1", "other/model")
    assert told(report, "tensor_parallel") == [("mapped", "arguments.tensor-parallel-size")]


def test_all_that_only_the_user_can_say_is_asked_for_at_once() -> None:
    source = parsed(PLAIN, min_nodes=1, max_nodes=4, defaults={})
    text = refusal(source, attention_heads=None)
    assert "-e attention_heads=" in text and "-e nodes=" in text
    assert convert({**source, "metadata": {"num_attention_heads": 16}}, attention_heads=None, nodes=4)[0]["model"]["attention_heads"] == 16


def test_a_recipe_for_a_cluster_is_for_two_nodes_at_least() -> None:
    assert told(convert(parsed(LEGACY, max_nodes=2))[1], "min_nodes") == [("kept", "nodes")]
    assert "max_nodes: found 1, wanted 2 or more" in refusal(parsed(LEGACY, max_nodes=1))


def test_a_port_of_the_rendezvous_that_is_taken_is_another() -> None:
    recipe, _ = convert(parsed(PLAIN, defaults={"tensor_parallel": 2, "port": 25000}))
    assert recipe["ports"] == {"api": 25000, "master": 25001}


def test_a_model_in_a_folder_of_the_container_keeps_its_repository() -> None:
    source = parsed(PLAIN, command="vllm serve {resolved_model_path} -tp 2", cluster_config={"resolved_model_path": "/srv/models/plain"})
    assert convert(source)[0]["model"]["repo"] == "example/Plain-7B"


def test_options_behind_the_end_of_the_command_are_told() -> None:
    _, report = convert(parsed(PLAIN, command="vllm serve {model} -tp 2 \\\n\n  --enforce-eager"))
    assert [entry["note"] for entry in report if entry["key"] == "command: --enforce-eager"] == [_sparkrun._LOST]


def test_a_file_below_what_sparkrun_mounts_is_told() -> None:
    _, report = convert(parsed(PLAIN, command="vllm serve {model} -tp 2 --chat-template /cache/huggingface/x.jinja"))
    assert any("only sparkrun mounts" in entry["note"] for entry in report if entry["key"] == "command: --chat-template")


def test_volumes_may_be_a_mapping() -> None:
    recipe, _ = convert(parsed(PLAIN, executor_config={"volumes": {"/srv/a": "/b"}}))
    assert recipe["container"]["mounts"] == [{"source": "/srv/a", "target": "/b", "read_only": False}]


def test_the_draft_that_is_another_repository_is_named() -> None:
    _, report = convert(parsed(PLAIN, command="""vllm serve {model} -tp 2 --speculative-config '{"model":"example/Draft"}'"""))
    assert any("example/Draft" in entry["note"] for entry in report)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (TEMPLATE, {"runtime": "sglang"}, "runtime: found 'sglang', wanted one of vllm, vllm-distributed"),
    (TEMPLATE, {"recipe_version": "3"}, "recipe_version: found '3', wanted 1 or 2"),
    (TEMPLATE, {"include": "base"}, "include: found 'base', wanted one whole recipe"),
    ("defaults: {port: 1}", {"include": "@official/base"}, "include: found '@official/base', wanted one whole recipe"),
    (TEMPLATE, {"defaults": [1]}, "defaults: found [1], wanted dict"),
    (TEMPLATE, {"command": True}, "command: found True, wanted str"),
    (TEMPLATE, {"max_nodes": 1, "min_nodes": None}, "one node only, wanted one for two or more"),
    (TEMPLATE, {"solo_only": True}, "one node only"),
    (TEMPLATE, {"mode": "solo"}, "one node only"),
    (TEMPLATE, {"mode": "sol"}, "mode: found 'sol', wanted auto, solo or cluster"),
    (TEMPLATE, {"min_nodes": 5}, "max_nodes: found 4, wanted 5 or more"),
    (TEMPLATE, {"min_nodes": "two"}, "min_nodes: found 'two', wanted a whole number"),
    (TEMPLATE, {"min_nodes": 3}, "nodes: found 2, wanted 3 to 4"),
    (TEMPLATE, {"container": None}, "container: the recipe names no image"),
    (TEMPLATE, {"model": "/srv/weights"}, "model: found '/srv/weights', wanted a Hugging Face repository; name it with -e model="),
    (TEMPLATE, {"model": "a/b-GGUF:Q4_K_M"}, "GGUF"),
    (TEMPLATE, {"executor_config": {"volumes": ["logs:/x"]}}, "executor_config.volumes: found 'logs:/x'"),
    (TEMPLATE, {"executor_config": {"ulimit": ["memlock"]}}, "executor_config.ulimit"),
    (TEMPLATE, {"executor_config": {"cap_add": [1]}}, "executor_config.cap_add: found '[1]', wanted a list of texts"),
    (PLAIN, {"defaults": {"tensor_parallel": 2, "port": "high"}}, "port: found 'high', wanted 1 to 65535"),
    (PLAIN, {"defaults": {"tensor_parallel": "many"}}, "--tensor-parallel-size: found 'many', wanted a whole number"),
    (
        PLAIN,
        {"defaults": {"tensor_parallel": 2, "compilation_config": "{'a': 1}"}},
        "defaults.compilation_config: found \"{'a': 1}\", wanted JSON",
    ),
    (PLAIN, {"min_nodes": 3, "max_nodes": 3, "defaults": {"tensor_parallel": 3}}, "a divisor of the model's 64 attention heads"),
]


@pytest.mark.parametrize(("text", "changes", "wanted"), REFUSED)
def test_what_cannot_be_converted_is_named(text: str, changes: dict[str, Any], wanted: str) -> None:
    assert wanted in refusal(parsed(text, **changes))


def test_two_revisions_are_a_contradiction() -> None:
    source = parsed(PLAIN, model_revision="abc", command="vllm serve {model} -tp 2 --revision def")
    assert "model_revision: found 'abc', but --revision def" in refusal(source)


@pytest.mark.parametrize("source", [None, [], "text", {}, {"services": {}}, {"include": ["a.yaml"]}, {"model": "a/b", "engine": "vllm"}])
def test_what_is_no_recipe_is_named(source: Any) -> None:
    assert "wanted a sparkrun recipe" in refusal(source)


@pytest.mark.parametrize("name", ["", "Mine", "my recipe", "../x"])
def test_a_name_that_no_unit_can_have_is_named(name: str) -> None:
    with pytest.raises(SparkrunError, match="to: found the name"):
        _sparkrun.convert(parsed(PLAIN), name, "x", PATTERN, attention_heads=64)


@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_a_number_of_nodes_that_does_not_fit_is_named(nodes: int) -> None:
    source = parsed(TEMPLATE, command="vllm serve {model} -tp 2 -pp 2")
    assert f"nodes: found {nodes}, wanted" in refusal(source, nodes=nodes)


def test_the_variables_of_caches_are_those_of_the_role() -> None:
    said = yaml.safe_load((ROLES / "caches" / "vars" / "main.yml").read_text())
    assert set(_recipe.CACHES) == {*said["__caches_variables"].values(), *said["__caches_switches"]}


def test_the_report_is_a_table_and_comments() -> None:
    _, report = convert(parsed(TEMPLATE))
    lines = _sparkrun_report.lines(report)
    assert lines[0].split() == ["WHAT", "IN", "SPARKRUN'S", "RECIPE", "HERE", "NOTE"]
    assert len(lines) == len(report) + 1
    comments = "\n".join(_sparkrun_report.comments(report))
    assert "- mods: changes the container" in comments and "Kept" not in comments
    assert max(map(len, comments.splitlines())) <= 140


def test_what_would_break_a_line_is_taken_out() -> None:
    assert _sparkrun_report.one_line("a\n b\x1b[31m") == "a b?[31m"
    assert _sparkrun_report.one_line("x" * 300) == "x" * 199 + "…"
