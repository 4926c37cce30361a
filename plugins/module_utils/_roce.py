# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""What one node's kernel says about its RDMA ports and its other network interfaces."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from . import _gid
from ._sysfs import Reader, Sysfs, read_file

_RDMA = ("class", "infiniband")
_NET = ("class", "net")
_ZERO_GID = re.compile(r"[0:]+")
_GID_TYPES = {"IB/RoCE v1": "v1", "RoCE v1": "v1", "RoCE v2": "v2"}

Record = dict[str, t.Any]


def observe(
    sysfs_root: str,
    addresses: t.Sequence[t.Mapping[str, t.Any]],
    routes: t.Sequence[t.Mapping[str, t.Any]],
    read: Reader = read_file,
    lldp: t.Optional[t.Mapping[str, t.Any]] = None,
) -> Record:
    """Return `devices` (RDMA ports by PCI address and port), `interfaces` (all others by name) and `ibdev2netdev`.

    `addresses` and `routes` are the parsed output of ``ip -json address show`` and ``ip -json route show``; `read` opens one file;
    `lldp` is what `_lldp.neighbours` returned.
    Numbers are numbers or None; absent attributes are None. Raise OSError where sysfs may not be read.
    """
    sysfs = Sysfs(sysfs_root, read)
    ipv4 = {entry["ifname"]: _ipv4(entry) for entry in addresses if entry.get("ifname")}
    ports = [_port(sysfs, device, port, ipv4) for device in sysfs.names(*_RDMA) for port in _numbers(sysfs, *_RDMA, device, "ports")]
    ports.sort(key=lambda port: (port["pci_address"] is None, port["pci_address"] or "", port["device"], port["port"]))
    for port in ports:
        port["lldp"] = (lldp or {}).get(port["netdev"])
    rails = {port["netdev"] for port in ports}
    names = [name for name in sysfs.names(*_NET) if name not in rails and sysfs.is_directory(*_NET, name)]
    return {
        "devices": ports,
        "interfaces": [_interface(sysfs, name, ipv4, routes) for name in names],
        "ibdev2netdev": ibdev2netdev(ports),
    }


def ibdev2netdev(ports: t.Iterable[Record]) -> list[str]:
    """Return the lines of the tool of that name, in the order of `ports`.

    The tool says Up where the netdev has a carrier. Its own order is that of `ls`: with the locale en_US.UTF-8 it is the order by PCI
    address that we use (``rocep1s0f0`` first), with the locale C ``roceP2p1s0f0`` comes first.
    """
    return [f"{p['device']} port {p['port']} ==> {p['netdev']} ({'Up' if p['carrier'] else 'Down'})" for p in ports if p["netdev"]]


def _numbers(sysfs: Sysfs, *parts: str) -> list[int]:
    return sorted(int(name) for name in sysfs.names(*parts) if name.isdecimal())


def _ipv4(entry: t.Mapping[str, t.Any]) -> list[Record]:
    """The IPv4 addresses of one interface, in the kernel's order."""
    found = []
    for address in entry.get("addr_info", []):
        if address.get("family") == "inet" and address.get("local"):
            interface = ipaddress.IPv4Interface((address["local"], address["prefixlen"]))
            found.append(
                {"address": str(interface.ip), "prefix_length": interface.network.prefixlen, "network": str(interface.network)},
            )
    return found


def _link(sysfs: Sysfs, name: str) -> Record:
    carrier = sysfs.number(*_NET, name, "carrier")  # can't be read while the interface is administratively down
    return {
        "mac": sysfs.text(*_NET, name, "address"),
        "mtu": sysfs.number(*_NET, name, "mtu"),
        "operstate": sysfs.text(*_NET, name, "operstate"),
        "carrier": None if carrier is None else carrier == 1,
    }


def _port(sysfs: Sysfs, device: str, port: int, ipv4: t.Mapping[str, list[Record]]) -> Record:
    parts = (*_RDMA, device, "ports", str(port))
    gids, gid_table_length = _gids(sysfs, *parts)
    link_layer = sysfs.text(*parts, "link_layer")
    netdev = _netdev(sysfs, device, port, gids)
    link = _link(sysfs, netdev) if netdev else dict.fromkeys(("mac", "mtu", "operstate", "carrier"))
    addresses = ipv4.get(netdev or "", [])
    # A device made of software has no PCI function; the one beneath its netdev then says where it belongs.
    pci_address = sysfs.pci_address(*_RDMA, device, "device") or (sysfs.pci_address(*_NET, netdev, "device") if netdev else None)
    found: Record = {
        "device": device,
        "port": port,
        "pci_address": pci_address,
        "link_layer": link_layer,
        "state": _after_colon(sysfs.text(*parts, "state")),
        "phys_state": _after_colon(sysfs.text(*parts, "phys_state")),
        "rate_gbps": _rate(sysfs.text(*parts, "rate")),
        "netdev": netdev,
        **link,
        "phys_port_name": sysfs.text(*_NET, netdev, "phys_port_name") if netdev else None,
        "phys_switch_id": sysfs.text(*_NET, netdev, "phys_switch_id") if netdev else None,
        "uppers": [name[6:] for name in sysfs.names(*_NET, netdev) if name.startswith("upper_")] if netdev else [],
        "ipv4": addresses,
        "gids": gids,
        "gid_table_length": gid_table_length,
        "gid_index": _gid.index_of(gids, addresses[0]["address"] if addresses else None, netdev),
        "nccl_gid_index": _gid.nccl_choice(gids, gid_table_length) if gids and link_layer == "Ethernet" else None,
    }
    why = reasons(found)
    return {**found, "usable": not why, "reasons": why}


