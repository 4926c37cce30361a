"""Rails without addresses, or with wrong ones: given what they need, and put back, whatever happens in between."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from simulation import cluster
from tests.acceptance.conftest import another_cluster
from tests.acceptance.harness import Playbooks, wait_for
from tests.acceptance.test_recovery import reboot

FABRIC = "playbooks/fabric.yml"
OURS = "/etc/netplan/90-dgx-spark-fabric.yaml"
JOURNAL = "/var/lib/dgx-spark/fabric"
GIVE = "addresses | Give the rails their addresses, for as long as nobody confirms"
# Cable from port 0 of spark1 to port 1 of spark2.
RAILS = {"spark1": ["enp1s0f0np0", "enP2p1s0f0np0"], "spark2": ["enp1s0f1np1", "enP2p1s0f1np1"]}
WRONG = """\
network:
  version: 2
  ethernets:
    enp1s0f0np0: {addresses: [192.168.9.1/24], mtu: 1500}
    enP2p1s0f0np0:
      addresses: [192.168.9.2/24]  # the same network: one of the two is never used
"""
FILES = "/etc /usr/local/lib /run/systemd/network /run/NetworkManager/system-connections"


def state(node: Any) -> dict[str, Any]:
    """All files of the node's configuration, with owner, mode, time and content, and what is in force."""
    listed = node.check_output(f"find {FILES} -type f -printf '%p %m %U %G %T@ ' -exec sha256sum {{}} \\; | sort")
    # Docker writes these at every start of what plays the node.
    files = [line for line in listed.splitlines() if not line.startswith(("/etc/resolv.conf", "/etc/host", "/run/"))]
    # NetworkManager's own ("Wired connection 1") have other numbers at every boot.
    generated = [line.split()[0] for line in listed.splitlines() if line.startswith("/run/") and "netplan" in line]
    links = json.loads(node.check_output("ip -json -4 address show"))
    addresses = {link["ifname"]: sorted(entry["local"] for entry in link["addr_info"]) for link in links if link.get("addr_info")}
    mtus = {link["ifname"]: link["mtu"] for link in json.loads(node.check_output("ip -json link show"))}
    ours = node.check_output("ls /var/lib/dgx-spark 2>/dev/null | wc -l")
    units = node.check_output(
        "find /etc/systemd/system -name '*dgx-spark*'; systemctl list-timers --all --no-legend | grep -c dgx-spark || :"
    )
    return {"files": files, "generated": generated, "addresses": addresses, "mtus": mtus, "ours": ours, "units": units}


def states(nodes: dict[str, Any]) -> dict[str, Any]:
    return {host: state(node) for host, node in nodes.items()}


