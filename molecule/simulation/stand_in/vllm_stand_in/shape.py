# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the forks of vLLM in the played images know beyond vLLM 0.21; STAND_IN_SHAPE, which each image bakes in, says which one runs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

# Where PyTorch's own NCCL lies in an image whose Python packages are in /opt/env.
PACKAGED_NCCL = "/opt/env/lib/python3.12/site-packages/nvidia/nccl/lib/libnccl.so.2"
# By its SONAME, where PyTorch was built upon the system's.
SYSTEM_NCCL = "libnccl.so.2"


@dataclass(frozen=True)
class Shape:
    """One image."""

    environment: re.Pattern[str]  # names of variables that only this fork reads
    torch_nccl: str = PACKAGED_NCCL  # what PyTorch loads
    methods: tuple[str, ...] = ()  # of speculative decoding
    kv_cache_dtypes: tuple[str, ...] = ()


SHAPES = {
    "aiden": Shape(re.compile("VLLM_USE_B12X_MOE")),
    # The names are those of the overlay's own vllm/envs.py.
    "dspark": Shape(
        re.compile(
            r"VLLM_USE_B12X_(MOE|WO_PROJECTION|FP8_GEMM|MHC|SPARSE_INDEXER)|VLLM_B12X_W4A16_FORCE_\w+|VLLM_DSPARK_\w+|VLLM_DSV4_\w+"
            r"|VLLM_ENABLE_PCIE_ALLREDUCE|VLLM_ENABLE_DEEPSEEK_V4_SPARSE_MLA_WARMUP"
        ),
        methods=("dspark",),
        kv_cache_dtypes=("nvfp4_ds_mla",),
    ),
    "jasl": Shape(re.compile("VLLM_TRITON_MLA_SPARSE"), torch_nccl=SYSTEM_NCCL),
    "hazyumps": Shape(re.compile("VLLM_TRITON_MLA_SPARSE"), torch_nccl=SYSTEM_NCCL, methods=("dspark",)),
}


def played() -> Shape:
    """The image that this process runs in."""
    return SHAPES[os.environ.get("STAND_IN_SHAPE", "aiden")]
