# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.dgx_spark.vllm.plugins.module_utils._verdict import ready_verdict


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ready_verdict": ready_verdict}
