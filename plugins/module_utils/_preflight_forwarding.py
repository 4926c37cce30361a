# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether a node passes on what other nodes send through it over the fabric, as in a ring between nodes that no cable connects.

No rank needs it: RoCE does not follow IP forwarding, and ranks find each other by another network. Who has set up such routes wants them to
work, and where the firewall drops the packets it looks as if a cable were dead. Docker may set the policy DROP.
"""

from __future__ import annotations

import typing as t

from ._preflight_check import Check, Host


def checks(hosts: t.Mapping[str, Host]) -> t.Iterator[Check]:
    """One line for each node that others have routes through; `hosts` are the results of host_info, {name of the host: result}."""
    for host, seen in hosts.items():
        routed = _through(seen["rail_addresses"], {name: other for name, other in hosts.items() if name != host})
        forwarding = seen["forwarding"]
        if not routed or (forwarding["policy"] is None and forwarding["enabled"] is not False):
            continue
        row = Check(host, "forwarding", "what others send through it is passed on", "net.ipv4.ip_forward=1, ACCEPT between its rails")
        if forwarding["enabled"] is False:
            found = f"net.ipv4.ip_forward=0, and routes through it: {routed}"
            yield row._replace(found=found, id="host.forwarding-dropped")
        elif forwarding["policy"] != "ACCEPT" and not forwarding["accepted"]:
            found = f"{forwarding['policy']} where no rule of FORWARD accepts, none does between its rails, and routes through it: {routed}"
            yield row._replace(found=found, id="host.forwarding-dropped")
        else:
            yield row


def _through(addresses: t.Collection[str], others: t.Mapping[str, Host]) -> str:
    """The routes of the other nodes that have one of these addresses as gateway, as `10.0.3.0/24 from spark1`."""
    found = [
        f"{route['destination']} from {name}"
        for name, seen in others.items()
        for route in seen["rail_routes"]
        if route["gateway"] in addresses
    ]
    return ", ".join(found)
