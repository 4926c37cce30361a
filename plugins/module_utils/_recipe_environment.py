# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether anything reads the variables of a recipe and its layers: vLLM of its version, a library below it, or what the recipe declares."""

from __future__ import annotations

import typing as t

from . import _overlay_layers
from ._findings import did_you_mean
from ._recipe_options import named
from ._recipe_unknown import Problem, Unknown
from ._recipe_values import brief
from ._recipe_words import suggestion
from ._vllm_options import Catalogue

_OWN = "VLLM_"
# Libraries that read whatever begins so, and have too many names, in too many versions, to list them.
PREFIXES = (
    "NCCL_",  # docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html; a patched NCCL adds its own
    *("GLOO_", "TP_", "UCX_", "OMPI_MCA_"),  # what else may carry ranks: Gloo, TensorPipe, UCX, Open MPI
    *("TORCH_", "TORCHINDUCTOR_", "TORCHDYNAMO_", "PYTORCH_"),  # PyTorch
    *("CUDA_", "CUDNN_", "CUBLAS_", "CUTE_DSL_", "NVIDIA_"),  # CUDA's driver and libraries, CUTLASS, the container toolkit
    *("FLASHINFER_", "FLASH_ATTENTION_", "TRITON_", "TILELANG_", "DG_", "QUACK_"),  # compilers of kernels; DG_ is DeepGEMM's
    *("HF_", "TRANSFORMERS_", "TOKENIZERS_", "SAFETENSORS_"),  # Hugging Face
    "NUMBA_",
    *("OMP_", "KMP_", "GOMP_", "MKL_"),  # OpenMP and MKL
    "PYTHON",
)
# What the commands of layers may go by.
_BUILDERS = ("PIP_", "UV_", "CMAKE_", "CCACHE_", "SETUPTOOLS_SCM_", "DEBIAN_")
NAMES = (
    *("CC", "CXX", "HOME", "LANG", "LC_ALL", "MALLOC_ARENA_MAX", "PATH", "TMPDIR", "TZ", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
    # Proxies and certificates, which whatever fetches something goes by.
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)


def problems(recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Problem]:
    """Variables that nothing is known to read, and declarations that are wrong.

    Names that begin with VLLM_ are passed over where there are no data of the recipe's version.
    """
    fork, other = ([str(name) for name in recipe.get(key, [])] for key in ("fork_environment", "other_environment"))
    found = []
    for name in fork:
        if not name.startswith(_OWN):
            found.append(Problem(f"fork_environment: {brief(name)} does not begin with {_OWN}; wanted it in other_environment"))
    for name in other:
        if name.startswith(_OWN):
            found.append(Problem(f"other_environment: {brief(name)} is vLLM's or its fork's; wanted it in fork_environment"))
    vllm = catalogue.fitting(recipe["vllm_version"])
    if vllm is not None:
        known = [name for name in fork if name in vllm.environment]
        found += [Problem(f"fork_environment: {named(recipe, vllm)} knows {name}; take it out") for name in known]
    found += _unknown(recipe["environment"], "environment", recipe, catalogue)
    return found + layer_problems(recipe.get("layers", []), "layers", recipe, catalogue)


def layer_problems(layers: list[dict[str, t.Any]], where: str, recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Problem]:
    """Variables that layers bake into the image of a recipe, and that nothing is known to read; `where` names the list of layers."""
    found: list[Problem] = []
    # What is not written as a layer is named by `_overlay_layers`.
    for number, layer in enumerate([] if _overlay_layers.problems(layers, where) else layers):
        names = [name for name in layer.get("environment", {}) if not str(name).startswith(_BUILDERS)]
        found += _unknown(names, f"{where}[{number}].environment", recipe, catalogue)
    return found


def _unknown(names: t.Iterable[str], place: str, recipe: dict[str, t.Any], catalogue: Catalogue) -> list[Problem]:
    """Which of the variables nothing is known to read and the recipe does not declare."""
    fork, other = (list(map(str, recipe.get(key, []))) for key in ("fork_environment", "other_environment"))
    vllm = catalogue.fitting(recipe["vllm_version"])
    found = []
    for name in map(str, names):
        if not name.startswith(_OWN):
            if name not in other and not _is_known(name, recipe, catalogue):
                reason, condition = f"nothing is known to read it{_near(name)}", "something in the image does"
                found.append(_undeclared("other_environment", name, place, reason, condition))
        elif vllm is not None and name not in vllm.environment and name not in fork:
            elsewhere = catalogue.others(lambda other, name=name: name in other.environment)  # type: ignore[misc]
            near = elsewhere or suggestion(name, [*vllm.environment, *fork], 0.8)
            reason, condition = f"{named(recipe, vllm)} does not know it{near}", "only the image's fork of vLLM knows it"
            found.append(_undeclared("fork_environment", name, place, reason, condition))
    return found


def _undeclared(declaration: str, name: str, place: str, reason: str, condition: str) -> Problem:
    where = f"{place}.{brief(name)}"
    text = f"{where}: {reason}; correct it, or, if {condition}, add {brief(name)} to {declaration}"
    return Problem(text, Unknown(declaration, name, None, where, reason))


def _is_known(name: str, recipe: dict[str, t.Any], catalogue: Catalogue) -> bool:
    if name.startswith(PREFIXES) or name in NAMES:
        return True
    # vLLM reads some that do not begin like its own, such as CUDA_HOME; they hardly differ between versions.
    vllm = catalogue.fitting(recipe["vllm_version"]) or (catalogue.of(catalogue.versions[-1]) if catalogue.versions else None)
    return vllm is not None and name in vllm.environment


def _near(name: str) -> str:
    head, line, rest = name[:100].partition("_")
    prefix = did_you_mean(head + line, PREFIXES, 0.7)
    return f" ({prefix.replace('_?', f'_{rest}?')})" if prefix else suggestion(name, NAMES, 0.7)
