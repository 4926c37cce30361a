# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What has to be alike on all nodes, one line for all of them."""

from __future__ import annotations

import collections
import typing as t

from ._preflight_check import ALL, Check, Host


def checks(hosts: t.Mapping[str, Host]) -> t.Iterator[Check]:
    """Compare the results of host_info, {name of the host: result}."""
    yield from _alike("architecture", "host.architecture-differs", {host: seen["architecture"] for host, seen in hosts.items()})
    yield from _alike("kernel", "host.kernel-differs", {host: seen["kernel"] for host, seen in hosts.items()})
    drivers = {host: seen["gpu"]["driver"] for host, seen in hosts.items() if seen["gpu"]["driver"]}
    yield from _alike("driver", "host.driver-differs", drivers)
    for board, firmware in _firmware(hosts).items():
        yield from _alike("adapter firmware", "host.firmware-differs", firmware, f" with board {board}")
    machines = collections.defaultdict(list)
    for host, seen in hosts.items():
        if seen["machine_id"] and seen["boot_id"]:
            machines[(seen["machine_id"], seen["boot_id"])].append(host)
    for names in machines.values():
        if len(names) > 1:
            found = f"{', '.join(names)} are one machine"
            yield Check(ALL, "machines", found, "one machine per name", "host.same-machine")


def _firmware(hosts: t.Mapping[str, Host]) -> dict[str, dict[str, str]]:
    """{board: {host: versions}}. Firmware is made for a board, so that of different boards is not comparable."""
    found: dict[str, dict[str, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for host, seen in hosts.items():
        for adapter in seen["adapters"]:
            if adapter["board_id"] and adapter["firmware"]:
                found[adapter["board_id"]][host].add(adapter["firmware"])
    return {board: {host: " and ".join(sorted(versions)) for host, versions in by_host.items()} for board, by_host in sorted(found.items())}


def _alike(name: str, identifier: str, values: dict[str, str], which: str = "") -> t.Iterator[Check]:
    """`which` narrows down the nodes that are compared, as ` with board X`."""
    if len(values) < 2:
        return
    by_value = collections.defaultdict(list)
    for host, value in values.items():
        by_value[value].append(host)
    wanted = f"the same on all nodes{which}"
    if len(by_value) == 1:
        yield Check(ALL, name, ", ".join(by_value), wanted)
        return
    found = "; ".join(f"{value} on {', '.join(names)}" for value, names in by_value.items())
    yield Check(ALL, name, found, wanted, identifier)
