# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the NCCL of an overlay comes from: the wheel by path, the package by apt."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Callable

import pytest
from docker import DockerClient

from simulation import images, nccl_apt, nccl_wheel
from tests.acceptance.harness import Run
from tests.acceptance.overlay.look import BUILD, HOSTS, NCCL, PACKAGE, in_image, inspect, one_layer_more, overlay, refused


@pytest.fixture(scope="module")
def library(client: DockerClient) -> Callable[[str], bytes]:
    return lambda version: nccl_wheel.stub_library(client, images.stub_image(client), version)


def of_another_version(library: Callable[[str], bytes], folder: Path) -> bytes:
    return nccl_wheel.wheel_bytes(library("2.28.9"))


def cut_short(library: Callable[[str], bytes], folder: Path) -> bytes:
    return nccl_wheel.wheel_bytes(library("2.30.4"))[:-100]


def of_another_architecture(library: Callable[[str], bytes], folder: Path) -> bytes:
    content = library("2.30.4")
    (machine,) = struct.unpack_from("<H", content, 18)
    return nccl_wheel.wheel_bytes(content[:18] + struct.pack("<H", 183 if machine == 62 else 62) + content[20:])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (of_another_version, ["is NCCL 2.28.9, wanted 2.30.4"]),
        pytest.param(cut_short, ["is not a wheel", "cut short"], marks=pytest.mark.long),
        pytest.param(of_another_architecture, ["is for aarch64", "is for x86_64"], marks=pytest.mark.long),
    ],
)
def test_a_wheel_file_that_is_not_the_wanted_one_is_one_message_and_no_change(
    clean: Callable[..., Run], tmp_path: Path, library: Callable[[str], bytes], make: Callable[..., bytes], words: list[str]
) -> None:
    wheel = tmp_path / nccl_wheel.wheel_name()
    wheel.write_bytes(make(library, tmp_path))
    refused(clean(image_nccl_wheel=str(wheel)), str(wheel), *words)
    refused(clean("--check", image_nccl_wheel=str(wheel)), str(wheel), *words)


def test_a_wheel_file_needs_no_network_and_gives_each_node_the_same_overlay(
    clean: Callable[..., Run], nodes: dict[str, Any], server: nccl_apt.Server
) -> None:
    routes = {host: node.check_output("ip route show default") for host, node in nodes.items()}
    for node in nodes.values():
        node.check_output("ip route delete default")
    try:
        assert nodes["spark1"].run("ping -c 1 -W 1 198.51.100.1").rc == 2
        clean(image_index_url=server.url, image_apt_repository=f"deb {server.url} ./").succeeded()
        assert clean().succeeded().changed == set()
    finally:
        for host, node in nodes.items():
            node.check_output(f"ip route add {routes[host]}")
    assert server.requests == []
    assert len({overlay(node) for node in nodes.values()}) == 1
    labels = [inspect(node, overlay(node))["Config"]["Labels"] for node in nodes.values()]
    assert len({label["dgx-spark.nccl-sha256"] for label in labels}) == 1


# The image that NCCL is installed in, the option of apt-get without which the write-up's way ends there, and how it ends.
INSTALLED = [
    pytest.param("2.28.9", True, "--allow-change-held-packages", "E: Held packages were changed and -y was used", id="held"),
    pytest.param("2.30.7", False, "--allow-downgrades", "E: Packages were downgraded and -y was used", id="newer", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("version", "held", "option", "words"), INSTALLED)
def test_a_held_or_newer_package_in_the_image_is_no_obstacle(
    clean: Callable[..., Run],
    nodes: dict[str, Any],
    variant: Callable[[str, bool], str],
    version: str,
    held: bool,
    option: str,
    words: str,
) -> None:
    name = variant(version, held)
    node = nodes["spark1"]
    # The write-up's way: installed over the other, which needs an option for each obstacle.
    install = "apt-get update >/dev/null && apt-get install -y {} " + PACKAGE
    red = node.run(f"docker run --rm --network none --entrypoint sh {name} -c '{install.format('')}'")
    assert red.rc != 0 and words in red.stderr and option in red.stderr
    assert node.run(f"docker run --rm --network none --entrypoint sh {name} -c '{install.format(option)}'").rc == 0
    # Ours: unpacked beside it.
    clean(image_name=name, image_nccl_source="apt").succeeded()
    for node in nodes.values():
        one_layer_more(node, name)
        found = in_image(
            node,
            overlay(node),
            f'dpkg-query -W -f "\\${{Version}} \\${{db:Status-Want}}" libnccl2; echo; grep -ac "NCCL version 2.30.4+cuda13.2" {NCCL}',
        )
        assert found.split() == [f"{version}-1+cuda{'13.0' if version == '2.28.9' else '13.2'}", "hold" if held else "install", "1"]
    assert clean(image_name=name, image_nccl_source="apt").succeeded().changed == set()


@pytest.mark.long
def test_a_signed_repository_of_the_users_is_used_and_leaves_no_trace(
    clean: Callable[..., Run], nodes: dict[str, Any], repository: Path, server: nccl_apt.Server
) -> None:
    given = {"image_nccl_source": "apt", "image_apt_repository": f"deb {server.url} ./", "image_apt_key": str(repository / nccl_apt.KEY)}
    unsigned = clean(**{**given, "image_apt_key": ""})
    refused(unsigned, "NO_PUBKEY", "image_apt_key", PACKAGE)
    announced = clean("--check", "--diff", **given).succeeded()
    assert f"NCCL 2.30.4 from {PACKAGE}" in announced.output
    done = clean(**given).succeeded()
    assert announced.changed == done.changed == {(host, BUILD) for host in HOSTS}
    for node in nodes.values():
        one_layer_more(node, images.STAND_IN_NAME)
        assert node.check_output("docker ps --all --quiet --filter name=dgx-spark-") == ""
    before = len(server.requests)
    assert clean(**given).succeeded().changed == set()
    assert len(server.requests) == before


@pytest.mark.long
def test_a_version_that_the_repository_lacks_is_told_with_those_that_it_has(
    clean: Callable[..., Run], recipe: Callable[..., str], repository: Path, server: nccl_apt.Server
) -> None:
    wanted = {"version": "2.30.9", "source": "apt", "apt_package": "libnccl2=2.30.9-1+cuda13.2"}
    run = clean(dsv4_recipe=recipe(nccl=wanted), image_apt_repository=f"deb {server.url} ./", image_apt_key=str(repository / nccl_apt.KEY))
    refused(run, "libnccl2=2.30.9-1+cuda13.2", "2.30.7-1+cuda13.2, 2.30.4-1+cuda13.2, 2.28.9-1+cuda13.0")
