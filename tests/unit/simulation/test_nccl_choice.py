# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
from typing import Optional

import pytest

from simulation.stand_in.vllm_stand_in.nccl_choice import Gid, Port, choose_gid, choose_hcas, debug_levels, network_of

EMPTY = ("::", None)
LINK_LOCAL = [("fe80::1", 1), ("fe80::1", 2)]


def gids(*entries: tuple[str, Optional[int]]) -> list[Gid]:
    return [Gid(ipaddress.IPv6Address(f"::ffff:{address}" if "." in address else address), version) for address, version in entries]


def pair(address: str) -> list[tuple[str, Optional[int]]]:
    return [(address, 1), (address, 2)]


NORMAL = gids(*LINK_LOCAL, *pair("10.0.0.1"), EMPTY)
HOLE = gids(*LINK_LOCAL, EMPTY, EMPTY, *pair("10.0.0.1"))
TWO = gids(*LINK_LOCAL, *pair("172.16.0.1"), *pair("10.0.0.1"))
BEHIND_IPV6 = gids(*LINK_LOCAL, *pair("fe80::2"), *pair("10.0.0.1"))


@pytest.mark.parametrize(
    ("table", "environ", "index"),
    [
        (NORMAL, {}, 3),
        (HOLE, {}, 5),
        (BEHIND_IPV6, {}, 5),
        (TWO, {}, 3),
        (TWO, {"NCCL_IB_ADDR_RANGE": "10.0.0.0/8"}, 5),
        (TWO, {"NCCL_IB_ADDR_RANGE": ""}, 3),
        (TWO, {"NCCL_IB_ADDR_RANGE": "192.168.0.0/16"}, 0),
        (NORMAL, {"NCCL_IB_ROCE_VERSION_NUM": "1"}, 2),
        (NORMAL, {"NCCL_IB_ADDR_FAMILY": "AF_INET6"}, 0),
        (NORMAL, {"NCCL_IB_GID_INDEX": "0"}, 0),
        (NORMAL, {"NCCL_IB_GID_INDEX": "7"}, 7),
        (NORMAL, {"NCCL_IB_GID_INDEX": ""}, 3),
        (gids(*LINK_LOCAL), {}, 0),
        (gids(("fe80::1", 2), ("2001:db8::1", 2)), {"NCCL_IB_ADDR_FAMILY": "AF_INET6"}, 1),
    ],
)
def test_gid_is_chosen_as_nccl_chooses_it(table: list[Gid], environ: dict[str, str], index: int) -> None:
    assert choose_gid(table, environ) == index


PORTS = [
    Port("mlx5_1", 1, "0000:01:00.1", ()),
    Port("mlx5_10", 1, "0002:01:00.0", ()),
    Port("rocep1s0f0", 1, "0000:01:00.0", ()),
]


@pytest.mark.parametrize(
    ("value", "devices"),
    [
        (None, ["rocep1s0f0", "mlx5_1", "mlx5_10"]),
        ("", ["rocep1s0f0", "mlx5_1", "mlx5_10"]),
        ("mlx5_1", ["mlx5_1", "mlx5_10"]),
        ("=mlx5_1", ["mlx5_1"]),
        ("=mlx5_1,rocep1s0f0", ["rocep1s0f0", "mlx5_1"]),
        ("^mlx5", ["rocep1s0f0"]),
        ("^=mlx5_1", ["rocep1s0f0", "mlx5_10"]),
        ("mlx5_1:1", ["mlx5_1", "mlx5_10"]),
        ("mlx5_1:2", []),
        ("=nosuch", []),
    ],
)
def test_hca_list_is_read_as_nccl_reads_it(value: Optional[str], devices: list[str]) -> None:
    assert [port.device for port in choose_hcas(value, PORTS)] == devices


@pytest.mark.parametrize(
    ("level", "rank", "banner", "warn", "info"),
    [
        (None, 0, False, False, False),
        ("VERSION", 0, True, False, False),
        ("VERSION", 1, False, False, False),
        ("WARN", 0, True, True, False),
        ("WARN", 1, False, True, False),
        ("info", 1, False, True, True),
    ],
)
def test_debug_level_decides_who_says_what(level: Optional[str], rank: int, banner: bool, warn: bool, info: bool) -> None:
    assert debug_levels({"NCCL_DEBUG": level} if level else {}, rank) == {"banner": banner, "warn": warn, "info": info}


@pytest.mark.parametrize(
    ("environ", "network"), [({}, ""), ({"NCCL_NET": "IB"}, "ib"), ({"NCCL_IB_DISABLE": "1"}, "socket"), ({"NCCL_NET": ""}, "")]
)
def test_network_is_asked_for_by_name(environ: dict[str, str], network: str) -> None:
    assert network_of(environ) == network
