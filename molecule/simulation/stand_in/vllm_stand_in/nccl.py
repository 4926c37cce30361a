# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPU side of a process group: NCCL's start as its log shows it, with its real choices and its real ways to fail."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Optional

from . import log, rdma
from .nccl_choice import Gid, Port, choose_gid, choose_hcas, debug_levels, network_of
from .nccl_library import Library, all_of_this_rank
from .network import Fatal, interfaces, nccl_interface
from .store import Client

CHANNELS_PER_HCA = 2
REGISTERED_BYTES = 64 << 20  # more than the 8 MiB that a container may lock by default
CUDA_DRIVER = "cudaDriverVersion 13000"
DRIVER_FIRST = (2, 30)  # from here on NCCL speaks of the driver before the bootstrap, and names the rank
LAST_WORDS_SECONDS = 0.5  # rank 0 keeps the store until the others have heard of the failure
ERROR = "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp, %s, NCCL version %s"


class Communicator:
    """One rank's start.  Its environment is fixed when it is made."""

    def __init__(self, store: Client, rank: int, world_size: int, environ: Mapping[str, str]) -> None:
        self.store, self.rank, self.world_size, self.environ = store, rank, world_size, environ
        self.levels = debug_levels(environ, rank)
        self.libraries = all_of_this_rank() or [Library("2.28.9", "13.0")]
        pid = log.pid_of(log.WORKER)
        self.prefix = f"{socket.gethostname()}:{pid}:{pid} [0] NCCL "
        self.servers: list[socket.socket] = []

    def info(self, text: str) -> None:
        """At NCCL_DEBUG=INFO."""
        if self.levels["info"]:
            log.raw(self.prefix + "INFO " + text)

    def warn(self, text: str, where: str = "") -> None:
        """At NCCL_DEBUG=WARN and above, with the time in front."""
        if self.levels["warn"]:
            stamp = time.strftime("[%Y-%m-%d %H:%M:%S] ")
            log.raw("\n" + stamp + self.prefix.replace(" NCCL ", f" {(where + ' ' if where else '')}NCCL ") + "WARN " + text)

    def start(self) -> None:
        """Until `Init COMPLETE` and connected channels; Fatal or a silent hang where NCCL fails or hangs."""
        self.info("ENV/Plugin: Could not find: libnccl-env.so")
        oob = self._bootstrap_interface()
        for library in self.libraries:
            if self.levels["banner"]:
                log.raw(library.banner)
            self.info(library.banner)
        self._compare_versions()
        hcas = self._open_network(oob)
        chosen = [self._choose(port) for port in hcas]
        self._init_line("START")
        if chosen:
            for number, port in enumerate(hcas):
                self.info(f"NET/IB : GPU Direct RDMA Disabled for HCA {number} '{port.device}'")
            self._register_memory()
            self._connect(hcas, chosen)
        else:
            self.store.gather("nccl/connected", self.rank, self.world_size, True)
        self._init_line("COMPLETE")
        self._channel_lines(len(chosen))

    def _fail(self, text: str) -> Fatal:
        return Fatal(ERROR % (text, self.libraries[0].version))

    def _bootstrap_interface(self) -> str:
        wanted = self.environ.get("NCCL_SOCKET_IFNAME")
        if wanted:
            self.info(f"NCCL_SOCKET_IFNAME set to {wanted}")
        driver_first = version_of(self.libraries[0]) >= DRIVER_FIRST
        if driver_first:
            self.info(CUDA_DRIVER)
        found = nccl_interface(wanted, interfaces())
        if found is None:
            self.warn("Bootstrap : no socket interface found", "bootstrap.cc:111")
            raise self._fail("internal error - please report this issue to the NCCL developers")
        self.info(f"Bootstrap: Using {found.name}:{found.address}<0>")
        if not driver_first:
            self.info(CUDA_DRIVER)
        return f"{found.name}:{found.address}<0>"

    def _compare_versions(self) -> None:
        versions = [library.version for library in self.libraries]
        everywhere = self.store.gather("nccl/version", self.rank, self.world_size, versions)
        if any(other != versions for other in everywhere):
            if self.rank == 0:
                where = f"nranks {self.world_size} vs {self.world_size}, nroots 1 vs 1, iroot 0 vs 0, offset -1952907262 vs 0"
                self.warn("Bootstrap Root : mismatch in info from procs, " + where, "bootstrap.cc:335")
            while True:  # neither side ever hears from the other again
                time.sleep(3600)

    def _open_network(self, oob: str) -> list[Port]:
        """The HCAs; none where NCCL falls back to sockets, of which it says nothing louder than INFO."""
        self.info("NET/Plugin: Could not find: libnccl-net.so")
        network, hcas = network_of(self.environ), []
        if network in ("", "ib") and self.environ.get("NCCL_IB_DISABLE") != "1":
            if self.environ.get("NCCL_IB_HCA"):
                self.info("NCCL_IB_HCA set to {}".format(self.environ["NCCL_IB_HCA"]))
            hcas = choose_hcas(self.environ.get("NCCL_IB_HCA"), rdma.active_ports(self.environ))
            if not hcas:
                self.info("NET/IB : No device found.")
            listed = "".join(f"[{number}]{port.device}:{port.port}/RoCE " for number, port in enumerate(hcas))
            self.info(f"NET/IB : Using {listed}[RO]; OOB {oob}")
            if not hcas:
                self.info("Failed to initialize NET plugin IB")
        if hcas:
            self.info("Initialized NET plugin IB")
        elif network == "ib":
            self.warn("Failed to initialize any NET plugin", "plugin/net.cc:310")
            raise self._fail("invalid usage (run with NCCL_DEBUG=WARN for details)")
        else:
            self.info("NET/Socket : Using [0]" + oob)
            self.info("Initialized NET plugin Socket")
        name = "IB" if hcas else "Socket"
        self.info(f"Assigned NET plugin {name} to comm")
        self.info("Using network " + name)
        return hcas

    def _choose(self, port: Port) -> Gid:
        index = choose_gid(port.gids, self.environ)
        gid = port.gids[index] if index < len(port.gids) else Gid(rdma.ZERO, None)
        of = f"gid {gid.address} ipv4 {gid.ipv4} netdev {gid.netdev}"
        log.raw(f"stand-in: rank {self.rank} device {port.device} gid_index {index} {of}")
        return gid

    def _connect(self, hcas: list[Port], chosen: list[Gid]) -> None:
        """The n-th HCA of a rank talks to the n-th of the other; it works if both GIDs are RoCE v2 of an IPv4 and the wire is there."""
        mine: list[dict[str, Any]] = []
        for gid in chosen:
            server = rdma.listen_on(gid) if gid.version == 2 else None
            if server:
                self.servers.append(server)
                threading.Thread(target=_accept_for_ever, args=(server,), daemon=True).start()
            mine.append({"gid": str(gid.address), "at": server.getsockname() if server else None})
        everywhere = self.store.gather("nccl/hcas", self.rank, self.world_size, mine)
        problem = None
        for peer, theirs in enumerate(everywhere):
            if peer != self.rank and problem is None:
                problem = self._try_peer(hcas, chosen, theirs)
        if problem:
            self.warn(problem, "misc/ibvwrap.cc:262")
        works = self.store.gather("nccl/connected", self.rank, self.world_size, problem is None)
        if not all(works):
            time.sleep(LAST_WORDS_SECONDS)
            reason = "unhandled system error (run with NCCL_DEBUG=INFO for details)"
            raise self._fail(reason if problem else "remote process exited or there was a network error")

    def _register_memory(self) -> None:
        """The card reads buffers that the kernel must not move: each rank locks its own, or the communicator fails on all of them."""
        locked = rdma.can_lock(REGISTERED_BYTES)
        if not locked:
            self.warn("Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory", "misc/ibvwrap.cc:195")
        if not all(self.store.gather("nccl/registered", self.rank, self.world_size, locked)):
            time.sleep(LAST_WORDS_SECONDS)
            reason = "unhandled system error (run with NCCL_DEBUG=INFO for details)"
            raise self._fail(reason if not locked else "remote process exited or there was a network error")

    def _try_peer(self, hcas: list[Port], chosen: list[Gid], theirs: list[dict[str, Any]]) -> Optional[str]:
        for port, gid, their in zip(hcas, chosen, theirs):
            index = choose_gid(port.gids, self.environ)
            where = ", on dev %s:%d, curr state INIT, next state RTR, local GID index %d, local GID %s, remote GID %s"
            where = where % (port.device, port.port, index, gid.address, their["gid"])
            if gid.empty:
                return "Call to ibv_modify_qp failed with 61 No data available" + where
            if their["gid"] == "::":
                return "Call to ibv_modify_qp failed with 22 Invalid argument" + where
            if gid.ipv4 is None or gid.version != 2 or their["at"] is None or not rdma.reaches(gid, *their["at"]):
                return "Call to ibv_modify_qp failed with 110 Connection timed out" + where
        return None

    def _init_line(self, state: str) -> None:
        ranked = f"[Rank {self.rank}] " if state == "START" and version_of(self.libraries[0]) >= DRIVER_FIRST else ""
        comm = f"comm 0xc1abd6f01570 rank {self.rank} nranks {self.world_size} cudaDev 0 nvmlDev 0 busId f01000 commId 0xe6b90f987a9283f2"
        self.info(f"{ranked}ncclCommInitRankConfig {comm} - Init {state}")

    def _channel_lines(self, hcas: int) -> None:
        network = "IB" if hcas else "Socket"
        after = (self.rank + 1) % self.world_size
        before = (self.rank - 1) % self.world_size
        via = {number: f"via NET/{network}/{number % max(hcas, 1)}" for number in range(CHANNELS_PER_HCA * max(hcas, 1))}
        for number, route in via.items():
            self.info(f"Channel {number:02d}/0 : {before}[0] -> {self.rank}[0] [receive] {route}")
        for number, route in via.items():
            self.info(f"Channel {number:02d}/0 : {self.rank}[0] -> {after}[0] [send] {route}")
        self.info("Connected all rings, use ring PXN 0 GDR 0")


def version_of(library: Library) -> tuple[int, ...]:
    """To be compared."""
    return tuple(int(part) for part in library.version.split("."))


def _accept_for_ever(server: socket.socket) -> None:
    while True:
        accepted, _ = server.accept()
        accepted.close()


def start(store: Client, rank: int, world_size: int) -> list[Library]:
    """What torch and pynccl do at the first collective; the libraries that run from then on."""
    communicator = Communicator(store, rank, world_size, os.environ)
    communicator.start()
    return communicator.libraries
