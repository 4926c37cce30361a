#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: roce_info
short_description: Observe RDMA ports, their GIDs and network interfaces
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Reads every RDMA port of the target from sysfs, with its network interface, addresses and GID table, and says whether the port can
    carry a rail of a cluster.
  - Says at which index of the GID table a rail's address is, and which index NCCL would take by itself.
  - Needs C(ip) of iproute2 and nothing else; no RDMA tool is run, and no name of a device or interface is assumed.
  - Where lldpd runs, C(lldpctl) is asked what each port is connected to.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  sysfs_root:
    description: The sysfs tree to read.
    type: path
    default: /sys
  ip_addresses:
    description: A file on the target with the output of C(ip -json address show), read instead of running C(ip).
    type: path
  ip_routes:
    description: A file on the target with the output of C(ip -json route show), read instead of running C(ip).
    type: path
  lldp_neighbours:
    description: A file on the target with the output of C(lldpctl -f json0), read instead of running C(lldpctl).
    type: path
    version_added: 0.2.0
seealso:
  - plugin: dgx_spark.vllm.cluster_plan
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Observe the node's fabric
  dgx_spark.vllm.roce_info:
  register: observation

- name: Show which port is connected to what
  ansible.builtin.debug:
    msg: "{{ observation.ibdev2netdev }}"

- name: Show why a port can't be used
  ansible.builtin.debug:
    msg: "{{ observation.devices | rejectattr('usable') | map(attribute='reasons') | flatten }}"
"""

RETURN = r"""
devices:
  description: One entry for each port of each RDMA device, ordered by PCI address and port.
  returned: success
  type: list
  elements: dict
  contains:
    device:
      description: Name of the RDMA device.
      returned: success
      type: str
      sample: rocep1s0f1
    port:
      description: Number of the port on that device.
      returned: success
      type: int
      sample: 1
    pci_address:
      description: Address of the PCI function; for a device made of software that of the function beneath its interface, or V(none).
      returned: success
      type: str
      sample: "0000:01:00.1"
    link_layer:
      description: C(Ethernet) for RoCE, C(InfiniBand) otherwise.
      returned: success
      type: str
      sample: Ethernet
    state:
      description: Logical state of the port.
      returned: success
      type: str
      sample: ACTIVE
    phys_state:
      description: Physical state of the port.
      returned: success
      type: str
      sample: LinkUp
    rate_gbps:
      description: Rate of the link in Gb/s, V(none) if unknown.
      returned: success
      type: float
      sample: 200
    netdev:
      description: The port's own network interface, V(none) if it has none.
      returned: success
      type: str
      sample: enp1s0f1np1
    mac:
      description: MAC address of that interface.
      returned: success
      type: str
      sample: 02:00:5e:10:00:01
    mtu:
      description: MTU of that interface in bytes.
      returned: success
      type: int
      sample: 9000
    operstate:
      description: Operational state of that interface.
      returned: success
      type: str
      sample: up
    carrier:
      description: Whether that interface has a carrier; V(none) while it is administratively down.
      returned: success
      type: bool
      sample: true
    phys_port_name:
      description: Name of the cage. The twins of a cage share it.
      returned: success
      type: str
      sample: p1
    phys_switch_id:
      description: Identifier of the network card.
      returned: success
      type: str
      sample: 02005e1000010000
    uppers:
      description: Interfaces made upon that interface, such as a bond, a bridge or a VLAN.
      returned: success
      type: list
      elements: str
      sample: []
    ipv4:
      description: IPv4 addresses of the interface in the kernel's order, each with C(address), C(prefix_length) and C(network).
      returned: success
      type: list
      elements: dict
      sample:
        - {address: 192.168.100.1, prefix_length: 24, network: 192.168.100.0/24}
    gids:
      description:
        - The used entries of the GID table, each with C(index), C(gid), C(type) (V(v1) or V(v2)), C(netdev) and C(ipv4).
        - A GID which maps no IPv4 address has none; an attribute which the kernel does not give is V(none).
      returned: success
      type: list
      elements: dict
      sample:
        - {index: 3, gid: "0000:0000:0000:0000:0000:ffff:c0a8:6401", type: v2, netdev: enp1s0f1np1, ipv4: 192.168.100.1}
    gid_table_length:
      description: Number of entries of the GID table, unused ones included.
      returned: success
      type: int
      sample: 255
    gid_index:
      description: Lowest index of a RoCE v2 GID which is the first IPv4 address and belongs to the port's own interface, or V(none).
      returned: success
      type: int
      sample: 3
    nccl_gid_index:
      description: The index which NCCL takes if nothing constrains it; V(none) on InfiniBand and for an empty table.
      returned: success
      type: int
      sample: 3
    usable:
      description: Whether the port can carry a rail now.
      returned: success
      type: bool
      sample: true
    reasons:
      description: Why it can not, one sentence each with what was found and wanted.
      returned: success
      type: list
      elements: str
      sample: []
    lldp:
      description:
        - What the port is connected to, with C(system) and C(port), by its own word; lldpd on the node must have heard it.
        - V(none) where nothing was heard, or several.
      returned: success
      type: dict
      sample: {system: switch1, port: swp5}
      version_added: 0.2.0
