# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The names of everything that measurements can say of a fabric, the worst first, with what a user should know of each."""

from __future__ import annotations

import typing as t

from ._fabric_thresholds import Band, Record
from ._findings import Meaning, finding

IDS = {
    "fabric.unreachable": Meaning(
        "error",
        "no ping at all comes through a rail",
        "check that the cable is in, and that the interface is up and has the planned address on both nodes (`ip -brief address`)",
    ),
    "fabric.mtu-mismatch": Meaning(
        "error",
        "small pings come through a rail, and those as large as its MTU do not: large messages would hang",
        "set MTU 9000 on the interface of both nodes, and on the switch if there is one",
    ),
    "fabric.wrong-gid": Meaning(
        "error",
        "the GID at the planned index is not the rail's, or RDMA says so: errors 61, 22 and 110 of `ibv_modify_qp`, completion error 12",
        "take the connection down and up again (`nmcli connection down NAME`, then `up`) and deploy again, which plans the index anew; "
        "leave `NCCL_IB_GID_INDEX` unset elsewhere",
    ),
    "fabric.memory-refused": Meaning(
        "error",
        "the kernel refuses to pin memory for RDMA (`ibv_reg_mr_iova2 … Cannot allocate memory`)",
        "with kernel 7.0.0 boot with `kho=off` or boot 6.17.0-1032; with any other give the container `--ulimit memlock=-1` and `IPC_LOCK`",
    ),
    "fabric.sockets": Meaning(
        "error",
        "NCCL uses TCP sockets instead of RDMA",
        "give the container `/dev/infiniband`, and `NCCL_IB_HCA` the devices of this node; `NCCL_NET=IB` makes NCCL stop instead",
    ),
    "fabric.hot-plug": Meaning(
        "error",
        "a rail whose link is at 200 Gb/s carries 8 to 25 Gb/s, as after a cable was plugged in live",
        "reboot both nodes with the cable in, and do not move it while they run",
    ),
    "fabric.stale-nccl": Meaning(
        "error",
        "NCCL has about 3 GB/s, as with stale firmware or a development build of NCCL",
        "update the firmware of the nodes (`fwupdmgr update`, then power off and on), and use a released NCCL, the same on all nodes",
    ),
    "fabric.test-failed": Meaning(
        "error",
        "a measurement was run and failed or came to no end, and what it said is none of the causes above",
        "see what the tool said; run it by hand between the two nodes that are named",
    ),
    "fabric.link-rate": Meaning(
        "warning",
        "a link is up at less than 200 Gb/s, most often because the port of a switch is at 100 Gb/s",
        "on a switch set the port to 200 Gb/s instead of automatic; otherwise use a cable for 200 Gb/s",
    ),
    "fabric.one-rail": Meaning(
        "warning",
        "only one of the two rails of a cable is used, or both together carry what one does",
        "see that both functions of the port are up and have addresses in two networks, and that NCCL's line `NET/IB : Using` lists both",
    ),
    "fabric.slow": Meaning(
        "warning",
        "a figure is below what others measured, and in none of the bands by which a cause is known",
        "measure again with nothing else running; if it stays, compare firmware, kernel and cable with a node that is faster",
    ),
    "fabric.pings-lost": Meaning(
        "warning",
        "some of a rail's pings are lost, and some are not",
        "see that no two nodes have one address, and whether the errors of the interface grow (`ethtool -S NAME`); change the cable",
    ),
    "fabric.not-measured": Meaning(
        "warning",
        "a measurement is missing, or was not comparable; what was not measured is not healthy",
        "install the tool that is named, or run the measurement that is missing",
    ),
    "fabric.healthy": Meaning(
        "info",
        "everything was measured, and nothing is slower than measured elsewhere",
        "nothing",
    ),
}
ORDER = {identifier: number for number, identifier in enumerate(IDS)}

Place = tuple[t.Optional[str], t.Optional[str], t.Optional[str]]
"""Host, rail and peer, as in a verdict."""

Verdict = dict[str, t.Any]
"""A finding (see `_findings`) with `rail` (``device:port``, several with commas, or None), `peer` (host at the other end, or None),
`figure` {`value` (None: there is none), `unit`}, `threshold` {`value`, `unit`, `source`} and `band` {`low`, `high`, `unit`, `source`}: that
of the fault by whose figures this one has its name, or None."""


def verdict(
    identifier: str,
    found: str,
    wanted: str,
    figure: Record,
    threshold: Record,
    at: Place = (None, None, None),
    band: t.Optional[Band] = None,
    remedy: str = "",
) -> Verdict:
    """Return one verdict. Its severity, and its remedy if none is given, are those of its id; `wanted` tells the threshold's source too."""
    meaning = IDS[identifier]
    host, rail, peer = at
    wanted = f"{wanted} ({threshold['source']})"
    return {
        **finding(identifier, meaning.severity, host, found, wanted, remedy or meaning.remedy.replace("`", "")),
        "rail": rail,
        "peer": peer,
        "figure": figure,
        "threshold": threshold,
        "band": band.record() if band else None,
    }
