# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps 1, 2, 4 and 14: addresses and interfaces, in the second write-up's house: no cable in enP7s7, the default route on the Wi-Fi."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

import pytest

from simulation import images, nodes
from tests.acceptance.conftest import ADDRESSES, UNIT
from tests.acceptance.harness import wait_for
from tests.acceptance.traps.by_hand import ByHand
from tests.acceptance.traps.conftest import CONTAINER
from tests.acceptance.traps.evidence import Trap

LAN, WIFI_GATEWAY, LAN_GATEWAY = "enP7s7", "10.77.1.1", "10.77.0.1"


@pytest.fixture(scope="module")
def wifi_house(first_deploy: None) -> Iterator[Callable[[str, str], str]]:
    """Both nodes without the LAN: its interface is down and has no address.  Nodes are reached through their container, ssh has no way."""
    client = images.connect()

    def run(host: str, command: str) -> str:
        return nodes.run_in(client.containers.get(f"sim-{host}"), "sh", "-c", command)

    for host, address in ADDRESSES.items():
        run(
            host,
            f"ip address del {address}/24 dev {LAN} && ip link set {LAN} down && ip route replace default via {WIFI_GATEWAY} dev wlP9s9",
        )
    yield run
    for host, address in ADDRESSES.items():
        run(host, f"ip link set {LAN} up && ip address add {address}/24 dev {LAN} && ip route replace default via {LAN_GATEWAY} dev {LAN}")


@pytest.fixture(scope="module")
def restarted(wifi_house: Callable[[str, str], str]) -> Callable[[str], str]:
    """Our cluster, started anew in that house; the log of a node's rank."""
    for host, verb in (("spark1", "stop"), ("spark2", "stop"), ("spark2", "start"), ("spark1", "start")):
        wifi_house(host, f"systemctl {verb} {UNIT}")

    def log(host: str) -> str:
        invocation = wifi_house(host, f"systemctl show --property InvocationID --value {UNIT}")
        return wifi_house(host, f"journalctl --no-pager --output cat _SYSTEMD_INVOCATION_ID={invocation}")

    wait_for("the head to serve", lambda: "Application startup complete" in log("spark1"), 90)
    return log


@pytest.fixture(scope="module")
def variables(wifi_house: Callable[[str, str], str], restarted: Callable[[str], str]) -> str:
    """The environment of the head's process, one variable a line."""
    pid = wifi_house("spark1", f"docker inspect --format '{{{{.State.Pid}}}}' {CONTAINER}").strip()
    return wifi_house("spark1", f"tr '\\0' '\\n' < /proc/{pid}/environ")


@pytest.fixture
def by_hand(wifi_house: Callable[[str, str], str]) -> Iterator[ByHand]:
    ranks = ByHand(wifi_house)
    ranks.remove()
    yield ranks
    ranks.remove()


def test_1_the_head_listens_on_the_fabric_and_not_on_the_wifi(by_hand: ByHand, restarted: Callable[[str], str]) -> None:
    trap = Trap(1)
    by_hand.start_both(environment={"VLLM_HOST_IP": None})
    log = by_hand.says(0, "mq_connect_ip")
    trap.red("docker run, without VLLM_HOST_IP, default route on wlP9s9", log, r"mq_connect_ip=10\.77\.1\.11 ")
    trap.green("systemctl start vllm@dsv4-flash-b12x-1m, default route on wlP9s9", restarted("spark1"), r"mq_connect_ip=192\.168\.100\.11 ")


def test_2_baked_interface_names_are_overridden(by_hand: ByHand, restarted: Callable[[str], str], variables: str) -> None:
    trap = Trap(2)
    by_hand.start_both(environment={"GLOO_SOCKET_IFNAME": None})
    log = by_hand.says(0, "ifa != nullptr")
    trap.red("docker run, without GLOO_SOCKET_IFNAME, no address on enP7s7", log, r"ifa != nullptr\. Unable to find address for: enP7s7")
    names = ("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME", "MN_IF_NAME", "OMPI_MCA_btl_tcp_if_include")
    trap.green("environment of the head's process, no address on enP7s7", variables, *(f"^{name}=enp1s0f0np0$" for name in names))
    assert "enP7s7" not in variables
    assert "Application startup complete" in restarted("spark1")


def test_14_the_fabric_carries_the_control_traffic_too(by_hand: ByHand, restarted: Callable[[str], str]) -> None:
    trap = Trap(14)
    by_hand.start_both(environment={"NCCL_SOCKET_IFNAME": "enP7s7"})
    log = by_hand.says(0, "no socket interface")
    trap.red("docker run -e NCCL_SOCKET_IFNAME=enP7s7, enP7s7 down", log, r"NCCL WARN Bootstrap : no socket interface found")
    trap.green(
        "systemctl start vllm@dsv4-flash-b12x-1m, enP7s7 down",
        restarted("spark1"),
        r"Bootstrap: Using enp1s0f0np0:192\.168\.100\.11",
        "Application startup complete",
    )


@pytest.mark.parametrize("value", ["=enp1s0f0np0", "enP7s7,enp1s0f0np0"])
def test_4_gloo_is_not_given_nccls_grammar(by_hand: ByHand, variables: str, value: str) -> None:
    trap = Trap(4)
    by_hand.start_both(environment={"NCCL_SOCKET_IFNAME": value, "GLOO_SOCKET_IFNAME": value})
    log = by_hand.says(0, "ifa != nullptr")
    trap.red(
        f"docker run -e GLOO_SOCKET_IFNAME=$NCCL_SOCKET_IFNAME, which is {value}", log, "Unable to find address for: (=enp1s0f0np0|enP7s7)$"
    )
    lines = ("^NCCL_SOCKET_IFNAME==enp1s0f0np0$", "^GLOO_SOCKET_IFNAME=enp1s0f0np0$")
    trap.green("environment of the head's process", variables, *lines)
