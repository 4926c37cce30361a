# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which of the variables that an image bakes in reach the process, where neither recipe nor roles set them.

What places a rank (addresses, interfaces, ports, ranks), tunes its network or says where models are is the cluster's to say, and is taken
away. The rest stays, because an image may need it, and what vLLM or Hugging Face's libraries read of it is told.
"""

from __future__ import annotations

import re
import typing as t

from ._findings import Finding, finding
from ._image_ids import IDS

Environment = t.Mapping[str, str]

# NCCL_VERSION is no setting of NCCL: NVIDIA's CUDA images say by it which package they hold.
_TAKEN_AWAY = re.compile(
    r"^(?:NCCL_(?!VERSION$)\w+|GLOO_\w+|UCX_\w+|TORCHELASTIC_\w+|\w*_IFNAME|MN_IF_NAME|OMPI_MCA_\w+_if_(?:include|exclude)"
    r"|(?:LOCAL_|GROUP_|ROLE_|NODE_)?RANK|(?:LOCAL_|GROUP_|ROLE_)?WORLD_SIZE|NNODES|HEADLESS|MASTER_(?:ADDR|PORT)|HOST_IP"
    r"|VLLM_(?:\w+_)?(?:IP|HOST|ADDR|PORT)|VLLM_DP_\w+"
    r"|HUGGINGFACE_HUB_CACHE|(?:PYTORCH_)?TRANSFORMERS_CACHE)$"
)
_TOLD = re.compile(r"^(?:VLLM_\w+|HF_\w+|HUGGING\w+|TRANSFORMERS_\w+|CUDA_VISIBLE_DEVICES|PYTORCH_(?:CUDA_)?ALLOC_CONF)$")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS")


def taken_away(baked: Environment, ours: t.Container[str]) -> list[str]:
    """Names of `baked` that must not reach the process; `ours` are the names that the launch sets itself."""
    return sorted(name for name in baked if name not in ours and _TAKEN_AWAY.match(name))


def findings(baked: Environment, ours: t.Container[str], unset: t.Container[str], image: str) -> list[Finding]:
    """What becomes of the variables of `image` that the launch does not set; `unset` are the names that it takes away."""
    texts = {
        "image.variables-taken-away": [name for name in baked if name not in ours and name in unset],
        "image.variables-kept": [name for name in baked if name not in ours and name not in unset and _TOLD.match(name)],
    }
    return [
        finding(
            identifier,
            IDS[identifier].severity,
            None,
            f"{_listing(baked, names)} in image {image}",
            _WANTED[identifier],
            IDS[identifier].remedy,
        )
        for identifier, names in texts.items()
        if names
    ]


_WANTED = {
    "image.variables-taken-away": "what places a rank to come from the plan and the recipe alone; the process does not get them",
    "image.variables-kept": "what vLLM reads to be in the recipe; the process gets them as they are",
}


def _listing(baked: Environment, names: t.Iterable[str]) -> str:
    return ", ".join(f"{name}={'***' if SECRET.search(name) else baked[name]}" for name in sorted(names))
