"""What would keep a rank from starting is told before the deployment has changed anything on any node."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.conftest import RECIPE
from tests.acceptance.harness import ROOT, Playbooks, wait_for


def refused(playbooks: Playbooks, *words: str) -> str:
    """The one message of a deployment that was refused and has changed nothing."""
    run = playbooks.deploy(*words)
    assert run.code != 0 and run.changed == set(), run.output[-4000:]
    (message,) = {" ".join(str(event["message"]).split()) for event in run.failures}
    return message


@pytest.fixture
def listener(nodes: dict[str, Any]) -> Iterator[int]:
    """A port of the head at which another program listens."""
    start = "systemd-run --quiet --unit somebody-else python3 -m http.server 8123 --bind 0.0.0.0"
    nodes["spark1"].check_output(start)
    wait_for("the other program", lambda: nodes["spark1"].socket("tcp://0.0.0.0:8123").is_listening, 30)
    yield 8123
    nodes["spark1"].check_output("systemctl stop somebody-else")


def test_a_port_that_another_program_has_is_named_with_the_program(playbooks: Playbooks, listener: int) -> None:
    said = refused(playbooks, "-e", f"serve_api_port={listener}")
    for word in ("spark1", f"port {listener}, wanted for the API", "python3 (pid ", "0.0.0.0", "serve_api_port"):
        assert word in said


@pytest.mark.long
def test_a_port_of_the_rendezvous_that_another_program_has_is_named(playbooks: Playbooks, listener: int, tmp_path: Path) -> None:
    recipe = yaml.safe_load((ROOT / "recipes" / f"{RECIPE}.yml").read_text())
    recipe["ports"]["master"] = listener
    path = tmp_path / f"{RECIPE}.yml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    assert f"port {listener}, wanted for the rendezvous of the ranks" in refused(playbooks, "-e", f"dsv4_recipe={path}")


@pytest.mark.long
def test_a_path_that_a_node_lacks_is_named(playbooks: Playbooks, nodes: dict[str, Any], tmp_path: Path) -> None:
    recipe = yaml.safe_load((ROOT / "recipes" / f"{RECIPE}.yml").read_text())
    recipe["container"]["mounts"] = ["/etc/passwd", "/srv/lost"]
    path = tmp_path / f"{RECIPE}.yml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    nodes["spark1"].check_output("mkdir -p /srv/lost")
    said = refused(playbooks, "-e", f"dsv4_recipe={path}")
    nodes["spark1"].check_output("rmdir /srv/lost")
    assert said.startswith("spark2: found nothing at /srv/lost, wanted there what recipe")


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["image_nccl_wheel=/srv/lost.whl"], "found no file /srv/lost.whl on the controller"),
        (["image_nccl_wheel=lost.whl"], "image_nccl_wheel: found lost.whl, wanted an absolute path on the controller"),
        (["serve_api_address=0.0.0.0"], "serve_api_key is empty"),
    ],
)
def test_what_a_user_gives_and_is_not_there_is_named(playbooks: Playbooks, words: list[str], said: str) -> None:
    assert said in refused(playbooks, *(part for word in words for part in ("-e", word)))


def archive(name: str, architecture: str) -> bytes:
    """What `docker load` takes for an image with one empty layer."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    layers = [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]
    config = {"architecture": architecture, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": layers}}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    content = {"config.json": json.dumps(config).encode(), "layer.tar": layer.getvalue(), "manifest.json": json.dumps(manifest).encode()}
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for path, data in content.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return whole.getvalue()


@pytest.mark.long
def test_an_image_for_another_machine_is_named(playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    machine = nodes["spark1"].check_output("uname -m")
    other, name = ("amd64" if machine == "aarch64" else "arm64"), "vllm-for-another-machine:1"
    carried = base64.b64encode(gzip.compress(archive(name, other), mtime=0)).decode()
    for node in nodes.values():
        node.check_output(f"echo {carried} | base64 --decode | docker load")
    said = refused(playbooks, "-e", f"image_name={name}")
    for node in nodes.values():
        node.check_output(f"docker rmi {name}")
    assert f"image {name} is built for {other}, this node ({machine}) wants" in said