def _gids(sysfs: Sysfs, *parts: str) -> tuple[list[Record], int]:
    """The entries of a port's GID table that are in use, and the number of all. Unused ones, most of 255, cost one file each."""
    indexes = _numbers(sysfs, *parts, "gids")
    found = []
    for index in indexes:
        gid = sysfs.text(*parts, "gids", str(index))
        if gid is None or _ZERO_GID.fullmatch(gid):
            continue
        found.append(
            {
                "index": index,
                "gid": gid,
                "type": _GID_TYPES.get(sysfs.text(*parts, "gid_attrs", "types", str(index)) or ""),
                "netdev": sysfs.text(*parts, "gid_attrs", "ndevs", str(index)),
                "ipv4": _gid.ipv4_of(gid),
            }
        )
    return found, len(indexes)


def _netdev(sysfs: Sysfs, device: str, port: int, gids: t.Sequence[Record]) -> t.Optional[str]:
    """The port's own netdev: that of its PCI function, else (software) the one it is made upon, else that of its first GID."""
    names = sysfs.names(*_RDMA, device, "device", "net")
    if len(names) > 1:
        names = [name for name in names if sysfs.number(*_NET, name, "dev_port") == port - 1] or names
    return next(iter(names), None) or sysfs.text(*_RDMA, device, "parent") or next((gid["netdev"] for gid in gids), None)


def _after_colon(text: t.Optional[str]) -> t.Optional[str]:
    """``ACTIVE`` of ``4: ACTIVE``."""
    return text.rsplit(":", 1)[-1].strip() if text else None


def _rate(text: t.Optional[str]) -> t.Union[int, float, None]:
    """200 of ``200 Gb/sec (2X NDR)``."""
    match = re.match(r"(\d+(?:\.\d+)?) Gb/sec", text or "")
    if match is None:
        return None
    rate = float(match.group(1))
    return int(rate) if rate.is_integer() else rate


def reasons(port: t.Mapping[str, t.Any]) -> list[str]:
    """Return why a port can't carry a rail, one sentence each; none where it can."""
    name = f"{port['device']} port {port['port']}"
    found = []
    if port["link_layer"] != "Ethernet":
        found.append(f"{name} has link layer {port['link_layer']}, wanted Ethernet.")
    if port["state"] != "ACTIVE":
        found.append(f"{name} is in state {port['state']} with phys_state {port['phys_state']}, wanted ACTIVE with LinkUp.")
    if port["netdev"] is None:
        found.append(f"{name} has no network interface, wanted one.")
    elif not port["ipv4"]:
        found.append(f"{name} has no IPv4 address on {port['netdev']}, wanted one.")
    elif port["gid_index"] is None and port["link_layer"] == "Ethernet":
        address = port["ipv4"][0]["address"]
        listed = ", ".join(f"{gid['index']} ({gid['type']}, {gid['ipv4'] or gid['gid']}, {gid['netdev']})" for gid in port["gids"])
        found.append(f"{name} has the GIDs {listed or 'none'}, wanted one of type v2 for {address} on {port['netdev']}.")
    return found


def _interface(sysfs: Sysfs, name: str, ipv4: t.Mapping[str, list[Record]], routes: t.Sequence[t.Mapping[str, t.Any]]) -> Record:
    speed = sysfs.number(*_NET, name, "speed")
    return {
        "name": name,
        **_link(sysfs, name),
        "speed_mbps": speed if speed and speed > 0 else None,  # -1: unknown
        "wireless": any(sysfs.is_directory(*_NET, name, part) for part in ("wireless", "phy80211")),
        "physical": sysfs.is_directory(*_NET, name, "device"),
        "ipv4": ipv4.get(name, []),
        "default_route": any(_is_default(route, name) for route in routes),
        "routes": [str(route["dst"]) for route in routes if route.get("dev") == name and "/" in str(route.get("dst"))],
    }


def _is_default(route: t.Mapping[str, t.Any], name: str) -> bool:
    hops = [route, *route.get("nexthops", [])]
    return route.get("dst") == "default" and any(hop.get("dev") == name for hop in hops)
