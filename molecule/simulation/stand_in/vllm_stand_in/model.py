# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the model is and whether its shards can be read, as huggingface_hub (offline) and safetensors see it."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from .network import Fatal

INDEX = "model.safetensors.index.json"
# config/speculative.py; DSpark's method is known to forks and from 0.25 on.
METHODS = (
    *("ngram", "medusa", "mlp_speculator", "draft_model", "suffix", "eagle", "eagle3", "extract_hidden_states", "deepseek_mtp", "mimo_mtp"),
    *("mimo_v2_mtp", "glm4_moe_mtp", "glm4_moe_lite_mtp", "glm_ocr_mtp", "ernie_mtp", "nemotron_h_mtp", "exaone_moe_mtp", "exaone4_5_mtp"),
    *("qwen3_next_mtp", "qwen3_5_mtp", "longcat_flash_mtp", "mtp", "pangu_ultra_moe_mtp", "step3p5_mtp", "hy_v3_mtp", "gemma4_mtp"),
    *("dflash", "ngram_gpu"),
)
# vLLM takes each of them for `mtp`.
MTP_METHODS = ("mtp", "deepseek_mtp")
DSPARK_LAYERS = "dspark_target_layer_ids"


def hub_cache(environ: Mapping[str, str]) -> Path:
    """HF_HUB_CACHE, else $HF_HOME/hub, else ~/.cache/huggingface/hub."""
    home = environ.get("HF_HOME") or os.path.join(environ.get("HOME", "/root"), ".cache", "huggingface")
    return Path(environ.get("HF_HUB_CACHE") or os.path.join(home, "hub"))


def resolve(model: str, revision: Optional[str], environ: Mapping[str, str]) -> Path:
    """The directory with config.json in it, or Fatal with the text that the real program ends with."""
    if model.startswith("/") or Path(model).is_dir():
        directory = Path(model)
        if not directory.is_dir():
            form = f"Repo id must be in the form 'repo_name' or 'namespace/repo_name': '{model}'. Use `repo_type` argument if needed."
            raise Fatal("huggingface_hub.errors.HFValidationError: " + form)
    else:
        directory = snapshot(model, revision or "main", hub_cache(environ))
    if not (directory / "config.json").is_file():  # false as well for a link that leads nowhere
        raise Fatal(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
            "  Value error, Invalid repository ID or local directory specified: '%s'\n"
            "Please verify the following requirements:\n"
            "1. Provide a valid Hugging Face repository ID.\n"
            "2. Specify a local directory that contains a recognized configuration file." % (directory if model.startswith("/") else model)
        )
    return directory


def snapshot(repository: str, revision: str, cache: Path) -> Path:
    """models--ORG--NAME/snapshots/<commit>, the commit read from refs/<revision> unless it is one already."""
    root = cache / ("models--" + repository.replace("/", "--"))
    commit = revision
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        try:
            commit = (root / "refs" / revision).read_text().strip()
        except OSError:
            commit = ""
    found = root / "snapshots" / commit
    if not commit or not found.is_dir():
        raise Fatal(
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified revision "
            "on the local disk and outgoing traffic has been disabled. To enable repo look-ups and downloads online, pass "
            "'local_files_only=False' as input."
        )
    return found


def config(directory: Path) -> dict[str, Any]:
    """config.json."""
    read: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return read


def shard_files(directory: Path) -> list[Path]:
    """Those of the index that are there.  A missing one is not noticed: vLLM before 0.26 does not for a quantized model."""
    index = directory / INDEX
    present = sorted(directory.glob("*.safetensors"))
    if index.is_file():
        named = set(json.loads(index.read_text())["weight_map"].values())
        present = [path for path in present if path.name in named]
    if not present:
        raise Fatal(f"RuntimeError: Cannot find any model weights with `{directory}`")
    return present


def load_shard(path: Path) -> int:
    """Read all of it; the number of bytes.  Fatal as safetensors refuses a file whose length its header does not explain."""
    data = path.read_bytes()
    prefix = "safetensors_rust.SafetensorError: Error while deserializing header: "
    if len(data) < 8:
        raise Fatal(prefix + "header too small")
    size = struct.unpack_from("<Q", data)[0]
    if 8 + size > len(data):
        raise Fatal(prefix + "invalid header length")
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError:
        raise Fatal(prefix + "invalid JSON in header") from None
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    if 8 + size + max(ends, default=0) != len(data):
        raise Fatal(prefix + "incomplete metadata, file not fully covered")
    return len(data)


def load_mtp(directory: Path) -> None:
    """The draft of method `mtp`.  KeyError, as vLLM's loader has it, for weights in which the draft is DSpark's."""
    settings = config(directory)
    if DSPARK_LAYERS in settings:
        layer = settings["num_hidden_layers"]
        raise Fatal(
            'File "/opt/env/lib/python3.12/site-packages/vllm/models/deepseek_v4/nvidia/mtp.py", line 448, in load_weights\n'
            f"    params_dict[name]\nKeyError: 'model.layers.{layer}.mtp_block.main_norm.weight'"
        )
