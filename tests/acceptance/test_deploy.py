"""From nodes with nothing of ours to a cluster that serves, and again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import jmespath
import pytest

from tests.acceptance.conftest import UNIT
from tests.acceptance.harness import Playbooks


def test_check_mode_announces_what_the_run_changes_and_the_second_run_changes_nothing(
    fresh: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]
) -> None:
    announced = fresh.deploy("--check", "--diff").succeeded()
    assert not nodes["spark1"].file("/etc/dgx-spark").exists
    assert not nodes["spark2"].file("/var/lib/dgx-spark").exists
    done = fresh.deploy().succeeded()
    assert announced.changed == done.changed
    serves()
    assert fresh.deploy().succeeded().changed == set()
    assert fresh.deploy("--check").succeeded().changed == set()


def test_the_status_says_what_runs_and_what_does_not(deployed: Playbooks, nodes: dict[str, Any], tmp_path: Path) -> None:
    def status() -> Any:
        shown = deployed.run("playbooks/status.yml", "-e", f"status_file={tmp_path}/status.json").succeeded()
        document = json.loads((tmp_path / "status.json").read_text())
        assert f"Cluster: {document['state']}" in shown.output
        return document

    serving = status()
    assert serving["state"] == "serving"
    assert jmespath.search("nodes[].[host, rank, active, nccl.version, nccl.network]", serving) == [
        ["spark1", 0, True, "2.30.4", "IB"],
        ["spark2", 1, True, "2.30.4", "IB"],
    ]
    assert jmespath.search("nodes[].rails[].ipv4", serving) == ["192.168.100.11", "192.168.101.11", "192.168.100.12", "192.168.101.12"]
    nodes["spark2"].check_output(f"systemctl stop {UNIT}")
    halved = status()
    assert halved["state"] in ("degraded", "failed")
    assert jmespath.search("nodes[?!active].host", halved) == ["spark2"]


def test_both_ranks_run_the_overlays_nccl_over_both_rails(
    deployed: Playbooks, journal: Callable[[str], str], serves: Callable[[], Any]
) -> None:
    serves()
    for host in ("spark1", "spark2"):
        log = journal(host)
        assert "NCCL version 2.30.4+cuda13.2" in log
        assert "Using network IB" in log
        assert "via NET/Socket" not in log and "cannot be preloaded" not in log
        using = next(line for line in log.splitlines() if "NET/IB : Using" in line)
        assert using.count("/RoCE") == 2


@pytest.mark.long
def test_compiled_kernels_outlive_a_restart(deployed: Playbooks, nodes: dict[str, Any], journal: Callable[[str], str]) -> None:
    for host in ("spark1", "spark2"):
        nodes[host].check_output(f"systemctl stop {UNIT}")
    for host in ("spark2", "spark1"):
        nodes[host].check_output(f"systemctl start {UNIT}")
    assert deployed.deploy().succeeded().changed == set()
    for host in ("spark1", "spark2"):
        assert "compiled 0 kernels" in journal(host)


@pytest.mark.long
def test_a_rank_that_died_brings_the_whole_cluster_back_in_order(
    deployed: Playbooks, nodes: dict[str, Any], serves: Callable[[], Any]
) -> None:
    nodes["spark2"].check_output(f"systemctl stop {UNIT}")
    repaired = deployed.deploy().succeeded()
    assert repaired.changed == {
        ("spark1", "dgx_spark.vllm.serve : run | Stop the head"),
        ("spark2", "dgx_spark.vllm.serve : run | Start the workers"),
        ("spark1", "dgx_spark.vllm.serve : run | Start the head"),
    }
    serves()


@pytest.mark.long
def test_an_argument_changed_for_all_restarts_all_and_for_one_is_refused(
    deployed: Playbooks, nodes: dict[str, Any], ask: Callable[..., dict[str, Any]]
) -> None:
    refused = deployed.deploy(
        "-e", json.dumps({"serve_extra_arguments": "{{ {'max-num-seqs': 4} if inventory_hostname == 'spark2' else {} }}"})
    )
    assert refused.code != 0 and "different arguments" in refused.output
    assert refused.changed == set()
    changed = deployed.deploy("-e", json.dumps({"serve_extra_arguments": {"max-model-len": 4096}})).succeeded()
    assert {task.split(" : ")[1] for host, task in changed.changed} == {
        "configure | Write what is launched",
        "run | Stop the head",
        "run | Stop the workers",
        "run | Start the workers",
        "run | Start the head",
    }
    assert json.loads(ask("/v1/models")["body"])["data"][0]["max_model_len"] == 4096


def test_a_key_is_needed_for_the_network_and_is_seen_nowhere(
    deployed: Playbooks, nodes: dict[str, Any], ask: Callable[..., dict[str, Any]], journal: Callable[[str], str]
) -> None:
    refused = deployed.deploy("-e", "serve_api_address=0.0.0.0")
    assert refused.code != 0 and "serve_api_key" in refused.output and refused.changed == set()
    key = "sesame-4711"
    opened = deployed.deploy("--diff", "-v", "-e", json.dumps({"serve_api_address": "0.0.0.0", "serve_api_key": key}))
    opened.succeeded()
    assert ask("/v1/models", address="10.77.0.11")["status"] == 401
    assert ask("/v1/models", address="10.77.0.11", key=key)["status"] == 200
    assert key not in opened.output
    for host in ("spark1", "spark2"):
        node = nodes[host]
        assert key not in journal(host)
        assert node.run(
            f"grep -rl {key} /etc/systemd /run/systemd /etc/dgx-spark /run/dgx-spark /usr/local/lib/dgx-spark"
        ).stdout.split() == [f"/etc/dgx-spark/{UNIT[5:-8]}/secret.env"]
        assert node.file(f"/etc/dgx-spark/{UNIT[5:-8]}/secret.env").mode == 0o600
        assert key not in "\n".join(line for line in node.check_output("ps axww -o args").splitlines() if "grep" not in line)
