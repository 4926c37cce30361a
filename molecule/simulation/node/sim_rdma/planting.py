# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the simulated hardware where programs look for it in /sys."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .hardware import DMI, Function
from .mounts import NODEV, NOEXEC, NOSUID, READ_ONLY, bind, mount, replant, seal

SCRATCH = "/run/sim-sysfs/old"
WIFI = "wlP9s9"


def plant(functions: Sequence[Function], root: str) -> None:
    """`root` is where the FUSE tree is mounted.  Planting twice changes nothing."""
    _plant_classes()
    bind(root + "/infiniband", "/sys/class/infiniband")
    _plant_dmi()
    for function in functions:
        links = {name: f"{root}/net/{function.netdev}/{name}" for name in ("phys_port_name", "phys_switch_id", "speed")}
        _overlay_netdev(function.netdev, {**links, "device": f"{root}/pci/{function.pci_address}"})
    if os.path.isdir("/sys/devices/virtual/net/" + WIFI):
        # By this directory programs know a wireless interface; there is no radio to point at.
        _overlay_netdev(WIFI, {}, directories=["wireless"])
    for directory in ("/sys/class", "/sys/devices/virtual"):
        seal(directory)


def _plant_classes() -> None:
    if not os.path.isdir("/sys/class/infiniband"):
        without_dmi = not os.path.isdir("/sys/class/dmi")
        replant("/sys/class", ["infiniband"] + ["dmi"] * without_dmi, SCRATCH)
        if without_dmi:
            os.symlink("../../devices/virtual/dmi/id", "/sys/class/dmi/id")
    if not os.path.isdir("/sys/devices/virtual/dmi/id"):
        replant("/sys/devices/virtual", ["dmi/id"], SCRATCH)


def _plant_dmi() -> None:
    identity = "/run/sim-sysfs/dmi"
    os.makedirs(identity, exist_ok=True)
    for name, text in DMI.items():
        with open(os.path.join(identity, name), "w") as file:
            file.write(text + "\n")
    bind(identity, "/sys/devices/virtual/dmi/id")


def _overlay_netdev(netdev: str, links: dict[str, str], directories: Sequence[str] = ()) -> None:
    real = "/sys/devices/virtual/net/" + netdev
    if not os.path.isdir(real) or os.path.exists(real + "/device") or os.path.exists(real + "/wireless"):
        return
    upper = "/run/sim-sysfs/net/" + netdev
    os.makedirs(upper, exist_ok=True)
    for name in directories:
        os.makedirs(os.path.join(upper, name), exist_ok=True)
    for name, target in links.items():
        if not os.path.islink(os.path.join(upper, name)):
            os.symlink(target, os.path.join(upper, name))
    mount("sim-sysfs", real, "overlay", READ_ONLY | NOSUID | NODEV | NOEXEC, f"lowerdir={upper}:{real}")
