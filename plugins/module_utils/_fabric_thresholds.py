# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What others measured on such fabrics, and by which figures a fault is known: every number with who measured it.

Only figures that somebody measured are here. Between two bands nothing is known, and nothing is named.
"""

from __future__ import annotations

import typing as t

from ._rails import FULL_RATE_GBPS

Record = dict[str, t.Any]


class Band(t.NamedTuple):
    """From `low` to `high`, both included, in `unit`; `source`: who measured it, on what."""

    low: float
    high: float
    unit: str
    source: str

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def record(self) -> Record:
        return {"low": self.low, "high": self.high, "unit": self.unit, "source": self.source}

    def edge(self) -> Record:
        """The lower end, as what a figure has to reach."""
        return limit(self.low, self.unit, self.source)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}"


def limit(value: t.Optional[float], unit: str, source: str) -> Record:
    """A threshold as the document has it."""
    return {"value": value, "unit": unit, "source": source}


def figure(value: t.Optional[float], unit: str) -> Record:
    """A figure as the document has it; `value` is None for one that is not there."""
    return {"value": value, "unit": unit}


# One function of a port: 92.57 and 97.28 in NVIDIA's guide (performance_benchmarking_guide.md, both running), 108.94 by an owner.
RAIL = Band(92, 109, "Gb/s", "ib_write_bw: NVIDIA's guide for two Sparks 92.57 and 97.28, an owner 108.94")

# Both functions of a port at once: the same guide's two figures are 189.85 together; owners report up to 196.
BOTH_RAILS = Band(189, 196, "Gb/s", "ib_write_bw on both rails at once: NVIDIA's guide for two Sparks 189.85, owners up to 196")

# NCCL's bus bandwidth over both rails: 22.7 to 24; 23.1 by Reederey87, 23.74 in NVIDIA/dgx-spark-playbooks#103 with a release of NCCL.
BUSBW = Band(22.7, 24, "GB/s", "nccl-tests on two Sparks, both rails: owners 22.7 to 24, NVIDIA/dgx-spark-playbooks#103 23.74")

# The same over one rail: 98 Gb/s (12.25), 12.5, 13.6 (Reederey87), 13.89 (pulsar-gb10-vllm-stack, 512 MiB).
BUSBW_ONE_RAIL = Band(12, 13.9, "GB/s", "nccl-tests on two Sparks, one rail: owners 12.25, 12.5, 13.6 and 13.89")

# A cable that was plugged in while the node ran: 12.9 to 16 were measured, 13.49 before a reboot and 108.94 after it; the pull request
# NVIDIA/dgx-spark-playbooks#108 takes 8 to 25 on a link of 200 Gb/s for it.
HOT_PLUG = Band(8, 25, "Gb/s", "NVIDIA/dgx-spark-playbooks#108; owners 12.9 to 16, and 13.49 before a reboot where it was 108.94 after")

# NCCL over such a cable: about 1.6 in one report, which is given a tenth on both sides.
BUSBW_HOT_PLUG = Band(1.44, 1.76, "GB/s", "nccl-tests over a cable plugged in live: about 1.6, one owner")

# About 3 with stale firmware; 3.04 with a development build of NCCL where the release gave 23.74, all else equal
# (NVIDIA/dgx-spark-playbooks#102 and #103).  "About 3" is given a tenth on both sides.
BUSBW_STALE = Band(2.7, 3.3, "GB/s", "NVIDIA/dgx-spark-playbooks#103: 3.04 with a development NCCL, 23.74 with the release; owners about 3")

# Each function has a PCIe Gen5 x4 of its own: the kernel says `126.028 Gb/s available PCIe bandwidth`, and a node has two such links to
# the card. A figure above it is none.
PCIE_GBPS = 126.1
PCIE_SOURCE = "PCIe Gen5 x4, 126 Gb/s for each of a node's two links to the card (mlx5_core in the kernel's log)"

# A port's rate, as NVIDIA's playbook for switches wants it (`Speed: 200000Mb/s`); switches may leave it at 100.
LINK = limit(FULL_RATE_GBPS, "Gb/s", "NVIDIA's playbook for Sparks on a switch: both functions of a port at 200000Mb/s")

# A port has two functions, and each carries about half: owners measured 13.6 and 23.1, 12.5 and 24 GB/s with one and with both.
RAILS = limit(2, "rails", "a port of a Spark is two functions of about 100 Gb/s; owners 13.6 and 23.1, 12.5 and 24 GB/s with one and both")

# In the tables of pulsar-gb10-vllm-stack one rail has 5.6 GB/s at 2 MiB, 13.2 at 64 MiB, 13.8 at 256 MiB and 13.9 at 512 MiB.
SMALLEST_ALLREDUCE = limit(
    256 * 1024**2, "bytes", "pulsar-gb10-vllm-stack: all_reduce_perf is within 1 % of its last figure from 256 MiB on, one rail"
)

# A ping that must not be fragmented crosses a path only if every MTU on it holds the packet.
PINGS = "a link without loss; packets that must not be fragmented (DF) fit no smaller MTU"

# Kernel 7.0.0-1019-nvidia and HWE 7.0.0-31 keep memory for KHO from which no page can be pinned for long.
KHO_KERNEL = "7.0.0-"
MEMORY = "owners with kernels 7.0.0-1019-nvidia and HWE 7.0.0-31, acknowledged by NVIDIA (forum 383254); without them the memlock limit"
