# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that play nodes: made, waited for, and given what they need to have."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from .access import STATE, USER, public_key
from .description import MTU, Cluster, Node, host_address
from .images import SimulationError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image
    from docker.models.networks import Network

LABEL = "dgx-spark.simulation"  # its value is the cluster's name
FINGERPRINT = LABEL + ".fingerprint"
# SYS_ADMIN and NET_ADMIN are what systemd, Docker and the NICs need; the rest makes root resemble root on a machine.
CAPABILITIES = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_BOOT", "SYS_NICE", "IPC_LOCK", "DAC_READ_SEARCH", "AUDIT_CONTROL"]
BOOT_SECONDS = 90
READ_ATTEMPTS = 10


def create_network(client: DockerClient, cluster: Cluster, name: str, subnet: str, cable: bool = False) -> Network:
    """A bridge: the LAN, the Wi-Fi, or a cable, which carries jumbo frames and is nobody's gateway."""
    options = {}
    if cable:
        options = {"com.docker.network.driver.mtu": str(MTU), "com.docker.network.bridge.enable_ip_masquerade": "false"}
    pools = [IPAMPool(subnet=subnet)]
    return client.networks.create(name, driver="bridge", options=options, ipam=IPAMConfig(pool_configs=pools), labels={LABEL: cluster.name})


def create_networks(client: DockerClient, cluster: Cluster) -> dict[str, Network]:
    """By role: lan, wifi, cable0, ..."""
    networks = {"lan": create_network(client, cluster, "dgx-spark-sim-lan", cluster.lan)}
    if cluster.wifi:
        networks["wifi"] = create_network(client, cluster, "dgx-spark-sim-wifi", cluster.wifi)
    for number in range(cluster.cables):
        role = f"cable{number}"
        networks[role] = create_network(client, cluster, "dgx-spark-sim-" + role, cluster.cable_subnet(number), cable=True)
    return networks


def create_node(client: DockerClient, cluster: Cluster, node: Node, networks: dict[str, Network], image: Image, mark: str) -> Container:
    """Created with all its cables in, then started: NICs are renamed once, at boot."""
    labels = {LABEL: cluster.name, FINGERPRINT: mark}
    volumes = {}
    if not node.light:  # overlay2 does not stack on overlay2
        volumes[str(client.volumes.create(node.container + "-docker", labels=labels).name)] = {"bind": "/var/lib/docker", "mode": "rw"}
    lan = networks["lan"]
    restart: Any = {"Name": "unless-stopped"}  # the node's own `reboot` works by that
    container = client.containers.create(
        str(image.id),
        name=node.container,
        hostname=node.name,
        labels=labels,
        environment=cluster.environment(node),
        restart_policy=restart,
        cgroupns="private",
        cap_add=CAPABILITIES,
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],  # the node's own runc makes keyrings and mounts
        devices=["/dev/fuse"],
        tmpfs={"/run": "exec,mode=755", "/run/lock": "", "/tmp": "exec,mode=1777"},
        volumes=volumes,
        network=lan.name,
        networking_config={str(lan.name): client.api.create_endpoint_config(ipv4_address=node.address, aliases=[node.name])},
    )
    if cluster.wifi:
        networks["wifi"].connect(container, ipv4_address=host_address(cluster.wifi, node.id))
    for cable in node.cables.values():
        networks[f"cable{cable}"].connect(container)
    container.start()
    return container


def try_in(container: Container, *command: str) -> tuple[int, str]:
    """Exit status and output of a command in the node, run through Docker."""
    result = container.exec_run(list(command))
    output: Any = result.output
    return int(result.exit_code or 0), output.decode(errors="replace").strip()


def run_in(container: Container, *command: str) -> str:
    """Its output; SimulationError if it fails."""
    status, output = try_in(container, *command)
    if status != 0:
        raise SimulationError(f"{container.name}: `{' '.join(command)}` ended with {status}: {output[-400:]}")
    return output


def read_in(container: Container, *command: str) -> str:
    """The output of a command that says something.  Docker 20.10 loses that of a short one now and then, so ask again."""
    for _ in range(READ_ATTEMPTS):
        output = run_in(container, *command)
        if output:
            return output
        time.sleep(0.2)
    raise SimulationError(f"{container.name}: `{' '.join(command)}` says nothing")


