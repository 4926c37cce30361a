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
  - An image of O(digest) is used whatever its tag has been given to since. After a pull by O(digest) the image gets O(name) too,
    so that it can be carried to other nodes by it.
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
      - V(always) asks the registry each time, but for an image of O(digest) that is there, because no other can have that digest.
    type: str
    choices: [missing, never, always]
    default: missing
  digest:
    description:
      - The image's digest in the registry of O(name), C(sha256:) and 64 hex digits. It is pulled by this and not by its tag.
      - An image that is there under O(name) and has another digest of the same repository is an error, unless O(pull=always) replaces it.
      - An image that has no digest, because it was built on the node or carried to it, is taken as it is, and RV(verified) says so.
    type: str
    version_added: 0.2.0
"""

EXAMPLES = r"""
---
- name: Have the image
  dgx_spark.vllm.base_image:
    name: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
  register: base

- name: Have one image for ever, whatever its tag is given to
  dgx_spark.vllm.base_image:
    name: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
    digest: sha256:5d41402abc4b2a76b9719d911017c592ae2b1f8c0b1a1c9d6e0f4c1e2d3b4a59

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
reference:
  description: By what the image is found on the node, O(name) or, where that names another one, repository and digest.
  returned: success
  type: str
  sample: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
  version_added: 0.2.0
architecture:
  description: The architecture of the image in Docker's words. V(none) when RV(id) is.
  returned: success
  type: str
  sample: arm64
os:
  description: The operating system of the image in Docker's words. V(none) when RV(id) is.
  returned: success
  type: str
  sample: linux
  version_added: 0.2.0
repo_digests:
  description: By which digests registries know the image. Empty if it was built on the node or carried to it. V(none) when RV(id) is.
  returned: success
  type: list
  elements: str
  sample: ["aidendle94/sparkrun-vllm-ds4-gb10@sha256:5d41402abc4b2a76b9719d911017c592ae2b1f8c0b1a1c9d6e0f4c1e2d3b4a59"]
  version_added: 0.2.0
verified:
  description: Whether the image is known to be the one of O(digest). V(none) without O(digest), and when RV(id) is.
  returned: success
  type: bool
  sample: true
  version_added: 0.2.0
entrypoint:
  description: The image's own entry point; an empty list if it has none. V(none) when RV(id) is.
  returned: success
  type: list
  elements: str
  sample: [vllm, serve]
cmd:
  description: The image's own command; an empty list if it has none. V(none) when RV(id) is.
  returned: success
  type: list
  elements: str
  sample: [bash]
env:
  description: The variables that the image bakes in. V(none) when RV(id) is.
  returned: success
  type: dict
  sample:
    GLOO_SOCKET_IFNAME: enP7s7
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._docker import (
    DIGEST,
    Docker,
    DockerError,
    architecture_differs,
    by_digest,
    environment_of,
    has_digest,
)

Image = dict[str, t.Any]
"""What `docker image inspect` says of one."""


def facts_of(name: str, digest: t.Optional[str], reference: str, image: t.Optional[Image]) -> dict[str, t.Any]:
    """The return values for an image, or for one that is not there yet."""
    if image is None:
        unknown = ("id", "architecture", "os", "repo_digests", "verified", "entrypoint", "cmd", "env")
        return {"name": name, "reference": reference, **dict.fromkeys(unknown)}
    config = image.get("Config") or {}
    return {
        "name": name,
        "reference": reference,
        "id": image.get("Id"),
        "architecture": image.get("Architecture"),
        "os": image.get("Os"),
        "repo_digests": image.get("RepoDigests") or [],
        "verified": bool(has_digest(image, name, digest)) if digest else None,
        "entrypoint": config.get("Entrypoint") or [],
        "cmd": config.get("Cmd") or [],
        "env": environment_of(image),
    }


def find(docker: Docker, name: str, digest: t.Optional[str]) -> tuple[str, t.Optional[Image]]:
    """By what the image is found, and what docker says of it. One of the wanted digest comes first, whatever the tag names by now."""
    named = docker.image(name)
    if digest and not (named and has_digest(named, name, digest)):
        reference = by_digest(name, digest)
        pinned = docker.image(reference)
        if pinned:
            return reference, pinned
    return name, named


def obtain(module: AnsibleModule, docker: Docker) -> tuple[bool, str, t.Optional[Image]]:
    """Whether something changed (or would), by what the image is found, and what docker says of it."""
    name, pull, digest = (module.params[option] for option in ("name", "pull", "digest"))
    reference, before = find(docker, name, digest)
    if before is None and pull == "never":
        module.fail_json(
            msg=f"image {name} is not on this node, and pull=never forbids to fetch it; wanted the image. "
            f"Carry it from a node that has it: docker save {name} | ssh NODE docker load"
        )
    known = has_digest(before, name, digest) if before and digest else None
    if before and known is False:
        if pull != "always":
            module.fail_json(
                msg=f"image {name} on this node is {' and '.join(before['RepoDigests'])}, wanted {by_digest(name, digest)}; "
                "pull it (image_pull: always; of the module, pull=always), or give the digest of the image that is wanted"
            )
        if module.check_mode:
            return True, by_digest(name, digest), None
    if pull == "never" or (pull == "missing" and before is not None) or module.check_mode or known:
        return before is None, reference, before
    return fetch(module, docker, before)


def fetch(module: AnsibleModule, docker: Docker, before: t.Optional[Image]) -> tuple[bool, str, t.Optional[Image]]:
    """Ask the registry; returns the same as `obtain`."""
    name, digest = module.params["name"], module.params["digest"]
    source = by_digest(name, digest) if digest else name
    try:
        docker.call("pull", source)
        if digest and "@" not in name:
            # A pull by digest leaves an image without a tag, which `docker save` and `docker load` would carry without any name.
            docker.call("tag", source, name)
    except DockerError as error:
        module.fail_json(
            msg=f"image {source} could not be pulled; docker says: {error}\n"
            "See that the name is right and that this node reaches the registry and is logged in to it, "
            f"or carry the image from a node that has it (docker save {name} | ssh NODE docker load) and set pull=never"
        )
    reference, after = find(docker, name, digest)
    return (before or {}).get("Id") != (after or {}).get("Id"), reference, after


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "pull": {"type": "str", "choices": ["missing", "never", "always"], "default": "missing"},
            "digest": {"type": "str"},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    docker = Docker(
        lambda words, environment: module.run_command(words, environ_update=environment), module.get_bin_path("docker", required=True)
    )
    name, digest = module.params["name"], module.params["digest"]
    if digest and not DIGEST.fullmatch(digest):
        module.fail_json(msg=f"digest of image {name}: found {digest!r}, wanted sha256: and 64 hex digits in lower case")
    try:
        changed, reference, image = obtain(module, docker)
    except DockerError as error:
        module.fail_json(msg=f"docker cannot tell about image {name}: {error}")
    facts = facts_of(name, digest, reference, image)
    machine = os.uname().machine
    wanted = architecture_differs(image, machine) if image else None
    if image and wanted:
        module.fail_json(
            msg=f"image {name} is built for {image['Architecture']}, this node ({machine}) wants {wanted}; "
            "choose an image for this architecture, or remove the wrong one and pull again",
            **facts,
        )
    module.exit_json(changed=changed, **facts)


if __name__ == "__main__":
    main()
