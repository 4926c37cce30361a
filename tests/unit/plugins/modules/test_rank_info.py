# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.dgx_spark.vllm.plugins.modules import rank_info

OWN = "Id=vllm@mini.service\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nNRestarts=1\nInvocationID=ab\n"
OTHER = "Id=vllm@other.service\nLoadState=loaded\nUnitFileState=disabled\nActiveState=active\nSubState=running\n"
CONTAINER = [
    {
        "Id": "c0ffee",
        "Image": "sha256:12",
        "State": {"Status": "running", "Running": True, "ExitCode": 0, "StartedAt": "2026-11-22T01:16:14.1Z"},
        "Config": {"Image": "vllm:0f0f", "Labels": {"dgx-spark.launch": "abcd"}},
    }
]


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, root: Path, answers: dict[str, str]) -> dict[str, t.Any]:
    def run_command(module: AnsibleModule, argv: list[str], **kwargs: t.Any) -> tuple[int, str, str]:
        return 0, answers.get(argv[-1], ""), ""

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    with patch_module_args({"recipe": "mini", "root": str(root)}), pytest.raises(SystemExit):
        rank_info.main()
    return json.loads(capsys.readouterr().out)


def test_a_node_without_anything_gives_nulls(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = call(capsys, monkeypatch, tmp_path, {})

    assert (result["unit"], result["active"], result["unit_state"], result["launch"]) == ("vllm@mini.service", False, None, None)
    assert (result["other_instances"], result["other_recipes"], result["live_env"], result["changed"]) == ([], [], {}, False)


def test_a_rank_is_read_from_unit_container_and_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    etc, run = tmp_path / "etc/dgx-spark/mini", tmp_path / "run/dgx-spark/mini"
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    for folder in (etc, run, wants, tmp_path / "etc/dgx-spark/failed", tmp_path / "run/dgx-spark/killed"):
        folder.mkdir(parents=True)
    (tmp_path / "etc/dgx-spark/failed/static.env").touch()
    (tmp_path / "run/dgx-spark/killed/live.env").touch()
    # Not ours.
    (tmp_path / "etc/dgx-spark/notes").mkdir()
    (etc / "launch.json").write_text('{"launch_hash": "abcd"}', encoding="utf-8")
    (etc / "secret.env").write_text("VLLM_API_KEY=s3cret\n", encoding="utf-8")
    (run / "live.env").write_text("NCCL_IB_GID_INDEX=3\n", encoding="utf-8")
    for name in ("mini", "boots"):
        (wants / f"vllm@{name}.service").symlink_to("/etc/systemd/system/vllm@.service")
    answers = {"vllm@mini.service": OWN, "vllm@*.service": f"{OWN}\n{OTHER}", "vllm-mini": json.dumps(CONTAINER)}
    result = call(capsys, monkeypatch, tmp_path, answers)

    assert (result["active"], result["enabled"], result["restarts"], result["launch_hash"]) == (True, True, 1, "abcd")
    assert (result["launch"], result["live_env"]) == ({"launch_hash": "abcd"}, {"NCCL_IB_GID_INDEX": "3"})
    assert result["other_instances"] == ["vllm@boots.service", "vllm@other.service"]
    # Of a start that failed, or a deployment that was cut off, no unit may be left.
    assert result["other_recipes"] == ["failed", "killed"]
    # Written just now, which by this machine's clock may be before the container's start.
    os.utime(etc / "secret.env", (1795310175 + 60, 1795310175 + 60))
    assert call(capsys, monkeypatch, tmp_path, answers)["secret_stale"] is True
    os.utime(etc / "secret.env", (1795310000, 1795310000))
    assert call(capsys, monkeypatch, tmp_path, answers)["secret_stale"] is False
    assert "s3cret" not in json.dumps(result)