def wait_for_boot(container: Container) -> None:
    """Until systemd is content."""
    state, deadline = "", time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        state = try_in(container, "systemctl", "is-system-running")[1]
        if state == "running":
            return
        if state == "degraded":
            failed = run_in(container, "systemctl", "--failed", "--no-legend", "--plain")
            raise SimulationError(f"{container.name}: units failed at boot:\n{failed}")
        time.sleep(0.2)
    raise SimulationError(f"{container.name}: not booted after {BOOT_SECONDS} s, systemd says {state!r}")


def put(container: Container, where: str, files: dict[str, bytes], owner: tuple[int, int] = (0, 0), mode: int = 0o644) -> None:
    """Files by relative name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, (member.uid, member.gid) = len(data), mode, owner
            archive.addfile(member, io.BytesIO(data))
    container.put_archive(where, buffer.getvalue())


def user_ids(container: Container) -> tuple[int, int]:
    """uid and gid of the login user."""
    return int(read_in(container, "id", "-u", USER)), int(read_in(container, "id", "-g", USER))


def admit_controller(container: Container) -> str:
    """Install the controller's key; returns the node's own host key, read through Docker and so not from the network."""
    put(container, f"/home/{USER}/.ssh", {"authorized_keys": public_key().encode() + b"\n"}, user_ids(container), 0o600)
    return " ".join(read_in(container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])


def inner_image_id(container: Container, name: str) -> str:
    """Of that image in the node's own Docker; empty if it is not there."""
    status, output = try_in(container, "docker", "image", "inspect", "-f", "{{.Id}}", name)
    return output if status == 0 else ""


def saved_image(image: Image, name: str, stem: str) -> Path:
    """`docker save` of the image under that name, wrapped in the tar that the copy into a node wants, kept per image id."""
    path = STATE / "{}-{}.tar".format(stem, str(image.id).split(":")[1][:16])
    if not path.exists():
        for old in STATE.glob(stem + "-*.tar"):
            old.unlink()
        with tarfile.open(path.with_suffix(".part"), "w") as archive:
            inner = path.with_suffix(".inner")
            with inner.open("wb") as file:
                for chunk in image.save(named=name):
                    file.write(chunk)
            archive.add(inner, stem + ".tar")
            inner.unlink()
        path.with_suffix(".part").rename(path)
    return path


def load_image(container: Container, image: Image, name: str, stem: str) -> bool:
    """By save and load, so that the image's id is the same on every node.  Returns whether it had to be loaded."""
    if inner_image_id(container, name) == image.id:
        return False
    with saved_image(image, name, stem).open("rb") as archive:
        stream: Any = archive
        container.put_archive("/var/lib/sim", stream)
    run_in(container, "docker", "load", "-q", "-i", f"/var/lib/sim/{stem}.tar")
    run_in(container, "rm", f"/var/lib/sim/{stem}.tar")
    return True


def place_model(container: Container, cache: Path) -> None:
    """A Hugging Face cache in the login user's home, links kept as links."""
    uid, gid = user_ids(container)

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid, member.gid = uid, gid
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        directory = tarfile.TarInfo(".cache")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(owned(directory))
        archive.add(cache, ".cache/huggingface", filter=owned)
    container.put_archive("/home/" + USER, buffer.getvalue())


def remove_all(client: DockerClient) -> int:
    """Everything with our label, and nothing else; how many things that were."""
    wanted: dict[str, str | list[str] | bool] = {"label": LABEL}
    gone = 0
    for container in client.containers.list(all=True, filters=wanted):
        container.remove(force=True, v=True)
        gone += 1
    for volume in client.volumes.list(filters=wanted):
        volume.remove()
        gone += 1
    for network in client.networks.list(filters=wanted):
        network.remove()
        gone += 1
    return gone


def find_node(client: DockerClient, node: Node) -> Container | None:
    """The container, if there is one and it is ours."""
    try:
        container = client.containers.get(node.container)
    except NotFound:
        return None
    return container if LABEL in container.labels else None
