"""Taking the cluster down leaves the nodes as they were."""

from __future__ import annotations

import re
from typing import Any

from tests.acceptance.harness import Playbooks

# What a node writes by itself as time goes by, and what the collection is asked to keep.
VOLATILE = re.compile(
    r"^/(proc|sys|dev|run/(?!dgx-spark)|tmp|var/(log|lib/(docker|containerd|NetworkManager|systemd|sudo|dhcp)|cache|tmp)"
    r"|root/\.ansible|home/nvidia/\.ansible)"
)
KEPT = "/var/lib/dgx-spark/caches"
COMMANDS = {
    "files": r"find / -xdev -not -type d -printf '%p %m %u %l\n'",
    "folders": "find / -xdev -type d",
    "content": "find /etc /usr/local /opt -xdev -type f -exec sha256sum {} +",
    "units": "systemctl list-unit-files --no-legend --plain",
    "images": "docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'",
    "containers": "docker ps --all --quiet",
    "addresses": "ip -br address",
    "arp": "sysctl --all --pattern 'ipv4[.]conf[.].*[.]arp_'",
    "failed": "systemctl --failed --no-legend --plain",
}


def kept(line: str) -> bool:
    """Whether a line is about something that a teardown is asked to leave, or that moves by itself."""
    return (
        bool(VOLATILE.match(line))
        or line.startswith((KEPT, "veth", "net.ipv4.conf.veth"))
        or line == "/var/lib/dgx-spark"
        or " transient " in line
    )


def snapshot(node: Any) -> dict[str, list[str]]:
    """Everything on a node that a teardown must put back."""
    return {part: sorted(line for line in node.check_output(command).splitlines() if not kept(line)) for part, command in COMMANDS.items()}


def test_a_teardown_leaves_nothing_but_caches_and_model(fresh: Playbooks, nodes: dict[str, Any]) -> None:
    before = {host: snapshot(node) for host, node in nodes.items()}
    fresh.deploy().succeeded()
    during = {host: snapshot(node) for host, node in nodes.items()}
    assert all(during[host][part] != before[host][part] for host in nodes for part in ("files", "units", "images", "containers", "arp"))
    announced = fresh.run("playbooks/teardown.yml", "--check").succeeded()
    done = fresh.run("playbooks/teardown.yml").succeeded()
    assert announced.changed == done.changed
    after = {host: snapshot(node) for host, node in nodes.items()}
    differences = {(host, part): set(after[host][part]) ^ set(before[host][part]) for host in nodes for part in COMMANDS}
    assert {place: lines for place, lines in differences.items() if lines} == {}
    for node in nodes.values():
        assert node.file(KEPT).is_directory
    assert fresh.run("playbooks/teardown.yml").succeeded().changed == set()
    announced = fresh.run("playbooks/teardown.yml", "--check", "-e", "caches_state=absent").succeeded()
    done = fresh.run("playbooks/teardown.yml", "-e", "caches_state=absent").succeeded()
    assert announced.changed == done.changed
    assert not any(node.file("/var/lib/dgx-spark").exists for node in nodes.values())
