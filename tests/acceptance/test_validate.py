"""The fabric is proven: what is wrong with links, addresses and MTU has its name, and what can't be measured here is never healthy.

There are no verbs and no GPU in the simulation. Of the last tests ib_write_bw and PyTorch are played: the ends of both really meet, in the
order and with the words that the role gives them, and the figures are made up.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional
from xml.etree import ElementTree

import pytest

from tests.acceptance.conftest import UNIT
from tests.acceptance.harness import ROOT, Playbooks, Run, wait_for

VALIDATE = "playbooks/validate.yml"
RAIL, TWIN = "enp1s0f0np0", "enP2p1s0f0np0"
HOSTS = ("spark1", "spark2")
PLAYED = ROOT / "tests" / "acceptance" / "played"
Validate = Callable[..., tuple[Run, dict[str, Any]]]


@pytest.fixture
def validate(playbooks: Playbooks, tmp_path: Path) -> Validate:
    """Run the playbook with variables of a user; return the run and the one document that it left."""

    def run(*words: str, **variables: Any) -> tuple[Run, dict[str, Any]]:
        folder = tmp_path / "documents"
        before = set(folder.glob("*.json"))
        done = playbooks.run(VALIDATE, "-e", json.dumps({"validate_dir": str(folder), **variables}), *words)
        (left,) = set(folder.glob("*.json")) - before
        assert ElementTree.parse(left.with_suffix(".svg")).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        return done, json.loads(left.read_text())

    return run


def ids(document: dict[str, Any]) -> list[str]:
    """What was found wrong, but for what was not measured."""
    return [each["id"] for each in document["verdicts"] if each["id"] != "fabric.not-measured"]


def nothing_is_left(node: Any) -> bool:
    """Whether no process, container or folder of a measurement is there."""
    containers = node.check_output("docker ps --all --filter name=dgx-spark- --format '{{.Names}}'")
    return containers == "" and node.run("ls -A /run/dgx-spark-measure").stdout == "" and node.run("pgrep ib_write_bw").rc == 1


@contextlib.contextmanager
def spoilt(node: Any, by: str, back: str, ready: Optional[Callable[[], bool]] = None) -> Iterator[None]:
    """Something is wrong on a node, and afterwards is not."""
    node.check_output(by)
    try:
        yield
    finally:
        node.check_output(back)
        wait_for("the fabric as it was", ready or (lambda: True))


def test_a_fabric_of_which_bandwidths_can_not_be_measured_is_not_healthy(
    fresh: Playbooks, validate: Validate, nodes: dict[str, Any]
) -> None:
    done, document = validate()
    done.succeeded()
    assert {event["role"] for event in done.events if event.get("outcome") == "changed"} == {"dgx_spark.vllm.image"}
    assert ids(document) == [] and (document["verdict"], document["severity"]) == ("fabric.not-measured", "warning")
    missing = " ".join(each["found"] for each in document["verdicts"])
    for words in (
        "rdma: ",
        "both rails: ",
        "ib_write_bw is neither on spark1 and spark2 nor in the image",
        "allreduce: no PyTorch in the image",
    ):
        assert words in missing
    pings = document["measured"]["pings"]
    assert len(pings) == 8 and {(each["sent"], each["received"]) for each in pings} == {(3, 3)}
    assert {(each["from"], each["netdev"], each["bytes"]) for each in pings} == {
        (h, n, b) for h in HOSTS for n in (RAIL, TWIN) for b in (56, 8972)
    }
    assert document["plan"]["topology"] == "pair" and document["recipe"] and document["at"].endswith("Z")
    assert "fabric.not-measured (warning)" in done.output
    assert all(map(nothing_is_left, nodes.values()))


def test_in_check_mode_the_rails_are_pinged_and_no_document_is_left(playbooks: Playbooks, tmp_path: Path) -> None:
    done = playbooks.run(VALIDATE, "--check", "-e", f"validate_dir={tmp_path}/none").succeeded()
    assert "in check mode nothing is run" in done.output and not (tmp_path / "none").exists()


def test_a_path_with_a_smaller_mtu_is_named(validate: Validate, nodes: dict[str, Any]) -> None:
    shown = json.loads(nodes["spark2"].check_output(f"ip -json route show 192.168.100.0/24 dev {RAIL}"))[0]
    route = f"192.168.100.0/24 dev {RAIL} proto kernel scope link src {shown['prefsrc']} metric {shown.get('metric', 0)}"
    with spoilt(nodes["spark2"], f"ip route change {route} mtu lock 1500", f"ip route change {route}"):
        done, document = validate()
    assert done.code != 0 and "fabric.mtu-mismatch" in done.failures[0]["message"]
    (found,) = [each for each in document["verdicts"] if each["id"] == "fabric.mtu-mismatch"]
    assert (found["host"], found["rail"], found["peer"]) == ("spark2", "rocep1s0f0:1", "spark1")
    assert "0 of 3 pings of 8972 bytes" in found["found"] and "message too long, mtu=1500" in found["found"]
    assert found["figure"] == {"value": 0, "unit": "of 3 pings"} and found["threshold"]["source"]
    assert "would hang" in " ".join(each["found"] for each in document["verdicts"]) and done.changed == set()


def test_an_interface_with_a_smaller_mtu_is_named_before_anything_is_sent(
    playbooks: Playbooks, nodes: dict[str, Any], tmp_path: Path
) -> None:
    with spoilt(nodes["spark2"], f"ip link set {TWIN} mtu 1500", f"ip link set {TWIN} mtu 9000"):
        done = playbooks.run(VALIDATE, "-e", f"validate_dir={tmp_path}/none")
    message = done.failures[0]["message"]
    assert "mtu.mismatch" in message and f"spark2 {TWIN} 1500" in message and "set MTU 9000" in message


def test_a_rail_that_nothing_comes_through_is_named(validate: Validate, nodes: dict[str, Any]) -> None:
    entry = f"192.168.101.11 lladdr 02:00:00:00:00:01 dev {TWIN}"
    with spoilt(nodes["spark2"], f"ip neighbour replace {entry} nud permanent", f"ip neighbour delete {entry}"):
        done, document = validate()
    assert done.code != 0 and ids(document) == ["fabric.unreachable"]
    found = document["verdicts"][0]
    assert (found["host"], found["rail"], found["peer"]) == ("spark1", "roceP2p1s0f0:1", "spark2")
    assert found["found"].startswith("0 of 6 pings") and "none the other way" in found["found"] and "cable" in found["remedy"]


def test_a_rail_that_is_down_is_lost_bandwidth(validate: Validate, nodes: dict[str, Any]) -> None:
    address = nodes["spark2"].check_output(f"ip -4 -brief address show dev {TWIN}").split()[2]

    def back() -> bool:
        return address in nodes["spark2"].check_output(f"ip -4 -brief address show dev {TWIN}")

    with spoilt(nodes["spark2"], f"ip link set {TWIN} down", f"ip link set {TWIN} up", back):
        done, document = validate()
    done.succeeded()
    assert ids(document) == ["fabric.one-rail"]
    assert "the plan has one rail between spark1 and spark2" in document["verdicts"][0]["found"]
    assert "rail.twin-down" in done.output


def test_a_node_without_ping_says_so(validate: Validate, nodes: dict[str, Any]) -> None:
    with spoilt(nodes["spark2"], "mv /usr/bin/ping /usr/bin/ping.away", "mv /usr/bin/ping.away /usr/bin/ping"):
        done, document = validate(validate_bandwidth=False)
    done.succeeded()
    assert ids(document) == []
    assert any(each["host"] == "spark2" and "ping: command not found" in each["found"] for each in document["verdicts"])


@pytest.fixture
def played(fresh: Playbooks, nodes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """ib_write_bw on both nodes and PyTorch in the image, both played; the variables that it takes."""
    program = (PLAYED / "ib_write_bw").read_text()
    for node in nodes.values():
        node.check_output(f"cat >/usr/local/bin/ib_write_bw <<'END'\n{program}END\nchmod 755 /usr/local/bin/ib_write_bw")
    layer = {"file": str(PLAYED / "played_torch.py"), "target": "/usr/lib/python3/dist-packages/torch.py"}
    yield {"image_layers": [layer], "validate_rdma_seconds": 1}
    for node in nodes.values():
        node.check_output("rm -f /usr/local/bin/ib_write_bw /run/played-rdma")


@pytest.mark.long
def test_all_that_is_played_well_is_healthy_and_each_fault_has_its_name(
    played: dict[str, Any], validate: Validate, nodes: dict[str, Any]
) -> None:
    done, document = validate(**played)
    done.succeeded()
    assert (document["verdict"], document["severity"]) == ("fabric.healthy", "info"), document["verdicts"]
    assert [(each["what"], each["value"]) for each in document["figures"]] == [
        ("rdma", 97.28),
        ("rdma", 97.28),
        ("both rails", 194.56),
        ("allreduce", pytest.approx(23.5)),
    ]
    assert all(map(nothing_is_left, nodes.values()))

    for busbw, wanted in (("3.04", "fabric.stale-nccl"), ("12.5", "fabric.one-rail"), ("socket", "fabric.sockets")):
        done, document = validate(**played, serve_extra_environment={"NCCL_PLAYED_BUSBW": busbw})
        assert ids(document) == [wanted], document["verdicts"]
        assert (done.code != 0) == (wanted != "fabric.one-rail")

    done, document = validate(**played, serve_extra_environment={"NCCL_PLAYED_BUSBW": "hang"}, validate_allreduce_seconds=5)
    assert ids(document) == ["fabric.test-failed"] and "came to no end" in document["verdicts"][0]["found"]
    assert all(map(nothing_is_left, nodes.values()))

    nodes["spark1"].check_output("echo rocep1s0f0=13.4 >/run/played-rdma")
    done, document = validate(**played)
    assert done.code != 0 and "fabric.hot-plug" in ids(document)
    (found,) = [each for each in document["verdicts"] if each["id"] == "fabric.hot-plug"]
    assert (found["host"], found["rail"], found["figure"]["value"]) == ("spark1", "rocep1s0f0:1", 13.4) and "reboot both nodes" in found[
        "remedy"
    ]


@pytest.mark.long
def test_a_cluster_that_serves_is_only_pinged_and_one_that_was_proven_not_at_all(
    deployed: Playbooks, validate: Validate, nodes: dict[str, Any], serves: Callable[[], Any], tmp_path: Path
) -> None:
    def invocations() -> dict[str, str]:
        return {host: node.check_output(f"systemctl show --property InvocationID --value {UNIT}") for host, node in nodes.items()}

    serves()
    before = invocations()
    done, document = validate()
    assert done.succeeded().changed == set() and ids(document) == []
    assert {each["error"] for each in document["measured"]["rdma"]} == {"the cluster serves, and would be disturbed"}
    assert len(document["measured"]["pings"]) == 8 and invocations() == before
    serves()

    changed = ("-e", "validate_when=changed", "-e", f"validate_dir={tmp_path}/none")
    deployed.run(VALIDATE, *changed).succeeded()
    for host in HOSTS:
        nodes[host].check_output(f"systemctl stop {UNIT}")
    deployed.run(VALIDATE, *changed).succeeded()
    assert not (tmp_path / "none").exists()
    # What was started once with another plan has to be proven anew.
    nodes["spark2"].check_output('sed -i \'s/"plan_hash": "./"plan_hash": "x/\' /etc/dgx-spark/*/launch.json')
    deployed.run(VALIDATE, *changed, "-e", "validate_bandwidth=false").succeeded()
    assert len(list((tmp_path / "none").glob("*.json"))) == 1
    deployed.deploy().succeeded()


def test_the_folder_of_the_documents_is_where_the_user_is(playbooks: Playbooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The harness starts ansible-playbook without a shell, which would set this.
    monkeypatch.setenv("PWD", str(tmp_path))
    playbooks.run(VALIDATE, "-e", "validate_bandwidth=false").succeeded()
    assert {path.suffix for path in (tmp_path / "fabric-validations").iterdir()} == {".json", ".svg"}
