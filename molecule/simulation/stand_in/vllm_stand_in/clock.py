# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time: what takes minutes on a Spark takes less here, all of it by the factor STAND_IN_TIME_SCALE.

Waiting for another rank to come is not scaled: that one is started by people and programs who live in real time.
"""

from __future__ import annotations

import os
import time

DEFAULT_SCALE = 0.001
# On a Spark, in seconds, and where that was reported.
KERNEL = 45.0  # 48 kernels in 36 minutes: "first JIT up to 36 min"
AUTOTUNE = 600.0  # "a 10+ minute startup autotune"
SHARD = 45.0  # 181 s for all of them, of which there are four here
GRAPHS = 240.0  # "CUDA graph capture: ~4 minutes"
TOKEN = 0.024  # 41 tokens a second
# A busy machine may keep an answer of a healthy rank for that long.
LEAST_PATIENCE = 3.0


def scale() -> float:
    """STAND_IN_TIME_SCALE: seconds here for each second on a Spark."""
    text = os.environ.get("STAND_IN_TIME_SCALE")
    return float(text) if text else DEFAULT_SCALE


def work(seconds: float) -> None:
    """Be busy for what takes so long on a Spark."""
    time.sleep(seconds * scale())


def patience(seconds: float) -> float:
    """How long to wait here for an answer that vLLM waits for that long."""
    return max(seconds * scale(), LEAST_PATIENCE)
