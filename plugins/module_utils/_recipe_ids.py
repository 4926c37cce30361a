# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The ids of what is worth knowing of a recipe without a mistake."""

from __future__ import annotations

from ._findings import Meaning

IDS = {
    "recipe.fork-only": Meaning(
        "warning",
        "the recipe uses options, values or variables that only its image's fork of vLLM knows, and says so",
        "nothing with the recipe's own image; with another one (`image_name`) take them away: vLLM ends at an option or a value that it "
        "does not know, and passes over a variable with a warning",
    ),
    "recipe.vllm-unknown": Meaning(
        "warning",
        "the collection has no list of the options of the recipe's `vllm_version`, so arguments and variables were not checked",
        "name in `vllm_version` the release of vLLM that the image's fork was made from; `hacking/vllm_options` makes the list of another",
    ),
}
