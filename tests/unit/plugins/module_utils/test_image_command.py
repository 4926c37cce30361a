"""By which words an image starts vLLM: decided from its ENTRYPOINT where the recipe leaves it out."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _image_command
from ansible_collections.dgx_spark.vllm.plugins.module_utils._image_command import Command, CommandError, decide, problems

NVIDIA = "/opt/nvidia/nvidia_entrypoint.sh"
CLI = ["-m", "vllm.entrypoints.cli.main"]


@pytest.mark.parametrize(
    ("own", "entrypoint", "command"),
    [
        # The words are there already: jasl's and hazyumps' images, vllm/vllm-openai.
        (["vllm", "serve"], ["vllm", "serve"], []),
        (["/opt/env/bin/vllm", "serve"], ["/opt/env/bin/vllm", "serve"], []),
        ([NVIDIA, "vllm", "serve"], [NVIDIA, "vllm", "serve"], []),
        (["tini", "-g", "--", "vllm", "serve"], ["tini", "-g", "--", "vllm", "serve"], []),
        (["numactl", "--membind=0", "/opt/env/bin/vllm", "serve"], ["numactl", "--membind=0", "/opt/env/bin/vllm", "serve"], []),
        (["python3", *CLI, "serve"], ["python3", *CLI, "serve"], []),
        # The program alone.
        (["/opt/env/bin/vllm"], ["/opt/env/bin/vllm"], ["serve"]),
        (["/usr/bin/python3.12", "-u", *CLI], ["/usr/bin/python3.12", "-u", *CLI], ["serve"]),
        # The server without its command line would take the model for nothing and every rank for a head.
        (["python3", "-m", "vllm.entrypoints.openai.api_server"], ["python3", *CLI], ["serve"]),
        ([NVIDIA, "python", "-m", "vllm.entrypoints.openai.api_server"], [NVIDIA, "python", *CLI], ["serve"]),
        # None: Aiden's, DSpark's.
        ([], ["vllm", "serve"], []),
        (None, ["vllm", "serve"], []),
        # What only runs its arguments.
        ([NVIDIA], [NVIDIA], ["vllm", "serve"]),
        (["/usr/bin/tini", "--"], ["/usr/bin/tini", "--"], ["vllm", "serve"]),
        (["tini", "-s"], ["tini", "-s"], ["vllm", "serve"]),
        (["dumb-init", "--", NVIDIA], ["dumb-init", "--", NVIDIA], ["vllm", "serve"]),
        (["/docker-entrypoint.sh"], ["/docker-entrypoint.sh"], ["vllm", "serve"]),
        (["/usr/bin/env"], ["/usr/bin/env"], ["vllm", "serve"]),
        # A shell takes the first word for a script.
        (["/bin/bash"], ["vllm", "serve"], []),
        (["tini", "--", "/bin/sh"], ["tini", "--"], ["vllm", "serve"]),
        (["/bin/bash", "-lc"], ["/bin/bash", "-lc", 'exec "$@"', "bash"], ["vllm", "serve"]),
        (["sh", "-c"], ["sh", "-c", 'exec "$@"', "sh"], ["vllm", "serve"]),
    ],
)
def test_words_are_decided_from_the_entrypoint(own: Any, entrypoint: list[str], command: list[str]) -> None:
    assert decide({}, own) == Command(entrypoint, command)


@pytest.mark.parametrize(
    "own",
    [
        ["/usr/local/bin/start-server.sh"],
        ["/bin/sh", "-c", "vllm serve"],  # what the shell form of ENTRYPOINT makes: it ignores all arguments
        ["/bin/sh", "-c", "vllm", "serve"],
        ["bash", "-c", "exec vllm"],
        ["bash", "/start.sh"],
        ["vllm", "serve", "--host", "0.0.0.0"],
        ["serve"],
        ["my-vllm", "serve"],
        ["perl", *CLI],
        ["python3", "-m", "vllm.entrypoints.api_server"],
        ["tini", "-p", "SIGTERM", "--"],
        ["env", "A=b"],
    ],
)
def test_what_nothing_is_known_of_is_no_guess(own: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        decide({}, own)
    assert str(refused.value).startswith(f"ENTRYPOINT {_image_command.shown(own)}, wanted one that starts `vllm serve`")


GIVEN = ["bash", "-lc", 'exec /usr/local/bin/dsv4-vllm-entrypoint "$@"', "dsv4-vllm-entrypoint"]


@pytest.mark.parametrize("own", [None, [], ["vllm", "serve"], ["/start.sh"]])
def test_what_the_recipe_gives_is_taken_whatever_the_image_has(own: Any) -> None:
    assert decide({"entrypoint": GIVEN, "command": ["serve"]}, own) == Command(GIVEN, ["serve"])
    assert decide({"entrypoint": ["/opt/env/bin/vllm", "serve"]}, own) == Command(["/opt/env/bin/vllm", "serve"], [])


@pytest.mark.parametrize(
    ("own", "before", "decided"),
    [
        (["/start.sh"], ["serve"], Command(["/start.sh"], ["serve"])),
        (["vllm", "serve"], [], Command(["vllm", "serve"], [])),
        ([], ["/opt/env/bin/vllm", "serve"], Command(["/opt/env/bin/vllm"], ["serve"])),
    ],
)
def test_the_recipes_command_stands_behind_the_images_entrypoint(own: list[str], before: list[str], decided: Command) -> None:
    assert decide({"command": before}, own) == decided


@pytest.mark.parametrize(
    ("own", "before", "text"),
    [
        (
            ["vllm", "serve"],
            ["vllm", "serve"],
            'ENTRYPOINT ["vllm", "serve"] before the recipe\'s image.command ["vllm", "serve"], wanted one',
        ),
        ([], [], "no ENTRYPOINT and no words in the recipe's image.command, wanted"),
    ],
)
def test_a_command_that_does_not_go_with_the_image_is_refused(own: list[str], before: list[str], text: str) -> None:
    with pytest.raises(CommandError) as refused:
        decide({"command": before}, own)
    assert str(refused.value).startswith(text)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ({"entrypoint": ["vllm", "serve"], "command": ["vllm", "serve"]}, "wanted one `serve` in both together"),
        ({"entrypoint": ["vllm", "serve"], "command": ["serve"]}, 'image.command: found ["serve"] behind ["vllm", "serve"]'),
        ({"entrypoint": ["bash", "-lc", 'exec vllm serve "$@"', "x"], "command": ["serve"]}, "wanted one `serve`"),
        ({"entrypoint": [], "command": ["serve"]}, "image.entrypoint: found [], wanted the words that start the program"),
        ({"entrypoint": ["vllm", 1]}, "image.entrypoint: found ['vllm', 1], wanted a list of words"),
        ({"command": [""]}, "image.command: found [''], wanted a list of words"),
        ({"entrypoint": GIVEN}, "image.command is missing; image.entrypoint"),
    ],
)
def test_mistakes_in_a_recipe_are_named(image: dict[str, Any], text: str) -> None:
    (problem,) = problems(image)
    assert text in problem


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"command": ["serve"]},
        {"entrypoint": GIVEN, "command": ["serve"]},
        {"entrypoint": ["/start.sh"], "command": []},
        {"entrypoint": ["/opt/env/bin/vllm", "serve"]},
    ],
)
def test_what_may_be_left_out_may_be_left_out(image: dict[str, Any]) -> None:
    assert problems(image) == []
