"""Taking the cluster down leaves the nodes as they were."""

from __future__ import annotations

from typing import Any

from tests.acceptance.harness import Playbooks

# What a node writes by itself as time goes by, and what the collection is asked to keep.
VOLATILE = (
    r"^/(proc|sys|dev|run/(?!dgx-spark)|tmp|var/(log|lib/(docker|containerd|NetworkManager|systemd|sudo|dhcp)|cache|tmp)"
    r"|root/\.ansible|home/nvidia/\.ansible)"
)
KEPT = "/var/lib/dgx-spark/caches"


def snapshot(node: Any) -> dict[str, str]:
    """Everything on a node that a teardown must put back: files, units, images, containers, addresses."""
    files = node.check_output(
        "find / -xdev -not -type d -printf '%%p %%m %%u %%l\\n' | grep -vP '%s' | grep -v '^%s' | sort", VOLATILE, KEPT
    )
    content = node.check_output("find /etc /usr/local /opt -xdev -type f -exec sha256sum {} + | sort -k 2")
    return {
        "files": files,
        "content": content,
        "folders": node.check_output("find / -xdev -type d | grep -vP '%s' | grep -v '^/var/lib/dgx-spark' | sort", VOLATILE),
        "units": node.check_output("systemctl list-unit-files --no-legend --plain --state=enabled,static,disabled | sort"),
        "images": node.check_output("docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort"),
        "containers": node.check_output("docker ps --all --quiet"),
        "addresses": node.check_output("ip -br address | awk '$1 !~ /^veth/' | sort"),
        "failed": node.check_output("systemctl --failed --no-legend --plain"),
    }


def test_a_teardown_leaves_nothing_but_caches_and_model(fresh: Playbooks, nodes: dict[str, Any]) -> None:
    before = {host: snapshot(node) for host, node in nodes.items()}
    fresh.deploy().succeeded()
    during = {host: snapshot(node) for host, node in nodes.items()}
    assert all(during[host][part] != before[host][part] for host in nodes for part in ("files", "units", "images", "containers"))
    announced = fresh.run("playbooks/teardown.yml", "--check").succeeded()
    done = fresh.run("playbooks/teardown.yml").succeeded()
    assert announced.changed == done.changed
    assert {host: snapshot(node) for host, node in nodes.items()} == before
    for node in nodes.values():
        assert node.file(KEPT).is_directory
    assert fresh.run("playbooks/teardown.yml").succeeded().changed == set()
