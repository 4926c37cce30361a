# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hugging Face cache with a tiny DeepSeek-V4-Flash of each kind in it: layout and checks of the real thing, a few KiB of bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path
from typing import Any, Optional

REPOSITORY = "deepseek-ai/DeepSeek-V4-Flash"
COMMIT = hashlib.sha1(b"a tiny DeepSeek-V4-Flash").hexdigest()
# The models with DSpark's draft, at the commits that the recipes pin.
WITH_DSPARK = {
    "deepseek-ai/DeepSeek-V4-Flash-DSpark": "913f0657a874f76844e2e91cbe706dbcaceeb6d7",
    "deepseek-ai/DeepSeek-V4-Flash-0731": "7872f01b1d1fe23eabc4c98b48bffcef5a386062",
}
SHARDS = 4
CONFIG = {
    "architectures": ["DeepseekV4ForCausalLM"],
    "model_type": "deepseek_v4",
    "hidden_size": 64,
    "num_attention_heads": 64,
    "num_hidden_layers": SHARDS,
    "num_nextn_predict_layers": 1,
    "max_position_embeddings": 1048576,
    "vocab_size": 256,
    "torch_dtype": "bfloat16",
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
}


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """name: (dtype, shape, bytes) -> a safetensors file: length of the header, header as JSON, bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def shard(number: int) -> tuple[bytes, list[str], int]:
    """One layer's shard: the file, the names in it, the bytes of its tensors."""
    tensors = {}
    for part in ("attn.wq_a.weight", "ffn.experts.0.w1.weight"):
        name = f"layers.{number}.{part}"
        tensors[name] = ("F8_E4M3", [64, 16], hashlib.sha256(name.encode()).digest() * 32)
    return safetensors(tensors), list(tensors), sum(len(data) for _, _, data in tensors.values())


def files(dspark: bool = False) -> dict[str, bytes]:
    """Everything in the snapshot, by name; with the draft of `dspark` or of `mtp`."""
    draft = {"dspark_block_size": 5, "dspark_target_layer_ids": list(range(SHARDS))} if dspark else {}
    found: dict[str, bytes] = {
        "config.json": json.dumps({**CONFIG, **draft}, indent=2).encode(),
        "generation_config.json": b'{"temperature": 1.0, "top_p": 0.95}',
        "tokenizer_config.json": b'{"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 1048576}',
        "tokenizer.json": b'{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}',
    }
    weight_map, total = {}, 0
    for number in range(SHARDS):
        name = f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors"
        found[name], tensors, size = shard(number)
        weight_map.update(dict.fromkeys(tensors, name))
        total += size
    found["model.safetensors.index.json"] = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1).encode()
    return found


def blob_name(name: str, data: bytes) -> str:
    """As on the Hub: SHA-256 for large files, git's SHA-1 for the others."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def write(cache: Path, repository: str = REPOSITORY, commit: str = COMMIT, contents: Optional[dict[str, bytes]] = None) -> Path:
    """Make the cache (HF_HOME) anew, byte for byte the same each time; `contents` instead of files().  Returns the snapshot's directory."""
    root = cache / "hub" / ("models--" + repository.replace("/", "--"))
    shutil.rmtree(root, ignore_errors=True)
    snapshot = root / "snapshots" / commit
    for directory in (snapshot, root / "blobs", root / "refs"):
        directory.mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    for name, data in (contents or files()).items():
        blob = blob_name(name, data)
        (root / "blobs" / blob).write_bytes(data)
        os.symlink("../../blobs/" + blob, snapshot / name)
    return snapshot


def write_all(cache: Path) -> None:
    """The model of every recipe."""
    write(cache)
    for repository, commit in WITH_DSPARK.items():
        write(cache, repository, commit, files(dspark=True))
