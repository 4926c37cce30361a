# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verdict on a fabric, each provoked on one that is otherwise healthy."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _nccl_tests, _perftest, _ping
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_verdict import judge, table
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_verdict_ids import IDS
from tests.unit.plugins.fixtures.fabric import (
    BOTH,
    EMPTY_LINES,
    JUMBO,
    RAIL,
    TWIN,
    Measured,
    change,
    device,
    entries,
    log,
    only,
    output,
    pair,
    ring,
    switch,
)

RETRY = (
    "NCCL WARN NET/IB: Got completion from peer 192.168.101.2<40554> with status=IBV_WC_RETRY_EXC_ERR(12) opcode=IBV_WC_SEND(0) reqSize=0 "
    "vendor_err=129 localGid fe80::1 remoteGids fe80::2 hca roceP2p1s0f0"
)
REFUSED = "misc/ibvwrap.cc:213 NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory"
PLUGGED = "[86400.1] cx7-pcie-hotplug MTKP0001:00: Cable plugin"


@dataclasses.dataclass(frozen=True)
class Case:
    """What is spoilt, and the only verdict there then is: id, host, rail, its figure, the threshold's value, and words of its texts."""

    id: str
    spoil: Callable[[Measured], Any]
    host: Optional[str]
    rail: Optional[str]
    figure: tuple[Optional[float], str]
    threshold: Optional[float]
    words: tuple[str, ...]


def pings(received: int, error: Optional[str] = None, **wanted: Any) -> Callable[[Measured], Measured]:
    return lambda measured: change(measured, "pings", {"received": received, "error": error}, **wanted)


def rail(gbps: Any, **fields: Any) -> Callable[[Measured], Measured]:
    return lambda measured: change(measured, "rdma", {"gbps": gbps, **fields}, device="rocep1s0f0")


def both(gbps: Any, **fields: Any) -> Callable[[Measured], Measured]:
    return lambda measured: change(measured, "rdma", {"gbps": gbps, **fields}, devices=["rocep1s0f0", "roceP2p1s0f0"])


def nccl(*lines: str, host: str = "spark1", **fields: Any) -> Callable[[Measured], None]:
    def spoil(measured: Measured) -> None:
        measured["allreduce"].update(fields)
        measured["allreduce"]["lines"][host] += lines

    return spoil


def failing(*lines: str, host: str = "spark1") -> Callable[[Measured], None]:
    return nccl(*lines, host=host, status="failed", busbw_gbps=None)


def replaced(lines: list[str], **fields: Any) -> Callable[[Measured], None]:
    def spoil(measured: Measured) -> None:
        measured["allreduce"].update(fields, lines={host: lines for host in measured["allreduce"]["nodes"]})

    return spoil


def kernel(release: str, cmdline: str = "quiet", host: str = "spark1") -> Callable[[Measured], None]:
    return lambda measured: measured["kernel"][host].update(release=release, cmdline=cmdline)


def rate(gbps: float, *hosts: str) -> Callable[[Measured], None]:
    def spoil(measured: Measured) -> None:
        for host in hosts or measured["observations"]:
            for netdev in ("enp1s0f0np0", "enP2p1s0f0np0"):
                device(measured, host, netdev)["rate_gbps"] = gbps

    return spoil


def gid_moved(measured: Measured) -> None:
    for entry in device(measured, "spark2", "enP2p1s0f0np0")["gids"]:
        entry["index"] += 2 if entry["ipv4"] else 0


def no_gid(measured: Measured) -> None:
    found = device(measured, "spark2", "enP2p1s0f0np0")
    found["gids"] = [entry for entry in found["gids"] if not entry["ipv4"]]


def without(part: str) -> Callable[[Measured], None]:
    return lambda measured: measured.pop(part)


def without_entries(part: str, **wanted: Any) -> Callable[[Measured], None]:
    def spoil(measured: Measured) -> None:
        gone = entries(measured, part, **wanted)
        measured[part] = [entry for entry in measured[part] if entry not in gone]

    return spoil


