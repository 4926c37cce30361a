# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that name why RDMA failed, and how one cause is kept from being told twice, or under another's name."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_causes import causes
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_verdict import judge
from tests.unit.plugins.fixtures.fabric import JUMBO, RAIL, TWIN, change, device, ids, log, only, pair, ring, switch

MODIFY = "spark1:1:2 [0] misc/ibvwrap.cc:262 NCCL WARN Call to ibv_modify_qp failed with"
REFUSED = "NCCL WARN Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory"


# The first two are users' reports of Sparks; the others are the words of NCCL's and perftest's sources in their releases.
@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"{MODIFY} 61 No data available, on dev rocep1s0f0:1,", ("gid", 61, "rocep1s0f0:1")),
        ("Call to ibv_modify_qp failed with 110 Connection timed out", ("gid", 110, None)),
        (f"{MODIFY} 22 Invalid argument, on dev roceP2p1s0f0:1, curr state INIT", ("gid", 22, "roceP2p1s0f0:1")),
        ("NCCL WARN Call to ibv_modify_qp failed with error Invalid argument", ("gid", 22, None)),
        (
            "NET/IB: Got completion from peer 10.0.0.2<4> with status=IBV_WC_RETRY_EXC_ERR(12) vendor_err=129 hca mlx5_2",
            ("gid", 12, "mlx5_2"),
        ),
        (
            "NET/IB: Got completion from peer 10.0.0.2<4> with status=12 opcode=0 len=0 vendor err 129 (Recv) hca mlx5_0",
            ("gid", 12, "mlx5_0"),
        ),
        ("NET/IB : Got completion from peer 10.2.0.5<33092> with error 12, opcode 0, len 0, vendor err 129", ("gid", 12, None)),
        (" Failed status 12: wr_id 0 syndrom 0x81", ("gid", 12, None)),
        ("Failed to modify QP 297 to RTR", ("gid", None, None)),
        (REFUSED, ("memory", None, None)),
        ("NCCL WARN Call to ibv_reg_mr_iova2 failed", ("memory", None, None)),
        ("Couldn't allocate MR", ("memory", None, None)),
        (f"{MODIFY} 1 Operation not permitted", None),
        ("NCCL WARN Call to ibv_reg_mr_iova2 failed with error Bad address", None),
        ("NET/IB: Got completion from peer 10.0.0.2<4> with status=4 opcode=0 len=0 vendor err 81 (Send) hca mlx5_0", None),
        (" Failed status 4: wr_id 0 syndrom 0x51", None),
        ("Failed to modify QP 297 to INIT", None),
    ],
)
def test_each_line_has_its_cause(line: str, found: Optional[tuple[Any, ...]]) -> None:
    assert [(cause.kind, cause.code, cause.device) for cause in causes([line])] == ([found] if found else [])


@pytest.mark.parametrize("name", ["nccl_rdma.log", "nccl_sockets.log", "nccl_preloaded_worker.log"])
def test_a_log_without_an_error_of_rdma_names_no_cause(name: str) -> None:
    assert causes(log(name)) == []


def test_a_message_over_two_lines_is_one_and_a_cause_that_is_repeated_too() -> None:
    lines = [f"{MODIFY} 61 No data available, on dev rocep1s0f0:1,", "        curr state INIT, local GID index 3, local GID ::"] * 2
    found = causes(lines)
    assert len(found) == 1 and found[0].line.endswith("on dev rocep1s0f0:1, curr state INIT, local GID index 3, local GID ::")


def test_a_rail_that_nothing_comes_through_is_told_once_whatever_fails_over_it() -> None:
    measured = change(pair(), "pings", {"received": 0}, netdev="enp1s0f0np0")
    change(measured, "rdma", {"gbps": None, "output": " Failed status 12: wr_id 0 syndrom 0x81"}, device="rocep1s0f0")
    change(measured, "rdma", {"gbps": None, "status": "timeout"}, device=None)
    measured["allreduce"].update(busbw_gbps=None, status="failed")
    measured["allreduce"]["lines"]["spark1"] += [f"{MODIFY} 110 Connection timed out, on dev rocep1s0f0:1, curr state INIT"]
    assert ids(measured) == ["fabric.unreachable"]


