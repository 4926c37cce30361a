# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every judgement, whatever was measured."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_thresholds as known
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_verdict import judge, table
from ansible_collections.dgx_spark.vllm.plugins.module_utils._fabric_verdict_ids import IDS, ORDER
from tests.unit.plugins.fixtures.fabric import EMPTY_LINES, Measured, pair, ring, switch

MANY = settings(max_examples=300, deadline=None)

figures = (
    st.none() | st.floats() | st.integers(-5, 400) | st.sampled_from([8.0, 25.0, 92.0, 101.0, 12.5, 3.04, 1.6, 13.4]) | st.text(max_size=3)
)
counts = st.none() | st.integers(0, 5)
statuses = st.sampled_from([None, "ok", "missing", "timeout", "failed", "odd"])
lines = st.lists(st.sampled_from(EMPTY_LINES) | st.text(max_size=20), max_size=4)


@st.composite
def spoilt(draw: st.DrawFn) -> Measured:
    """A fabric of any kind with any number of its measurements changed, or gone."""
    measured = draw(st.sampled_from([pair, switch, ring]))()
    for entry in measured["pings"]:
        if draw(st.integers(0, 3)) == 0:
            entry.update(
                sent=draw(counts), received=draw(counts), bytes=draw(st.sampled_from([56, 1472, 8972])), error=draw(st.none() | st.text())
            )
    for entry in [*measured["rdma"], measured["allreduce"]]:
        if draw(st.booleans()):
            entry.update(gbps=draw(figures), busbw_gbps=draw(figures), status=draw(statuses), output=draw(st.none() | st.text() | lines))
    if draw(st.booleans()):
        measured["allreduce"].update(
            lines=draw(lines | st.dictionaries(st.sampled_from(["spark1", "spark2", "x"]), lines)),
            transport=draw(st.sampled_from([None, "IB", "Socket"])),
        )
    for devices in (seen["devices"] for seen in measured["observations"].values()):
        for device in devices:
            device["rate_gbps"] = draw(st.sampled_from([200, 200, 200, 100, 40, None]))
            device["gids"] = device["gids"] if draw(st.integers(0, 9)) else []
    for part in draw(st.sets(st.sampled_from(sorted(measured)), max_size=2)):
        del measured[part]
    for part in ("pings", "rdma"):
        if part in measured:
            measured[part] = [entry for entry in measured[part] if draw(st.integers(0, 9))]
    return measured


@MANY
@given(spoilt())
def test_no_measurement_raises_and_every_verdict_says_all_that_a_reader_needs(measured: Measured) -> None:
    found = judge(**measured)
    verdicts = found["verdicts"]
    assert (found["verdict"], found["severity"]) == (verdicts[0]["id"], IDS[verdicts[0]["id"]].severity)
    assert [ORDER[one["id"]] for one in verdicts] == sorted(ORDER[one["id"]] for one in verdicts)
    for one in verdicts:
        assert one["found"] and one["wanted"] and one["remedy"] and one["threshold"]["source"] and one["figure"]["unit"]
        assert one["severity"] == IDS[one["id"]].severity
    assert all(table(found))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@MANY
@given(spoilt())
def test_healthy_is_said_alone_and_only_with_a_figure_of_every_kind_in_its_band(measured: Measured) -> None:
    found = judge(**measured)
    if "fabric.healthy" not in [one["id"] for one in found["verdicts"]]:
        return
    assert len(found["verdicts"]) == 1
    assert {one["what"] for one in found["figures"]} == {"rdma", "both rails", "allreduce"}
    assert all(one["value"] >= one["elsewhere"]["low"] for one in found["figures"])


def within(band: known.Band) -> st.SearchStrategy[float]:
    return st.floats(band.low, band.high)


@MANY
@given(st.sampled_from([pair, switch, ring]), st.data())
def test_figures_in_the_healthy_bands_are_healthy(make: Any, data: st.DataObject) -> None:
    measured = make()
    for entry in measured["rdma"]:
        entry["gbps"] = data.draw(within(known.BOTH_RAILS if "devices" in entry else known.RAIL))
    measured["allreduce"]["busbw_gbps"] = data.draw(within(known.BUSBW))
    measured["allreduce"]["bytes"] = data.draw(st.integers(1, 2**34))
    assert [one["id"] for one in judge(**measured)["verdicts"]] == ["fabric.healthy"]


@MANY
@given(spoilt(), st.data())
def test_the_order_in_which_things_were_measured_does_not_matter(measured: Measured, data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(measured.items()))))
    for part in ("pings", "rdma"):
        if part in shuffled:
            shuffled[part] = data.draw(st.permutations(shuffled[part]))
    for part in ("observations", "kernel"):
        if part in shuffled:
            shuffled[part] = dict(data.draw(st.permutations(list(shuffled[part].items()))))
    if isinstance(shuffled.get("allreduce", {}).get("lines"), dict):
        log = shuffled["allreduce"]["lines"]
        shuffled["allreduce"] = {**shuffled["allreduce"], "lines": dict(data.draw(st.permutations(list(log.items()))))}
    assert json.dumps(judge(**shuffled)) == json.dumps(judge(**measured))


@MANY
@given(st.floats(8, 91.99), st.sampled_from([pair, switch, ring]), st.data())
def test_one_slow_rail_is_never_more_than_one_verdict(gbps: float, make: Any, data: st.DataObject) -> None:
    measured = make()
    entry = data.draw(st.sampled_from([entry for entry in measured["rdma"] if "device" in entry]))
    entry["gbps"] = gbps
    for other in measured["rdma"]:
        if entry["device"] in other.get("devices", ()) and (other["from"], other["to"]) == (entry["from"], entry["to"]):
            other["gbps"] = gbps + data.draw(within(known.RAIL))
    found = judge(**measured)["verdicts"]
    assert [(one["host"], one["peer"], one["rail"]) for one in found] == [(entry["from"], entry["to"], f"{entry['device']}:1")]
    assert found[0]["id"] == ("fabric.hot-plug" if gbps <= 25 else "fabric.slow")
