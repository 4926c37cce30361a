# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What NCCL said about itself in a rank's output (lines of NCCL 2.28.3 ... 2.30.7).

The banner of every rank is the proof of the version: where one NCCL is preloaded over another, the mapped libraries and PyTorch's own word
mislead.
"""

from __future__ import annotations

import re
import typing as t

from ._journal import Line

# `NCCL version 2.30.4+cuda13.2`: bare from rank 0 (NCCL_DEBUG=VERSION, WARN), after `host:pid:tid [0] NCCL INFO ` from every rank (INFO).
_BANNER = re.compile(r"NCCL version (\d+\.\d+\.\d+)\+cuda(\d+(?:\.\d+)*)")
# vLLM's own wrapper, on the first rank only. Never without a banner in the log, unless NCCL_DEBUG is unset.
_PYNCCL = re.compile(r"is using nccl==(\d+\.\d+\.\d+)")
_NETWORK = re.compile(r"NCCL INFO Using network (\S+)")
_USING = re.compile(r"NET/IB : Using (.*?);\s*OOB (\S+?)(?:<\d+>)?\s*$")
_HCA = re.compile(r"\[\d+\]\s?([\w.-]+:\d+)/")
_PRELOAD = re.compile(r"object '[^']*libnccl[^']*' from LD_PRELOAD cannot be preloaded")


def nccl_report(lines: t.Iterable[Line]) -> dict[str, t.Any]:
    """`version`, `cuda`, `versions`, `network`, `hcas`, `oob`, `channels_ib`, `channels_socket`, `preload_ignored` of one rank.

    `version` and `cuda` are those of the first banner (null without one); `versions` lists every distinct one: a process can load two.
    `network` is `IB`, `Socket` or null; `hcas` are `device:port`; `oob` is `netdev:address` of the bootstrap network.
    `channels_ib`, `channels_socket` count announced channel ends.
    `preload_ignored`: the loader could not preload libnccl, so another one runs.
    """
    banners: list[tuple[str, t.Optional[str]]] = []
    pynccl: list[tuple[str, t.Optional[str]]] = []
    report: dict[str, t.Any] = {"network": None, "hcas": [], "oob": None, "channels_ib": 0, "channels_socket": 0, "preload_ignored": False}
    for line in lines:
        text = line.text
        banners += _BANNER.findall(text)
        pynccl += [(version, None) for version in _PYNCCL.findall(text)]
        network, using = _NETWORK.search(text), _USING.search(text)
        if network:
            report["network"] = network.group(1)
        if using:
            report["hcas"], report["oob"] = _HCA.findall(using.group(1)), using.group(2)
        report["channels_ib"] += "via NET/IB/" in text
        report["channels_socket"] += "via NET/Socket" in text
        report["preload_ignored"] |= bool(_PRELOAD.search(text))
    version, cuda = next(iter(banners + pynccl), (None, None))
    return {"version": version, "cuda": cuda, "versions": list(dict.fromkeys(found for found, _cuda in banners + pynccl)), **report}
