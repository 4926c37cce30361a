# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: layers
short_description: Check what an overlay gets beside NCCL, and name its files by their content
version_added: 0.2.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Takes a list of layers as a user writes it, and returns it as M(dgx_spark.vllm.overlay_image) takes it, with the place of each file
    on the controller.
  - What is wrong is reported in one message that names each place, what was found and what was wanted.
options:
  _terms:
    description:
      - Lists of layers. Each is C(file) (path on the controller) with C(target) (path in the image) and C(mode), or C(environment) (names
        and values), or C(run) (list of shell commands, which are run as root).
    type: list
    elements: list
    required: true
  folder:
    description:
      - Folder from which the paths of files count. Without one they must be absolute.
    type: string
  name:
    description:
      - What the list is called in messages.
    type: string
    default: layers
"""

EXAMPLES = r"""
- name: Show what an overlay gets
  ansible.builtin.debug:
    msg: "{{ query('dgx_spark.vllm.layers', [{'file': playbook_dir ~ '/fallbacks.py', 'target': '/opt/env/fallbacks.py'}]) }}"
"""

RETURN = r"""
_raw:
  description:
    - For each layer C(kind), and C(source), C(target), C(mode), C(sha256), or C(variables), or C(lines).
  type: list
  elements: dict
"""

import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay, _overlay_layers, _recipe


def path_of(file: str, folder: t.Optional[str]) -> str:
    """Where a file of a layer is on the controller."""
    return os.path.join(folder or "", os.path.expanduser(file))


def file_problems(layers: list[dict[str, t.Any]], folder: t.Optional[str], name: str) -> list[str]:
    """What is wrong with the files of layers that have no other problems."""
    found = []
    for number, layer in enumerate(layers):
        path = path_of(layer["file"], folder) if "file" in layer else None
        if path and not os.path.isabs(path):
            found.append(f"{name}[{number}].file: found {path}, wanted an absolute path, such as {{{{ playbook_dir }}}}/{path}")
        elif path and not os.path.isfile(path):
            found.append(f"{name}[{number}].file: found no file {path} on the controller")
    return found


def read(layers: t.Any, folder: t.Optional[str], name: str) -> list[dict[str, t.Any]]:
    """The layers as the module takes them; raises AnsibleLookupError with all that is wrong."""
    found = _recipe.layer_problems(layers, name) or file_problems(layers, folder, name)
    if found:
        raise AnsibleLookupError("\n".join(found))
    result = []
    for layer in layers:
        source = {"source": path_of(layer["file"], folder)} if "file" in layer else {}
        result.append({**_overlay_layers.normalized(layer, lambda file: _overlay.file_sha256(path_of(file, folder))), **source})
    return result


class LookupModule(LookupBase):
    def run(self, terms: list[t.Any], variables: t.Optional[dict[str, t.Any]] = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        return [layer for term in terms for layer in read(term, self.get_option("folder"), self.get_option("name"))]
