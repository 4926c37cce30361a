# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files for people say what the launcher does: the script is run with a docker that writes down how it was called."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.plugins.filter.core import to_nice_json
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.dgx_spark.vllm.plugins.filter.launch_files import FilterModule
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _docker_run, _gid
from tests.unit.plugins.fixtures.docker_run import container_of, service_of
from tests.unit.plugins.module_utils.test_launch import PLAN, RECIPE, render

launch_files = FilterModule().filters()["launch_files"]
AWKWARD = """it's $HOME ${HOME} $$ `id` "quoted" \\ back  two  #no {"a": "é %i"}"""


def plan_of(host: str) -> dict[str, str]:
    env: dict[str, str] = PLAN["nodes"][host]["env"]
    return env


def words_of_launcher(rendered: dict[str, Any], setting: dict[str, str]) -> list[str]:
    """What the launcher on the node becomes, with this GID setting in its live.env."""
    unset = _docker_run.removed(rendered["launch"], setting)
    return _docker_run.words(rendered["launch"], rendered["launch"]["image"], ["static.env", "secret.env", "live.env"], unset)


def words_of_script(text: str) -> list[str]:
    """The words after `docker`, as a shell splits them."""
    command = text[text.index("exec docker run") :].replace("exec docker", "printf '%s\\0'", 1)
    shown = subprocess.run(["sh", "-c", command], check=True, capture_output=True).stdout
    return shown.decode().split("\0")[:-1]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    """Runs docker-run.sh with a docker that writes down its words and its environment."""
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "docker"
    fake.write_text('#!/bin/sh\nprintf "%s\\0" "$@" > "$RECORD.words"\nenv -0 > "$RECORD.env"\npwd > "$RECORD.folder"\n')
    fake.chmod(0o755)
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    record = tmp_path / "record"

    def run(files: dict[str, str], secret: bool = True, **environment: str) -> tuple[subprocess.CompletedProcess[str], Any]:
        for name, text in files.items():
            (folder / name).write_text(text)
        (folder / "docker-run.sh").chmod(0o755)
        (folder / "secret.env").unlink(missing_ok=True)
        if secret:
            (folder / "secret.env").touch(mode=0o600)
        assert subprocess.run(["bash", "-n", folder / "docker-run.sh"], check=False).returncode == 0
        given = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "RECORD": str(record), **environment}
        done = subprocess.run([folder / "docker-run.sh"], cwd="/", env=given, check=False, capture_output=True, text=True)
        if not record.with_suffix(".words").exists():
            return done, None
        seen = {
            "words": record.with_suffix(".words").read_bytes().decode().split("\0")[:-1],
            "env": dict(entry.split("=", 1) for entry in record.with_suffix(".env").read_bytes().decode().split("\0") if entry),
            "folder": record.with_suffix(".folder").read_text().strip(),
        }
        assert seen["folder"] == str(folder)
        return done, seen

    return run


@pytest.mark.parametrize("host", ["ada", "bob"])
def test_the_two_files_are_those_of_the_deployment(host: str) -> None:
    rendered = render(host)
    files = launch_files(rendered, host, plan_of(host))
    assert sorted(files) == ["compose.yaml", "docker-run.sh", "launch.json", "static.env"]
    assert files["launch.json"] == to_nice_json(rendered["launch"]) + "\n"
    assert files["static.env"] == rendered["static_env"]


@pytest.mark.parametrize("host", ["ada", "bob"])
@pytest.mark.parametrize("setting", [{}, {"NCCL_IB_GID_INDEX": "3"}, {"NCCL_IB_ADDR_RANGE": "192.168.100.0/23"}])
def test_the_script_is_what_the_launcher_becomes_but_for_the_setting_which_is_the_plans(host: str, setting: dict[str, str]) -> None:
    rendered = render(host)
    planned = {name: value for name, value in plan_of(host).items() if name not in _gid.NAMES}
    text = launch_files(rendered, host, {**planned, **setting})["docker-run.sh"]
    expected = words_of_launcher(rendered, setting)
    at = expected.index("live.env") - 1
    expected[at : at + 2] = [word for name, value in setting.items() for word in ("--env", f"{name}={value}")]
    assert words_of_script(text) == expected
    assert shlex.split(text[text.index("exec docker") :].replace(" \\\n  ", " "))[2:] == expected
    removed = [words for words in zip(expected, expected[1:]) if words[0] == "--env" and "=" not in words[1]]
    assert f"unset {' '.join(name for _, name in removed)}\n" in text and len(removed) > 3


def test_the_script_has_one_option_a_line() -> None:
    text = launch_files(render(), "ada", plan_of("ada"))["docker-run.sh"]
    lines = text[text.index("exec docker run") :].splitlines()
    assert all(line.endswith(" \\") for line in lines[:-1]) and not lines[-1].endswith("\\")
    assert "  --name vllm-dsv4-flash-b12x-1m \\" in lines and "  --env NCCL_IB_GID_INDEX=3 \\" in lines
    assert "  dgx-spark/vllm:0123456789abcdef \\" in lines and "  --max-model-len 1000000 \\" in lines
    assert text.startswith("#!/bin/sh\n# Rank 0 of recipe dsv4-flash-b12x-1m on ada") and "\nset -eu\n" in text


