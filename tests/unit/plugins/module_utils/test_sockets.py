# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils._sockets import Connection, head_link, joined_peers, lost_peers, parse_proc_net

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TAIL = " 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 20 4 30 10 -1\n"
# 192.168.177.11:25000 as the head sees it: IPv4 inside IPv6, as torch's dual-stack listener accepts it.
LISTEN6 = "   0: 00000000000000000000000000000000:61A8 00000000000000000000000000000000:0000 0A" + TAIL
PEER6 = "   1: 0000000000000000FFFF00000BB1A8C0:61A8 0000000000000000FFFF00000CB1A8C0:C350 01" + TAIL
SELF6 = "   2: 0000000000000000FFFF00000BB1A8C0:61A8 0000000000000000FFFF00000BB1A8C0:C352 01" + TAIL
LINK = "   3: 0CB1A8C0:C350 0BB1A8C0:61A8 {state}" + TAIL


def test_addresses_of_both_families_are_read() -> None:
    found = parse_proc_net(HEADING + PEER6 + LINK.format(state="01"))

    assert found == [
        Connection("192.168.177.11", 25000, "192.168.177.12", 50000, "01"),
        Connection("192.168.177.12", 50000, "192.168.177.11", 25000, "01"),
    ]


def test_addresses_are_read_on_a_big_endian_machine_too() -> None:
    assert parse_proc_net("0: C0A8B10C:C350 C0A8B10B:61A8 01", byteorder="big")[0].local == "192.168.177.12"


@pytest.mark.parametrize("text", ["", HEADING, "0: zz:1 yy:2 01", "0: 0CB1A8C0:C350 0BB1A8C0:61A8", "nothing at all to see here"])
def test_what_is_no_socket_is_skipped(text: str) -> None:
    assert parse_proc_net(text) == []


def test_a_real_ipv6_address_stays_one() -> None:
    assert parse_proc_net("0: 000080FE00000000FF0000FE01000000:1F90 00000000000000000000000000000000:0000 0A")[0].local.startswith("fe80::")


def test_the_heads_own_connection_is_no_peer() -> None:
    connections = parse_proc_net(HEADING + LISTEN6 + PEER6 + SELF6)

    assert joined_peers(connections, 25000) == {"192.168.177.12"}
    assert joined_peers(connections, 25001) == set()


@pytest.mark.parametrize(
    ("before", "now", "all_joined", "lost"),
    [
        ([], [], False, []),  # not there yet
        (["b"], [], False, ["b"]),  # was seen
        ([], [], True, ["b", "c"]),  # was never seen, but the log is past the rendezvous
        (["b", "c"], ["c"], True, ["b"]),
        (["b", "c"], ["b", "c"], True, []),
        ([], ["x", "y"], True, []),  # they come from other addresses of theirs
    ],
)
def test_a_peer_is_lost_when_it_was_there_and_is_not(before: list[str], now: list[str], all_joined: bool, lost: list[str]) -> None:
    assert lost_peers(["b", "c"], before, now, all_joined) == lost


@pytest.mark.parametrize(("state", "link"), [("01", "up"), ("08", "closed"), ("02", "none"), ("06", "none")])
def test_the_link_to_the_head_is_judged_by_its_state(state: str, link: str) -> None:
    assert head_link(parse_proc_net(LINK.format(state=state)), "192.168.177.11", 25000) == link


def test_a_link_to_another_port_does_not_count() -> None:
    assert head_link(parse_proc_net(LINK.format(state="01")), "192.168.177.11", 25001) == "none"
