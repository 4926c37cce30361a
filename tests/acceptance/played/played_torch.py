"""Plays PyTorch with NCCL where there is no GPU, as the module `torch`: the ranks really meet over TCP, the bandwidth is given.

NCCL_PLAYED_BUSBW: GB/s (23.5 if not given), `socket` for sockets in place of RDMA, `hang` for an all-reduce without end.  The clock goes as
fast as the bandwidth says, for a busy machine's would say something of that machine.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import types
from typing import Any

PLAYED = os.environ.get("NCCL_PLAYED_BUSBW", "23.5")
BUSBW = 23.5 if PLAYED in ("socket", "hang") else float(PLAYED)
float32 = "float32"
_now = 0.0
_ranks: list[socket.socket] = []
_world = 1
time.monotonic = lambda: _now


class ones:
    """As many of them as are wanted, all equal."""

    def __init__(self, count: int, dtype: str, device: str) -> None:
        assert (dtype, device) == (float32, "cuda")
        self.bytes, self.value = 4 * count, 1.0

    def max(self) -> float:
        return self.value

    def min(self) -> float:
        return self.value

    def zero_(self) -> None:
        self.value = 0.0


def _say(text: str) -> None:
    print(f"{socket.gethostname()}:1:1 [0] NCCL INFO {text}", flush=True)


def _init(backend: str, init_method: str, rank: int, world_size: int, timeout: Any) -> None:
    global _world
    assert backend == "nccl"
    _world = world_size
    address, port = init_method.removeprefix("tcp://").split(":")
    if rank == 0:
        with socket.create_server(("", int(port))) as server:
            _ranks.extend(server.accept()[0] for _other in range(world_size - 1))
    while not _ranks:
        try:
            _ranks.append(socket.create_connection((address, int(port))))
        except ConnectionRefusedError:
            time.sleep(0.1)
    devices = os.environ["NCCL_IB_HCA"].lstrip("=").split(",")
    _say("NCCL version 2.30.4+cuda13.0")
    if PLAYED == "socket":
        _say("NET/IB : No device found.")
        _say("Using network Socket")
    else:
        using = " ".join(f"[{number}]{device}/RoCE" for number, device in enumerate(devices))
        _say(f"NET/IB : Using {using} [RO]; OOB {os.environ['NCCL_SOCKET_IFNAME'].lstrip('=')}:{address}<0>")
        _say("Using network IB")


def _all_reduce(data: ones) -> None:
    global _now
    if PLAYED == "hang":
        time.sleep(3600)
    for other in _ranks:
        other.sendall(b"x")
    for other in _ranks:
        assert other.recv(1) == b"x"
    data.value *= _world
    _now += data.bytes / BUSBW / 1e9 * 2 * (_world - 1) / _world


cuda = types.SimpleNamespace(device_count=lambda: 1, synchronize=lambda: None)
distributed: Any = types.ModuleType("torch.distributed")
distributed.is_nccl_available = lambda: True
distributed.init_process_group, distributed.all_reduce, distributed.destroy_process_group = _init, _all_reduce, lambda: None
sys.modules["torch.distributed"] = distributed