def same(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Fail with what is not the same, and not with all the rest."""
    for host, found in now.items():
        assert sorted(set(found["files"]) ^ set(before[host]["files"])) == []
        assert {**found, "files": 0} == {**before[host], "files": 0}


def rails_of(node: Any) -> list[str]:
    """The addresses that a node has on its QSFP ports."""
    links = json.loads(node.check_output("ip -json -4 address show"))
    ports = [link for link in links if re.match(r"en[pP]\d+(p\d+)?s0f\dnp\d$", link.get("ifname", ""))]
    return [entry["local"] for link in ports for entry in link["addr_info"]]


def unreached(nodes: dict[str, Any]) -> list[str]:
    """The rails from which another node gets no answer to a jumbo frame."""
    return [
        f"{asker} to {address} of {asked}"
        for asker, asked in itertools.permutations(nodes, 2)
        for address in rails_of(nodes[asked])
        if nodes[asker].run(f"ping -M do -s 8972 -c 1 -W 2 {address}").rc != 0
    ]


def both_rails_carry_jumbo_frames(nodes: dict[str, Any]) -> None:
    assert [len(rails_of(node)) for node in nodes.values()] == [2, 2]
    assert unreached(nodes) == []


@pytest.fixture(scope="module")
def bare_pair() -> Iterator[None]:
    """Two nodes without addresses: NetworkManager has the ports of one, systemd-networkd those of the other."""
    with another_cluster("two_spark_bare"):
        yield


@pytest.fixture
def bare(bare_pair: None, nodes: dict[str, Any]) -> None:
    """They are up, and no test of another cluster, after which the usual pair is, has come between."""
    assert [rails_of(node) for node in nodes.values()] == [[], []]


@pytest.fixture
def as_found(bare: None, playbooks: Playbooks, nodes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the nodes are like before; after the test they must be so again."""
    found = states(nodes)
    yield found
    playbooks.run(FABRIC, "-e", "fabric_state=absent").succeeded()
    same(states(nodes), found)


def test_bare_rails_get_addresses_that_last_and_go_again(as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    foretold = playbooks.run(FABRIC, "--check", "--diff").succeeded()
    assert "+      addresses: [10.100.0.1/24]" in foretold.output
    same(states(nodes), as_found)
    run = playbooks.run(FABRIC).succeeded()
    assert run.changed == foretold.changed
    both_rails_carry_jumbo_frames(nodes)
    for host, node in nodes.items():
        assert node.file(OURS).mode == 0o600
        assert not node.file(f"{JOURNAL}/pending.json").exists
        found = state(node)
        assert found["addresses"]["enP7s7"] == as_found[host]["addresses"]["enP7s7"]
        assert found["units"] == as_found[host]["units"]
    assert playbooks.run(FABRIC).succeeded().changed == set()


@pytest.mark.long
def test_addresses_are_there_after_a_reboot_and_come_back_when_taken_away(
    as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]
) -> None:
    playbooks.run(FABRIC).succeeded()
    for node in nodes.values():
        reboot(node)
    wait_for("the addresses", lambda: all(len(rails_of(node)) == 2 for node in nodes.values()), 30)
    both_rails_carry_jumbo_frames(nodes)
    assert playbooks.run(FABRIC).succeeded().changed == set()
    for number, (host, node) in enumerate(nodes.items()):
        # Not of the same rail: an MTU that all agree on is nothing wrong.
        node.check_output(f"ip address flush dev {RAILS[host][number]} && ip link set dev {RAILS[host][1 - number]} mtu 1500")
    assert {host for host, task in playbooks.run(FABRIC).succeeded().changed if task.endswith(GIVE)} == set(nodes)
    both_rails_carry_jumbo_frames(nodes)
    assert playbooks.run(FABRIC).succeeded().changed == set()


@pytest.mark.long
def test_a_node_of_which_nobody_hears_again_puts_itself_back(as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    playbooks.run_until(
        lambda event: event.get("start", "").endswith("again | Observe the node's fabric"), FABRIC, "-e", "fabric_revert_seconds=30"
    )
    assert all(node.file(f"{JOURNAL}/pending.json").exists for node in nodes.values())
    wait_for("the nodes to be as they were", lambda: states(nodes) == as_found, 45, 2)
    # A run after that is like the first.
    playbooks.run(FABRIC).succeeded()
    both_rails_carry_jumbo_frames(nodes)


@pytest.mark.long
def test_a_node_that_boots_before_anybody_confirmed_puts_itself_back(
    as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]
) -> None:
    playbooks.run_until(
        lambda event: event.get("start", "").endswith("again | Observe the node's fabric"), FABRIC, "-e", "fabric_revert_seconds=3600"
    )
    for node in nodes.values():
        reboot(node)
    wait_for("the nodes to be as they were", lambda: states(nodes) == as_found, 60, 2)


@pytest.mark.long
def test_a_run_after_an_interrupted_one_ends_like_an_undisturbed_one(
    as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]
) -> None:
    for moment in (GIVE, "confirm | See whether the addresses stay, and the node's others too", "confirm | Make the addresses lasting"):
        playbooks.run_until(lambda event, moment=moment: event.get("start", "").endswith(moment), FABRIC)  # type: ignore[misc]
    playbooks.run(FABRIC).succeeded()
    both_rails_carry_jumbo_frames(nodes)
    assert playbooks.run(FABRIC).succeeded().changed == set()


