# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Reading attributes of a sysfs tree, where a missing or unreadable attribute is an answer and not an accident."""

from __future__ import annotations

import errno
import os
import re
import typing as t

# Attributes that a driver does not have, an unused GID entry (EINVAL), a link that is down (EINVAL), a device that has just gone away.
_NO_VALUE = frozenset(
    getattr(errno, name)
    for name in ("ENOENT", "ENOTDIR", "EINVAL", "EOPNOTSUPP", "ENODEV", "ENXIO", "EIO", "ENODATA")
    if hasattr(errno, name)
)
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")

Reader = t.Callable[[str], str]


def read_file(path: str) -> str:
    """Return the content of one attribute; raise OSError as the kernel does."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


class Sysfs:
    """A sysfs tree at `root` (``/sys`` on a node). Paths are given in parts, relative to it."""

    def __init__(self, root: str, read: Reader = read_file) -> None:
        self._root = root
        self._read = read

    def _path(self, *parts: str) -> str:
        return os.path.join(self._root, *parts)

    def text(self, *parts: str) -> t.Optional[str]:
        """Return the attribute without surrounding space; None where it is absent, empty or has no value.

        Raise OSError where the attribute exists and may not be read: silence would look like an absent device.
        """
        try:
            return self._read(self._path(*parts)).strip() or None
        except OSError as error:
            if error.errno in _NO_VALUE:
                return None
            raise

    def number(self, *parts: str) -> t.Optional[int]:
        """Return the attribute as an integer (``8``, ``0x8``); None where it is absent or no number."""
        try:
            return int(self.text(*parts) or "", 0)
        except ValueError:
            return None

    def names(self, *parts: str) -> list[str]:
        """Return the sorted names in a directory; none where there is no such directory."""
        try:
            return sorted(os.listdir(self._path(*parts)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def is_directory(self, *parts: str) -> bool:
        """Tell whether there is such a directory, links followed."""
        return os.path.isdir(self._path(*parts))

    def pci_address(self, *parts: str) -> t.Optional[str]:
        """Return the address (``0000:01:00.0``) of the PCI function that a link leads to or beneath; None for virtual devices."""
        if not self.is_directory(*parts):
            return None
        for name in reversed(os.path.realpath(self._path(*parts)).split(os.sep)):
            if _PCI_ADDRESS.fullmatch(name):
                return name
        return None
