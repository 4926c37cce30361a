# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an emulated node starts from: a kernel, an initramfs and a root filesystem, made of Debian's packages."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from simulation.access import STATE, public_key, say
from simulation.images import SimulationError, content_hash
from simulation.rdma import kernel

HERE = Path(__file__).resolve().parent
FOLDER = STATE / "rdma"
SUITE = "bookworm"
PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "iputils-ping",
    "ethtool",
    "openssh-server",
    "sudo",
    "python3",
    "netplan.io",
    "procps",
    "rdma-core",
    "ibverbs-utils",
    "ibverbs-providers",
    "perftest",
    "lldpd",
)
NETWORK_CARD = ("enP7s7", "enp1s0f0np0", "enp1s0f1np1", "enP2p1s0f0np0", "enP2p1s0f1np1")
"""The LAN, and the functions of the card, two for each of its ports; numbered so in MACs."""
NODES = (1, 2)
FIRST = ("virtio_pci", "virtio_blk", "ext4")
"""Modules that the initramfs needs."""
MODULES = (*FIRST, "virtio_net", "virtio_rng", "rdma_rxe", "ib_uverbs", "rdma_ucm", "crc32_generic", "autofs4", "sch_netem")


def mac(node: int, number: int) -> str:
    """Of the interface with that number in NETWORK_CARD."""
    return f"52:54:00:5a:{node:02x}:{number:02x}"


def run(*words: str | Path) -> str:
    """Run a command; SimulationError with its last words if it fails. Returns what it printed."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise SimulationError(
            f"{' '.join(map(str, words[:4]))} … failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-600:]}"
        )
    return done.stdout


def build() -> Path:
    """The folder with `vmlinux`, `initrd.img`, `rootfs.ext4` and `host_key.pub`; about a minute and a half the first time."""
    key = public_key()
    mark = hashlib.sha256(f"{content_hash(HERE)} {SUITE} {key}".encode()).hexdigest()[:16]
    folder = FOLDER / mark
    if (folder / "ready").exists():
        return folder
    if any(FOLDER.glob("run/*.pid")):
        raise SimulationError("emulated nodes run that were made otherwise: take them down first (python -m simulation.rdma down)")
    say("making the emulated nodes' root filesystem (a minute and a half)")
    shutil.rmtree(FOLDER, ignore_errors=True)
    work = folder / "work"
    root = bootstrapped(work)
    release, tree = kernel_files(work, root)
    equip(root, tree, release, folder)
    configure(root, key, folder)
    initramfs(root, release, work / "initramfs", folder / "initrd.img")
    filesystem(root, folder / "rootfs.ext4")
    shutil.rmtree(work)
    (folder / "ready").touch()
    return folder


def bootstrapped(work: Path) -> Path:
    """A root filesystem with PACKAGES, and the kernel's package in its /root."""
    work.mkdir(parents=True)
    root = work / "root"
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale")]
    options = ["--quiet", "--mode=root", "--variant=apt", "--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none"]
    hook = f"--customize-hook={HERE / 'fetch-kernel'}"
    run("mmdebstrap", *options, *left_out, f"--include={','.join(PACKAGES)}", hook, SUITE, root)
    return root


def kernel_files(work: Path, root: Path) -> tuple[str, Path]:
    """Unpack the kernel's package: its release, and the folder that it is in."""
    packages = list((root / "root").glob("linux-image-*.deb"))
    if len(packages) != 1:
        raise SimulationError(f"found {len(packages)} kernel packages, wanted one: {packages}")
    tree = work / "kernel"
    run("dpkg-deb", "--extract", packages[0], tree)
    packages[0].unlink()
    (modules,) = (tree / "lib" / "modules").iterdir()
    run("depmod", "--basedir", tree, modules.name)
    return modules.name, tree


def with_dependencies(tree: Path, release: str, names: Iterable[str]) -> list[Path]:
    """The files of these modules and of all that they need, in the order of loading; nothing for what the kernel has built in."""
    found: dict[Path, None] = {}
    for name in names:
        for line in run("modprobe", "--dirname", tree, "--set-version", release, "--show-depends", name).splitlines():
            verb, _, path = line.partition(" ")
            if verb == "insmod":
                found.setdefault(Path(path.split()[0]))
    return list(found)


def equip(root: Path, tree: Path, release: str, folder: Path) -> None:
    """Put the kernel and its modules where they are wanted, with the changed soft-RoCE beside the one that came."""
    (image,) = (tree / "boot").glob("vmlinuz-*")
    (folder / "vmlinux").write_bytes(kernel.uncompressed(image.read_bytes()))
    target = root / "lib" / "modules" / release
    for path in with_dependencies(tree, release, MODULES):
        place = target / path.relative_to(tree / "lib" / "modules" / release)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        if path.name.startswith("rdma_rxe.ko"):
            changed = root / "usr/local/lib/rxe/rdma_rxe.ko"
            changed.parent.mkdir(parents=True)
            changed.write_bytes(kernel.with_two_gids_an_address(path.read_bytes()))
    for path in (tree / "lib" / "modules" / release).glob("modules.*"):
        shutil.copy(path, target)
    run("depmod", "--basedir", root, release)


def configure(root: Path, key: str, folder: Path) -> None:
    """Files, names of interfaces, users and keys, the same for all nodes."""
    shutil.copytree(HERE / "files", root, dirs_exist_ok=True)
    for number, name in enumerate(NETWORK_CARD):
        macs = " ".join(mac(node, number) for node in NODES)
        link = f"[Match]\nMACAddress={macs}\n\n[Link]\nName={name}\nAlternativeNamesPolicy=\n"
        (root / "etc/systemd/network" / f"10-{name}.link").write_text(link)
    shutil.copy(HERE / "configure", root / "root")
    run("chroot", root, "/root/configure", key)
    (root / "root" / "configure").unlink()
    shutil.copy(root / "etc/ssh/ssh_host_ed25519_key.pub", folder / "host_key.pub")


def initramfs(root: Path, release: str, tree: Path, target: Path) -> None:
    """Busybox and FIRST, not packed: quickest where every instruction is emulated."""
    for name in ("bin", "dev", "proc", "sys", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", tree / "bin" / "busybox")
    for name in ("sh", "mount", "insmod", "switch_root", "sleep", "[", "seq"):
        (tree / "bin" / name).symlink_to("busybox")
    names = []
    for path in with_dependencies(root, release, FIRST):
        names.append(path.name.split(".ko")[0] + ".ko")
        (tree / "modules" / names[-1]).write_bytes(kernel.unpacked(path.read_bytes()))
    (tree / "modules" / "list").write_text("\n".join(names) + "\n")
    shutil.copy(HERE / "init", tree / "init")
    listed = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with target.open("wb") as file:
        subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], cwd=tree, input=listed.encode(), stdout=file, check=True)


def filesystem(root: Path, target: Path) -> None:
    """The disk that every node writes its own copy of."""
    run("truncate", "--size=2G", target)
    options = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0"
    run("mkfs.ext4", "-q", "-F", "-O", "^metadata_csum", "-E", options, "-d", root, target)
