"""What `roce_info` reads from the kernel's own tables is what verbs and other tools say of them."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

from simulation.rdma import lab
from tests.acceptance.harness import Playbooks, Run, wait_for
from tests.rdma.conftest import NODES, Look, moved, on

RAILS = {"rocep1s0f0": "enp1s0f0np0", "rocep1s0f1": "enp1s0f1np1", "roceP2p1s0f0": "enP2p1s0f0np0", "roceP2p1s0f1": "enP2p1s0f1np1"}
DEVICE = re.compile(r"^hca_id:\s*(\S+)")
GID = re.compile(r"GID\[\s*(\d+)\]:\s*(\S+), (RoCE v[12])")


def gids_by_verbs(host: str) -> dict[str, list[tuple[int, ipaddress.IPv6Address, str]]]:
    """By device, what ibv_devinfo lists: index, GID and type of each entry that is not empty."""
    found: dict[str, list[tuple[int, ipaddress.IPv6Address, str]]] = {}
    device = ""
    for line in on(host, "ibv_devinfo --verbose").splitlines():
        named, gid = DEVICE.match(line), GID.search(line)
        device = named.group(1) if named else device
        if gid:
            found.setdefault(device, []).append((int(gid.group(1)), ipaddress.IPv6Address(gid.group(2)), gid.group(3)))
    return found


def gids_by_module(observation: dict[str, Any]) -> dict[str, list[tuple[int, ipaddress.IPv6Address, str]]]:
    return {
        port["device"]: [(gid["index"], ipaddress.IPv6Address(gid["gid"]), f"RoCE {gid['type']}") for gid in port["gids"]]
        for port in observation["devices"]
    }


def test_ports_without_addresses_are_seen_as_verbs_see_them(bare: dict[str, Any]) -> None:
    for host in NODES:
        observation = bare["observations"][host]
        assert gids_by_module(observation) == gids_by_verbs(host)
        links = {link["ifname"]: link for link in json.loads(on(host, "rdma --json link show"))}
        for port in observation["devices"]:
            link = links[port["device"]]
            assert (port["netdev"], port["state"]) == (link["netdev"], link["state"]) == (RAILS[port["device"]], "ACTIVE")
            assert port["gid_table_length"] == 1024 and not port["usable"]
            assert port["reasons"] == [f"{port['device']} port 1 has no IPv4 address on {port['netdev']}, wanted one."]
            assert {gid["netdev"] for gid in port["gids"]} == {port["netdev"]} and [gid["index"] for gid in port["gids"]] == [0, 1]
    assert [finding["id"] for finding in bare["plan"]["findings"] if finding["severity"] == "error"]


def test_who_is_on_one_cable_is_heard_through_the_kernel(bare: dict[str, Any]) -> None:
    """Both functions of a port hear both of the peer's port, and nobody hears what goes through the other cable."""
    macs = {host: {port["netdev"]: port["mac"] for port in bare["observations"][host]["devices"]} for host in NODES}
    for host, peer in (("spark1", "spark2"), ("spark2", "spark1")):
        heard = bare["observations"][host]["heard"]
        for netdev in RAILS.values():
            same_port = {macs[peer][other] for other in RAILS.values() if other[-3:] == netdev[-3:]}
            assert same_port <= {mac.lower() for mac in heard[netdev]} and len(same_port) == 2
            assert not set(heard[netdev]) & (set(macs[peer].values()) - same_port)
    assert bare["plan"]["topology"] is None


def test_what_lldpd_has_heard_is_told_with_each_port(bare: dict[str, Any], look: Look) -> None:
    """Both functions of the peer's port are heard on each of ours, so that the port is not told, and the system is."""
    for host in NODES:
        on(host, "systemctl start lldpd")

    def heard() -> bool:
        said = {host: on(host, "lldpctl -f keyvalue").splitlines() for host in NODES}
        wanted = {host: [f"lldp.{netdev}.chassis.name={peer}" for netdev in RAILS.values()] for host, peer in zip(NODES, reversed(NODES))}
        return all(said[host].count(line) == 2 for host in NODES for line in wanted[host])

    try:
        wait_for("both nodes' lldpd to hear each other", heard, 120)
        found = look()["observations"]
        for host, peer in (("spark1", "spark2"), ("spark2", "spark1")):
            assert [port["lldp"] for port in found[host]["devices"]] == [{"system": peer, "port": None}] * len(RAILS)
            assert [port["lldp"] for port in bare["observations"][host]["devices"]] == [None] * len(RAILS)
    finally:
        for host in NODES:
            on(host, "systemctl stop lldpd")


def test_addresses_come_with_the_gids_that_were_planned(healthy: dict[str, Any]) -> None:
    plan = healthy["plan"]
    assert [finding["id"] for finding in plan["findings"] if finding["id"] != "link.slow"] == []
    assert plan["topology"] == "pair" and len(plan["nodes"]["spark1"]["rails"]) == len(RAILS)
    for host in NODES:
        by_verbs = gids_by_verbs(host)
        assert gids_by_module(healthy["observations"][host]) == by_verbs
        for rail in plan["nodes"][host]["rails"]:
            wanted = (rail["gid_index"], ipaddress.IPv6Address(f"::ffff:{rail['ipv4']}"), "RoCE v2")
            assert wanted in by_verbs[rail["device"]] and rail["mtu"] == 9000
            assert f"{rail['ipv4']}/24" in on(host, f"ip -4 -brief address show dev {rail['netdev']}")


def test_a_second_run_changes_nothing(configured: Run, playbooks: Playbooks) -> None:
    assert configured.changed and playbooks.run("playbooks/fabric.yml").succeeded().changed == set()


def test_after_a_reboot_the_plan_is_the_same(healthy: dict[str, Any], look: Look) -> None:
    boots = {host: on(host, "cat /proc/sys/kernel/random/boot_id") for host in NODES}
    for host in NODES:
        lab.ssh(NODES[host], "systemctl reboot")
    for number in NODES.values():
        lab.wait_for_boot(number)
    assert all(on(host, "cat /proc/sys/kernel/random/boot_id") != boot for host, boot in boots.items())
    assert look()["plan"] == healthy["plan"]


def test_the_plan_follows_an_address_to_another_index(healthy: dict[str, Any], look: Look) -> None:
    before = healthy["plan"]["nodes"]["spark2"]["rails"][0]
    with moved("spark2", before):
        plan = look()["plan"]
    now = plan["nodes"]["spark2"]["rails"][0]
    assert (before["gid_index"], now["gid_index"]) == (3, 5)
    assert {**now, "gid_index": 3} == before and plan["hash"] == healthy["plan"]["hash"]
    assert [finding["severity"] for finding in plan["findings"] if finding["severity"] == "error"] == []
