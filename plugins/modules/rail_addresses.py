#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rail_addresses
short_description: Give a node's rails their addresses, with a way back
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Gives each rail its address, its MTU and its routes, and nothing else (no DHCP, no link-local address, no default route), by the program
    that has the interface, which is NetworkManager or systemd-networkd, by netplan where the node uses that.
  - Rails that have what they need without us are left alone. What others have configured for a rail that has not is set aside, and comes
    back byte for byte with O(state=absent), or when O(rails) has that interface no more. C(netplan apply) is not used, and no other
    interface is touched.
  - A change is undone by the node itself, after O(revert_after) seconds or at the next boot, unless O(state=confirmed) is asked for before.
    A controller that dies, and a node that is no longer reached, leave nothing behind.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Of files that others have written their names are shown, not their content, which can have secrets in it.
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) gives the rails their addresses, and sets the time running in which that has to be confirmed.
      - V(checked) watches for five seconds whether the rails and the node's other addresses are there; where they are not, the change is
        undone at once.
      - V(confirmed) makes the change lasting. Ask for it when all nodes are checked.
      - V(absent) puts back what was before the first V(present).
    type: str
    choices: [present, checked, confirmed, absent]
    default: present
  rails:
    description: All rails of the node. Needed with O(state=present).
    type: list
    elements: dict
    suboptions:
      interface:
        description: The interface.
        type: str
        required: true
      address:
        description: Its IPv4 address with the prefix length.
        type: str
        required: true
      mtu:
        description: Its MTU in bytes.
        type: int
        default: 9000
      routes:
        description: Networks that are reached over it.
        type: list
        elements: dict
        default: []
        suboptions:
          to:
            description: The network with its prefix length.
            type: str
            required: true
          via:
            description: Address of the neighbour that knows the way.
            type: str
            required: true
  functions:
    description: All interfaces of the node's RDMA ports. What is configured for them may be set aside together with a rail.
    type: list
    elements: str
    default: []
  adopt:
    description: Whether rails may be changed that somebody else has given other addresses.
    type: bool
    default: true
  change:
    description: What RV(change) was. Needed with O(state=checked) and O(state=confirmed).
    type: str
  revert_after:
    description: Seconds until a change is undone that nobody has confirmed.
    type: int
    default: 120
seealso:
  - module: dgx_spark.vllm.roce_info
"""

EXAMPLES = r"""
---
- name: Give both rails their addresses
  dgx_spark.vllm.rail_addresses:
    rails:
      - interface: enp1s0f0np0
        address: 10.100.0.1/24
      - interface: enP2p1s0f0np0
        address: 10.100.1.1/24
  register: rails

- name: See whether they stay, now that the node has been reached again
  dgx_spark.vllm.rail_addresses:
    state: checked
    change: "{{ rails.change }}"
  when: rails.change is not none

- name: Keep them, now that all nodes are checked
  dgx_spark.vllm.rail_addresses:
    state: confirmed
    change: "{{ rails.change }}"
  when: rails.change is not none

- name: Put back what was before
  dgx_spark.vllm.rail_addresses:
    state: absent
"""

RETURN = r"""
change:
  description: What has to be confirmed; null where nothing was changed, and in check mode.
  returned: with O(state=present)
  type: str
  sample: 6f1c3a52d0c94c5c8ea35e2c6c1c0a37
ours:
  description: Whether any of the rails has its address by this module, now or once the task is run outside check mode.
  returned: with O(state=present)
  type: bool
  sample: true
renderer:
  description: The program that gives the rails their addresses; null where nothing was changed.
  returned: with O(state=present)
  type: str
  sample: netplan with NetworkManager
set_aside:
  description: Files of others that are not in force while ours are.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [/etc/netplan/40-cx7.yaml]
