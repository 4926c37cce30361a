# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _addressing, _foresee, _subset


def fabric_addresses(
    observations: t.Mapping[str, t.Mapping[str, t.Any]],
    addresses: str = _addressing.RANGE,
    prefix_length: int = _addressing.PREFIX_LENGTH,
    head: t.Optional[str] = None,
    nodes: t.Optional[int] = None,
    spare_unfit: bool = False,
) -> dict[str, t.Any]:
    """Work out the rails' addresses, whether they are needed, and what the nodes will report then.

    See `_subset.addressing_of`, `_subset.addressing_needed` and `_foresee.foresee`.
    """
    try:
        found = _subset.addressing_of(observations, list(observations), addresses, prefix_length, head, nodes)
        needed = _subset.addressing_needed(observations, found, head, nodes, spare_unfit)
        return {**found._asdict(), "needed": needed, "observations": _foresee.foresee(observations, found.rails)}
    except ValueError as error:
        raise AnsibleFilterError(f"fabric_addresses: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(
            f"fabric_addresses: {type(error).__name__}: {error}; wanted by host the result of roce_info, with what fabric_probe heard there"
        ) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fabric_addresses": fabric_addresses}
