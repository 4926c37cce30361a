# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of the write-ups that the collection implements: `docker run` by hand, with flags and variables of the first one's compose file.

It runs beside the cluster that the collection has deployed, on other ports.  As given here it works: each trap changes one thing back to
what its write-up says.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from simulation.images import STAND_IN_NAME
from tests.acceptance.harness import wait_for

MODEL = "deepseek-ai/DeepSeek-V4-Flash"
API, MASTER = 8001, 25001
RAILS = {"spark1": "192.168.100.11", "spark2": "192.168.100.12"}
HOSTS = ("spark1", "spark2")  # by rank
ENVIRONMENT = {
    "HF_HOME": "/cache/huggingface",
    "HF_HUB_OFFLINE": "1",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    "VLLM_USE_B12X_MOE": "1",
    "VLLM_SPARSE_INDEXER_MAX_LOGITS_MB": "256",
    "NCCL_NET": "IB",
    "NCCL_IB_DISABLE": "0",
    "NCCL_IB_HCA": "rocep1s0f0,roceP2p1s0f0",
    "NCCL_SOCKET_IFNAME": "enp1s0f0np0",
    "NCCL_CUMEM_ENABLE": "0",
    "NCCL_IGNORE_CPU_AFFINITY": "1",
    "NCCL_DEBUG": "INFO",  # the file says WARN, which hides the lines that are looked for
    # The file lacks these two: see traps 1 and 2.
    "GLOO_SOCKET_IFNAME": "enp1s0f0np0",
    "VLLM_HOST_IP": "",  # the node's own, filled in below
}
OPTIONS = (
    *("--network", "host", "--ipc", "host", "--shm-size", "64gb", "--ulimit", "stack=67108864", "--gpus", "all"),
    *("--device", "/dev/infiniband", "--volume", "/home/nvidia/.cache/huggingface:/cache/huggingface"),
)
# The third write-up adds the capability; the simulated nodes can't raise memlock, so that it alone is what lets memory be locked there.
LOCKING = ("--ulimit", "memlock=-1", "--cap-add", "IPC_LOCK")
ARGUMENTS = (
    *("--served-model-name", "deepseek-v4-flash", "--trust-remote-code", "--tensor-parallel-size", "2", "--kv-cache-dtype", "fp8"),
    *("--block-size", "256", "--max-model-len", "1000000", "--max-num-seqs", "6", "--gpu-memory-utilization", "0.82"),
    *("--enable-prefix-caching", "--tokenizer-mode", "deepseek_v4", "--distributed-executor-backend", "mp"),
    *("--reasoning-parser", "deepseek_v4", "--default-chat-template-kwargs", '{"thinking": true, "reasoning_effort": "high"}'),
    *("--speculative-config", '{"method": "mtp", "num_speculative_tokens": 2}', "--nnodes", "2", "--master-port", str(MASTER)),
)

Run = Callable[[str, str], str]  # (host, command) -> its output; raises where the command fails


class ByHand:
    """Two ranks started by hand.  `run` reaches the nodes."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def start(
        self,
        rank: int,
        environment: Optional[Mapping[str, Optional[str]]] = None,
        options: Sequence[str] = LOCKING,
        arguments: Sequence[str] = (),
        image: str = STAND_IN_NAME,
        entrypoint: Sequence[str] = ("/usr/local/bin/dsv4-vllm-entrypoint", "serve", MODEL),
        headless: Optional[bool] = None,
    ) -> None:
        """`docker run --detach` of a rank; a variable whose value is None is left to the image."""
        host = HOSTS[rank]
        variables = {**ENVIRONMENT, "VLLM_HOST_IP": RAILS[host], **(environment or {})}
        words = ["docker", "run", "--detach", "--name", "by-hand", *OPTIONS, *options]
        for name, value in variables.items():
            words += [] if value is None else ["--env", f"{name}={value}"]
        words += [image, *entrypoint, *ARGUMENTS, "--master-addr", RAILS["spark1"], "--node-rank", str(rank)]
        words += ["--headless"] if (rank > 0 if headless is None else headless) else ["--host", "127.0.0.1", "--port", str(API)]
        self.run(host, shlex.join([*words, *arguments]))

    def start_both(self, **how: Any) -> None:
        """Worker first, as the write-up says."""
        for rank in (1, 0):
            self.start(rank, **how)

    def log(self, rank: int) -> str:
        """All that the rank has printed."""
        return self.run(HOSTS[rank], "docker logs by-hand 2>&1")

    def says(self, rank: int, pattern: str, seconds: float = 60) -> str:
        """Wait for a line; the whole log then."""

        def log_with_it() -> str:
            log = self.log(rank)
            return log if re.search(pattern, log) else ""

        return str(wait_for(f"rank {rank} to say {pattern!r}", log_with_it, seconds))

    def serves(self) -> str:
        """Wait until it has come up; the head's log."""
        return self.says(0, "Application startup complete")

    def ends(self, rank: int, seconds: float = 60) -> int:
        """Wait until the rank has ended; its exit status."""
        state = "docker inspect --format '{{.State.Status}} {{.State.ExitCode}}' by-hand"
        found = wait_for(f"rank {rank} to end", lambda: (text := self.run(HOSTS[rank], state)).startswith("exited") and text, seconds)
        return int(str(found).split()[1])

    def runs(self, rank: int) -> bool:
        """Whether its container still does."""
        return self.run(HOSTS[rank], "docker inspect --format '{{.State.Running}}' by-hand").strip() == "true"

    def ask(self, body: Mapping[str, Any], path: str = "/v1/chat/completions") -> tuple[int, str]:
        """A question to the head: status and body of the answer."""
        words = ["curl", "-s", "-m", "60", "-w", "\n%{http_code}", f"http://127.0.0.1:{API}{path}", "-H", "Content-Type: application/json"]
        text, status = self.run("spark1", shlex.join([*words, "-d", json.dumps(body)])).rsplit("\n", 1)
        return int(status), text

    def remove(self) -> None:
        """Both containers."""
        for host in HOSTS:
            self.run(host, "docker ps --all --quiet --filter name=^by-hand$ | xargs --no-run-if-empty docker rm --force --volumes")
