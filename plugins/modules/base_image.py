#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: base_image
short_description: Have a container image on the node
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Pulls an image if it is wanted, and reports what the rest of the deployment needs to know of it.
  - An image that is built for another architecture than the node's is an error.
  - Nodes are compared by O(name)'s RV(id). Digests of a registry are lost when an image is carried by C(docker save) and C(docker load).
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
attributes:
  check_mode:
    support: full
    details: With O(pull=always) it cannot be known whether the registry has another image; an image that is there counts as unchanged.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - The docker command line on the target, and the right to use it.
options:
  name:
    description: Reference of the image, or the id of one that is on the node.
    type: str
    required: true
  pull:
    description:
      - V(missing) pulls the image if the node does not have it.
      - V(never) fails if the node does not have it.
      - V(always) asks the registry each time.
    type: str
    choices: [missing, never, always]
    default: missing
"""

EXAMPLES = r"""
---
- name: Have the image
  dgx_spark.vllm.base_image:
    name: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
  register: base

- name: Look at an image that was carried to the node, without a registry
  dgx_spark.vllm.base_image:
    name: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
    pull: never
"""

RETURN = r"""
name:
  description: The reference that was asked for.
  returned: success
  type: str
  sample: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
id:
  description: Id of the image. V(none) in check mode if the image would be pulled.
  returned: success
  type: str
  sample: sha256:8c811b4aec35f259572d0f79207bc0678df4c736eeec50bc9fec37ed936a472a
architecture:
  description: The architecture of the image in Docker's words. V(none) when RV(id) is.
  returned: success
  type: str
  sample: arm64
entrypoint:
  description: The image's own entry point; an empty list if it has none.
  returned: success
  type: list
  elements: str
  sample: [vllm, serve]
cmd:
  description: The image's own command; an empty list if it has none.
  returned: success
  type: list
  elements: str
  sample: [bash]
env:
  description: The variables that the image bakes in.
  returned: success
  type: dict
  sample:
    GLOO_SOCKET_IFNAME: enP7s7
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._docker import Docker, DockerError, architecture_differs, environment_of


def facts_of(name: str, image: t.Optional[dict[str, t.Any]]) -> dict[str, t.Any]:
    """The return values for an image, or for one that is not there yet."""
    image = image or {}
    config = image.get("Config") or {}
    return {
        "name": name,
        "id": image.get("Id"),
        "architecture": image.get("Architecture"),
        "entrypoint": config.get("Entrypoint") or [],
        "cmd": config.get("Cmd") or [],
        "env": environment_of(image),
    }


def obtain(module: AnsibleModule, docker: Docker) -> tuple[bool, t.Optional[dict[str, t.Any]]]:
    """Whether something changed (or would), and what docker says of the image."""
    name, pull = module.params["name"], module.params["pull"]
    before = docker.image(name)
    if before is None and pull == "never":
        module.fail_json(
            msg=f"image {name} is not on this node, and pull=never forbids to fetch it; wanted the image. "
            f"Carry it from a node that has it: docker save {name} | ssh NODE docker load"
        )
    if pull == "never" or (pull == "missing" and before is not None) or module.check_mode:
        return before is None, before
    try:
        docker.call("pull", name)
    except DockerError as error:
        module.fail_json(
            msg=f"image {name} could not be pulled; docker says: {error}\n"
            "See that the name is right and that this node reaches the registry and is logged in to it, "
            f"or carry the image from a node that has it (docker save {name} | ssh NODE docker load) and set pull=never"
        )
    after = docker.image(name)
    return (before or {}).get("Id") != (after or {}).get("Id"), after


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "pull": {"type": "str", "choices": ["missing", "never", "always"], "default": "missing"},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    docker = Docker(
        lambda words, environment: module.run_command(words, environ_update=environment), module.get_bin_path("docker", required=True)
    )
    name = module.params["name"]
    try:
        changed, image = obtain(module, docker)
    except DockerError as error:
        module.fail_json(msg=f"docker cannot tell about image {name}: {error}")
    machine = os.uname().machine
    wanted = architecture_differs(image, machine) if image else None
    if image and wanted:
        module.fail_json(
            msg=f"image {name} is built for {image['Architecture']}, this node ({machine}) wants {wanted}; "
            "choose an image for this architecture, or remove the wrong one and pull again",
            **facts_of(name, image),
        )
    module.exit_json(changed=changed, **facts_of(name, image))


if __name__ == "__main__":
    main()
