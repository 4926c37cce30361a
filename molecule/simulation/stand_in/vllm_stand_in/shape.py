# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which vLLM is in each of the played images, and what its fork knows beyond that; each image says by STAND_IN_SHAPE which one it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# recipes/vllm: a link to it in the repository, a copy in the image.
RELEASES = Path(__file__).with_name("releases")
# Where PyTorch's own NCCL lies in an image whose Python packages are in /opt/env.
PACKAGED_NCCL = "/opt/env/lib/python3.12/site-packages/nvidia/nccl/lib/libnccl.so.2"
# By its SONAME, where PyTorch was built upon the system's.
SYSTEM_NCCL = "libnccl.so.2"


@dataclass(frozen=True)
class Shape:
    """One image."""

    version: str  # what it says it is
    upstream: str  # the release whose options and variables it has
    environment: re.Pattern[str]  # names of variables that only this fork reads
    torch_nccl: str = PACKAGED_NCCL  # what PyTorch loads
    methods: tuple[str, ...] = ()  # of speculative decoding
    kv_cache_dtypes: tuple[str, ...] = ()

    def release(self) -> dict[str, Any]:
        """Options and variables of `upstream`."""
        found: dict[str, Any] = json.loads((RELEASES / f"{self.upstream}.json").read_text())
        return found

    def more_methods(self, known: Collection[str]) -> list[str]:
        """Methods of speculative decoding beyond those that are known: the release's and the fork's."""
        listed = self.release()["options"]["speculative-config"]["keys"]["method"]
        return [method for method in dict.fromkeys((*listed, *self.methods)) if method not in known]


SHAPES = {
    "aiden": Shape("0.21.1", "0.21.0", re.compile("VLLM_USE_B12X_MOE")),
    # The names are those of the overlay's own vllm/envs.py.
    "dspark": Shape(
        "0.21.1",
        "0.21.0",
        re.compile(
            r"VLLM_USE_B12X_(MOE|WO_PROJECTION|FP8_GEMM|MHC|SPARSE_INDEXER)|VLLM_B12X_W4A16_FORCE_\w+|VLLM_DSPARK_\w+|VLLM_DSV4_\w+"
            r"|VLLM_ENABLE_PCIE_ALLREDUCE|VLLM_ENABLE_DEEPSEEK_V4_SPARSE_MLA_WARMUP"
        ),
        methods=("dspark",),
        kv_cache_dtypes=("nvfp4_ds_mla",),
    ),
    "jasl": Shape("0.22.0", "0.22.0", re.compile("VLLM_TRITON_MLA_SPARSE"), torch_nccl=SYSTEM_NCCL),
    "hazyumps": Shape("0.26.0", "0.26.0", re.compile("VLLM_TRITON_MLA_SPARSE"), torch_nccl=SYSTEM_NCCL),
}


def played() -> Shape:
    """The image that this process runs in."""
    return SHAPES[os.environ.get("STAND_IN_SHAPE", "aiden")]
