# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two emulated nodes with a cable between them, in a network namespace of their own: nothing of this machine's network is touched.

A cable is a bridge: both functions of a port are on it, as on a Spark, so that each hears what is meant for the other.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from simulation.access import KEY, USER, say
from simulation.images import SimulationError
from simulation.rdma import image
from simulation.rdma.image import NETWORK_CARD, NODES, mac, run

NAMESPACE = "dgx-spark-rdma"
INSIDE = ("ip", "netns", "exec", NAMESPACE)
"""What has to precede a command that shall see the nodes."""
FOLDER = image.FOLDER / "run"
KNOWN_HOSTS = image.FOLDER / "known_hosts"
MEMORY_MIB = 768
BOOT_SECONDS = 600
CONSOLE = "console=ttyS0 root=/dev/vda rw quiet"
QUICK = "mitigations=off nokaslr apparmor=0 audit=0 random.trust_cpu=on panic=5 systemd.show_status=0 fsck.mode=skip"
# Where each of NETWORK_CARD is: a root port and a function, so that two functions are one card.
PLACES = (("lan", 0), ("card", 0), ("card", 1), ("second", 0), ("second", 1))


def address(node: int) -> str:
    """On the LAN. No other simulated node has it, for Ansible keeps connections by address, whichever network they were made in."""
    return f"10.78.0.{10 + node}"


def bridge(number: int) -> str:
    """The LAN, or the cable in port 0 or 1."""
    return "lan" if number == 0 else f"cable{(number - 1) % 2}"


