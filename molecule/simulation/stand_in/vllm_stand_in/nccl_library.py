# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libnccl runs: the loader decides, as in the real image, where LD_PRELOAD and VLLM_NCCL_SO_PATH may name different files."""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from .shape import played


@dataclass(frozen=True)
class Library:
    """A version of NCCL as the library itself says it."""

    version: str
    cuda: str

    @property
    def banner(self) -> str:
        """As NCCL prints it."""
        return f"NCCL version {self.version}+cuda{self.cuda}"


def version_text(code: int) -> str:
    """22809 -> 2.28.9."""
    return f"{code // 10000}.{code // 100 % 100}.{code % 100}"


def call(library: ctypes.CDLL) -> Optional[int]:
    """ncclGetVersion, None if there is no such function."""
    function = getattr(library, "ncclGetVersion", None)
    if function is None:
        return None
    code = ctypes.c_int()
    function(ctypes.byref(code))
    return code.value


def cuda_of(version: str) -> str:
    """The CUDA version stands in the file only: look into those that may have been loaded."""
    wanted = re.compile(rb"NCCL version " + re.escape(version.encode()) + rb"\+cuda([\d.]+)")
    preloaded = re.split("[ :]+", os.environ.get("LD_PRELOAD", ""))
    for path in [*preloaded, os.environ.get("VLLM_NCCL_SO_PATH", ""), played().torch_nccl]:
        if path and Path(path).is_file():
            found = wanted.search(Path(path).read_bytes())
            if found:
                return found[1].decode()
    return "13.0"


def of_torch() -> Optional[Library]:
    """What PyTorch's process group runs: a preloaded library, whose symbols come first, else the one that PyTorch loads itself."""
    code = call(ctypes.CDLL(None))
    if code is None:
        try:
            code = call(ctypes.CDLL(played().torch_nccl))
        except OSError:
            return None
    return None if code is None else Library(version_text(code), cuda_of(version_text(code)))


def of_pynccl() -> Optional[Library]:
    """What vLLM's own communicator runs: the file VLLM_NCCL_SO_PATH names, else whatever has the SONAME libnccl.so.2."""
    try:
        code = call(ctypes.CDLL(os.environ.get("VLLM_NCCL_SO_PATH") or "libnccl.so.2"))
    except OSError:
        return None
    return None if code is None else Library(version_text(code), cuda_of(version_text(code)))


def all_of_this_rank() -> list[Library]:
    """One if both agree, else both.  STAND_IN_NCCL (2.30.4+cuda13.2) says it where there is no library, as in unit tests."""
    told = os.environ.get("STAND_IN_NCCL")
    if told:
        return [Library(*told.split("+cuda"))]
    return list(dict.fromkeys(library for library in (of_torch(), of_pynccl()) if library))