"""

import base64
import ipaddress
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_change as fabric
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_compare as comparison
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_files as files
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _fabric_restore as node

Diff = list[dict[str, str]]


def wrong(params: dict[str, t.Any]) -> t.Optional[str]:
    """What is wrong with the options, None for nothing."""
    seen = set()
    for number, rail in enumerate(params["rails"] or []):
        at, name = f"rails[{number}]", rail["interface"]
        if not name or "/" in name or len(name) > 15 or any(c.isspace() or c in ":\\\"'#{}[]," for c in name) or name in seen:
            return f"{at}.interface: found {name!r}, wanted the name of a network interface, such as enp1s0f0np0, once"
        seen.add(name)
        try:
            ipaddress.IPv4Interface(rail["address"])
            for route in rail["routes"]:
                ipaddress.IPv4Network(route["to"])
                ipaddress.IPv4Address(route["via"])
        except ValueError as error:
            return f"{at}: {error}, wanted IPv4 addresses such as 10.100.0.1/24"
        if "/" not in rail["address"]:
            return f"{at}.address: found {rail['address']}, wanted a prefix length too, such as {rail['address']}/24"
        if not 1280 <= rail["mtu"] <= 9216:
            return f"{at}.mtu: found {rail['mtu']}, wanted 1280 to 9216 bytes"
    if params["revert_after"] < 30:
        return f"revert_after: found {params['revert_after']}, wanted 30 seconds or more: to confirm takes several"
    return None


def file_diff(path: str, text: t.Optional[str]) -> dict[str, str]:
    return {"before_header": path, "after_header": path, "before": node.text_of(path) or "", "after": text or ""}


def difference(title: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": title, "after_header": title, "before": before, "after": after}


def returns(kept: t.Mapping[str, node.Kept], ours: t.Collection[str]) -> Diff:
    """What becomes of files that are put back."""
    changed = {path: one for path, one in kept.items() if not node.is_put(path, one, path in ours)}
    return [file_diff(path, None) if one is None else difference(path, "set aside\n", "in force\n") for path, one in changed.items()]


def not_confirmed(pending: node.Record) -> Diff:
    """The change that nobody has confirmed: it is undone, and made anew if it still does."""
    title, diff = "in force, and not confirmed", Diff()
    written = {files.NETPLAN_FILE, *map(files.profile_path, pending["interfaces"])}
    for path, kept in pending["files"].items():
        now = node.keep(path)
        if path in written:
            was = "" if kept is None else base64.b64decode(kept["content"]).decode(errors="replace")
            diff.append(difference(path, was, node.text_of(path) or ""))
        elif path != node.BEFORE and (kept is None) != (now is None):
            diff.append(difference(path, *("set aside\n" if one is None else "in force\n" for one in (kept, now))))
    in_force = node.in_force(pending["interfaces"])
    return [*diff, difference(title, files.listing(pending["interfaces"]), files.listing(in_force))]


def present(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    # A change that nobody has confirmed is undone first: what was meant then may no longer be right. If the fabric looked good to the
    # caller, it did by that change.
    pending = node.read(node.PENDING)
    diff = not_confirmed(pending) if pending else []
    if not module.check_mode:
        node.revert()
    change = comparison.compare(params["rails"], params["functions"], params["adopt"] or pending is not None)
    before = node.read(node.BEFORE)
    if change is None:
        same: dict[str, t.Any] = {"change": None, "ours": before is not None, "renderer": None, "set_aside": []}
        return {"changed": pending is not None, **same, "diff": diff}
    comparison.refuse_own_path(change)
    before = before or comparison.NOTHING
    diff += [file_diff(path, text) for path, text in change.texts.items()]
    diff += [difference(path, f"in force, for {', '.join(names)}\n", "set aside\n") for path, names in change.aside.items()]
    diff += returns(change.back, before["ours"])
    foreseen = {**change.now, **fabric.left(change, before)}
    for rail in change.rails:
        routes = [f"{route['to']} via {route['via']}" for route in rail["routes"]]
        foreseen[rail["interface"]] = {"addresses": [rail["address"]], "ipv6": [], "mtu": rail["mtu"], "routes": routes}
    diff.append(difference("in force", files.listing(change.now), files.listing(foreseen)))
    identifier = None
    if not module.check_mode:
        management = fabric.addresses_of(None, {*params["functions"], *change.affected})
        identifier = fabric.apply(change, management, params["revert_after"])
    done = {"change": identifier, "ours": bool(change.rails), "renderer": change.renderer, "set_aside": sorted(change.aside)}
    return {"changed": True, **done, "diff": diff}


def checked(module: AnsibleModule) -> dict[str, t.Any]:
    if not module.check_mode:
        fabric.check(module.params["change"])
    return {"changed": False}


def confirmed(module: AnsibleModule) -> dict[str, t.Any]:
    if not module.check_mode:
        fabric.confirm(module.params["change"])
    return {"changed": False}


def absent(module: AnsibleModule) -> dict[str, t.Any]:
    before = node.read(node.BEFORE)
    if before is None and node.read(node.PENDING) is None:
        return {"changed": False}
    diff: Diff = []
    if before:
        diff += returns(before["files"], before["ours"])
        diff.append(difference("in force", files.listing(node.in_force(before["interfaces"])), files.listing(before["interfaces"])))
    if not module.check_mode:
        fabric.absent()
    return {"changed": True, "diff": diff}


def main() -> None:
    route = {"to": {"type": "str", "required": True}, "via": {"type": "str", "required": True}}
    rail = {
        "interface": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "mtu": {"type": "int", "default": 9000},
        "routes": {"type": "list", "elements": "dict", "default": [], "options": route},
    }
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "checked", "confirmed", "absent"], "default": "present"},
            "rails": {"type": "list", "elements": "dict", "options": rail},
            "functions": {"type": "list", "elements": "str", "default": []},
            "adopt": {"type": "bool", "default": True},
            "change": {"type": "str"},
            "revert_after": {"type": "int", "default": 120},
        },
        required_if=[("state", "present", ["rails"]), ("state", "checked", ["change"]), ("state", "confirmed", ["change"])],
        supports_check_mode=True,
    )
    problem = wrong(module.params)
    if problem:
        module.fail_json(msg=problem)
    run = {"present": present, "checked": checked, "confirmed": confirmed, "absent": absent}[module.params["state"]]
    try:
        with node.locked():
            result = run(module)
    except (node.FabricError, OSError) as error:
        module.fail_json(msg=f"addresses of the rails: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
