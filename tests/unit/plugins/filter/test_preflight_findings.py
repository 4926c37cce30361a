# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter import preflight_findings
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _preflight, _preflight_ids
from ansible_collections.dgx_spark.vllm.plugins.modules import host_info
from tests.unit.plugins.modules.module_runner import run_module

judge = preflight_findings.FilterModule().filters()["preflight_findings"]


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, t.Any]:
    """What host_info really reports of a node without Docker and GPU: the two must understand each other."""
    files = {"meminfo": "MemTotal: 127601472 kB\nMemAvailable: 123731968 kB\n", "cmdline": "quiet\n", "1/comm": "systemd\n"}
    for name, text in files.items():
        path = tmp_path / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {"spark1": run_module(host_info, {"paths": ["/"], "root": str(tmp_path)}, binaries=[])}


def test_result_of_host_info_is_judged(hosts: dict[str, t.Any]) -> None:
    result = judge(hosts, min_memory_gib=110, memory_share=0.82, min_free_disk_gib={"/": 0.001}, check_infiniband=False)
    assert [finding["id"] for finding in result["findings"]] == ["host.docker-missing", "host.driver-missing"]
    assert result["gpu"] == {"spark1": None}
    assert len(result["rows"]) == 7


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"gpu": "all"}, "wanted one of"),
        ({"memory": 3}, "'memory'.*wanted are min_memory_gib"),
        ({"min_free_disk_gib": {"/srv": 1}}, "names /srv"),
    ],
)
def test_wish_that_makes_no_sense_is_an_error_of_the_filter(hosts: dict[str, t.Any], wanted: dict[str, t.Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        judge(hosts, **wanted)


def test_result_of_a_module_that_failed_is_an_error_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="wanted the results of host_info"):
        judge({"spark1": {"failed": True}})


def test_documentation_names_every_wish_and_every_finding() -> None:
    text = Path(preflight_findings.__file__).with_suffix(".yml").read_text()
    assert list(yaml.safe_load(text)["DOCUMENTATION"]["options"]) == ["_input", *_preflight.Wanted._fields]
    assert [identifier for identifier in _preflight_ids.IDS if f"C({identifier})" not in text] == []