@pytest.mark.long
def test_what_a_user_wrote_wrongly_is_set_aside_and_comes_back(bare: None, playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    node, path = nodes["spark1"], "/etc/netplan/60-rails.yaml"
    node.check_output(f"umask 077 && cat > {path} <<'END'\n{WRONG}END\ntouch -d 2025-01-02T03:04:05.678 {path} && netplan generate")
    node.check_output("nmcli connection reload && nmcli connection up netplan-enp1s0f0np0 && nmcli connection up netplan-enP2p1s0f0np0")
    try:
        found = states(nodes)
        assert found["spark1"]["addresses"]["enp1s0f0np0"] == ["192.168.9.1"]
        foretold = playbooks.run(FABRIC, "--check", "--diff").succeeded()
        assert path in foretold.output and "192.168.9.2/24" in foretold.output and "never used" not in foretold.output
        # The network that one rail can keep is kept.
        assert "+enp1s0f0np0: 192.168.9.1/24, MTU 9000" in foretold.output
        node.check_output("systemd-run --unit=session bash -c 'exec 3<>/dev/tcp/192.168.9.2/22; sleep 100'")
        wait_for("the session", lambda: "192.168.9.2:22" in node.check_output("ss -Htn state established"), 20)
        refused = playbooks.run(FABRIC, "-e", "fabric_revert_seconds=30")
        assert refused.code != 0 and "found an ssh session to 192.168.9.2 of enP2p1s0f0np0" in refused.output
        node.check_output("systemctl stop session")
        wait_for("spark2 to be as it was", lambda: state(nodes["spark2"]) == found["spark2"], 60, 2)
        playbooks.run(FABRIC).succeeded()
        both_rails_carry_jumbo_frames(nodes)
        assert not node.file(path).exists
        assert playbooks.run(FABRIC).succeeded().changed == set()
        playbooks.run(FABRIC, "-e", "fabric_state=absent").succeeded()
        same(states(nodes), found)
    finally:
        node.check_output(f"rm {path} && netplan generate && nmcli connection reload")
        wait_for("the addresses to go", lambda: "192.168.9." not in node.check_output("ip -4 address"), 20)


@pytest.mark.long
def test_a_file_that_is_about_more_than_rails_is_refused_before_anything_is_changed(
    as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]
) -> None:
    node, path = nodes["spark1"], "/etc/netplan/60-all.yaml"
    node.check_output(f"umask 077 && cat > {path} <<'END'\n{WRONG}    enP7s7: {{dhcp4: true}}\nEND")
    try:
        run = playbooks.run(FABRIC)
        assert run.code != 0
        (message,) = {event["message"] for event in run.failures if event["host"] == "spark1"}
        assert f"found {path}, which defines enP2p1s0f0np0, enp1s0f0np0 and also enP7s7" in message
        assert rails_of(node) == []
    finally:
        node.check_output(f"rm {path}")


@pytest.mark.long
def test_what_is_missing_or_in_the_way_is_named_and_nothing_is_changed(
    as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]
) -> None:
    nodes["spark2"].check_output("ip link add storage type bridge && ip link set enP2p1s0f1np1 master storage")
    try:
        run = playbooks.run(FABRIC)
        assert run.code != 0 and "fabric.stacked spark2: found storage made upon enP2p1s0f1np1" in run.output
        assert [rails_of(node) for node in nodes.values()] == [[], []]
    finally:
        nodes["spark2"].check_output("ip link delete storage")

    def said(host: str) -> str:
        run = playbooks.run(FABRIC)
        assert run.code != 0
        (message,) = {event["message"] for event in run.failures if event["host"] == host}
        return str(message)

    for host, program, package in (
        ("spark1", "ip", "iproute2"),
        ("spark2", "netplan", "netplan.io"),
        ("spark1", "nmcli", "network-manager"),
        ("spark1", "ss", "iproute2"),
    ):
        path = nodes[host].check_output(f"readlink -f $(command -v {program})")
        nodes[host].check_output(f"mv {path} {path}.away")
        try:
            message = said(host)
            assert "found" in message and "install" in message and package in message, message
        finally:
            nodes[host].check_output(f"mv {path}.away {path}")
        assert rails_of(nodes[host]) == []


