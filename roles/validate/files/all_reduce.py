# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rank of an all-reduce by NCCL, in the image that will serve, which has PyTorch and seldom has nccl-tests.

    all_reduce.py RANK RANKS ADDRESS PORT BYTES SECONDS [DEVICE:PORT ...]

Rank 0 prints one line of JSON with `bytes`, `seconds` (of one all-reduce), `busbw_gbps` (GB/s as nccl-tests counts them) and `ranks`; every
rank one with `carried`, the bytes that each of its RDMA devices sent meanwhile. After SECONDS the process is killed, whatever it waits for.
"""

from __future__ import annotations

import datetime
import json
import signal
import sys
import time

WARM, MEASURED = 5, 20


def sent(device: str) -> int | None:
    """Bytes that a port has sent; its counter is in units of four."""
    name, port = device.split(":")
    try:
        with open(f"/sys/class/infiniband/{name}/ports/{port}/counters/port_xmit_data", encoding="ascii") as file:
            return 4 * int(file.read())
    except (OSError, ValueError):
        return None


def main(rank: int, ranks: int, address: str, port: int, size: int, seconds: int, *devices: str) -> None:
    # The default action of the signal, for NCCL waits where no handler of Python would be run.
    signal.alarm(seconds)
    import torch
    import torch.distributed as ranks_of

    limit = datetime.timedelta(seconds=seconds)
    ranks_of.init_process_group("nccl", init_method=f"tcp://{address}:{port}", rank=rank, world_size=ranks, timeout=limit)
    data = torch.ones(size // 4, dtype=torch.float32, device="cuda")
    ranks_of.all_reduce(data)
    found = float(data.max()), float(data.min())
    if found != (ranks, ranks):
        raise SystemExit(f"all-reduce of ones between {ranks} ranks: found {found}, wanted {ranks} everywhere")
    data.zero_()
    for _warm in range(WARM):
        ranks_of.all_reduce(data)
    torch.cuda.synchronize()
    before, begun = [sent(device) for device in devices], time.monotonic()
    for _measured in range(MEASURED):
        ranks_of.all_reduce(data)
    torch.cuda.synchronize()
    each = (time.monotonic() - begun) / MEASURED
    carried = {device: sent(device) - past for device, past in zip(devices, before) if past is not None}
    print(json.dumps({"carried": carried, "moved": MEASURED * size}), flush=True)
    if rank == 0:
        busbw = size / each / 1e9 * 2 * (ranks - 1) / ranks
        print(json.dumps({"bytes": size, "seconds": each, "busbw_gbps": busbw, "ranks": ranks}), flush=True)
    ranks_of.destroy_process_group()


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]), int(words[1]), words[2], int(words[3]), int(words[4]), int(words[5]), *words[6:])
