# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the simulated nodes, which are up, what a real vLLM needs: image, model, and this machine's certificate authorities.

PYTHONPATH=molecule python -m simulation.real_vllm [CLUSTER]
"""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from simulation import images, nodes, tiny_model
from simulation.access import STATE, say
from simulation.cluster import description_path
from simulation.description import load

from . import build, tiny_llama

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.images import Image

MODEL = STATE / "real-vllm-model"
STEM = "real-vllm"
AUTHORITIES = "/etc/ssl/certs"
SHARED_MEMORY = "2g"  # vLLM wants 160 MiB for each queue; Docker gives a container 64 MiB, a machine half of its memory


def equip(container: Container, image: Image) -> None:
    """What is there already is not brought again."""
    if nodes.load_image(container, image, build.NAME, STEM):
        say(f"{container.name} has the image")
    nodes.run_in(container, "mount", "-o", f"remount,size={SHARED_MEMORY}", "/dev/shm")
    nodes.place_model(container, MODEL)
    # The wheel comes from PyPI over TLS: a node trusts whom this machine trusts, which may be a company's proxy.
    bundle = ssl.get_default_verify_paths().cafile
    if bundle:
        nodes.put(container, AUTHORITIES, {"ca-certificates.crt": Path(bundle).read_bytes()})


def main(words: list[str]) -> int:
    """Exit status: 0, or 1 with one sentence on standard error."""
    try:
        cluster, client = load(description_path(words[0] if words else "two_spark")), images.connect()
        image = build.image(client)
        tiny_model.write(MODEL, tiny_llama.REPOSITORY, tiny_llama.COMMIT, tiny_llama.files())
        for node in cluster.nodes:
            container = nodes.find_node(client, node)
            if container is None:
                raise images.SimulationError(f"{node.name} is not up: run `make up` first")
            equip(container, image)
    except (images.SimulationError, FileNotFoundError) as error:
        print(f"simulation: {error}", file=sys.stderr)
        return 1
    finally:
        for archive in STATE.glob(STEM + "-*.tar"):  # nearly two gigabytes, which Docker has as an image
            archive.unlink()
    return 0


sys.exit(main(sys.argv[1:]))