@pytest.mark.long
def test_a_gid_index_that_moved_is_planned_with_and_nothing_is_changed(
    as_found: dict[str, Any], playbooks: Playbooks, nodes: dict[str, Any]
) -> None:
    playbooks.run(FABRIC).succeeded()
    port = RAILS["spark2"][0]
    address = nodes["spark2"].check_output(f"ip -4 -o address show dev {port} | awk '{{print $4; exit}}'")
    for step in (f"del {address}", "add 172.30.99.1/32", f"add {address}", "del 172.30.99.1/32"):
        nodes["spark2"].check_output(f"ip address {step} dev {port}")
    before = states(nodes)
    run = playbooks.run(FABRIC).succeeded()
    assert run.changed == set()
    same(states(nodes), before)
    (rail,) = [line.split() for line in run.output.splitlines() if address.split("/")[0] in line and "spark2" in line][:1]
    assert "5" in rail, rail


def serves_and_is_bare_again(playbooks: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]) -> None:
    found = states(nodes)
    playbooks.deploy("-e", "fabric_manage=true", "--check").succeeded()
    same(states(nodes), found)
    playbooks.deploy("-e", "fabric_manage=true").succeeded()
    serves()
    assert playbooks.deploy("-e", "fabric_manage=true").succeeded().changed == set()
    playbooks.run("playbooks/teardown.yml", "-e", "caches_state=absent").succeeded()
    same(states(nodes), found)


@pytest.mark.long
def test_bare_nodes_serve_and_are_bare_again(bare: None, playbooks: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]) -> None:
    serves_and_is_bare_again(playbooks, nodes, serves)


