#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_image
short_description: Build an image on another to pin its NCCL and add layers
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Builds an image on O(base) that has the wanted NCCL at C(/opt/dgx-spark/nccl/libnccl.so.2), and O(layers) if there are any. It changes
    nothing else in the image.
  - The library is read before the build, which is refused if it is not O(nccl_version) or is for another architecture than the image.
  - The image is built under the tag C(repository:key-candidate). Its library is copied out and read, and only if it is the one that was put
    there the image gets the tags C(repository-proven:key) and C(repository:key). A build that was interrupted leaves neither.
  - An image that has been given the tag C(repository:key) since, by hand for example, is told by its id, and the proven one gets its tag
    back.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
attributes:
  check_mode:
    support: full
    details: Nothing is downloaded or built, and neither the base image nor the wheel nor the files of layers need to be there.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - The docker command line on the target, and the right to use it.
options:
  state:
    description:
      - V(present) builds the overlay unless it is there.
      - V(absent) removes its tag and what an interrupted build may have left. The base image stays.
    type: str
    choices: [present, absent]
    default: present
  key:
    description: The overlay's name, as made by P(dgx_spark.vllm.image_key#filter). It is the tag and a label of the image.
    type: str
    required: true
  repository:
    description: The repository part of the overlay's tag.
    type: str
    default: dgx-spark/vllm
  base:
    description: Reference of the image to build on. It must be on the node.
    type: str
  base_id:
    description: Id of that image. The module fails if O(base) is another image by now. Needed if the overlay must be built.
    type: str
  nccl_version:
    description: The version of NCCL that the overlay must have.
    type: str
  source:
    description:
      - Where NCCL comes from, a V(wheel) of PyPI or a package by V(apt).
      - With V(apt) the base image's own C(apt-get) downloads the package in a container on the network of the target, and unpacks it. It is
        not installed, so that neither a held nor a newer one in the image is in its way, and no list, key or other package gets into the
        overlay.
    type: str
    choices: [wheel, apt]
    default: wheel
  wheel:
    description: Wheel of C(nvidia-nccl-cu13) or C(nvidia-nccl-cu12) on the target. O(source=wheel) needs either this or O(index_url).
    type: path
  index_url:
    description:
      - Package index (PEP 503 or PEP 691) from which the target, if it must build, downloads the wheel of O(nccl_version) for Linux
        on the base image's architecture. It is not kept.
      - The target's own proxy settings, such as C(https_proxy), are used. Yanked files are not.
    type: str
  wheel_package:
    description: The package on O(index_url), V(nvidia-nccl-cu13) or V(nvidia-nccl-cu12).
    type: str
  wheel_sha256:
    description: SHA-256 of the wheel on O(index_url) in hex digits. Nothing is built from another file.
    type: str
  apt_package:
    description: Name and version of the package, such as V(libnccl2=2.30.4-1+cuda13.2). Needed with O(source=apt).
    type: str
  apt_repository:
    description:
      - Text of a C(.sources) or C(.list) file, of which the package is taken and nothing else. Empty for what the base image has
        configured.
      - It is kept nowhere. It may hold a user and password.
    type: str
    default: ""
    version_added: 0.2.0
  apt_key:
    description:
      - The public key of O(apt_repository) in ASCII armour. Empty if the base image has it, or O(apt_repository) holds it.
      - Refused without O(apt_repository), because it would replace the keys that the base image trusts for its own repositories.
    type: str
    default: ""
    version_added: 0.2.0
  layers:
    description: What else goes into the image, after NCCL and in this order, as made by P(dgx_spark.vllm.layers#lookup).
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
    suboptions:
      kind:
        description: What the layer is.
        type: str
        choices: [file, environment, run]
        required: true
      target:
        description: Path of the file in the image.
        type: str
      mode:
        description: Mode of the file, in octal digits.
        type: str
      sha256:
        description: SHA-256 of the file's content, in hex digits.
        type: str
      variables:
        description: Variables that the image bakes in.
        type: dict
      lines:
        description: Shell commands that are run as root in the image.
        type: list
        elements: str
  layer_files:
    description: Folder on the target in which the content of each file of O(layers) is, under the name of its SHA-256.
    type: path
    version_added: 0.2.0
  labels:
    description: Further labels of the image.
    type: dict
    default: {}
"""

EXAMPLES = r"""
---
- name: Have the image with NCCL 2.30.4
  dgx_spark.vllm.overlay_image:
    base: aidendle94/sparkrun-vllm-ds4-gb10:production-ready
    base_id: "{{ base.id }}"
    key: "{{ base.id | dgx_spark.vllm.image_key(recipe.nccl) }}"
    nccl_version: 2.30.4
    index_url: https://pypi.org/simple
    wheel_package: nvidia-nccl-cu13
    wheel_sha256: e99308a3a89fba78918d50886e81072a6c8b0b4199feb02c3903e63713a6525a

- name: Remove it
  dgx_spark.vllm.overlay_image:
    key: 6c1f4dd04f3a4d5b
    state: absent
"""

RETURN = r"""
reference:
  description: The overlay's tag.
  returned: success
  type: str
  sample: dgx-spark/vllm:6c1f4dd04f3a4d5b
id:
  description: Id of the overlay, whose content it stands for. V(none) with O(state=absent), and in check mode if it would be built.
  returned: success
  type: str
  sample: sha256:0f6f2bbbc0a3f0ad6f1b3d3c36ac9e0d2f6ac2f4a6dd4f9b56c34ee5c5b5d3c1
key:
  description: The overlay's key.
  returned: success
  type: str
  sample: 6c1f4dd04f3a4d5b
nccl:
  description: The NCCL in the overlay.
  returned: O(state=present), if the overlay is there
  type: dict
  contains:
    version:
      description: Version of NCCL.
      type: str
      returned: always
      sample: 2.30.4
    cuda:
      description: Version of CUDA that it was built with, or V(none) if that is not known.
      type: str
      returned: always
      sample: "13.2"
    code:
      description: The version as C(ncclGetVersion) gives it.
      type: int
      returned: always
      sample: 23004
    sha256:
      description: SHA-256 of the library.
      type: str
      returned: always
      sample: 2f7f5b6f0ea1b2a4f1f5b3f3bb2b6c0a5bf2b1f6d5d7d7d0a5e1c9a1b9b7c3d2
    source:
      description:
        - V(call) if the library was copied out of the new image and loaded, V(elf) if it could only be read.
        - V(label) if the image was there already; it has been read when it got its tags.
      type: str
      returned: always
      sample: call
"""

import os
import shutil
import sys
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay, _overlay_layers
from ansible_collections.dgx_spark.vllm.plugins.module_utils._docker import Docker, DockerError, machine_of
from ansible_collections.dgx_spark.vllm.plugins.module_utils._index_wheel import Wanted, fetch
from ansible_collections.dgx_spark.vllm.plugins.module_utils._nccl import NcclError, examine
from ansible_collections.dgx_spark.vllm.plugins.module_utils._overlay import Overlay, OverlayError
from ansible_collections.dgx_spark.vllm.plugins.module_utils._overlay_apt import AptError
from ansible_collections.dgx_spark.vllm.plugins.module_utils._overlay_build import Builder, labelled_nccl

ARGUMENT_SPEC: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "key": {"type": "str", "required": True, "no_log": False},
    "repository": {"type": "str", "default": "dgx-spark/vllm"},
    "base": {"type": "str"},
    "base_id": {"type": "str"},
    "nccl_version": {"type": "str"},
    "source": {"type": "str", "choices": ["wheel", "apt"], "default": "wheel"},
    "wheel": {"type": "path"},
    "index_url": {"type": "str"},
    "wheel_package": {"type": "str"},
    "wheel_sha256": {"type": "str"},
    "apt_package": {"type": "str"},
    "apt_repository": {"type": "str", "default": "", "no_log": True},
    "apt_key": {"type": "str", "default": "", "no_log": False},
    "layers": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {"type": "str", "choices": ["file", "environment", "run"], "required": True},
            "target": {"type": "str"},
            "mode": {"type": "str"},
            "sha256": {"type": "str"},
            "variables": {"type": "dict"},
            "lines": {"type": "list", "elements": "str"},
        },
        "required_if": [
            ("kind", "file", ["target", "mode", "sha256"]),
            ("kind", "environment", ["variables"]),
            ("kind", "run", ["lines"]),
        ],
    },
    "layer_files": {"type": "path"},
    "labels": {"type": "dict", "default": {}},
}
# Of silence, after which a download is begun again.
TIMEOUT_SECONDS = 60


def fetch_wheel(module: AnsibleModule, base: dict[str, t.Any], directory: str) -> str:
    index_url, package, version, sha256 = (module.params[name] for name in ("index_url", "wheel_package", "nccl_version", "wheel_sha256"))
    wanted = Wanted(index_url, package, version, machine_of(base, os.uname().machine), sha256)
    return fetch(lambda url, headers: open_url(url, headers=headers, timeout=TIMEOUT_SECONDS), wanted, directory)


def present(module: AnsibleModule, builder: Builder) -> dict[str, t.Any]:
    image = builder.existing()
    if image is not None:
        return {"changed": False, "id": image["Id"], "nccl": labelled_nccl(image)}
    image = builder.proven()
    if image is not None:
        if not module.check_mode:
            builder.restore()
        return {"changed": True, "id": image["Id"], "nccl": labelled_nccl(image)}
    if module.check_mode:
        return {"changed": True, "id": None}
    directory = tempfile.mkdtemp(prefix="dgx-spark-overlay-", dir=module.tmpdir)
    try:
        image, nccl = builder.build(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return {"changed": True, "id": image["Id"], "nccl": {**labelled_nccl(image), "cuda": nccl.cuda, "source": nccl.source}}


def absent(module: AnsibleModule, builder: Builder) -> dict[str, t.Any]:
    changed = bool(builder.removable()) if module.check_mode else builder.absent()
    return {"changed": changed, "id": None}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        required_if=[("state", "present", ["base", "nccl_version"]), ("source", "apt", ["apt_package"])],
        required_together=[("index_url", "wheel_package", "wheel_sha256")],
        mutually_exclusive=[("wheel", "index_url")],
        supports_check_mode=True,
    )
    state = module.params["state"]
    if state == "present" and module.params["source"] == "wheel" and not (module.params["wheel"] or module.params["index_url"]):
        module.fail_json(msg="state is present and source is wheel but both wheel and index_url are missing")
    wrong = _overlay_layers.normalized_problems(module.params["layers"], "layers")
    if module.params["apt_key"] and not module.params["apt_repository"]:
        wrong.append(
            "apt_key: found a key without apt_repository; it would take the place of all keys that the base image trusts for its own "
            "repositories; give apt_repository too, or no key"
        )
    if wrong:
        module.fail_json(msg="\n".join(wrong))
    module.run_command_environ_update = {"LC_ALL": "C"}
    docker = Docker(
        lambda words, environment: module.run_command(words, environ_update=environment), module.get_bin_path("docker", required=True)
    )
    overlay = Overlay(
        key=module.params["key"],
        repository=module.params["repository"],
        base=module.params["base"] or "",
        base_id=module.params["base_id"] or "",
        nccl_version=module.params["nccl_version"] or "",
        source=module.params["source"],
        wheel=module.params["wheel"],
        apt_package=module.params["apt_package"],
        apt_repository=module.params["apt_repository"],
        apt_key=module.params["apt_key"],
        layers=module.params["layers"],
        layer_files=module.params["layer_files"] or "",
        labels={name: str(value) for name, value in module.params["labels"].items()},
    )
    builder = Builder(
        docker,
        overlay,
        lambda path: examine(path, module.run_command, sys.executable, os.uname().machine),
        lambda base, directory: fetch_wheel(module, base, directory),
        os.uname().machine,
    )
    try:
        result = present(module, builder) if state == "present" else absent(module, builder)
    except (AptError, DockerError, NcclError, OverlayError, OSError) as error:
        module.fail_json(msg=f"overlay {overlay.reference}: {error}")
    if module._diff and result["changed"]:
        tag = f"{overlay.reference}\n"
        result["diff"] = {"before": "", "after": _overlay.description(overlay)} if state == "present" else {"before": tag, "after": ""}
    module.exit_json(reference=overlay.reference, key=overlay.key, **result)


if __name__ == "__main__":
    main()
