# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which NCCL a shared library is, read from the file itself.

NCCL keeps the text `NCCL version 2.30.4+cuda13.2` in the library so that tools can find it (src/init.cc). Reading that text works for a
library of any architecture and runs none of its code; `ncclGetVersion` is asked as well where the machine can load the library.
"""

from __future__ import annotations

import mmap
import re
import struct
import typing as t

# (command words) -> (exit code, standard output, standard error), as AnsibleModule.run_command gives them.
Run = t.Callable[[list[str]], tuple[int, str, str]]

_VERSION_TEXT = re.compile(
    rb"NCCL version (\d{1,4}\.\d{1,4}\.\d{1,4})([0-9A-Za-z.~-]{0,20}?)"
    rb"(?:\+cuda([0-9]+(?:\.[0-9]+)*)| compiled with CUDA ([0-9]+(?:\.[0-9]+)*))"
)
_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
# The library is loaded by a process of its own: a bad one can crash or hang that process, and nothing else.
CALL_PROGRAM = (
    "import ctypes, signal, sys; signal.alarm(20); code = ctypes.c_int(0); "
    "status = ctypes.CDLL(sys.argv[1]).ncclGetVersion(ctypes.byref(code)); "
    "print('ncclGetVersion', status, code.value)"
)


class NcclError(ValueError):
    """The version of the library cannot be told; the text says what was found and what was wanted."""


class Nccl(t.NamedTuple):
    version: str  # "2.30.4"
    cuda: t.Optional[str]  # CUDA that the library was built with, "13.2"; None if only the call answered
    code: int  # what ncclGetVersion gives, 23004
    source: str  # "call" or "elf"
    architecture: str  # as `uname -m` calls it, or "machine N"
    call_error: t.Optional[str] = None  # why the library could not answer for itself on a machine of its architecture


def code_of(version: str) -> int:
    """The number that ncclGetVersion gives for a version; the rule changed with 2.9 (nccl.h, NCCL_VERSION)."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise NcclError(f"{version!r} is not a version of NCCL; wanted three numbers, such as 2.30.4")
    major, minor, patch = (int(number) for number in match.groups())
    return major * 1000 + minor * 100 + patch if (major, minor) <= (2, 8) else major * 10000 + minor * 100 + patch


def version_of(code: int) -> str:
    """The version behind the number that ncclGetVersion gives."""
    unit = 10000 if code >= 10000 else 1000
    return f"{code // unit}.{code % unit // 100}.{code % 100}"


def elf_architecture(path: str) -> str:
    """For which machine the ELF file is built, as `uname -m` calls it."""
    with open(path, "rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise NcclError(f"{path} is not a shared library: it begins with {header[:4]!r}, wanted an ELF file")
    (machine,) = struct.unpack_from(">H" if header[5] == 2 else "<H", header, 18)
    return _MACHINES.get(machine, f"machine {machine}")


def read_elf(path: str) -> Nccl:
    """Read the version from the file without running any of it. The file is mapped, not read into memory.

    Raises NcclError if the file is no ELF file or holds no version or more than one; OSError if it cannot be opened.
    """
    architecture = elf_architecture(path)
    found: dict[str, t.Optional[str]] = {}
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _VERSION_TEXT.finditer(content):
            version = (match.group(1) + match.group(2)).decode()
            cuda = match.group(3) or match.group(4)
            found[version] = cuda.decode()
    if not found:
        raise NcclError(f"{path} does not say which NCCL it is: wanted the text 'NCCL version X.Y.Z+cudaA.B' in it; is it libnccl.so.2?")
    if len(found) > 1:
        raise NcclError(f"{path} names more than one NCCL: {', '.join(sorted(found))}; wanted one version")
    version, cuda_version = next(iter(found.items()))
    return Nccl(version, cuda_version, code_of(version), "elf", architecture)


def call(path: str, run: Run, python: str) -> int:
    """Let a child process load the library and ask ncclGetVersion; the number that it gives, such as 23004."""
    status, output, errors = run([python, "-c", CALL_PROGRAM, path])
    answer = re.search(r"^ncclGetVersion (-?\d+) (\d+)$", output, re.MULTILINE)
    if status != 0 or answer is None:
        words = errors.strip().splitlines() or ["no output"]
        raise NcclError(f"{path} could not be loaded (exit code {status}): {words[-1]}")
    if answer.group(1) != "0" or answer.group(2) == "0":
        raise NcclError(f"ncclGetVersion of {path} gave status {answer.group(1)} and version {answer.group(2)}, wanted status 0")
    return int(answer.group(2))


def examine(path: str, run: Run, python: str, machine: str) -> Nccl:
    """Read the version from the file and, where this machine can load the library, from the library's own answer.

    `machine` is what `uname -m` says here. Raises NcclError if neither way gives a version, or if both do and they differ.
    """
    unread: t.Optional[NcclError] = None
    text: t.Optional[Nccl] = None
    architecture = elf_architecture(path)
    try:
        text = read_elf(path)
    except NcclError as error:
        unread = error
    if architecture != machine:
        if unread is not None:
            raise unread
        return t.cast(Nccl, text)
    try:
        code = call(path, run, python)
    except NcclError as error:
        if text is None:
            raise NcclError(f"{unread}; {error}") from error
        return text._replace(call_error=str(error))
    if text is None:
        return Nccl(version_of(code), None, code, "call", architecture)
    if text.code != code:
        raise NcclError(
            f"{path} says two things: the text in the file is NCCL {text.version} ({text.code}), "
            f"ncclGetVersion gives {version_of(code)} ({code}); the file is not an NCCL as NVIDIA built it, replace it"
        )
    return text._replace(source="call")