def test_a_wrong_gid_of_one_rail_is_not_excused_by_another_rail() -> None:
    measured = change(pair(), "pings", {"received": 0, "bytes": JUMBO}, netdev="enP2p1s0f0np0", bytes=JUMBO)
    measured["allreduce"].update(busbw_gbps=None, status="failed")
    measured["allreduce"]["lines"]["spark1"] += [f"{MODIFY} 61 No data available, on dev rocep1s0f0:1, curr state INIT"]
    assert ids(measured) == ["fabric.mtu-mismatch", "fabric.wrong-gid"]


@pytest.mark.parametrize(("gbps", "wanted"), [(8.0, []), (13.4, []), (60.0, []), (100.0, []), (7.9, ["fabric.slow"])])
def test_a_link_of_100_explains_8_to_100_before_anything_else_does(gbps: float, wanted: list[str]) -> None:
    measured = change(pair(), "rdma", {"gbps": gbps}, device="rocep1s0f0")
    device(measured, "spark2", "enp1s0f0np0")["rate_gbps"] = 100
    assert ids(measured) == ["fabric.link-rate", *wanted]


@pytest.mark.parametrize(
    ("gbps", "wanted"), [(8.0, "fabric.hot-plug"), (25.0, "fabric.hot-plug"), (91.9, "fabric.slow"), (92.0, "fabric.healthy")]
)
def test_the_edges_of_the_bands_belong_to_them(gbps: float, wanted: str) -> None:
    assert judge(**change(pair(), "rdma", {"gbps": gbps}, device="rocep1s0f0"))["verdict"] == wanted


def test_a_slow_cable_explains_nccl_and_both_rails_and_each_rail_is_named() -> None:
    measured = change(change(pair(), "rdma", {"gbps": 13.3}), "rdma", {"gbps": 26.5}, device=None)
    measured["allreduce"]["busbw_gbps"] = 3.1
    assert [(found["id"], found["rail"]) for found in judge(**measured)["verdicts"]] == [
        ("fabric.hot-plug", RAIL),
        ("fabric.hot-plug", TWIN),
    ]


@pytest.mark.parametrize(("gbps", "busbw", "wanted"), [(85.0, 3.04, ["fabric.stale-nccl", "fabric.slow"]), (40.0, 8.9, ["fabric.slow"])])
def test_a_rail_that_is_slow_excuses_nccl_only_as_far_as_it_is_slow(gbps: float, busbw: float, wanted: list[str]) -> None:
    measured = change(pair(), "rdma", {"gbps": gbps}, device="rocep1s0f0")
    measured["allreduce"]["busbw_gbps"] = busbw
    assert ids(measured) == wanted


@pytest.mark.parametrize(("busbw", "wanted"), [(9.5, 1), (4.0, 2)])
def test_both_rails_that_are_slow_excuse_nccl_only_as_far_as_they_are_slow(busbw: float, wanted: int) -> None:
    measured = change(pair(), "rdma", {"gbps": 150.0}, device=None)
    measured["allreduce"]["busbw_gbps"] = busbw
    assert ids(measured) == ["fabric.slow"] * wanted


def test_a_figure_of_nccl_alone_names_a_cable_plugged_in_live_and_says_what_else_stale_may_be() -> None:
    measured = pair()
    measured["rdma"] = []
    measured["allreduce"]["busbw_gbps"] = 1.6
    assert ids(measured)[0] == "fabric.hot-plug"
    measured["allreduce"]["busbw_gbps"] = 3.04
    found = judge(**measured)["verdicts"][0]
    assert found["id"] == "fabric.stale-nccl" and "two rails of a cable plugged in live give as much" in found["found"]


