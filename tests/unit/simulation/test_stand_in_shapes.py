# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the stand-in plays: each knows what its fork of vLLM knows, and no more."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _launch
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE
from simulation import cluster, images
from simulation.access import HERE
from simulation.stand_in.vllm_stand_in import shape
from simulation.stand_in.vllm_stand_in.environment import unknown
from simulation.stand_in.vllm_stand_in.network import Fatal
from simulation.stand_in.vllm_stand_in.options import parse
from simulation.stand_in.vllm_stand_in.serve import check_arguments

ROOT = Path(__file__).parents[3]
DOCKERFILE = (HERE / "stand_in" / "Dockerfile").read_text()


@pytest.fixture(params=sorted(shape.SHAPES))
def played(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STAND_IN_SHAPE", request.param)
    return str(request.param)


def test_every_image_is_a_target_that_says_its_shape() -> None:
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    assert {name for name, text in stages.items() if f"STAND_IN_SHAPE={name}" in text} == set(images.PLAYED) == set(shape.SHAPES)


def test_a_process_outside_of_an_image_plays_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STAND_IN_SHAPE", raising=False)
    assert shape.played() is shape.SHAPES["aiden"]


FORKS = {
    "VLLM_USE_B12X_MOE": {"aiden", "dspark"},
    "VLLM_USE_B12X_MHC": {"dspark"},
    "VLLM_DSPARK_CONFIDENCE_SCHEDULER": {"dspark"},
    "VLLM_TRITON_MLA_SPARSE": {"jasl", "hazyumps"},
    "VLLM_SKIP_INIT_MEMORY_CHECK": set(),
    "VLLM_CACHE_ROOT": {"aiden", "dspark", "jasl", "hazyumps"},
}


@pytest.mark.parametrize("name", sorted(FORKS))
def test_a_variable_is_known_to_the_forks_that_read_it(played: str, name: str) -> None:
    assert unknown({name: "1"}) == ([] if played in FORKS[name] else [name])


def arguments(*words: str) -> Any:
    return parse(["m", *words])[0]


@pytest.mark.parametrize(
    ("method", "knows"),
    [("mtp", set(shape.SHAPES)), ("deepseek_mtp", set(shape.SHAPES)), ("dspark", {"dspark", "hazyumps"}), ("dsparkle", set())],
)
def test_a_method_of_speculation_is_known_to_the_forks_that_have_it(played: str, method: str, knows: set[str]) -> None:
    options = arguments("--speculative-config", f'{{"method": "{method}", "num_speculative_tokens": 5}}')
    if played in knows:
        check_arguments(options)
    else:
        with pytest.raises(Fatal, match=f"input_value='{method}'"):
            check_arguments(options)


def test_a_type_of_kv_cache_is_known_to_the_fork_that_has_it(played: str, capsys: pytest.CaptureFixture[str]) -> None:
    if played == "dspark":
        assert arguments("--kv-cache-dtype", "nvfp4_ds_mla").kv_cache_dtype == "nvfp4_ds_mla"
    else:
        with pytest.raises(SystemExit):
            arguments("--kv-cache-dtype", "nvfp4_ds_mla")
        assert "argument --kv-cache-dtype: invalid choice: 'nvfp4_ds_mla'" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yml")), ids=lambda path: path.stem)
def test_the_image_of_a_recipe_plays_its_version_of_vllm(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = yaml.safe_load(path.read_text())
    (name,) = (name for name, image in images.PLAYED.items() if image == recipe["image"]["name"])
    monkeypatch.setenv("STAND_IN_SHAPE", name)
    assert shape.played().version == recipe["vllm_version"]
    fitting = CATALOGUE.fitting(recipe["vllm_version"])
    assert fitting is not None and shape.played().upstream == fitting.version
    check_arguments(arguments(*_launch.arguments_to_argv(recipe["arguments"], fitting)))
    assert unknown(recipe["environment"]) == []


def test_an_option_of_a_later_release_is_known_to_the_image_that_has_it(played: str, capsys: pytest.CaptureFixture[str]) -> None:
    if played == "hazyumps":
        assert arguments("--jit-monitor-mode", "warn").jit_monitor_mode == "warn"
    else:
        with pytest.raises(SystemExit):
            arguments("--jit-monitor-mode", "warn")
        assert "unrecognized arguments: --jit-monitor-mode warn" in capsys.readouterr().err


def test_what_the_write_ups_pass_is_accepted_by_every_image(played: str) -> None:
    words = ["--enable-expert-parallel", "--load-format", "safetensors", "--async-scheduling", "--max-cudagraph-capture-size", "256"]
    words += ["--compilation-config", '{"cudagraph_mode":"FULL_AND_PIECEWISE","custom_ops":["all"]}', "--generation-config", "vllm"]
    assert arguments(*words).compilation_config["custom_ops"] == ["all"]


def test_serve_said_twice_is_refused_by_every_image(played: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["vllm", "serve", "/models/x"])
    assert ended.value.code == 2
    assert "error: unrecognized arguments: serve /models/x" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "found"), [("all", list(images.PLAYED)), ("jasl", ["jasl"]), ("jasl,dspark", ["jasl", "dspark"])])
def test_nodes_are_given_the_images_that_are_asked_for(text: str, found: list[str]) -> None:
    assert cluster.parser().parse_args(["up", "--images", text]).images == found
    assert cluster.parser().parse_args(["up"]).images == []


def test_an_image_that_is_not_played_is_named() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no image jasel; there are all, aiden"):
        cluster.shapes_of("jasel")


def test_saved_images_do_not_throw_each_other_away() -> None:
    stems = ["stand-in", *(f"played-{shape}" for shape in images.PLAYED)]
    assert [(one, other) for one in stems for other in stems if one != other and f"{other}-0.tar".startswith(f"{one}-")] == []
