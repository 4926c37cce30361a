# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two changes to what Debian's kernel package brings: it is unpacked, and its soft-RoCE keeps a GID table as mlx5 does."""

from __future__ import annotations

import lzma
import struct
import subprocess
import zlib

XZ, GZIP, ZSTD, ELF = b"\xfd7zXZ\x00", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x7fELF"
SIGNED = b"~Module signature appended~\n"
# rdma_core's capabilities of a port: RDMA_CORE_PORT_IBA_ROCE_UDP_ENCAP, and the same with RDMA_CORE_CAP_PROT_ROCE.
V2_ONLY, V1_AND_V2 = struct.pack("<I", 0x803005), struct.pack("<I", 0xA03005)


class KernelError(Exception):
    """The file is not what was expected."""


def uncompressed(image: bytes) -> bytes:
    """The ELF kernel in a bzImage, which QEMU starts as it is: a machine that is emulated would take a minute to unpack it."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<I", image, 0x248)[0], struct.unpack_from("<I", image, 0x24C)[0]
    start = (setup_sectors + 1) * 512 + offset
    kernel = unpacked(image[start : start + length])
    if not kernel.startswith(ELF):
        raise KernelError(f"no ELF kernel in the image, but {kernel[:4]!r}")
    return kernel


def unpacked(data: bytes) -> bytes:
    """Whatever Debian packs kernels and modules with."""
    if data.startswith(XZ):
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)
    if data.startswith(GZIP):
        return zlib.decompressobj(31).decompress(data)
    if data.startswith(ZSTD):
        return subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def with_two_gids_an_address(module: bytes) -> bytes:
    """rdma_rxe that announces RoCE v1 beside v2, so that the kernel keeps two entries for every address, v1 first, as for mlx5.

    Only entries of v2 carry traffic. The signature, no longer true, is cut off: a kernel takes a module without one, and no wrong one.
    """
    module = unpacked(module)
    if module.endswith(SIGNED):
        length = struct.unpack(">I", module[-len(SIGNED) - 4 : -len(SIGNED)])[0]
        module = module[: -len(SIGNED) - 12 - length]
    if module.count(V2_ONLY) != 1:
        raise KernelError(f"the capabilities of a port are {module.count(V2_ONLY)} times in the module, wanted once: another kernel")
    return module.replace(V2_ONLY, V1_AND_V2)