def make_network() -> None:
    """The namespace, with bridges, and a tap for every interface of every node."""
    if Path("/run/netns", NAMESPACE).exists():
        return
    run("ip", "netns", "add", NAMESPACE)
    run(*INSIDE, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    run("ip", "-n", NAMESPACE, "link", "set", "lo", "up")
    for name in ("lan", "cable0", "cable1"):
        # A cable passes LLDP on, which a bridge keeps for itself.
        kind = ("type", "bridge", "mcast_snooping", "0", "forward_delay", "0", "group_fwd_mask", "0x4000")
        run("ip", "-n", NAMESPACE, "link", "add", name, "mtu", "9216", *kind)
        run("ip", "-n", NAMESPACE, "link", "set", name, "up")
    run("ip", "-n", NAMESPACE, "address", "add", "10.78.0.1/24", "dev", "lan")
    for node in NODES:
        for number in range(len(NETWORK_CARD)):
            tap = f"tap{node}{number}"
            run("ip", "-n", NAMESPACE, "tuntap", "add", tap, "mode", "tap")
            run("ip", "-n", NAMESPACE, "link", "set", tap, "mtu", "9216", "master", bridge(number), "up")


def words(node: int, files: Path) -> list[str]:
    """QEMU's command line for a node. Emulation is asked for by name: a half-working /dev/kvm would never boot."""
    found = ["qemu-system-x86_64", "-name", f"{NAMESPACE}-{node}", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"]
    found += ["-m", str(MEMORY_MIB), "-smp", "1", "-nodefaults", "-display", "none", "-no-user-config"]
    found += ["-serial", f"file:{FOLDER}/{node}.console", "-qmp", f"unix:{FOLDER}/{node}.qmp,server,nowait"]
    found += ["-kernel", f"{files}/vmlinux", "-initrd", f"{files}/initrd.img"]
    found += ["-append", f"{CONSOLE} {QUICK} systemd.hostname=spark{node}"]
    found += ["-drive", f"file={FOLDER}/{node}.qcow2,if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap"]
    found += ["-device", "virtio-blk-pci,drive=disk", "-object", "rng-random,id=random,filename=/dev/urandom"]
    found += ["-device", "virtio-rng-pci,rng=random"]
    for slot, port in enumerate(("card", "second", "lan"), 1):
        found += ["-device", f"pcie-root-port,id={port},bus=pcie.0,chassis={slot},slot={slot}"]
    for number, (port, function) in enumerate(PLACES):
        found += ["-netdev", f"tap,id=net{number},ifname=tap{node}{number},script=no,downscript=no"]
        where = f"id={NETWORK_CARD[number]},netdev=net{number},mac={mac(node, number)},bus={port},addr=0x0.{function},romfile="
        found += ["-device", f"virtio-net-pci,{where}" + (",multifunction=on,speed=200000,duplex=full" if number else "")]
    return found


def start(node: int, files: Path) -> None:
    """Start a node; SimulationError if QEMU ends at once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    disk = FOLDER / f"{node}.qcow2"
    disk.unlink(missing_ok=True)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", files / "rootfs.ext4", disk)
    log = FOLDER / f"{node}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*INSIDE, *words(node, files)], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    (FOLDER / f"{node}.pid").write_text(str(process.pid))
    deadline = time.monotonic() + 20
    while not (FOLDER / f"{node}.qmp").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SimulationError(f"QEMU did not start for node {node}: {log.read_text()[-600:]}")
        time.sleep(0.1)


def running(node: int) -> int | None:
    """The process of a node that this module started, or None."""
    try:
        pid = int((FOLDER / f"{node}.pid").read_text())
        return pid if f"{NAMESPACE}-{node}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes() else None
    except (OSError, ValueError):
        return None


def stop(node: int) -> None:
    """As when power is cut."""
    pid = running(node)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while running(node) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def ssh(node: int, command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command on a node as root by sudo; the caller looks at returncode."""
    options = [
        "BatchMode=yes",
        "ConnectTimeout=20",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        f"UserKnownHostsFile={KNOWN_HOSTS}",
    ]
    call = ["ssh", "-F", "none", "-i", str(KEY), *(word for option in options for word in ("-o", option))]
    command = f"sudo sh -c {shlex.quote(command)}"
    return subprocess.run([*INSIDE, *call, f"{USER}@{address(node)}", command], capture_output=True, text=True, timeout=timeout)


def wait_for_boot(node: int, seconds: float = BOOT_SECONDS) -> None:
    """Wait until a node lets the user in and its RDMA devices are there; SimulationError with the console's end if it does not."""
    deadline = time.monotonic() + seconds
    while ssh(node, "systemctl is-active --quiet rxe-devices").returncode != 0:
        if running(node) is None or time.monotonic() > deadline:
            console = (FOLDER / f"{node}.console").read_text(errors="replace")
            raise SimulationError(f"node {node} did not come up in {seconds:.0f} s; its console ends: {console[-1500:]}")
        time.sleep(1)


def up() -> None:
    """Bring both nodes up, or find them up."""
    began = time.monotonic()
    files = image.build()
    key = (files / "host_key.pub").read_text().split()
    KNOWN_HOSTS.write_text("".join(f"{address(node)} {key[0]} {key[1]}\n" for node in NODES))
    make_network()
    for node in NODES:
        if running(node) is None:
            start(node, files)
    for node in NODES:
        wait_for_boot(node)
    say(f"the emulated nodes are ready after {time.monotonic() - began:.0f} s")


def down() -> None:
    """Stop the nodes, and remove their disks and their network."""
    for node in NODES:
        stop(node)
    if Path("/run/netns", NAMESPACE).exists():
        run("ip", "netns", "delete", NAMESPACE)
    shutil.rmtree(FOLDER, ignore_errors=True)


def monitor(node: int, command: str, **arguments: object) -> None:
    """Ask QEMU for something; SimulationError if it will not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(FOLDER / f"{node}.qmp"))
        stream = connection.makefile("rw")
        stream.readline()
        for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer: dict[str, object] = {}
            while not answer.keys() & {"return", "error"}:
                answer = json.loads(stream.readline())
            if "error" in answer:
                raise SimulationError(f"QEMU's {command} on node {node}: {answer['error']}")


def cable(node: int, port: int, plug: bool) -> None:
    """Put the cable into port 0 or 1 of a node, or pull it out: both functions lose their carrier."""
    for number, name in enumerate(NETWORK_CARD):
        if number and bridge(number) == f"cable{port}":
            monitor(node, "set_link", name=name, up=plug)
