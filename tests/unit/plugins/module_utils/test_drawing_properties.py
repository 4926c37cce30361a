# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing overlaps and every text fits, whatever the cluster: how nodes are cabled, and what names and findings say."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils._drawing import draw
from ansible_collections.dgx_spark.vllm.plugins.module_utils._findings import SEVERITIES, finding
from tests.unit.plugins.fixtures.picture import Picture
from tests.unit.plugins.fixtures.spark import UP, observed, spark
from tests.unit.plugins.fixtures.wires import hearing
from tests.unit.plugins.module_utils.test_drawing_layout import UNPLANNED, assert_cables_pass, assert_in_order, assert_texts_fit

ENDS = st.tuples(st.integers(0, 8), st.integers(0, 1))
NAMES = [f"n{number}" for number in range(9)]


@settings(deadline=None, max_examples=50)
@given(wires=st.lists(st.lists(ENDS, min_size=2, max_size=6, unique=True), max_size=9))
def test_nothing_overlaps_however_nodes_are_cabled(wires: list[list[tuple[int, int]]]) -> None:
    hosts = hearing({name: dict(_up()) for name in NAMES}, [])
    for number, name in enumerate(NAMES):
        hosts[name]["devices"] = [{**device, "mac": f"02:00:00:00:{number:02x}:{port:02x}"} for port, device in enumerate(_up()["devices"])]
    for wire in wires:
        for (host, cage), (peer, other) in itertools.permutations([(NAMES[number], cage) for number, cage in wire], 2):
            hosts[host]["heard"].setdefault(f"enp1s0f{cage}np{cage}", []).append(hosts[peer]["devices"][other]["mac"])
    picture = Picture(draw(UNPLANNED, hosts))
    assert_in_order(picture)
    assert_cables_pass(picture)
    assert_texts_fit(picture)


@functools.cache
def _up() -> dict[str, Any]:
    """A node whose ports are up, of which nothing else is known."""
    return observed([port.but(ipv4=(), **UP) for port in spark(1)])


TEXT = st.text(min_size=1, max_size=80)


@settings(deadline=None, max_examples=50)
@given(host=TEXT, device=TEXT, netdev=TEXT, words=st.text(min_size=1, max_size=400), severity=st.sampled_from(SEVERITIES))
def test_every_text_fits_whatever_it_says(host: str, device: str, netdev: str, words: str, severity: str) -> None:
    hosts = {host: dict(_up()), f"{host}2": dict(_up())}
    hosts[host]["devices"] = [{**one, "device": f"{device}{one['device']}", "netdev": netdev} for one in hosts[host]["devices"]]
    verdict = finding("test.some", severity, host, words, words, words)
    at = [{**verdict, "rail": f"{device}rocep1s0f0:1", "peer": host}, verdict, {**verdict, "host": None}]
    picture = Picture(draw(UNPLANNED, hosts, at))
    assert_in_order(picture)
    assert_texts_fit(picture)
