# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling: every library writes its kernels where its variable says, or where its default says, and finds them there again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from . import clock

KERNELS = 4  # of each library
KEY = (
    "model_tag",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "tensor_parallel_size",
    "kv_cache_dtype",
    "compilation_config",
)


def directories(environ: Mapping[str, str], settings: Mapping[str, Any], rank: int) -> dict[str, Path]:
    """Library: its cache."""
    home = environ.get("HOME") or "/root"
    temporary = environ.get("TMPDIR") or "/tmp"
    user = environ.get("USER") or "root"
    cache_home = environ.get("XDG_CACHE_HOME") or home + "/.cache"

    def chosen(name: str, otherwise: str) -> Path:
        return Path(environ.get(name) or otherwise)

    vllm = chosen("VLLM_CACHE_ROOT", cache_home + "/vllm")
    shape = hashlib.sha256(repr([settings.get(name) for name in KEY]).encode()).hexdigest()[:10]
    # At torch.compile vLLM 0.21 overrides what the caller said of Inductor's and Triton's caches.
    compiled = vllm / "torch_compile_cache" / shape / (f"rank_{rank}_0")
    found = {
        "torch.compile": compiled / "inductor_cache",
        "triton in torch.compile": compiled / "triton_cache",
        "triton": chosen("TRITON_CACHE_DIR", (environ.get("TRITON_HOME") or home) + "/.triton/cache"),
        "inductor": chosen("TORCHINDUCTOR_CACHE_DIR", f"{temporary}/torchinductor_{user}"),
        "flashinfer": chosen("FLASHINFER_WORKSPACE_BASE", home) / ".cache" / "flashinfer",
        "deep_gemm": chosen("DG_JIT_CACHE_DIR", str(vllm / "deep_gemm")),
        "tilelang": chosen("TILELANG_CACHE_DIR", home + "/.tilelang/cache"),
        "cute_dsl": chosen("CUTE_DSL_CACHE_DIR", f"{temporary}/{user}/cutlass_python_cache"),
        "quack": chosen("QUACK_CACHE_DIR", home + "/.quack/cache"),
        "cuda": chosen("CUDA_CACHE_PATH", home + "/.nv/ComputeCache"),
    }
    if environ.get("FLASH_ATTENTION_CUTE_DSL_CACHE_ENABLED") == "1":
        found["flash_attention"] = chosen("FLASH_ATTENTION_CUTE_DSL_CACHE_DIR", f"{temporary}/{user}/flash_attention_cute_dsl_cache")
    if environ.get("B12X_COMPILE_CACHE_DIR"):
        found["b12x"] = Path(environ["B12X_COMPILE_CACHE_DIR"])
    return found


class Built(NamedTuple):
    """How many kernels were compiled, how many were found, and how many of those another build of the image had left."""

    compiled: int = 0
    reused: int = 0
    stale: int = 0


def compile_all(places: Mapping[str, Path], build: str) -> Built:
    """Compile what is not in the caches.  A kernel is found by its name, which says nothing of the build that wrote it."""
    compiled = reused = stale = 0
    for library, directory in places.items():
        for number in range(KERNELS):
            name = hashlib.sha256((f"{library} {number}").encode()).hexdigest()[:16] + ".kernel"
            content = hashlib.shake_128(f"{name} {build}".encode()).digest(512)
            if (directory / name).exists():
                reused += 1
                stale += (directory / name).read_bytes() != content
                continue
            clock.work(clock.KERNEL)
            directory.mkdir(parents=True, exist_ok=True)
            unfinished = directory / ("." + name + f".{os.getpid()}")
            unfinished.write_bytes(content)
            unfinished.rename(directory / name)
            compiled += 1
    return Built(compiled, reused, stale)
