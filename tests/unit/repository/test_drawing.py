# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawing in the documentation is what the code draws, and is shown there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_picture_of_a_cluster_is_what_is_drawn() -> None:
    made = subprocess.run([sys.executable, ROOT / "hacking" / "drawing"], check=True, capture_output=True)
    picture = (ROOT / "docs" / "images" / "cluster.svg").read_bytes()
    assert picture.decode() == made.stdout.decode(), "run hacking/drawing --write"
    assert "](images/cluster.svg)" in (ROOT / "docs" / "explanation.md").read_text(encoding="utf-8")
