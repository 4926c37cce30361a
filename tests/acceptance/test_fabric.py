"""Both functions of a port are on one wire: by the kernel's default either answers for the other, with the role `fabric` neither does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.acceptance.conftest import UNIT
from tests.acceptance.harness import Playbooks, wait_for
from tests.acceptance.test_recovery import reboot
from tests.acceptance.traps.evidence import Trap

ROLE_ALONE = "molecule/fabric/converge.yml"
FILE = "/etc/sysctl.d/60-dgx-spark-fabric.conf"
RAIL, TWIN = "enp1s0f0np0", "enP2p1s0f0np0"
OWN, ASKED, SECOND, OTHER = "192.168.100.11", "192.168.100.12", "192.168.101.12/24", "172.30.99.2"
JUMBO_PING = f"ping -M do -s 8972 -c 2 -W 2 {ASKED}"
DEFAULTS = {f"{netdev}.{name}": "0" for netdev in ("all", "default", RAIL, TWIN) for name in ("arp_ignore", "arp_announce")}
CURED = DEFAULTS | {f"{netdev}.{name}": value for netdev in (RAIL, TWIN) for name, value in (("arp_ignore", "1"), ("arp_announce", "2"))}


def settings(node: Any) -> dict[str, str]:
    """What is in force, by interface and name."""
    shown = node.check_output("sysctl --all --pattern 'ipv4[.]conf[.].*[.]arp_(ignore|announce)$'")
    found = dict(line.removeprefix("net.ipv4.conf.").split(" = ") for line in shown.splitlines())
    return {name: found[name] for name in DEFAULTS}


def mac_of(node: Any, netdev: str) -> str:
    return str(node.check_output(f"cat /sys/class/net/{netdev}/address"))


def who_answers(node: Any) -> set[str]:
    """The MAC addresses that answer when spark1 asks for the first rail of spark2."""
    program = (Path(__file__).parent / "who_answers.py").read_text()
    answered = node.run(f"python3 - {RAIL} {OWN} {ASKED} {OTHER} <<'END'\n{program}\nEND\n")
    assert answered.rc == 0, answered.stderr
    return set(json.loads(answered.stdout))


def learnt(node: Any) -> list[str]:
    """The MAC address that spark1 has for the first rail of spark2, if any."""
    return re.findall(r"lladdr (\S+)", node.check_output(f"ip neighbour show {ASKED} dev {RAIL}"))


@pytest.fixture
def defaults(playbooks: Playbooks, nodes: dict[str, Any]) -> Iterator[Playbooks]:
    """The kernel's defaults in force on both nodes, and again afterwards."""
    playbooks.run(ROLE_ALONE, "-e", "fabric_state=absent").succeeded()
    assert {host: settings(node) for host, node in nodes.items()} == {host: DEFAULTS for host in nodes}
    yield playbooks
    playbooks.run(ROLE_ALONE, "-e", "fabric_state=absent").succeeded()


@pytest.fixture
def second_function_is_no_rail(fresh: Playbooks, nodes: dict[str, Any]) -> Iterator[None]:
    """On spark2, where nothing is served: an address that no other node has a use for, and the MTU that it comes with."""
    spark2 = nodes["spark2"]
    wait_for("the fabric's addresses", lambda: SECOND in spark2.check_output(f"ip address show dev {TWIN}"))
    for command in (f"address del {SECOND}", f"address add {OTHER}/32", "link set mtu 1500"):
        spark2.check_output(f"ip {command} dev {TWIN}")
    # What spark2 has to ask spark1 would tell spark1 its MAC address, by chance.
    known = f"{OWN} lladdr {mac_of(nodes['spark1'], RAIL)} dev {RAIL}"
    spark2.check_output(f"ip neighbour replace {known} nud permanent")
    yield
    spark2.check_output(f"ip neighbour delete {known}")
    for command in (f"address del {OTHER}/32", "link set mtu 9000", f"address add {SECOND}"):
        spark2.check_output(f"ip {command} dev {TWIN}")


