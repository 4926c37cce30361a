#!/usr/bin/env python3
# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster: build its images, bring it up, look at it, plug and unplug cables, take it down.

As a program: `molecule/simulation/cluster.py up two_spark`.  As a library: build(), up(), down(), status(), cable().
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "simulation"

from simulation import images, nccl_wheel, nodes, self_test, tiny_model
from simulation.access import HERE, STATE, public_key, say, write_known_hosts
from simulation.description import Cluster, Node, load
from simulation.images import SimulationError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

MODEL_CACHE = STATE / "model"
WHEELS = STATE / "wheel"


def build(client: DockerClient) -> tuple[Image, Image]:
    """The node's and the stand-in's image, the wheel, the model and the key; what is there already is not made again."""
    public_key()
    node, stand_in = images.node_image(client), images.stand_in_image(client)
    nccl_wheel.write(client, images.stub_image(client), WHEELS)
    tiny_model.write_all(MODEL_CACHE)
    return node, stand_in


def fingerprint(cluster: Cluster, image: Image) -> str:
    """Changes when the containers would have to be made anew."""
    return hashlib.sha256(repr((cluster, image.id, nodes.CAPABILITIES)).encode()).hexdigest()[:16]


def is_up(client: DockerClient, cluster: Cluster, mark: str) -> bool:
    """All of its nodes run, made from the same image and description, and no others do."""
    ours = client.containers.list(filters={"label": nodes.LABEL})
    return sorted(str(c.name) for c in ours if c.labels.get(nodes.FINGERPRINT) == mark) == sorted(
        node.container for node in cluster.nodes
    ) and len(ours) == len(cluster.nodes)


def up(path: Path, further: Sequence[str] = ()) -> Cluster:
    """Bring the described cluster up, or find it up, and test it; `further` are the shapes of images.PLAYED that the nodes get as well.

    SimulationError says what went wrong.
    """
    began = time.monotonic()
    cluster, client = load(path), images.connect()
    node_image, stand_in = build(client)
    mark = fingerprint(cluster, node_image)
    if is_up(client, cluster, mark):
        say(f"{cluster.name} is up")
    else:
        if nodes.remove_all(client):
            say("took down what was up before")
        say("starting {}: {}".format(cluster.name, ", ".join(node.name for node in cluster.nodes)))
        networks = nodes.create_networks(client, cluster)
        with ThreadPoolExecutor(len(cluster.nodes)) as pool:
            list(pool.map(lambda node: nodes.create_node(client, cluster, node, networks, node_image, mark), cluster.nodes))
    equip(client, cluster, stand_in)
    give_images(cluster, further)
    say("testing: names, carrier, RDMA tree, fabric and who has it, ssh with host keys, inner Docker")
    self_test.check(cluster, str(stand_in.id))
    say(f"{cluster.name} is ready after {time.monotonic() - began:.0f} s")
    return cluster


def equip(client: DockerClient, cluster: Cluster, stand_in: Image) -> None:
    """Wait for each node; give it the controller's key, and unless it is a light one the image and the model; learn its host key."""

    def one(node: Node) -> str:
        container = client.containers.get(node.container)
        nodes.wait_for_boot(container)
        host_key = nodes.admit_controller(container)
        if node.light:
            return f"{node.address},{node.name} {host_key}"
        if nodes.load_image(container, stand_in, images.STAND_IN_NAME, "stand-in"):
            say(f"{node.name} booted and has the image")
        if nodes.try_in(container, "test", "-e", "/home/nvidia/.cache/huggingface/hub")[0] != 0:
            nodes.place_model(container, MODEL_CACHE)
        return f"{node.address},{node.name} {host_key}"

    nodes.saved_image(stand_in, images.STAND_IN_NAME, "stand-in")
    with ThreadPoolExecutor(len(cluster.nodes)) as pool:
        write_known_hosts(pool.map(one, cluster.nodes))