def test_a_preload_that_was_ignored_is_told_with_a_stale_nccl() -> None:
    measured = pair()
    measured["allreduce"]["busbw_gbps"] = 3.04
    ignored = "ERROR: ld.so: object '/opt/dgx-spark/nccl/libnccl.so.2' from LD_PRELOAD cannot be preloaded (cannot open shared object file)"
    measured["allreduce"]["lines"]["spark2"] += [ignored]
    assert "libnccl could not be preloaded" in only(measured)["found"]


def test_sockets_are_told_beside_a_fault_of_the_cable_which_did_not_cause_them() -> None:
    measured = change(pair(), "rdma", {"gbps": 13.4}, device="rocep1s0f0")
    measured["allreduce"].update(lines={"spark1": log("nccl_sockets.log")}, busbw_gbps=1.1)
    assert ids(measured) == ["fabric.sockets", "fabric.hot-plug"]


def test_a_link_that_was_measured_both_ways_has_one_verdict_by_the_lower_figure() -> None:
    measured = change(pair(), "rdma", {"gbps": 14.1}, device="rocep1s0f0")
    measured["rdma"].append({"from": "spark2", "to": "spark1", "device": "rocep1s0f0", "gbps": 13.2})
    assert (only(measured)["host"], only(measured)["figure"]["value"]) == ("spark2", 13.2)


def test_on_a_switch_a_dead_link_does_not_excuse_another_of_the_same_rail() -> None:
    measured = switch()
    for ends in ({"from_": "spark1", "to": "spark2"}, {"from_": "spark2", "to": "spark1"}):
        change(measured, "pings", {"received": 0}, netdev="enp1s0f0np0", **ends)
    change(measured, "rdma", {"gbps": None, "status": "timeout"}, from_="spark1", device="rocep1s0f0")
    found = judge(**measured)["verdicts"]
    assert [(one["id"], one["host"], one["peer"]) for one in found] == [
        ("fabric.unreachable", "spark1", "spark2"),
        ("fabric.test-failed", "spark1", "spark3"),
    ]


def test_a_port_of_a_ring_at_100_is_told_with_its_two_rails_and_the_other_cable_is_judged() -> None:
    measured = ring()
    cages = {d["netdev"] for d in measured["observations"]["spark1"]["devices"] if d["phys_port_name"] == "p0"}
    for netdev in cages:
        device(measured, "spark1", netdev)["rate_gbps"] = 100
    found = only(measured)
    assert (found["id"], found["host"], found["rail"]) == ("fabric.link-rate", "spark1", f"{RAIL}, {TWIN}")
    change(measured, "rdma", {"gbps": 150.0}, device=None)
    slow = [one["peer"] for one in judge(**measured)["verdicts"] if one["id"] == "fabric.slow"]
    assert sorted(slow) == ["spark3", "spark3"]  # over the cables to and from it, not over the one at 100


def test_memory_is_refused_once_on_each_node() -> None:
    measured = change(pair(), "rdma", {"gbps": None, "output": "Couldn't allocate MR"})
    measured["allreduce"].update(busbw_gbps=None, status="failed")
    for host in ("spark1", "spark2"):
        measured["allreduce"]["lines"][host] += [REFUSED]
    assert [(found["id"], found["host"]) for found in judge(**measured)["verdicts"]] == [
        ("fabric.memory-refused", "spark1"),
        ("fabric.memory-refused", "spark2"),
    ]


def test_rails_are_found_by_interface_address_or_device_without_port() -> None:
    for key, value in (
        ("source", "192.168.101.1"),
        ("netdev", "enP2p1s0f0np0"),
        ("rail", "roceP2p1s0f0"),
        ("device", TWIN),
        ("target", "192.168.101.2"),
    ):
        measured = pair()
        measured["pings"].append({"from": "spark1", "to": "spark2", key: value, "bytes": JUMBO, "sent": 9, "received": 8})
        assert (only(measured)["id"], only(measured)["rail"]) == ("fabric.pings-lost", TWIN), key
