# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this plugin util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The files `recipes/vllm/VERSION.json` of this collection, which hacking/vllm_options writes."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.dgx_spark.vllm.plugins.module_utils._vllm_options import Catalogue

# Beside plugins/, both in an installed collection and in a checkout.
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "recipes", "vllm")


def read(version: str) -> dict[str, t.Any]:
    """The content of the file of one version."""
    with open(os.path.join(FOLDER, f"{version}.json"), encoding="utf-8") as file:
        return t.cast("dict[str, t.Any]", json.load(file))


# A file is read once in a process, when a recipe first needs it.
CATALOGUE = Catalogue([name[:-5] for name in os.listdir(FOLDER) if name.endswith(".json")], read)