def all_of(*spoils: Callable[[Measured], Any]) -> Callable[[Measured], None]:
    def spoil(measured: Measured) -> None:
        for each in spoils:
            each(measured)

    return spoil


def smaller_mtu(measured: Measured) -> None:
    device(measured, "spark2", "enp1s0f0np0")["mtu"] = 1500


def one_planned(measured: Measured) -> None:
    """The plan of two nodes whose second functions have no address."""
    for node in measured["plan"]["nodes"].values():
        node["rails"] = node["rails"][:1]
    measured["rdma"] = entries(measured, "rdma", device="rocep1s0f0")
    measured["pings"] = entries(measured, "pings", netdev="enp1s0f0np0")
    measured["allreduce"]["busbw_gbps"] = 13.6


SOCKETS = log("nccl_sockets.log")
BUSBW, MUST = "GB/s", 22.7
LOST = all_of(pings(0, netdev="enp1s0f0np0"), rail(None, status="timeout"), both(None, status="timeout"), failing("timed out"))

CASES = [
    Case(
        "fabric.unreachable",
        LOST,
        "spark1",
        RAIL,
        (0, "of 6 pings"),
        6,
        ("0 of 6 pings over rocep1s0f0:1 to spark2", "the other way", "cable"),
    ),
    Case(
        "fabric.unreachable",
        pings(0, "ping: connect: Network is unreachable", from_="spark2", netdev="enP2p1s0f0np0"),
        "spark2",
        TWIN,
        (0, "of 6 pings"),
        6,
        ("roceP2p1s0f0:1 to spark1", "Network is unreachable"),
    ),
    Case(
        "fabric.unreachable",
        all_of(without_entries("pings", bytes=56), pings(0, netdev="enp1s0f0np0")),
        "spark1",
        RAIL,
        (0, "of 3 pings"),
        3,
        ("none smaller than 8972 bytes was tried, so the MTU may be the cause",),
    ),
    Case(
        "fabric.mtu-mismatch",
        all_of(pings(0, netdev="enp1s0f0np0", bytes=JUMBO), smaller_mtu, rail(None, status="timeout"), failing()),
        "spark2",
        RAIL,
        (0, "of 3 pings"),
        3,
        ("8972 bytes", "smaller ones did (56 bytes)", "spark1 has MTU 9000; spark2 has MTU 1500", "packets of 9000 bytes", "set MTU 9000"),
    ),
    Case(
        "fabric.mtu-mismatch",
        all_of(
            without_entries("pings", bytes=56),
            pings(0, netdev="enp1s0f0np0", to="spark1"),
            pings(0, "ping: local error: message too long, mtu=1500", netdev="enp1s0f0np0", to="spark2"),
        ),
        "spark1",
        RAIL,
        (0, "of 3 pings"),
        3,
        ("message too long, mtu=1500",),
    ),
    Case(
        "fabric.wrong-gid",
        gid_moved,
        "spark2",
        TWIN,
        (5, "GID index"),
        3,
        ("192.168.101.2", "is at index 5", "index 3, as planned", "nmcli"),
    ),
    Case(
        "fabric.wrong-gid",
        all_of(no_gid, both(None, status="failed"), failing(RETRY)),
        "spark2",
        TWIN,
        (None, "GID index"),
        3,
        ("is at no index",),
    ),
    Case(
        "fabric.wrong-gid",
        failing(*EMPTY_LINES),
        "spark1",
        RAIL,
        (61, "errno of ibv_modify_qp"),
        0,
        ("local GID ::, remote GID ::", "the node's own GID at that index is empty"),
    ),
    Case(
        "fabric.wrong-gid",
        failing("Call to ibv_modify_qp failed with 110 Connection timed out", host="spark2"),
        "spark2",
        None,
        (110, "errno of ibv_modify_qp"),
        0,
        ("there is no path to the other node's GID",),
    ),
    Case(
        "fabric.wrong-gid",
        failing("NCCL WARN Call to ibv_modify_qp failed with error Invalid argument"),
        "spark1",
        None,
        (22, "errno of ibv_modify_qp"),
        0,
        ("the other node's GID is empty",),
    ),
    Case("fabric.wrong-gid", failing(RETRY), "spark1", TWIN, (12, "completion error"), 0, ("IBV_WC_RETRY_EXC_ERR(12)", "does not answer")),
    Case(
        "fabric.wrong-gid",
        all_of(
            rail(None, output=" Completion with error at client\n Failed status 12: wr_id 0 syndrom 0x81"),
            both(None, status="failed"),
            failing(),
        ),
        "spark1",
        RAIL,
        (12, "completion error"),
        0,
        ("Failed status 12",),
    ),
    Case(
        "fabric.memory-refused",
        all_of(failing(REFUSED), kernel("7.0.0-1019-nvidia")),
        "spark1",
        None,
        (12, "errno"),
        0,
        ("Cannot allocate memory", "kernel 7.0.0-1019-nvidia", "remedy: boot with kho=off", "6.17.0-1032"),
    ),
    Case(
        "fabric.memory-refused",
        all_of(failing(REFUSED), kernel("7.0.0-31-generic", "quiet kho=off")),
        "spark1",
        None,
        (12, "errno"),
        0,
        ("remedy: give the container --ulimit memlock=-1",),
    ),
    Case(
        "fabric.memory-refused",
        all_of(failing(REFUSED), without("kernel")),
        "spark1",
        None,
        (12, "errno"),
        0,
        ("with kernel 7.0.0 boot with kho=off", "memlock=-1"),
    ),
    Case(
        "fabric.memory-refused",
        all_of(
            lambda measured: change(
                measured, "rdma", {"gbps": None, "output": "Couldn't allocate MR\nfailed to create mr"}, from_="spark1"
            ),
            failing(REFUSED),
        ),
        "spark1",
        TWIN,
        (12, "errno"),
        0,
        ("Couldn't allocate MR",),
    ),
    Case(
        "fabric.sockets",
        replaced(SOCKETS, busbw_gbps=2.1),
        None,
        None,
        (2.1, BUSBW),
        MUST,
        ("spark1, spark2", "NET/IB : No device found", "/dev/infiniband"),
    ),
    Case("fabric.sockets", replaced([], transport="Socket", busbw_gbps=2.1), None, None, (2.1, BUSBW), MUST, ("over sockets",)),
    Case("fabric.sockets", replaced(SOCKETS, busbw_gbps=None, status="timeout"), None, None, (None, BUSBW), MUST, ("over sockets",)),
    Case(
        "fabric.hot-plug",
        all_of(rail(13.23), both(110.5), nccl(busbw_gbps=1.6), lambda measured: measured["kernel"]["spark2"].update(lines=[PLUGGED])),
        "spark1",
        RAIL,
        (13.23, "Gb/s"),
        92,
        ("13.23 Gb/s", "up at 200 Gb/s", f"the kernel of spark2 says: {PLUGGED}", "92 Gb/s or more", "NVIDIA's guide", "reboot both nodes"),
    ),
    Case(
        "fabric.stale-nccl",
        nccl(busbw_gbps=3.04),
        None,
        None,
        (3.04, BUSBW),
        MUST,
        ("3.04 GB/s", "NCCL 2.28.9", "#103 23.74", "firmware", "a released NCCL"),
    ),
    Case(
        "fabric.test-failed",
        rail(None, output="Couldn't connect to 192.168.100.2:18515\n Unable to init the socket connection", error=None),
        "spark1",
        RAIL,
        (None, "Gb/s"),
        92,
        ("ib_write_bw over rocep1s0f0:1 to spark2 failed: Couldn't connect to 192.168.100.2:18515",),
    ),
    Case("fabric.test-failed", rail(None, status="timeout"), "spark1", RAIL, (None, "Gb/s"), 92, ("came to no end",)),
    Case("fabric.test-failed", rail(11000.0), "spark1", RAIL, (11000, "Gb/s"), 126.1, ("11000 Gb/s", "more than there can be", "PCIe")),
    Case("fabric.test-failed", both(300.0), "spark1", BOTH, (300, "Gb/s"), 252.2, ("more than there can be",)),
    Case("fabric.test-failed", nccl(busbw_gbps=190.0), None, None, (190, BUSBW), 31.525, ("Gb/s were taken for GB/s",)),
    Case("fabric.test-failed", failing(*log("nccl_mismatch_head.log")), None, None, (None, BUSBW), MUST, ("mismatch in info from procs",)),
    Case(
        "fabric.link-rate",
        all_of(rate(100, "spark2"), rail(13.4), both(96.0), nccl(busbw_gbps=11.9)),
        "spark2",
        BOTH,
        (100, "Gb/s"),
        200,
        ("100 Gb/s", "switch"),
    ),
    Case("fabric.link-rate", all_of(rate(40, "spark1"), rail(35)), "spark1", BOTH, (40, "Gb/s"), 200, ("up at 40 Gb/s",)),
    Case("fabric.one-rail", both(101.0), "spark1", BOTH, (101, "Gb/s"), 189, ("as much as over one", "189 Gb/s or more")),
    Case("fabric.one-rail", nccl(busbw_gbps=12.5), None, None, (12.5, BUSBW), MUST, ("12.5 GB/s", "as much as over one rail")),
    Case(
        "fabric.one-rail",
        all_of(replaced([]), nccl(using={"spark1": ["rocep1s0f0:1"], "spark2": ["rocep1s0f0:1", TWIN]}, transport="IB", busbw_gbps=3.0)),
        "spark1",
        TWIN,
        (1, "rails"),
        2,
        ("NCCL uses rocep1s0f0:1, not roceP2p1s0f0:1, 3 GB/s",),
    ),
    Case("fabric.one-rail", all_of(replaced([]), nccl(using=["rocep1s0f0"])), "spark1", TWIN, (1, "rails"), 2, ("not roceP2p1s0f0:1",)),
    Case(
        "fabric.one-rail",
        nccl(carrying={"spark1": [RAIL, TWIN], "spark2": [TWIN]}, busbw_gbps=12.9),
        "spark2",
        RAIL,
        (1, "rails"),
        2,
        ("only these carried traffic: roceP2p1s0f0:1", "12.9 GB/s"),
    ),
    Case(
        "fabric.one-rail",
        one_planned,
        "spark1",
        RAIL,
        (1, "rails"),
        2,
        ("the plan has one rail between spark1 and spark2", "12.5 and 24 GB/s"),
    ),
    Case("fabric.slow", rail(60.0), "spark1", RAIL, (60, "Gb/s"), 92, ("60 Gb/s", "slower than measured elsewhere")),
    Case("fabric.slow", rail(25.1), "spark1", RAIL, (25.1, "Gb/s"), 92, ("slower than measured elsewhere",)),
    Case("fabric.slow", rail(7.9), "spark1", RAIL, (7.9, "Gb/s"), 92, ("slower than measured elsewhere",)),
    Case("fabric.slow", both(150.0), "spark1", BOTH, (150, "Gb/s"), 189, ("150 Gb/s over rocep1s0f0:1, roceP2p1s0f0:1 at once",)),
    Case("fabric.slow", nccl(busbw_gbps=20.52), None, None, (20.52, BUSBW), MUST, ("over IB, slower than measured elsewhere",)),
    Case("fabric.slow", nccl(busbw_gbps=8.0), None, None, (8, BUSBW), MUST, ("slower than measured elsewhere",)),
    Case("fabric.slow", nccl(busbw_gbps=1.6), None, None, (1.6, BUSBW), MUST, ("slower than measured elsewhere",)),
    Case("fabric.slow", replaced([], busbw_gbps=3.04), None, None, (3.04, BUSBW), MUST, ("whether over RDMA is not known",)),
    Case(
        "fabric.slow",
        nccl(busbw_gbps=12.5, carrying={host: [RAIL, TWIN] for host in ("spark1", "spark2")}),
        None,
        None,
        (12.5, BUSBW),
        MUST,
        ("slower than measured elsewhere",),
    ),
    Case("fabric.pings-lost", pings(2, netdev="enp1s0f0np0", to="spark2"), "spark1", RAIL, (4, "of 6 pings"), 6, ("4 of 6 pings",)),
    Case(
        "fabric.not-measured", without("pings"), None, None, (None, "pings"), None, ("ping: none at all", "spark2: none to roceP2p1s0f0:1")
    ),
    Case(
        "fabric.not-measured",
        without_entries("pings", from_="spark2", netdev="enp1s0f0np0"),
        None,
        None,
        (None, "pings"),
        None,
        ("spark2: none from rocep1s0f0:1",),
    ),
    Case(
        "fabric.not-measured",
        without_entries("pings", bytes=JUMBO),
        None,
        None,
        (None, "pings"),
        None,
        ("none as large as the MTU (9000) from rocep1s0f0:1",),
    ),
    Case(
        "fabric.not-measured",
        rail(None, status="missing", error="ib_write_bw: command not found"),
        "spark1",
        None,
        (None, "Gb/s"),
        92,
        ("rdma: rocep1s0f0:1 to spark2: ib_write_bw: command not found",),
    ),
    Case(
        "fabric.not-measured",
        without_entries("rdma", device="rocep1s0f0"),
        None,
        None,
        (None, "Gb/s"),
        92,
        ("spark1: nothing over rocep1s0f0:1; spark2:",),
    ),
    Case(
        "fabric.not-measured",
        without_entries("rdma", device=None),
        None,
        None,
        (None, "Gb/s"),
        189,
        ("both rails: spark1: nothing over rocep1s0f0:1, roceP2p1s0f0:1",),
    ),
    Case("fabric.not-measured", without("allreduce"), None, None, (None, BUSBW), MUST, ("allreduce: not run",)),
    Case(
        "fabric.not-measured",
        nccl(busbw_gbps=4.62, bytes=4194304),
        None,
        None,
        (None, BUSBW),
        MUST,
        ("4.62 GB/s with 4.1943e+06 bytes, too few",),
    ),
    Case(
        "fabric.not-measured",
        lambda measured: measured["observations"].pop("spark2"),
        "spark2",
        None,
        (None, "Gb/s"),
        200,
        ("observations: none",),
    ),
    Case(
        "fabric.not-measured",
        lambda measured: measured["observations"]["spark1"]["devices"].pop(0),
        "spark1",
        None,
        (None, "Gb/s"),
        200,
        ("nothing of rocep1s0f0:1",),
    ),
    Case(
        "fabric.not-measured",
        lambda measured: change(measured, "pings", {"df": False}, bytes=JUMBO, from_="spark1", netdev="enp1s0f0np0"),
        None,
        None,
        (None, "pings"),
        None,
        ("spark1: none as large as the MTU (9000) from rocep1s0f0:1; spark2: none as large as the MTU (9000) to rocep1s0f0:1",),
    ),
    Case("fabric.not-measured", nccl(nodes=["spark1"]), "spark2", None, (None, BUSBW), MUST, ("ran between spark1 only",)),
    Case(
        "fabric.wrong-gid",
        rail(None, gid_index=1, output="Failed to modify QP 297 to RTR"),
        "spark1",
        RAIL,
        (None, "errno of ibv_modify_qp"),
        0,
        ("Failed to modify QP 297 to RTR; index 1 was used, and 3 is planned",),
    ),
    Case(
        "fabric.unreachable",
        all_of(pings(0, to="spark2", netdev="enp1s0f0np0"), pings(0, to="spark1", netdev="enp1s0f0np0", bytes=JUMBO)),
        "spark1",
        RAIL,
        (0, "of 6 pings"),
        6,
        ("0 of 6 pings over rocep1s0f0:1 to spark2 came back;",),
    ),
    Case(
        "fabric.mtu-mismatch",
        all_of(without_entries("pings", bytes=56, to="spark2"), pings(0, netdev="enp1s0f0np0", bytes=JUMBO)),
        "spark1",
        RAIL,
        (0, "of 3 pings"),
        3,
        ("0 of 3 pings of 8972 bytes over rocep1s0f0:1 of spark1 to spark2",),
    ),
    Case(
        "fabric.not-measured",
        lambda measured: change(measured, "pings", {"status": "timeout", "sent": None}, from_="spark1", netdev="enp1s0f0np0", bytes=JUMBO),
        "spark1",
        None,
        (None, "pings"),
        None,
        ("ping: rocep1s0f0:1 to spark2: no end",),
    ),
    Case(
        "fabric.not-measured",
        lambda measured: change(measured, "pings", {"sent": None, "status": "missing", "error": "ping: not found"}, from_="spark2"),
        "spark2",
        None,
        (None, "pings"),
        None,
        ("rocep1s0f0:1 to spark1: ping: not found",),
    ),
    Case("fabric.test-failed", rail(97.0, status="failed"), "spark1", RAIL, (None, "Gb/s"), 92, ("no output",)),
    Case("fabric.test-failed", both(190.0, status="failed"), "spark1", BOTH, (None, "Gb/s"), 189, ("no output",)),
    Case("fabric.test-failed", both(None, status="timeout"), "spark1", BOTH, (None, "Gb/s"), 189, ("came to no end",)),
    Case("fabric.test-failed", nccl(status="failed"), None, None, (None, BUSBW), MUST, ("between spark1, spark2 failed: ",)),
    Case(
        "fabric.test-failed", replaced([], status="timeout", error="killed"), None, None, (None, BUSBW), MUST, ("came to no end: killed",)
    ),
    Case("fabric.link-rate", all_of(rate(40, "spark1"), rail(40)), "spark1", BOTH, (40, "Gb/s"), 200, ("up at 40 Gb/s",)),
    Case("fabric.one-rail", nccl(busbw_gbps=12.5, bytes=2**28), None, None, (12.5, BUSBW), MUST, ("as much as over one rail",)),
    Case("fabric.one-rail", nccl(busbw_gbps=12.5, carrying=[RAIL, TWIN]), None, None, (12.5, BUSBW), MUST, ("as much as over one rail",)),
    Case(
        "fabric.sockets",
        nccl("Channel 00/0 : 1[1] -> 0[0] [receive] via NET/Socket/0", host="spark2", busbw_gbps=23.0),
        "spark2",
        None,
        (23, BUSBW),
        MUST,
        ("NCCL runs over sockets on spark2",),
    ),
    Case("fabric.healthy", lambda measured: None, None, None, (23.74, BUSBW), MUST, ("allreduce 23.74 GB/s",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}-{case.words[0][:24]}")
def test_each_cause_has_its_name_and_no_other(case: Case) -> None:
    measured = pair()
    case.spoil(measured)
    found = only(measured)
    assert found["id"] == case.id, found["found"]
    assert (found["host"], found["rail"]) == (case.host, case.rail)
    assert (found["figure"]["value"], found["figure"]["unit"]) == case.figure
    assert found["threshold"]["value"] == (pytest.approx(case.threshold) if case.threshold is not None else None)
    assert found["threshold"]["source"]
    said = f"{found['found']}; wanted {found['wanted']}; remedy: {found['remedy']}"
    assert [word for word in case.words if word not in said] == [], said


def test_every_name_is_provoked() -> None:
    assert {case.id for case in CASES} == set(IDS)


@pytest.mark.parametrize("spoil", [rail(92.0), both(189.0), nccl(busbw_gbps=22.7), nccl(busbw_gbps=25.0), rail(115.0), nccl(bytes=None)])
def test_the_lower_edge_of_a_healthy_band_is_healthy_and_what_is_above_it_too(spoil: Callable[[Measured], Any]) -> None:
    measured = pair()
    spoil(measured)
    assert only(measured)["id"] == "fabric.healthy"


@pytest.mark.parametrize("make", [pair, switch, ring])
def test_what_is_healthy_is_found_so_in_every_topology(make: Callable[[], Measured]) -> None:
    found = judge(**make())
    assert (found["verdict"], found["severity"], len(found["verdicts"])) == ("fabric.healthy", "info", 1)


def test_nothing_at_all_is_not_healthy() -> None:
    found = judge()
    assert {each["id"] for each in found["verdicts"]} == {"fabric.not-measured"}
    assert [each["found"].split(":")[0] for each in found["verdicts"]] == ["allreduce", "observations", "ping", "plan", "rdma"]


def test_a_document_is_json_and_names_the_worst_first() -> None:
    measured = pair()
    all_of(rail(13.4), nccl(using={"spark1": [RAIL]}), without_entries("pings", to="spark2"))(measured)
    found = json.loads(json.dumps(judge(**measured)))
    assert (found["schema"], found["verdict"], found["severity"]) == (1, "fabric.hot-plug", "error")
    assert [each["id"] for each in found["verdicts"]] == ["fabric.hot-plug", "fabric.one-rail", "fabric.not-measured"]
    assert found["verdicts"][0]["band"]["low"] == 8 and "#108" in found["verdicts"][0]["band"]["source"]
    assert [(each["what"], each["value"]) for each in found["figures"]] == [
        ("rdma", 13.4),
        ("rdma", 97.28),
        ("both rails", 189.85),
        ("allreduce", 23.74),
    ]


def test_the_table_shows_every_figure_and_every_verdict() -> None:
    measured = pair()
    rail(13.4)(measured)
    lines = table(judge(**measured))
    assert lines[0] == "fabric.hot-plug (error)"
    assert lines[1].split() == ["MEASURED", "FROM", "TO", "RAIL", "FIGURE", "ELSEWHERE"]
    assert lines[-1].startswith("error fabric.hot-plug spark1: found 13.4 Gb/s over rocep1s0f0:1 to spark2")
    assert any(line.split() == ["allreduce", "all", "23.74", "GB/s", "22.7", "to", "24", "GB/s"] for line in lines)
    assert table(judge())[1] == "no figures"


def test_captured_outputs_go_through_parsers_and_judgement() -> None:
    """NVIDIA's two rails, and an owner's all-reduces: one rail is named, and 20.5 GB/s over both is slower than others have it."""
    measured = pair()
    for name, device_name in (("ib_write_bw_rail.txt", "rocep1s0f0"), ("ib_write_bw_twin.txt", "roceP2p1s0f0")):
        change(measured, "rdma", _perftest.parse(output(name)), device=device_name)
    jumbo, small = _ping.parse(output("ping_jumbo.txt")), _ping.parse(output("ping_small.txt"))
    change(change(measured, "pings", jumbo, bytes=JUMBO), "pings", small, bytes=56)
    assert only(measured)["id"] == "fabric.healthy"
    for name, wanted in (("all_reduce_perf_one_rail.txt", "fabric.one-rail"), ("all_reduce_perf_both_rails.txt", "fabric.slow")):
        measured["allreduce"].update(_nccl_tests.parse(output(name)))
        assert only(measured)["id"] == wanted
    change(measured, "pings", _ping.parse(output("ping_jumbo_lost.txt")), bytes=JUMBO, netdev="enp1s0f0np0")
    assert judge(**measured)["verdict"] == "fabric.mtu-mismatch"
    change(measured, "pings", _ping.parse(output("ping_no_route.txt"), 2), from_="spark1", netdev="enP2p1s0f0np0")
    assert judge(**measured)["verdict"] == "fabric.unreachable"
