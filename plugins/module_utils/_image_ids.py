# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The ids of everything that is found in a recipe's image."""

from __future__ import annotations

from ._findings import Meaning

IDS = {
    "image.entrypoint-unknown": Meaning(
        "error",
        "a recipe leaves out `image.entrypoint` or `image.command`, and the image's ENTRYPOINT does not tell how it starts vLLM, or says "
        "`serve` before a command that says it again",
        "give image.entrypoint and image.command in the recipe: the words that start the program, and what stands before the model",
    ),
    "image.digest-unverified": Meaning(
        "warning",
        "the image is pinned by digest, and a node's copy has none of that repository, because it was built there, or carried there by "
        "`docker save` and `docker load`",
        "nothing, if you know where it comes from, for that all nodes have the same image is compared in any case; else pull it "
        "(image_pull: always)",
    ),
    "image.variables-taken-away": Meaning(
        "info",
        "an image bakes in settings of NCCL, Gloo or UCX, ranks, addresses, interfaces or ports that neither plan nor recipe sets",
        "put those that are wanted into the recipe's environment, or into serve_extra_environment",
    ),
    "image.variables-kept": Meaning(
        "info",
        "an image bakes in variables of vLLM or of Hugging Face's libraries that the recipe does not set",
        "none is needed; null in serve_extra_environment takes one away",
    ),
}
