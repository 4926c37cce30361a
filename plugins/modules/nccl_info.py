#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nccl_info
short_description: Tell which NCCL a shared library is
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Reads the version of NCCL from the file of the library itself, for any architecture and without a GPU.
  - Where the machine can load the library, a child process also asks its C(ncclGetVersion). If the two answers differ, the module fails.
  - What PyTorch reports is the version that it was compiled with, which is not what runs when another library is preloaded.
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  path:
    description: The library on the target, usually called C(libnccl.so.2).
    type: path
    required: true
"""

EXAMPLES = r"""
---
- name: Read the version of the system's NCCL
  dgx_spark.vllm.nccl_info:
    path: /usr/lib/aarch64-linux-gnu/libnccl.so.2
  register: nccl

- name: Stop if it is not the wanted one
  ansible.builtin.assert:
    that: nccl.version == '2.30.4'
"""

RETURN = r"""
version:
  description: Version of NCCL.
  returned: success
  type: str
  sample: 2.30.4
cuda:
  description: Version of CUDA that the library was built with. V(none) if only the library's own answer is known, which does not say it.
  returned: success
  type: str
  sample: "13.2"
code:
  description: The version as C(ncclGetVersion) gives it.
  returned: success
  type: int
  sample: 23004
source:
  description:
    - V(call) if the library was loaded and its answer agrees with the file.
    - V(elf) if only the file was read, because the library is built for another architecture or cannot be loaded here.
  returned: success
  type: str
  sample: call
architecture:
  description: The machine that the library is built for, as C(uname -m) calls it.
  returned: success
  type: str
  sample: aarch64
call_error:
  description: Why the library could not be loaded although it is built for this machine's architecture, else V(none).
  returned: success
  type: str
"""

import os
import sys

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils._nccl import NcclError, examine


def main() -> None:
    module = AnsibleModule(argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=True)
    path = module.params["path"]
    try:
        nccl = examine(path, module.run_command, sys.executable, os.uname().machine)
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be read: {error.strerror}; wanted the file libnccl.so.2")
    except NcclError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **nccl._asdict())


if __name__ == "__main__":
    main()
