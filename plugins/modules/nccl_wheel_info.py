#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nccl_wheel_info
short_description: Tell which NCCL a wheel file holds
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Unpacks the library of a wheel of C(nvidia-nccl-cu13) or C(nvidia-nccl-cu12) and reads its version and architecture, running none of it.
  - A file that is cut short, or is not what was wanted, is an error.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  path:
    description: The wheel file.
    type: path
    required: true
  version:
    description: The version of NCCL that it must hold.
    type: str
  architecture:
    description: The architecture that it must be for, as C(uname -m) says it.
    type: str
"""

EXAMPLES = r"""
---
- name: See that a wheel is the right one before it is copied to many nodes
  dgx_spark.vllm.nccl_wheel_info:
    path: /srv/wheels/nvidia_nccl_cu13-2.30.4-py3-none-manylinux_2_18_aarch64.whl
    version: 2.30.4
    architecture: aarch64
  delegate_to: localhost
"""

RETURN = r"""
version:
  description: Version of NCCL.
  returned: success
  type: str
  sample: 2.30.4
cuda:
  description: Version of CUDA that it was built with.
  returned: success
  type: str
  sample: "13.2"
architecture:
  description: Architecture that the library is for.
  returned: success
  type: str
  sample: aarch64
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._nccl import NcclError, read_elf
from ansible_collections.dgx_spark.vllm.plugins.module_utils._overlay import OverlayError, extract_library, require


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "version": {"type": "str"},
            "architecture": {"type": "str"},
        },
        supports_check_mode=True,
    )
    path, version, architecture = (module.params[name] for name in ("path", "version", "architecture"))
    try:
        with tempfile.TemporaryDirectory(prefix="dgx-spark-wheel-", dir=module.tmpdir) as directory:
            library = os.path.join(directory, "libnccl.so.2")
            extract_library(path, library)
            nccl = read_elf(library)
        require(nccl, f"the wheel {path}", version or nccl.version, architecture or nccl.architecture)
    except (NcclError, OverlayError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, version=nccl.version, cuda=nccl.cuda, architecture=nccl.architecture)


if __name__ == "__main__":
    main()
