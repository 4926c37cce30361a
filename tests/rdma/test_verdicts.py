"""What is wrong with verbs has its name: every fault here is one of real devices, and none of these figures is a Spark's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_verdict
from simulation.rdma import image, lab
from tests.acceptance.harness import wait_for
from tests.rdma.conftest import NODES, Look, Validate, moved, on
from tests.rdma.measure import changed, first_rail

# What the emulation is: no Spark, as slow as that, without a GPU.
EMULATED = {"fabric.link-rate", "fabric.slow", "fabric.not-measured"}
COUNTERS = "cat /sys/class/infiniband/{}/ports/1/hw_counters/{}"
# The kernel counts what is pinned against this limit, but not for root: 64 KiB are less than ib_write_bw wants.
REFUSED = """#!/bin/sh
exec prlimit --memlock=65536:65536 setpriv --bounding-set=-ipc_lock /usr/bin/ib_write_bw "$@"
"""


def ids(document: dict[str, Any]) -> set[str]:
    """What was found wrong, but for what the emulation is."""
    return {each["id"] for each in document["verdicts"]} - EMULATED


def one(document: dict[str, Any], identifier: str) -> dict[str, Any]:
    (found,) = [each for each in document["verdicts"] if each["id"] == identifier]
    return dict(found)


@contextlib.contextmanager
def spoilt(by: list[tuple[str, str]], back: list[tuple[str, str]]) -> Iterator[None]:
    """Something is wrong on nodes, and afterwards is not."""
    try:
        for host, command in by:
            on(host, command)
        yield
    finally:
        for host, command in back:
            on(host, command)


@contextlib.contextmanager
def between(number: int, *words: str, back: tuple[str, ...]) -> Iterator[None]:
    """Something is wrong with what spark2's interface of that number in image.NETWORK_CARD is plugged into, as a switch's port would be."""
    image.run("ip", "-n", lab.NAMESPACE, "link", "set", f"tap2{number}", *words)
    try:
        yield
    finally:
        image.run("ip", "-n", lab.NAMESPACE, "link", "set", f"tap2{number}", *back)


def test_rdma_goes_over_every_planned_rail_and_figures_are_judged(validate: Validate, healthy: dict[str, Any]) -> None:
    rails = healthy["plan"]["nodes"]["spark1"]["rails"]
    before = {rail["device"]: int(on("spark1", COUNTERS.format(rail["device"], "sent_pkts"))) for rail in rails}
    done, document = validate()
    done.succeeded()
    assert ids(document) == set()
    assert [each["status"] for each in document["measured"]["rdma"]] == ["ok"] * (len(rails) + 1)
    for rail in rails:
        packets = int(on("spark1", COUNTERS.format(rail["device"], "sent_pkts"))) - before[rail["device"]]
        assert packets > 100, (rail, packets)
    for each, rail in zip(document["measured"]["rdma"], rails):
        said = "\n".join(each["output"])
        assert each["gid_index"] == rail["gid_index"] and f"GID index       : {rail['gid_index']}" in said
        assert rail["ipv4"].replace(".", ":") in said.replace(":0", ":") and 0 < each["gbps"] < 92
    slow = {(each["host"], each["rail"]) for each in document["verdicts"] if each["id"] == "fabric.slow"}
    assert slow == {("spark1", f"{rail['device']}:1") for rail in rails}
    assert {each["figure"]["value"] for each in document["verdicts"] if each["id"] == "fabric.link-rate"} == {100}
    assert "there is" not in one(document, "fabric.not-measured")["found"] and "allreduce" in one(document, "fabric.not-measured")["found"]
    assert done.changed == set() and on("spark2", "pgrep ib_write_bw || echo none") == "none\n"


def test_an_empty_and_an_unusable_gid_are_wrong_by_the_word_of_verbs(healthy: dict[str, Any]) -> None:
    plan = healthy["plan"]
    for change in (lambda index: index + 4, lambda index: index - 1):
        wrong = changed(changed(plan, "spark1", change), "spark2", change)
        (entry,) = first_rail(wrong)
        document = _fabric_verdict.judge(plan, rdma=[entry])
        assert entry["status"] == "failed" and "fabric.wrong-gid" in ids(document), (entry, document["verdicts"])
        found = one(document, "fabric.wrong-gid")
        assert (found["host"], found["rail"], found["peer"]) == ("spark1", "rocep1s0f0:1", "spark2")
        assert "Failed to modify QP" in found["found"] and "is planned" in found["found"]


def test_an_index_that_has_moved_since_the_plan_is_named(healthy: dict[str, Any], look: Look) -> None:
    plan = healthy["plan"]
    with moved("spark2", plan["nodes"]["spark2"]["rails"][0]):
        document = _fabric_verdict.judge(plan, look()["observations"], rdma=first_rail(plan))
    found = one(document, "fabric.wrong-gid")
    assert (found["host"], found["rail"], found["figure"]["value"], found["threshold"]["value"]) == ("spark2", "rocep1s0f0:1", 5, 3)
    assert "fabric.wrong-gid" not in ids(_fabric_verdict.judge(plan, look()["observations"], rdma=first_rail(plan)))


def test_memory_that_may_not_be_pinned_is_named(validate: Validate) -> None:
    write = f"cat >/usr/local/bin/ib_write_bw <<'END'\n{REFUSED}END\nchmod 755 /usr/local/bin/ib_write_bw"
    with spoilt([(host, write) for host in NODES], [(host, "rm -f /usr/local/bin/ib_write_bw") for host in NODES]):
        done, document = validate()
    assert done.code != 0 and ids(document) == {"fabric.memory-refused"}
    found = one(document, "fabric.memory-refused")
    assert found["host"] == "spark1" and "Couldn't allocate MR" in found["found"] and "memlock=-1" in found["remedy"]


def test_a_rail_whose_twin_is_down_is_one_rail(validate: Validate) -> None:
    twins = ("enP2p1s0f0np0", "enp1s0f1np1", "enP2p1s0f1np1")
    down, up = "; ".join(f"ip link set {name} down" for name in twins), "; ".join(f"ip link set {name} up" for name in twins)
    with spoilt([("spark2", down)], [("spark2", up)]):
        done, document = validate()
    wait_for("the addresses", lambda: all(len(on("spark2", f"ip -4 -brief address show dev {n}").split()) == 3 for n in twins), 60)
    done.succeeded()
    assert ids(document) == {"fabric.one-rail"} and document["measured"]["rdma"][0]["status"] == "ok"


def test_a_cable_is_pulled_and_the_other_carries_on(look: Look, healthy: dict[str, Any]) -> None:
    lab.cable(2, 0, False)
    try:
        wait_for("the port to be down", lambda: "state DOWN" in on("spark2", "rdma link show rocep1s0f0/1"), 60)
        found = look()
        rails = [rail["device"] for rail in found["plan"]["nodes"]["spark2"]["rails"]]
        assert rails == ["rocep1s0f1", "roceP2p1s0f1"] and [each["status"] for each in first_rail(found["plan"])] == ["ok"]
    finally:
        lab.cable(2, 0, True)
    wait_for("the port to be up", lambda: "state ACTIVE" in on("spark2", "rdma link show rocep1s0f0/1"), 60)
    assert look()["plan"] == healthy["plan"]


def test_a_switch_with_a_small_mtu_is_named_before_rdma_would_hang(validate: Validate) -> None:
    with between(1, "mtu", "1500", back=("mtu", "9216")):
        done, document = validate()
    assert done.code != 0 and ids(document) == {"fabric.mtu-mismatch"}
    found = one(document, "fabric.mtu-mismatch")
    assert found["rail"] == "rocep1s0f0:1" and {each["status"] for each in document["measured"]["rdma"]} == {"missing"}


def test_a_port_that_lets_nothing_through_is_named(validate: Validate) -> None:
    with between(3, "nomaster", back=("master", "cable0")):
        done, document = validate(validate_when="always")
    assert done.code != 0 and {"fabric.unreachable"} <= ids(document), json.dumps(document["verdicts"])


def test_a_link_that_loses_some_packets_is_named(validate: Validate) -> None:
    loss = "tc qdisc add dev enp1s0f0np0 root netem loss 30%"
    with spoilt([("spark2", loss)], [("spark2", "tc qdisc delete dev enp1s0f0np0 root")]):
        done, document = validate(validate_bandwidth=False, validate_ping_count=40)
    done.succeeded()
    assert ids(document) == {"fabric.pings-lost"} and one(document, "fabric.pings-lost")["rail"] == "rocep1s0f0:1"