@pytest.mark.long
def test_the_ports_are_taken_from_networkmanager_and_given_back(playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    with another_cluster("two_spark_nmcli_bare"):
        node = nodes["spark2"]
        node.check_output(
            "nmcli connection add type ethernet con-name cx7 ifname enp1s0f0np0 ipv4.method manual ipv4.addresses 192.168.9.1/24"
        )
        node.check_output("nmcli connection up cx7")
        found = states(nodes)
        playbooks.run(FABRIC).succeeded()
        both_rails_carry_jumbo_frames(nodes)
        assert node.file("/etc/NetworkManager/system-connections/dgx-spark-enp1s0f0np0.nmconnection").mode == 0o600
        assert playbooks.run(FABRIC).succeeded().changed == set()
        for one in nodes.values():
            reboot(one)
        wait_for("the addresses", lambda: all(len(rails_of(one)) == 2 for one in nodes.values()), 30)
        assert playbooks.run(FABRIC).succeeded().changed == set()
        playbooks.run(FABRIC, "-e", "fabric_state=absent").succeeded()
        same(states(nodes), found)
        playbooks.run(FABRIC).succeeded()
        as_an_upgrade_leaves_them(node)
        assert playbooks.run(FABRIC).succeeded().changed == set()
        both_rails_carry_jumbo_frames(nodes)
        playbooks.run(FABRIC, "-e", "fabric_state=absent").succeeded()
        same(states(nodes), found)


def as_an_upgrade_leaves_them(node: Any) -> None:
    """Move our profiles of NetworkManager to netplan, as an upgrade of Ubuntu's does (netplan.readthedocs.io, "netplan everywhere")."""
    folder = "/etc/NetworkManager/system-connections"
    for name in RAILS["spark1"]:
        profile = f"{folder}/dgx-spark-{name}.nmconnection"
        identifier = node.check_output(f"sed -n s/^uuid=//p {profile}")
        address = node.check_output(f"sed -n s/^address1=//p {profile}")
        known = {"uuid": identifier, "name": f"dgx-spark-{name}", "passthrough": {"connection.autoconnect-priority": "100"}}
        entry = {"renderer": "NetworkManager", "match": {"name": name}, "addresses": [address], "mtu": 9000, "link-local": []}
        moved = {"network": {"version": 2, "ethernets": {f"NM-{identifier}": {**entry, "networkmanager": known}}}}
        node.check_output(f"rm {profile} && umask 077 && cat > /etc/netplan/90-NM-{identifier}.yaml <<'END'\n{json.dumps(moved)}\nEND")
    node.check_output("netplan generate && nmcli connection reload && nmcli connection up dgx-spark-enp1s0f0np0")


def plug(port: int, plugged: bool) -> None:
    for host in RAILS:
        cluster.cable(host, port, plugged)


@pytest.mark.long
def test_the_addresses_follow_a_cable_and_the_port_that_it_has_left_is_as_it_was(playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    with another_cluster("two_spark_two_cables_bare"):
        plug(1, False)
        nodes["spark1"].check_output(
            "nmcli connection add type ethernet con-name cx7 ifname enp1s0f0np0 ipv4.method manual ipv4.addresses 192.168.9.1/24"
        )
        nodes["spark1"].check_output("nmcli connection up cx7")
        path = "/etc/netplan/60-rails.yaml"
        nodes["spark2"].check_output(f"umask 077 && cat > {path} <<'END'\n{WRONG}END\nnetplan generate && nmcli connection reload")
        nodes["spark2"].check_output("for port in enp1s0f0np0 enP2p1s0f0np0; do nmcli connection up netplan-$port; done")
        found = states(nodes)
        playbooks.run(FABRIC).succeeded()
        both_rails_carry_jumbo_frames(nodes)
        assert not nodes["spark2"].file(path).exists
        plug(0, False)
        plug(1, True)
        playbooks.run(FABRIC).succeeded()
        both_rails_carry_jumbo_frames(nodes)
        assert playbooks.run(FABRIC).succeeded().changed == set()
        for host, node in nodes.items():
            now, was = state(node), found[host]
            # Nothing of port 0 is ours, and nothing of the user's is missing.
            more = {line.split()[0] for line in now["files"]} - {line.split()[0] for line in was["files"]}
            assert set(was["files"]) <= set(now["files"]) and not [name for name in more if "f0np0" in name]
            assert not set(RAILS["spark1"]) & set(now["addresses"])
            reboot(node)
        # After that both cables are in: port 0 has what the user gave it.
        wait_for("the addresses", lambda: all("192.168.9.1" in rails_of(node) and len(rails_of(node)) > 2 for node in nodes.values()), 30)
        plug(0, False)
        wait_for("port 0 to have none", lambda: all(len(rails_of(node)) == 2 for node in nodes.values()), 30)
        both_rails_carry_jumbo_frames(nodes)
        assert playbooks.run(FABRIC).succeeded().changed == set()
        playbooks.run(FABRIC, "-e", "fabric_state=absent").succeeded()
        plug(1, False)
        plug(0, True)
        wait_for("the user's addresses", lambda: all(rails_of(node)[:1] == ["192.168.9.1"] for node in nodes.values()), 30)
        same(states(nodes), found)


@pytest.mark.long
def test_a_fabric_that_works_is_left_alone(playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    found = states(nodes)
    assert playbooks.run(FABRIC, "-e", "fabric_arp=false").succeeded().changed == set()
    same(states(nodes), found)


@pytest.mark.long
def test_bare_nodes_with_two_cables_serve_and_are_bare_again(
    playbooks: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]
) -> None:
    with another_cluster("two_spark_two_cables_bare"):
        serves_and_is_bare_again(playbooks, nodes, serves)
