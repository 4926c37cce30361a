# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook render leaves on the controller, from what the roles before it found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import yaml

from ansible_collections.dgx_spark.vllm.plugins.filter.launch_files import launch_files
from tests.unit.plugins.module_utils.test_launch import CACHES, IMAGE, MODEL, PLAN, render

ROOT = Path(__file__).parents[3]
RECIPE = "dsv4-flash-b12x-1m"
KEY = "sesame-4711"
Export = Callable[..., tuple[dict[str, int], str]]


def image_of(host: str, there: bool = True) -> dict[str, Any]:
    """What the role image hands on for a host."""
    return {**IMAGE, "id": f"sha256:{host}" if there else None, "base_id": "sha256:base" if there else None}


def last_play() -> str:
    """The play that finds out and writes, on hosts that are all this machine."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / "render.yml").read_text())[-1:]
    return yaml.safe_dump([{**play, "connection": "local", "become": False}])


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Run the tasks on two hosts; the PLAY RECAP's changed by host, and everything that was printed."""
    (tmp_path / "play.yml").write_text(last_play())

    def run(*words: str, there: bool = True, folder: Optional[str] = "out") -> tuple[dict[str, int], str]:
        # With these the roles that look at nodes have nothing left to do.
        roles = {"preflight_result": {"gpu": dict.fromkeys(PLAN["nodes"], "gpus")}, "model_result": MODEL, "caches_result": CACHES}
        common = {**roles, "discover_plan": {**PLAN, "spares": []}, "serve_api_key": KEY, "ansible_python_interpreter": sys.executable}
        hosts = {host: {"image_result": image_of(host, there)} for host in PLAN["nodes"]}
        given = {"render_folder": folder} if folder else {}
        inventory = {"spark_nodes": {"hosts": hosts, "vars": {**common, **given}}}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "PWD": str(tmp_path),
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", f"{tmp_path}/hosts.yml", f"{tmp_path}/play.yml", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        recap = done.stdout[done.stdout.index("PLAY RECAP") :].splitlines()[1:]
        changed = {line.split()[0]: int(line.split("changed=")[1].split()[0]) for line in recap if line.strip()}
        return changed, done.stdout + done.stderr

    return run


def content(folder: Path) -> dict[str, tuple[int, str]]:
    """Mode and text of every file below a folder, by its path in it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_text()) for path in files}


def test_the_files_are_written_once_and_the_second_run_changes_nothing(export: Export, tmp_path: Path) -> None:
    announced, shown = export("--check", "--diff")
    assert "+exec docker run" in shown and not (tmp_path / "out").exists()
    done, shown = export()
    assert announced == done == {"ada": 4, "bob": 2}
    assert f"What each node runs is in {tmp_path}/out." in shown
    files = content(tmp_path / "out")
    for host in ("ada", "bob"):
        wanted = launch_files(render(host, image=image_of(host)), host, PLAN["nodes"][host]["env"])
        modes = {name: 0o755 if name == "docker-run.sh" else 0o644 for name in wanted}
        assert {name: files.pop(f"{host}/{name}") for name in wanted} == {name: (modes[name], text) for name, text in wanted.items()}
    assert list(files) == ["README.md"]
    before = content(tmp_path / "out")
    assert [name for name, (_, text) in before.items() if KEY in text] == []
    says_how_to_use_them(before["README.md"][1])
    # A rank of an earlier plan, with the secrets that the user made.
    (tmp_path / "out" / "eve").mkdir()
    for name in ("docker-run.sh", "secret.env"):
        (tmp_path / "out" / "eve" / name).touch()
    changed, shown = export()
    assert changed == {"ada": 0, "bob": 0} and "Not of this plan, and to be removed by you: eve." in shown
    assert {name: kept for name, kept in content(tmp_path / "out").items() if not name.startswith("eve/")} == before
    assert (tmp_path / "out" / "eve" / "secret.env").exists()


def says_how_to_use_them(text: str) -> None:
    assert text.index("   - bob (rank 1)") < text.index("   - ada (rank 0)")
    assert "| ada | 0 | `dgx-spark/vllm:0123456789abcdef` | `sha256:ada` | `NCCL_IB_GID_INDEX=3` |" in text
    assert "   - bob: `/etc/passwd`, `/etc/group`, " in text and ", `/data/blobs`, `/var/lib/dgx-spark/caches/0123456789abcdef`\n" in text
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert f"dgx_spark.vllm {version} from" in text and render()["hash"] in text and "| NCCL | 2.30.4 |" in text
    assert "install -m 600 /dev/null secret.env" in text and "was not on" not in text


def test_an_image_that_no_node_has_is_said_in_the_usual_folder_beside_the_caller(export: Export, tmp_path: Path) -> None:
    export(there=False, folder=None)
    files = content(tmp_path / "rendered" / RECIPE)
    assert "**The recipe's image was on no node yet.**" in files["README.md"][1] and "| not there yet |" in files["README.md"][1]
    assert "The image was not on bob when this was written" in files["bob/compose.yaml"][1]


def test_only_what_writes_on_the_controller_is_outside_of_check_mode() -> None:
    (play,) = yaml.safe_load(last_play())
    look, write = play["tasks"]
    assert look["check_mode"] is True and [task["ansible.builtin.include_role"]["tasks_from"] for task in look["block"]] == ["needs"]
    assert write["ansible.builtin.include_role"]["tasks_from"] == "export"
    tasks = yaml.safe_load((ROOT / "roles" / "serve" / "tasks" / "export.yml").read_text())
    elsewhere = [task["name"] for task in tasks if (task.get("delegate_to"), task.get("become")) != ("localhost", False)]
    assert elsewhere == ["export | Say where it is"]
