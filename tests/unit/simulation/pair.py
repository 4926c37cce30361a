# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ranks of the stand-in as processes on the loop-back interface, with RDMA devices made of files."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from simulation import tiny_model
from simulation.access import HERE

SECONDS = 60  # a busy machine is no failure
SILENT_SECONDS = 1
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, CAP_IPC_LOCK = 24, 47, 4, 14


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rdma_tree(root: Path, address: str) -> None:
    """One active device whose RoCE v2 GID of `address` is at index 3."""
    port = root / "class/infiniband/rocep1s0f0/ports/1"
    mapped = "0000:0000:0000:0000:0000:ffff:{:02x}{:02x}:{:02x}{:02x}".format(*map(int, address.split(".")))
    entries = [("fe80:" + "0000:" * 6 + "0001", kind) for kind in ("IB/RoCE v1", "RoCE v2")]
    entries += [(mapped, kind) for kind in ("IB/RoCE v1", "RoCE v2")]
    for name in ("gids", "gid_attrs/types", "gid_attrs/ndevs"):
        (port / name).mkdir(parents=True)
    for index, (gid, kind) in enumerate(entries):
        (port / "gids" / str(index)).write_text(gid + "\n")
        (port / "gid_attrs/types" / str(index)).write_text(kind + "\n")
        (port / "gid_attrs/ndevs" / str(index)).write_text("lo\n")
    (port / "gids/4").write_text(":".join(["0000"] * 8) + "\n")
    (port / "state").write_text("4: ACTIVE\n")
    os.symlink("../../devices/0000:01:00.0", root / "class/infiniband/rocep1s0f0/device")
    (root / "uverbs0").touch()


def rdma_environment(root: Path, address: str) -> dict[str, str]:
    """The variables that show the tree to the stand-in; a second start finds the tree of the first."""
    if not root.exists():
        rdma_tree(root, address)
    return {"STAND_IN_SYSFS": str(root), "STAND_IN_DEV": str(root)}


def forbid_locking() -> None:
    """As in a container without IPC_LOCK whose daemon has the usual 8 MiB for memlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    for number in (PR_CAPBSET_DROP, PR_CAP_AMBIENT):
        if libc.prctl(number, CAP_IPC_LOCK if number == PR_CAPBSET_DROP else PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))


class Pair:
    """The two processes, their logs and the API's port."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path, self.api, self.master = tmp_path, free_port(), free_port()
        tiny_model.write(tmp_path / "hf")
        self.ranks: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, rank: int, *words: str, **environ: str) -> None:
        """Start a rank with these further words and variables."""
        self.launch(rank, words, environ)

    def launch(
        self,
        rank: int,
        words: Sequence[str],
        environ: Mapping[str, str],
        may_lock: bool = True,
        headless: Optional[bool] = None,
        before: Sequence[str] = (),
    ) -> None:
        """The same; `may_lock` is what --cap-add IPC_LOCK decides, `headless` what a rank above 0 is unless told otherwise.

        `before` stands before the model.
        """
        argv = ["serve", *before, tiny_model.REPOSITORY, "--tensor-parallel-size", "2", "--nnodes", "2", "--node-rank", str(rank)]
        argv += ["--master-addr", "127.0.0.1", "--master-port", str(self.master), "--served-model-name", "tiny"]
        own_port = str(free_port() if rank else self.api)
        argv += ["--headless"] if (rank > 0 if headless is None else headless) else ["--host", "127.0.0.1", "--port", own_port]
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(HERE.parent),
            "HOME": str(self.tmp_path / f"home{rank}"),
            "TMPDIR": str(self.tmp_path / f"tmp{rank}"),
            "HF_HOME": str(self.tmp_path / "hf"),
            "HF_HUB_OFFLINE": "1",
            "VLLM_HOST_IP": "127.0.0.1",
            "GLOO_SOCKET_IFNAME": "lo",
            "NCCL_SOCKET_IFNAME": "=lo",
            "NCCL_DEBUG": "INFO",
            "STAND_IN_TIME_SCALE": "0",
            **rdma_environment(self.tmp_path / f"sys{rank}", f"127.0.1.{rank + 1}"),
            **environ,
        }
        with self.log_path(rank).open("wb") as log:
            command = [sys.executable, "-m", "simulation.stand_in.vllm_stand_in", *argv, *words]
            self.ranks[rank] = subprocess.Popen(
                command, env=variables, stdout=log, stderr=log, preexec_fn=None if may_lock else forbid_locking
            )

    def log_path(self, rank: int) -> Path:
        return self.tmp_path / f"rank{rank}.log"

    def log(self, rank: int) -> str:
        return self.log_path(rank).read_text()

    def wait_for(self, rank: int, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.log(rank):
            assert time.monotonic() < deadline, f"rank {rank} never said {text!r}:\n{self.log(rank)}"
            time.sleep(0.05)

    def wait_for_line(self, rank: int, pattern: str) -> None:
        """Until a line matches the regular expression."""
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.log(rank), re.MULTILINE):
            assert time.monotonic() < deadline, f"rank {rank} never said {pattern!r}:\n{self.log(rank)}"
            time.sleep(0.05)

    def kill(self) -> None:
        """End both ranks at once; another start finds the files that they left."""
        for process in self.ranks.values():
            process.kill()
            process.wait()

    def ends(self, rank: int) -> int:
        return self.ranks[rank].wait(SECONDS)

    def hangs(self, *ranks: int) -> bool:
        """Whether these are all still there after a while: that nothing happens can only be seen by letting time pass."""
        deadline = time.monotonic() + SILENT_SECONDS
        for rank in ranks:
            try:
                self.ranks[rank].wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                continue
            return False
        return True

    def ask(self, path: str, body: Any = None, key: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=SECONDS)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
