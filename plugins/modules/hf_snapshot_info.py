#!/usr/bin/python

# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hf_snapshot_info
short_description: Tell whether a model is complete on the node
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Inspects a model in a directory or in a Hugging Face cache. Nothing is fetched, and of the weights only the headers are read.
  - A model is complete when C(config.json) and every file of C(model.safetensors.index.json) are there, links followed, and each weight
    file has the length that its own header says. vLLM before 0.26 does not notice that a file of a quantized model is missing.
  - It never fails because of what it finds in a model. That is RV(problems).
extends_documentation_fragment:
  - dgx_spark.vllm._attributes
  - dgx_spark.vllm._attributes.read_only
options:
  path:
    description: Directory of the model on the target, such as a snapshot or a plain copy.
    type: path
  cache:
    description: The Hugging Face cache on the target, as E(HF_HOME) or E(HF_HUB_CACHE) names it.
    type: path
  repo:
    description: Name of the model in the cache, C(ORGANISATION/NAME).
    type: str
  revision:
    description: Branch or tag that was fetched by that name, or commit.
    type: str
    default: main
"""

EXAMPLES = r"""
---
- name: Inspect the model in the cache
  dgx_spark.vllm.hf_snapshot_info:
    cache: /root/.cache/huggingface
    repo: deepseek-ai/DeepSeek-V4-Flash
  register: model

- name: Stop unless it is complete
  ansible.builtin.assert:
    that: model.complete
    fail_msg: "{{ inventory_hostname }}: {{ model.problems }}"

- name: Inspect a copy in a directory
  dgx_spark.vllm.hf_snapshot_info:
    path: /srv/models/DeepSeek-V4-Flash
"""

RETURN = r"""
complete:
  description: Whether there is no problem.
  returned: success
  type: bool
problems:
  description: What is wrong, sorted by file.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: The file, relative to RV(root), or the path of what is missing or unfinished.
      type: str
      returned: always
      sample: model-00007-of-00046.safetensors
    kind:
      description:
        - V(directory-missing), the directory or the cache is not there.
        - V(repo-missing), the cache has no model of that name.
        - V(revision-missing), the cache has the model and no such revision of it. RV(problems[].found) names those that exist.
        - V(snapshot-missing), the revision names a commit whose snapshot is not there.
        - V(file-missing), a file that the model needs is not there.
        - V(link-dangling), a link leads to a file that is not there.
        - V(link-unmountable), a link leads into a directory which a container needs for itself, such as C(/) or C(/tmp).
        - V(unreadable), a file is there and may not be read.
        - V(json-invalid), a file is not JSON, or not of the shape that its name promises.
        - V(header-invalid), the header of a weight file cannot be what it says.
        - V(size-differs), a weight file is shorter or longer than its header says.
        - V(tensor-missing), a weight file lacks tensors that the index expects in it.
        - V(total-differs), the weight files together are not of the size that the index says.
        - V(download-incomplete), a download of a file of this snapshot has not finished.
      type: str
      returned: always
      sample: size-differs
    found:
      description: What was found.
      type: str
      returned: always
      sample: 3221225472 bytes
    wanted:
      description: What was wanted.
      type: str
      returned: always
      sample: 3475231808 bytes, as the file's header says
bytes:
  description: Size of all files of the model that are there, links followed.
  returned: success
  type: int
  sample: 159622811648
weight_bytes:
  description: Size of the weight files that are there and whole.
  returned: success
  type: int
  sample: 159622804112
shards:
  description: Number of weight files that the model has when it is complete.
  returned: success
  type: int
  sample: 46
root:
  description: The directory of the model, or where it was looked for.
  returned: success
  type: str
  sample: /root/.cache/huggingface/hub/models--deepseek-ai--DeepSeek-V4-Flash/snapshots/60d8d70770c6776ff598c94bb586a859a38244f1
revision:
  description: The commit, or V(none) if it is not known.
  returned: success
  type: str
  sample: 60d8d70770c6776ff598c94bb586a859a38244f1
links:
  description: What the links of the model are. V(absolute) if at least one of them is.
  returned: success
  type: str
  choices: [relative, absolute, none]
  sample: relative
mounts:
  description:
    - The directories of the host that a container must mount, each at its own path, so that every file of the model resolves in it.
    - The first is the cache or the directory; others follow where C(hub) or other links lead out of it.
  returned: success
  type: list
  elements: str
  sample: [/root/.cache/huggingface]
heads:
  description: Number of attention heads, C(num_attention_heads) of C(config.json), or V(none). The tensor parallel size must divide it.
  returned: success
  type: int
  sample: 64
model_type:
  description: C(model_type) of C(config.json), or V(none).
  returned: success
  type: str
  sample: deepseek_v4
draft:
  version_added: 0.2.0
  description:
    - Which draft the weights bring for speculative decoding, and so which C(method) vLLM can load them with. V(none) if they bring none.
    - V(dspark) if C(config.json) has C(dspark_target_layer_ids); the loader of V(mtp) does not know the names of such weights and ends with
      a KeyError. V(mtp) if it has C(num_nextn_predict_layers) alone.
  returned: success
  type: str
  sample: mtp
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _snapshot, _snapshot_cache


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path"},
            "cache": {"type": "path"},
            "repo": {"type": "str"},
            "revision": {"type": "str", "default": "main"},
        },
        required_one_of=[("path", "cache")],
        mutually_exclusive=[("path", "cache")],
        required_together=[("cache", "repo")],
        supports_check_mode=True,
    )
    given = module.params
    try:
        if given["path"]:
            place = _snapshot_cache.of_directory(given["path"])
        else:
            place = _snapshot_cache.of_cache(given["cache"], given["repo"], given["revision"])
    except _snapshot_cache.NotThere as missing:
        module.exit_json(changed=False, **_snapshot.nothing(missing.root, missing.problem))
    module.exit_json(changed=False, **_snapshot.inspect(*place))


if __name__ == "__main__":
    main()
