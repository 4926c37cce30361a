# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""recipes/vllm/*.json are what hacking/vllm_options writes, and nothing else in the repository says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from simulation import images
from tests import scripts

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "recipes" / "vllm").iterdir())
STAND_IN = ROOT / "molecule" / "simulation" / "stand_in" / "vllm_stand_in"
KINDS = {"value", "switch", "flag"}
TYPES = {None, "int", "float", "size", "size-or-auto", "json", "json-or-text"}
ENTRY = {"kind", "also", "type", "nargs", "repeats", "choices", "keys"}

vllm_options = scripts.load("vllm_options")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_as_it_is_written(path: Path) -> None:
    data = json.loads(path.read_text())
    assert path.name == f"{data['vllm']}.json"
    assert path.read_text() == "\n".join(vllm_options.lines(data)) + "\n"
    assert list(data["options"]) == sorted(data["options"]) and data["environment"] == sorted(set(data["environment"]))
    assert {"tensor-parallel-size", "nnodes", "headless", "kv-cache-dtype"} <= set(data["options"])
    assert {"VLLM_HOST_IP", "VLLM_CACHE_ROOT", "CUDA_HOME"} <= set(data["environment"])
    for name, option in data["options"].items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) and set(option) <= ENTRY, name
        assert option["kind"] in KINDS and option.get("type") in TYPES, name
        assert all(word.startswith("-") for word in option.get("also", ())), name
        assert "keys" not in option or option["type"] == "json", name


SOURCE = """
import os
OTHER = {"VLLM_NO": 1}
environment_variables%s = {
    "VLLM_B": lambda: os.environ.get("VLLM_C"),
    "VLLM_A": nothing_that_is_called(),
    **OTHER,
}
"""


@pytest.mark.parametrize("annotation", ["", ": dict[str, Callable[[], Any]]"])
def test_the_names_of_variables_are_read_without_importing_vllm(annotation: str) -> None:
    assert vllm_options.variables(SOURCE % annotation) == ["VLLM_A", "VLLM_B"]
    with pytest.raises(SystemExit, match="look where vLLM lists its variables now"):
        vllm_options.variables("environment_variables = make()")


def test_the_stand_in_s_list_is_a_link_and_its_image_is_sent_what_it_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    link = STAND_IN / "releases"
    assert link.is_symlink() and link.resolve() == ROOT / "recipes" / "vllm"
    assert list(STAND_IN.glob("*.json")) == []
    sent: dict[str, tuple[bool, bytes]] = {}

    class Image:
        tags = ("a-tag",)

        def tag(self, name: str) -> None:
            assert name == images.PLAYED["aiden"]

    def ensure(client: Any, name: str, context: Path, arguments: Optional[dict[str, str]] = None, target: Optional[str] = None) -> Image:
        if name == "stand-in":
            sent.update(
                {str(path.relative_to(context)): (path.is_symlink(), path.read_bytes()) for path in context.rglob("*") if path.is_file()}
            )
        return Image()

    monkeypatch.setattr(images, "ensure", ensure)
    client = SimpleNamespace(images={images.PLAYED["aiden"]: None})
    images.stand_in_image(client)  # type: ignore[arg-type]
    assert {name for name in sent if name.startswith("vllm_stand_in/releases/")} == {
        f"vllm_stand_in/releases/{path.name}" for path in link.iterdir()
    }
    assert sent["vllm_stand_in/releases/0.26.0.json"] == (False, (link / "0.26.0.json").read_bytes())
    assert "Dockerfile" in sent and not any("__pycache__" in name for name in sent)
