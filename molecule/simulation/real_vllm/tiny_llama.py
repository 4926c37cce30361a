# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Llama of 0.4 million random weights that a real vLLM loads: the same bytes each time, made with nothing but Python."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from typing import Any

from simulation.tiny_model import safetensors

REPOSITORY = "dgx-spark-sim/tiny-llama"
COMMIT = hashlib.sha1(b"a tiny Llama").hexdigest()
SEED = 20260101
LAYERS, HIDDEN, INTERMEDIATE, HEADS = 2, 128, 256, 4
SPECIALS = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
VOCABULARY = 264  # 256 bytes and the special tokens, rounded up to what two ranks can share
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": INTERMEDIATE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "head_dim": HIDDEN // HEADS,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] if m['role'] in ('user', 'assistant') else 'user' }}|>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_alphabet() -> list[str]:
    """The character that stands for each byte in a byte-level tokenizer: itself where it can be printed, else one from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def tokenizer() -> dict[str, Any]:
    """A token for each byte and no merges: every text can be given, any answer can be read."""
    vocabulary = {token: number for number, token in enumerate([*SPECIALS, *byte_alphabet()])}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, "content": token, **flags} for number, token in enumerate(SPECIALS)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }


def shapes() -> list[dict[str, list[int]]]:
    """The tensors of each shard: embeddings, one layer each, head."""
    square, wide, tall = [HIDDEN, HIDDEN], [INTERMEDIATE, HIDDEN], [HIDDEN, INTERMEDIATE]
    layers = []
    for number in range(LAYERS):
        names: dict[str, list[int]] = {f"self_attn.{part}_proj": square for part in "qkvo"}
        names.update({"mlp.gate_proj": wide, "mlp.up_proj": wide, "mlp.down_proj": tall})
        names.update({"input_layernorm": [HIDDEN], "post_attention_layernorm": [HIDDEN]})
        layers.append({f"model.layers.{number}.{name}.weight": shape for name, shape in names.items()})
    vocabulary = [VOCABULARY, HIDDEN]
    return [{"model.embed_tokens.weight": vocabulary}, *layers, {"model.norm.weight": [HIDDEN], "lm_head.weight": vocabulary}]


def bfloat16(values: list[float]) -> bytes:
    """The upper half of each float, little-endian."""
    return b"".join(struct.pack("<f", value)[2:] for value in values)


def weights(name: str, shape: list[int]) -> bytes:
    """Ones for a norm; else random with the spread that Llama starts from, the same for the same name."""
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    if "norm" in name:
        return bfloat16([1.0]) * count
    generator = random.Random(f"{SEED} {name}")
    return bfloat16([generator.gauss(0, 0.02) for _ in range(count)])


def files() -> dict[str, bytes]:
    """Everything in the snapshot, by name."""
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 2048, "chat_template": CHAT_TEMPLATE, **special}
    found = {
        "config.json": json.dumps(CONFIG, indent=2).encode(),
        "generation_config.json": json.dumps({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}).encode(),
        "tokenizer_config.json": json.dumps(settings, indent=2).encode(),
        "tokenizer.json": json.dumps(tokenizer(), ensure_ascii=False).encode(),
    }
    weight_map, total = {}, 0
    shards = shapes()
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        content = {tensor: ("BF16", shape, weights(tensor, shape)) for tensor, shape in tensors.items()}
        found[name] = safetensors(content)
        weight_map.update(dict.fromkeys(tensors, name))
        total += sum(len(data) for _, _, data in content.values())
    found["model.safetensors.index.json"] = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1).encode()
    return found
