"""Two ranks of the real vLLM as containers on a bridge of their own that leads nowhere else."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from docker.types import IPAMConfig, IPAMPool

from simulation import images
from simulation.real_vllm import tiny_llama

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

SUBNET, INTERFACE, MASTER_PORT, API_PORT = "10.77.200.0/24", "eth0", 25000, 8000
ADDRESSES = {0: "10.77.200.10", 1: "10.77.200.11"}
NOBODY = "10.77.200.77"
NAMES = {0: "dgx-spark-sim-real-0", 1: "dgx-spark-sim-real-1"}
LABEL = "dgx-spark.real-vllm"  # not the simulation's: a cluster that is brought up removes what has that one
SECONDS = 180  # a rank imports for ten seconds and loads for as many; this machine may be busy
PAUSE = "import signal; print('ready', flush=True); signal.pause()"
LISTEN = "import socket; s = socket.socket(); s.bind(('0.0.0.0', {})); s.listen(); " + PAUSE
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "GLOO_SOCKET_IFNAME": INTERFACE,
}


def remove_all(client: DockerClient) -> None:
    """What a test left, or one that was interrupted."""
    for container in client.containers.list(all=True, filters={"label": LABEL}):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": LABEL}):
        network.remove()


class RealPair:
    """Plays the rows of agreements.yml; `folder` gets a copy of the model."""

    quiet_seconds = 20.0

    def __init__(self, client: DockerClient, image: Image, folder: Path) -> None:
        self.client, self.image, self.model = client, image, folder / "model"
        self.names = {"head": ADDRESSES[0], "nobody": NOBODY, "port": str(MASTER_PORT), "interface": INTERFACE}
        self.ranks: dict[int, Container] = {}
        self.holders: dict[int, Container] = {}
        self.model.mkdir()
        for name, data in tiny_llama.files().items():
            (self.model / name).write_bytes(data)
        remove_all(client)
        pools = [IPAMPool(subnet=SUBNET)]
        self.network = client.networks.create(
            "dgx-spark-sim-real", driver="bridge", internal=True, ipam=IPAMConfig(pool_configs=pools), labels={LABEL: ""}
        )

    def _place(self, rank: int) -> dict[str, Any]:
        """Where a rank's container is: at its address, or in the network of the container that holds its place."""
        if rank in self.holders:
            return {"network_mode": f"container:{self.holders[rank].id}"}
        address = self.client.api.create_endpoint_config(ipv4_address=ADDRESSES[rank])
        return {"network": self.network.name, "networking_config": {str(self.network.name): address}}

    def _hold(self, rank: int, program: str) -> Container:
        """A container whose network the rank will have; it is ready when it says so."""
        command = ["python3", "-c", program]
        holder = self.client.containers.create(
            str(self.image.id), command, name=f"{NAMES[rank]}-holder", labels={LABEL: ""}, **self._place(rank)
        )
        self.holders[rank] = holder
        holder.start()
        deadline = time.monotonic() + SECONDS
        while b"ready" not in holder.logs():
            assert time.monotonic() < deadline, holder.logs()
            time.sleep(0.1)
        return holder

    def occupy_master_port(self) -> None:
        """Somebody else listens there before the head does."""
        self._hold(0, LISTEN.format(MASTER_PORT))

    def remove_default_routes(self) -> None:
        """A bridge's containers have one even if it leads nowhere."""
        for rank in ADDRESSES:
            holder = self._hold(rank, PAUSE)
            tool = str(images.node_image(self.client).id)  # has iproute2
            place: dict[str, Any] = {"network_mode": f"container:{holder.id}", "cap_add": ["NET_ADMIN"], "labels": {LABEL: ""}}
            self.client.containers.run(tool, ["route", "del", "default"], entrypoint="ip", remove=True, **place)

    def launch(
        self,
        rank: int,
        words: Sequence[str],
        environ: Mapping[str, str],
        *,
        headless: Optional[bool] = None,
        before: Sequence[str] = (),
    ) -> None:
        """Start a rank; `before` stands before the model, `environ` is added to the usual."""
        argv = ["vllm", "serve", *before, "/model", "--served-model-name", "tiny", "--tensor-parallel-size", "2", "--nnodes", "2"]
        argv += ["--node-rank", str(rank), "--master-addr", ADDRESSES[0], "--master-port", str(MASTER_PORT)]
        argv += ["--distributed-executor-backend", "mp", "--max-model-len", "512", "--max-num-seqs", "4"]
        argv += ["--enforce-eager", "--dtype", "bfloat16"]
        argv += ["--headless"] if (rank > 0 if headless is None else headless) else ["--host", "0.0.0.0", "--port", str(API_PORT)]
        container = self.client.containers.create(
            str(self.image.id),
            [*argv, *words],
            name=NAMES[rank],
            environment={**ENVIRONMENT, "VLLM_HOST_IP": ADDRESSES[rank], **environ},
            labels={LABEL: ""},
            shm_size="1g",  # each rank has its own: ranks that share /dev/shm take each other for neighbours on one node
            volumes={str(self.model): {"bind": "/model", "mode": "ro"}},
            **self._place(rank),
        )
        self.ranks[rank] = container
        container.start()

    def log(self, rank: int) -> str:
        return self.ranks[rank].logs().decode(errors="replace")

    def ended(self, rank: int) -> Optional[int]:
        """The exit status, or None while it runs."""
        container = self.ranks[rank]
        container.reload()
        return int(container.attrs["State"]["ExitCode"]) if container.status == "exited" else None

    def ends(self, rank: int) -> int:
        deadline = time.monotonic() + SECONDS
        while (status := self.ended(rank)) is None:
            assert time.monotonic() < deadline, f"rank {rank} still runs:\n{self.log(rank)[-3000:]}"
            time.sleep(0.5)
        return status

    def wait_for_line(self, rank: int, pattern: str) -> None:
        """Until a line matches the regular expression."""
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.log(rank), re.MULTILINE):
            running = self.ended(rank) is None
            if not running and re.search(pattern, self.log(rank), re.MULTILINE):
                return
            assert running and time.monotonic() < deadline, f"rank {rank} never said {pattern!r}:\n{self.log(rank)[-3000:]}"
            time.sleep(0.5)

    def snapshot(self) -> Path:
        """The model's folder."""
        return self.model

    def kill_rank(self, rank: int) -> None:
        """All of its processes at once."""
        self.ranks[rank].kill()

    def ask(self, path: str, body: Any = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(ADDRESSES[0], API_PORT, timeout=SECONDS)
        text = json.dumps({"model": "tiny", **body}) if body else None
        connection.request("POST" if body else "GET", path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