interfaces:
  description:
    - Every other network interface, by name.
    - Each has C(name), C(mac), C(mtu), C(operstate), C(carrier), C(speed_mbps), C(wireless), C(physical), C(ipv4), C(default_route)
      and C(routes).
    - C(routes) are the networks that the node reaches over the interface, its default route aside.
    - C(physical) is false for bridges, tunnels and other interfaces that no card is behind.
  returned: success
  type: list
  elements: dict
  sample:
    - name: enP7s7
      mac: 02:00:5e:10:00:00
      mtu: 1500
      operstate: up
      carrier: true
      speed_mbps: 10000
      wireless: false
      physical: true
      ipv4: [{address: 10.0.0.11, prefix_length: 24, network: 10.0.0.0/24}]
      default_route: true
      routes: [10.0.0.0/24]
ibdev2netdev:
  description: The lines that the tool of that name prints, made from sysfs, in the order of RV(devices).
  returned: success
  type: list
  elements: str
  sample:
    - rocep1s0f0 port 1 ==> enp1s0f0np0 (Down)
    - rocep1s0f1 port 1 ==> enp1s0f1np1 (Up)
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._lldp import neighbours
from ansible_collections.dgx_spark.vllm.plugins.module_utils._roce import observe

# lldpctl waits for a daemon that does not answer.
LLDP_SECONDS = "5"


def captured(module: AnsibleModule, path: str, command: str) -> str:
    """What a file with the output of `command` holds; fails the module where it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        module.fail_json(msg=f"{path} can't be read ({error.strerror}); wanted the output of `{command}`")


def lldp(module: AnsibleModule, capture: t.Optional[str]) -> str:
    """What lldpd has heard, from `capture` if there is one; nothing where there is no lldpd, which a node need not have."""
    if capture:
        return captured(module, capture, "lldpctl -f json0")
    lldpctl = module.get_bin_path("lldpctl", opt_dirs=["/sbin", "/usr/sbin"])
    if lldpctl is None:
        return ""
    _code, text, _errors = module.run_command(["timeout", LLDP_SECONDS, lldpctl, "-f", "json0"])
    return str(text)


def ip_json(module: AnsibleModule, capture: t.Optional[str], words: list[str]) -> list[dict[str, t.Any]]:
    """What `ip` says, from `capture` if there is one; fails the module where that is no list of objects."""
    command = " ".join(["ip", *words])
    if capture:
        source, text = capture, captured(module, capture, command)
    else:
        source = command
        ip = module.get_bin_path("ip", opt_dirs=["/sbin", "/usr/sbin"])
        if ip is None:
            module.fail_json(msg="found no `ip` on this node; wanted iproute2; install it (apt install iproute2)")
        code, text, errors = module.run_command([ip, *words])
        if code != 0:
            module.fail_json(msg=f"`{command}` failed with code {code} ({errors.strip()}); wanted iproute2 with JSON output", rc=code)
    try:
        entries = json.loads(text or "[]")
    except ValueError as error:
        module.fail_json(msg=f"{source} gave no JSON ({error}); wanted the output of `{command}` of iproute2")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        module.fail_json(msg=f"{source} gave no list of objects; wanted the output of `{command}`")
    return entries


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "sysfs_root": {"type": "path", "default": "/sys"},
            "ip_addresses": {"type": "path"},
            "ip_routes": {"type": "path"},
            "lldp_neighbours": {"type": "path"},
        },
        supports_check_mode=True,
    )
    addresses = ip_json(module, module.params["ip_addresses"], ["-json", "address", "show"])
    routes = ip_json(module, module.params["ip_routes"], ["-json", "route", "show"])
    connected = neighbours(lldp(module, module.params["lldp_neighbours"]), {str(entry.get("address")) for entry in addresses})
    try:
        observation = observe(module.params["sysfs_root"], addresses, routes, lldp=connected)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} can't be read ({error.strerror}); wanted a sysfs tree that this user may read")
    module.exit_json(changed=False, **observation)


if __name__ == "__main__":
    main()