def test_a_function_answers_for_its_twin_by_default_and_not_with_the_role(
    second_function_is_no_rail: None, defaults: Playbooks, nodes: dict[str, Any]
) -> None:
    spark1, rail, twin = nodes["spark1"], mac_of(nodes["spark2"], RAIL), mac_of(nodes["spark2"], TWIN)
    trap, asked = Trap(22), "ARP request for the first rail of the other node"
    answers = who_answers(spark1)
    assert answers == {rail, twin}
    trap.red(f"{asked}, kernel's defaults", "answered by " + ", ".join(sorted(answers)), r"^answered by \S+:10, \S+:14$")
    # The first answer counts, and which one that is is chance. This is what follows if it is the twin's.
    spark1.check_output(f"ip neighbour replace {ASKED} lladdr {twin} dev {RAIL} nud reachable")
    assert spark1.run(f"ping -c 1 -W 2 {ASKED}").rc == 0, "small frames arrive, so that nobody notices"
    lost = spark1.run(JUMBO_PING)
    assert lost.rc == 1
    trap.red(f"{JUMBO_PING}, the twin's answer having come first, its MTU being 1500", lost.stdout, " 100% packet loss")

    announced = defaults.run(ROLE_ALONE, "--check", "--diff").succeeded()
    assert settings(spark1) == DEFAULTS
    done = defaults.run(ROLE_ALONE).succeeded()
    assert announced.changed == done.changed and len(done.changed) == 4

    assert {host: settings(node) for host, node in nodes.items()} == {host: CURED for host in nodes}
    assert twin not in learnt(spark1), "the wrong answer is forgotten at once"
    arrived = spark1.run(JUMBO_PING)
    assert arrived.rc == 0
    trap.green(f"{JUMBO_PING}, after the role fabric", arrived.stdout, " 0% packet loss")
    assert learnt(spark1) == [rail]
    assert who_answers(spark1) == {rail}
    trap.green(f"{asked}, after the role fabric", f"answered by {rail}", r"^answered by \S+:10$")
    assert defaults.run(ROLE_ALONE).succeeded().changed == set()


def test_the_settings_are_there_after_a_reboot_and_put_back_when_they_are_wanted_no_more(
    defaults: Playbooks, nodes: dict[str, Any]
) -> None:
    nodes["spark2"].check_output(f"sysctl --write net.ipv4.conf.{RAIL}.arp_announce=1")
    defaults.run(ROLE_ALONE).succeeded()
    assert nodes["spark2"].file(FILE).exists
    defaults.run(ROLE_ALONE, "-e", "fabric_arp=false").succeeded()
    assert settings(nodes["spark2"]) == DEFAULTS | {f"{RAIL}.arp_announce": "1"}
    assert not nodes["spark2"].file(FILE).exists
    nodes["spark2"].check_output(f"sysctl --write net.ipv4.conf.{RAIL}.arp_announce=0")

    defaults.run(ROLE_ALONE).succeeded()
    for node in nodes.values():
        reboot(node)
    assert {host: settings(node) for host, node in nodes.items()} == {host: CURED for host in nodes}
    wait_for("the fabric", lambda: nodes["spark1"].run(JUMBO_PING).rc == 0)
    assert defaults.run(ROLE_ALONE).succeeded().changed == set()


@pytest.fixture
def answers_rightly_already(defaults: Playbooks, nodes: dict[str, Any]) -> Iterator[str]:
    """A node whose administrator has cured it for all interfaces."""
    nodes["spark2"].check_output("sysctl --write net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2")
    yield "spark2"
    nodes["spark2"].check_output("sysctl --write net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0")


def test_a_node_that_answers_rightly_already_is_left_alone(
    answers_rightly_already: str, defaults: Playbooks, nodes: dict[str, Any]
) -> None:
    before = settings(nodes[answers_rightly_already])
    done = defaults.run(ROLE_ALONE).succeeded()
    assert {host for host, task in done.changed if "Answer for" in task} == {"spark1"}
    assert settings(nodes[answers_rightly_already]) == before
    assert not nodes[answers_rightly_already].file(FILE).exists


@pytest.mark.long
def test_a_cluster_that_serves_keeps_serving(deployed: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]) -> None:
    def invocations() -> dict[str, str]:
        return {host: node.check_output(f"systemctl show --property InvocationID --value {UNIT}") for host, node in nodes.items()}

    serves()
    before = invocations()
    deployed.run(ROLE_ALONE, "-e", "fabric_state=absent").succeeded()
    again = deployed.deploy().succeeded()
    assert {event["role"] for event in again.events if event.get("outcome") == "changed"} == {"dgx_spark.vllm.fabric"}
    assert invocations() == before
    serves()