def give_images(cluster: Cluster, shapes: Sequence[str]) -> None:
    """Have these shapes of images.PLAYED, by the names that recipes give them, on all nodes of a cluster that is up but light ones."""
    client = images.connect()
    containers = [client.containers.get(node.container) for node in cluster.nodes if not node.light]
    for shape in shapes:
        give = partial(nodes.load_image, image=images.played_image(client, shape), name=images.PLAYED[shape], stem=f"played-{shape}")
        nodes.saved_image(**give.keywords)
        with ThreadPoolExecutor(len(cluster.nodes)) as pool:
            if any(list(pool.map(give, containers))):
                say(f"the nodes have {images.PLAYED[shape]}")


def shapes_of(text: str) -> list[str]:
    """`all`, or names of images.PLAYED with commas; argparse's error if there is no such."""
    found = list(images.PLAYED) if text == "all" else text.split(",")
    unknown = [shape for shape in found if shape not in images.PLAYED]
    if unknown:
        raise argparse.ArgumentTypeError(f"no image {', '.join(unknown)}; there are all, {', '.join(images.PLAYED)}")
    return found


def down() -> int:
    """Remove every container, volume and network of the simulation; how many there were.  Images stay."""
    return nodes.remove_all(images.connect())


def status() -> list[dict[str, Any]]:
    """One entry a node that exists: name, cluster, state, and its ports' carrier while it runs."""
    found = []
    for container in images.connect().containers.list(all=True, filters={"label": nodes.LABEL}):
        entry: dict[str, Any] = {"node": container.name, "cluster": container.labels[nodes.LABEL], "state": container.status}
        if container.status == "running":
            entry["links"] = nodes.try_in(container, "ibdev2netdev")[1].splitlines()
        found.append(entry)
    return sorted(found, key=lambda entry: str(entry["node"]))


def cable(node_name: str, port: int, plug: bool) -> None:
    """Put the cable in port 0 or 1 of a node in or pull it out; addresses stay, the carrier changes."""
    client = images.connect()
    for container in client.containers.list(filters={"label": nodes.LABEL}):
        if container.name == "sim-" + node_name:
            nodes.run_in(container, "sim-cable", str(port), "plug" if plug else "unplug")
            return
    raise SimulationError(f"no node {node_name} is running: see `cluster.py status`")


def description_path(name: str) -> Path:
    """A path, or the name of a file in clusters/."""
    path = Path(name)
    return path if path.exists() else HERE / "clusters" / (name.removesuffix(".yml") + ".yml")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="cluster.py", description=(__doc__ or "").splitlines()[0])
    verbs = top.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="make the images, the wheel and the model")
    bring = verbs.add_parser("up", help="bring a cluster up and test it")
    bring.add_argument("cluster", nargs="?", default="two_spark")
    shapes = f"images that the nodes get beside the usual one: all, or some of {', '.join(images.PLAYED)} with commas"
    bring.add_argument("--images", type=shapes_of, default=[], metavar="NAMES", help=shapes)
    verbs.add_parser("down", help="remove containers, volumes and networks of the simulation")
    verbs.add_parser("status", help="what is up, as JSON")
    plug = verbs.add_parser("cable", help="plug a cable in or pull it out")
    plug.add_argument("node")
    plug.add_argument("port", type=int, choices=[0, 1])
    plug.add_argument("state", choices=["plug", "unplug"])
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 with one sentence on standard error."""
    given = parser().parse_args(argv)
    try:
        if given.verb == "build":
            build(images.connect())
        elif given.verb == "up":
            up(description_path(given.cluster), given.images)
        elif given.verb == "down":
            say(f"{down()} things removed")
        elif given.verb == "status":
            print(json.dumps(status(), indent=2))
        else:
            cable(given.node, given.port, given.state == "plug")
    except (SimulationError, FileNotFoundError) as error:
        print(f"simulation: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
