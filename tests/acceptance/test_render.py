"""What would run can be read before it runs, and to read it changes nothing on a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.conftest import RECIPE
from tests.acceptance.harness import Playbooks, Run
from tests.acceptance.test_teardown import snapshot

FILES = ["compose.yaml", "docker-run.sh", "launch.json", "static.env"]
KEY = "sesame-4711"


def render(playbooks: Playbooks, folder: Path, *words: str, **variables: Any) -> Run:
    return playbooks.run("playbooks/render.yml", "-e", json.dumps({"render_folder": str(folder), **variables}), *words)


def written(run: Run) -> set[tuple[str, str]]:
    """(host, task) of what changed on the controller."""
    return {(host, task) for host, task in run.changed if "serve : export | " in task}


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
def test_a_rendering_leaves_the_nodes_alone_and_is_what_a_deployment_writes(
    fresh: Playbooks, nodes: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "rendered"
    untouched = {host: snapshot(node) for host, node in nodes.items()}
    announced = render(fresh, folder, "--check", "--diff").succeeded()
    assert not folder.exists()
    done = render(fresh, folder).succeeded()
    assert announced.changed == done.changed and written(done)
    assert written(render(fresh, folder).succeeded()) == set()
    assert {host: snapshot(node) for host, node in nodes.items()} == untouched
    foreseen = texts(folder)
    assert "**The image was not on spark1, spark2.**" in foreseen["README.md"]
    assert sorted(foreseen) == ["README.md", *(f"{host}/{name}" for host in ("spark1", "spark2") for name in FILES)]

    fresh.deploy().succeeded()
    serving = {host: snapshot(node) for host, node in nodes.items()}
    render(fresh, folder).succeeded()
    assert render(fresh, folder).succeeded().changed == set()
    assert {host: snapshot(node) for host, node in nodes.items()} == serving
    assert "was not on" not in (folder / "README.md").read_text()
    for host, node in nodes.items():
        for name in ("launch.json", "static.env"):
            assert (folder / host / name).read_text() == node.file(f"/etc/dgx-spark/{RECIPE}/{name}").content_string
        launch = json.loads((folder / host / "launch.json").read_text())
        before = json.loads(foreseen[f"{host}/launch.json"])
        # The overlay gets its id when it is built.
        assert before["image_id"] is None
        assert {name for name in launch if launch[name] != before[name]} == {"image_id", "launch_hash"}
        (running,) = json.loads(node.check_output(f"docker inspect {launch['container']}"))
        (service,) = yaml.safe_load((folder / host / "compose.yaml").read_text())["services"].values()
        assert running["Config"]["Cmd"] == [word.replace("$$", "$") for word in service["command"]]
        assert (
            f"  --label dgx-spark.launch={running['Config']['Labels']['dgx-spark.launch']} \\\n"
            in (folder / host / "docker-run.sh").read_text()
        )
        # Docker keeps what was taken away as a name alone.
        inside = dict(entry.split("=", 1) for entry in running["Config"]["Env"] if "=" in entry)
        wanted = {name: text.replace("$$", "$") for name, text in service["environment"].items() if text is not None}
        assert wanted.items() <= inside.items()
        assert not {name for name, text in service["environment"].items() if text is None} & set(inside)


def test_a_key_is_in_no_file_and_in_no_output(playbooks: Playbooks, tmp_path: Path) -> None:
    done = render(playbooks, tmp_path / "rendered", "--diff", "-v", serve_api_address="0.0.0.0", serve_api_key=KEY).succeeded()
    found = texts(tmp_path / "rendered")
    assert "  --host 0.0.0.0 \\\n" in found["spark1/docker-run.sh"]
    assert [name for name, text in found.items() if KEY in text] == [] and KEY not in done.output


@pytest.mark.long
@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"preflight_min_memory_gib": 9999}, "host.memory-small"),
        ({"serve_api_port": "eighty"}, "serve_api_port"),
        ({"serve_api_address": "0.0.0.0"}, "serve_api_key is empty"),
    ],
)
def test_what_would_stop_a_deployment_stops_a_rendering(playbooks: Playbooks, tmp_path: Path, variables: dict[str, Any], text: str) -> None:
    refused = render(playbooks, tmp_path / "rendered", **variables)
    assert refused.code != 0 and text in refused.output
    assert not (tmp_path / "rendered").exists()