def test_a_shell_hands_every_word_to_docker_as_it_is_and_takes_away_what_is_to_be_removed(bench: Any) -> None:
    rendered = render(
        "bob",
        extra_arguments={"odd": AWKWARD, "dash": f"-{AWKWARD}", "json": {"a": [AWKWARD]}, "empty-list": []},
        extra_environment={"ODD": AWKWARD},
    )
    files = launch_files(rendered, "bob", plan_of("bob"))
    done, seen = bench(files, HOST_IP="10.0.0.1", NCCL_IB_ADDR_RANGE="10.0.0.0/8", ODD="mine")
    assert (done.returncode, done.stderr) == (0, "")
    assert seen["words"] == words_of_script(files["docker-run.sh"])
    assert seen["words"][seen["words"].index("--odd") + 1] == AWKWARD and f"-{AWKWARD}" in seen["words"]
    assert json.loads(seen["words"][seen["words"].index("--json") + 1]) == {"a": [AWKWARD]}
    assert "HOST_IP" not in seen["env"] and "NCCL_IB_ADDR_RANGE" not in seen["env"] and seen["env"]["ODD"] == "mine"


def test_without_the_file_of_secrets_nothing_is_started_and_the_line_says_what_to_do(bench: Any) -> None:
    done, seen = bench(launch_files(render(), "ada", plan_of("ada")), secret=False)
    assert done.returncode == 78 and seen is None
    (line,) = done.stderr.splitlines()
    assert "/it's a folder/secret.env can't be read; make it with mode 0600: VLLM_API_KEY=..." in line


@pytest.mark.parametrize("host", ["ada", "bob"])
@pytest.mark.parametrize(("gpu", "device"), [("gpus", "gpu"), ("cdi", "gpu"), ("runtime", "gpu"), (None, "cpu")])
@pytest.mark.parametrize(
    "extra", [{}, {"extra_arguments": {"odd": AWKWARD}, "extra_environment": {"ODD": AWKWARD, "EXPONENT": "1e3", "NO": "no"}}]
)
def test_the_compose_file_describes_the_same_container(host: str, gpu: Any, device: str, extra: dict[str, Any]) -> None:
    container = {**RECIPE["container"], "ulimits": {**RECIPE["container"]["ulimits"], "nofile": "1024:4096"}}
    rendered = render(host, recipe={**RECIPE, "device": device, "container": container}, gpu=gpu, **extra)
    files = launch_files(rendered, host, plan_of(host))
    assert service_of(files["compose.yaml"]) == container_of(words_of_script(files["docker-run.sh"]), files["static.env"])


def test_compose_never_restarts_a_rank_and_the_file_says_why() -> None:
    text = launch_files(render(), "ada", plan_of("ada"))["compose.yaml"]
    assert yaml.safe_load(text)["services"]["vllm"]["restart"] == "no"
    assert re.search(r"# One rank must not come back without the others.*\n    restart: 'no'\n", text)
    assert "Compose 2.30 or newer" in text and text.startswith("# Rank 0 of recipe dsv4-flash-b12x-1m on ada")


def test_every_value_is_quoted_because_yaml_readers_differ_on_what_is_a_number() -> None:
    text = launch_files(render(extra_environment={"EXPONENT": "1e3", "OCTAL": "0o17"}), "ada", plan_of("ada"))["compose.yaml"]
    assert "      EXPONENT: '1e3'\n" in text and "      OCTAL: '0o17'\n" in text
    assert "      NCCL_IB_ADDR_RANGE: null\n" in text and "      NCCL_IB_GID_INDEX: '3'\n" in text


def test_an_image_that_is_not_there_is_said_and_one_that_is_there_is_not() -> None:
    there, missing = (launch_files(render(), "ada", plan_of("ada"), image_there=found) for found in (True, False))
    for name in ("docker-run.sh", "compose.yaml"):
        assert "# The image was not on ada when this was written; see there." in missing[name].splitlines()
        assert "was not on" not in there[name]
    assert there["launch.json"] == missing["launch.json"]


def test_what_compose_has_no_words_for_is_named() -> None:
    rendered = render(recipe={**RECIPE, "container": {**RECIPE["container"], "ulimits": {"memlock": "unlimited"}}})
    with pytest.raises(AnsibleFilterError, match=r"ada: recipe dsv4-flash-b12x-1m can't be written .* ulimit memlock: found 'unlimited'"):
        launch_files(rendered, "ada", plan_of("ada"))
    odd = copy.deepcopy(render())
    odd["launch"]["docker_options"] += ["--shm-size", "16g"]
    with pytest.raises(AnsibleFilterError, match="docker run --shm-size 16g: there are no words for this option"):
        launch_files(odd, "ada", plan_of("ada"))
    odd["launch"]["docker_options"][-2:] = ["--mount", "type=bind,source=/a,b,target=/c"]
    with pytest.raises(AnsibleFilterError, match="mount type=bind,source=/a,b,target=/c: wanted"):
        launch_files(odd, "ada", plan_of("ada"))


ONE_LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1)


@settings(max_examples=100, deadline=None)
@example(["\x85", "\u2028 a\n\n  b\r", "\t", "\ufeff", ""], {"SPARKLES": "\u2728 \U0001f600"})
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=4),
    st.dictionaries(st.from_regex(r"[A-Z]{2,8}", fullmatch=True), ONE_LINE, max_size=4),
)
def test_any_words_and_any_variables_survive_both_files(command: list[str], environment: dict[str, str]) -> None:
    rendered = copy.deepcopy(render())
    rendered["launch"]["command"] += command
    rendered["env"].update(environment)
    files = launch_files(rendered, "ada", plan_of("ada"))
    words = words_of_script(files["docker-run.sh"])
    assert words[words.index("--entrypoint") + 3 :] == rendered["launch"]["command"]
    found = service_of(files["compose.yaml"])
    assert found["command"] == rendered["launch"]["command"]
    assert environment.items() <= {name: value for name, value in found["environment"].items() if value is not None}.items()
