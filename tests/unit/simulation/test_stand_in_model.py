# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from simulation import tiny_model
from simulation.stand_in.vllm_stand_in.caches import compile_all, directories
from simulation.stand_in.vllm_stand_in.model import config, load_mtp, load_shard, resolve, shard_files
from simulation.stand_in.vllm_stand_in.network import Fatal

RECIPES = Path(__file__).parents[3] / "recipes"


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    return tiny_model.write(tmp_path)


def environ(tmp_path: Path) -> dict[str, str]:
    return {"HF_HOME": str(tmp_path)}


def test_the_cache_is_the_same_each_time_it_is_made(tmp_path: Path) -> None:
    def all_bytes(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    tiny_model.write(tmp_path / "one")
    tiny_model.write(tmp_path / "two")
    assert all_bytes(tmp_path / "one") == all_bytes(tmp_path / "two")


def test_links_are_relative_and_index_explains_every_byte(snapshot: Path) -> None:
    assert all(str(path.readlink()).startswith("../../blobs/") for path in snapshot.iterdir())
    index = json.loads((snapshot / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 4
    sizes = []
    for path in shard_files(snapshot):
        header_size = int.from_bytes(path.read_bytes()[:8], "little")
        sizes.append(load_shard(path) - 8 - header_size)
    assert sum(sizes) == index["metadata"]["total_size"]
    assert config(snapshot)["num_attention_heads"] == 64


@pytest.mark.parametrize("revision", [None, "main", tiny_model.COMMIT])
def test_repository_resolves_to_its_snapshot(snapshot: Path, tmp_path: Path, revision: str | None) -> None:
    assert resolve(tiny_model.REPOSITORY, revision, environ(tmp_path)) == snapshot


def test_hub_cache_wins_over_home(snapshot: Path, tmp_path: Path) -> None:
    assert resolve(tiny_model.REPOSITORY, None, {"HF_HOME": "/nonexistent", "HF_HUB_CACHE": str(tmp_path / "hub")}) == snapshot


@pytest.mark.parametrize(
    ("model", "revision"), [("org/other", None), (tiny_model.REPOSITORY, "nightly"), (tiny_model.REPOSITORY, "0" * 40)]
)
def test_what_is_not_cached_is_not_found_offline(snapshot: Path, tmp_path: Path, model: str, revision: str | None) -> None:
    with pytest.raises(Fatal, match="LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder"):
        resolve(model, revision, environ(tmp_path))


def test_directory_that_is_not_there_is_taken_for_a_repository() -> None:
    with pytest.raises(Fatal, match="HFValidationError: Repo id must be in the form"):
        resolve("/nonexistent/model", None, {})


def test_dangling_config_is_an_invalid_directory(snapshot: Path) -> None:
    (snapshot / "config.json").resolve().unlink()
    with pytest.raises(Fatal, match="Invalid repository ID or local directory specified"):
        resolve(str(snapshot), None, {})


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"], ids=["cut", "longer"])
def test_missing_shard_is_not_noticed_but_one_of_the_wrong_length_is(snapshot: Path, change: Callable[[bytes], bytes]) -> None:
    first, second = shard_files(snapshot)[:2]
    first.unlink()
    assert len(shard_files(snapshot)) == 3
    second.resolve().write_bytes(change(second.read_bytes()))
    with pytest.raises(Fatal, match="incomplete metadata, file not fully covered"):
        load_shard(second)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_TIME_SCALE", "0")


def test_kernels_are_compiled_once_where_the_variables_say(tmp_path: Path, at_once: None) -> None:
    variables = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "VLLM_CACHE_ROOT": str(tmp_path / "vllm")}
    places = directories(variables, {"max_model_len": 1000}, 0)
    count = 4 * len(places)
    assert compile_all(places, "1") == (count, 0, 0)
    assert compile_all(places, "1") == (0, count, 0)
    again = compile_all(directories(variables, {"max_model_len": 2000}, 0), "1")
    assert again == (8, count - 8, 0), "torch.compile's two caches depend on the arguments"


def test_kernels_of_another_build_are_taken_for_ones_own(tmp_path: Path, at_once: None) -> None:
    places = directories({"HOME": str(tmp_path)}, {}, 0)
    compile_all(places, "1")
    assert compile_all(places, "2") == (0, 4 * len(places), 4 * len(places))


def test_torch_compile_overrides_the_callers_triton_cache(tmp_path: Path) -> None:
    places = directories({"HOME": "/root", "TRITON_CACHE_DIR": "/t", "VLLM_CACHE_ROOT": "/v"}, {}, 1)
    assert places["triton"] == Path("/t")
    assert str(places["triton in torch.compile"]).startswith("/v/torch_compile_cache/")
    assert places["deep_gemm"] == Path("/v/deep_gemm")
    assert places["tilelang"] == Path("/root/.tilelang/cache")


def test_weights_with_a_draft_of_dspark_have_none_of_mtp(snapshot: Path) -> None:
    load_mtp(snapshot)
    settings = config(snapshot)
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").write_text(json.dumps({**settings, "dspark_target_layer_ids": [1, 2, 3]}))
    with pytest.raises(Fatal, match=r"mtp\.py.*\n.*\nKeyError: "):
        load_mtp(snapshot)


def test_every_recipes_model_is_in_the_cache_with_the_draft_that_the_recipe_loads(tmp_path: Path) -> None:
    tiny_model.write_all(tmp_path)
    for path in RECIPES.glob("*.yml"):
        recipe = yaml.safe_load(path.read_text())
        found = resolve(recipe["model"]["repo"], recipe["model"]["revision"], environ(tmp_path))
        has = "dspark_target_layer_ids" in config(found)
        assert has == (recipe["arguments"]["speculative-config"]["method"] == "dspark"), path.name
