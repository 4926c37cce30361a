# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated nodes are made of: the changed module, the unpacked kernel, and how QEMU is asked for a node."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path

import pytest

from simulation.rdma import image, kernel, lab

CAPABILITIES = struct.pack("<I", 0x803005)
MODULE = b"\x7fELF code " + CAPABILITIES + b" more code"
ELF = b"\x7fELF the kernel"


def signed(module: bytes) -> bytes:
    """As the kernel's build leaves a module: a signature, its description with its length last, and the words."""
    signature = b"signature!"
    return module + signature + b"\0" * 8 + struct.pack(">I", len(signature)) + kernel.SIGNED


def image_with(payload: bytes) -> bytes:
    """A bzImage of two sectors of setup code."""
    header = bytearray(3 * 512)
    header[0x1F1] = 2
    struct.pack_into("<II", header, 0x248, 16, len(payload))
    return bytes(header) + b"\0" * 16 + payload + b"relocations"


@pytest.mark.parametrize("pack", [lambda data: data, lzma.compress], ids=["plain", "xz"])
@pytest.mark.parametrize("sign", [lambda data: data, signed], ids=["unsigned", "signed"])
def test_the_module_announces_both_versions_and_loses_its_signature(pack, sign) -> None:  # type: ignore[no-untyped-def]
    changed = kernel.with_two_gids_an_address(pack(sign(MODULE)))
    assert changed == MODULE.replace(CAPABILITIES, struct.pack("<I", 0xA03005)) and len(changed) == len(MODULE)


@pytest.mark.parametrize("module", [b"\x7fELF", MODULE + MODULE])
def test_another_kernel_s_module_is_refused(module: bytes) -> None:
    with pytest.raises(kernel.KernelError, match="wanted once"):
        kernel.with_two_gids_an_address(module)


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress], ids=["xz", "gzip"])
def test_the_kernel_comes_out_of_its_image(pack) -> None:  # type: ignore[no-untyped-def]
    assert kernel.uncompressed(image_with(pack(ELF))) == ELF


def test_an_image_without_a_kernel_is_refused() -> None:
    with pytest.raises(kernel.KernelError, match="no ELF kernel"):
        kernel.uncompressed(image_with(gzip.compress(b"something else")))


def test_each_interface_is_on_its_cable_and_has_a_mac_of_its_own() -> None:
    found: dict[str, int] = {}
    for node in lab.NODES:
        words = lab.words(node, Path("/images"))
        devices = [word for word in words if word.startswith("virtio-net-pci")]
        assert [device.split("id=")[1].split(",")[0] for device in devices] == list(image.NETWORK_CARD)
        # Two functions each of two devices, as a Spark's card is seen.
        assert [device.split("bus=")[1].split(",romfile")[0] for device in devices][1:] == [
            "card,addr=0x0.0",
            "card,addr=0x0.1",
            "second,addr=0x0.0",
            "second,addr=0x0.1",
        ]
        found |= {device.split("mac=")[1].split(",")[0]: node for device in devices}
        assert "tcg,thread=multi" in words
    assert len(found) == len(lab.NODES) * len(image.NETWORK_CARD)
    assert [lab.bridge(number) for number in range(len(image.NETWORK_CARD))] == ["lan", "cable0", "cable1", "cable0", "cable1"]
