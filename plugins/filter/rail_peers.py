# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _neighbours


def rail_peers(plan: t.Mapping[str, t.Any], host: str, observations: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[_neighbours.Neighbour]:
    """The other ends of a host's rails; see `_neighbours.peers`."""
    try:
        return _neighbours.peers(plan, host, observations)
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(
            f"rail_peers: {type(error).__name__}: {error}; wanted a plan of cluster_plan, a host of it, and by host the result of roce_info"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rail_peers": rail_peers}
