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
  - A layer that comes from a git repository becomes a layer for each of its files, ordered by their paths. The commit is fetched with the
    program C(git) of the controller and kept there; it needs no network again.
  - What is wrong is reported in one message that names each place, what was found and what was wanted.
options:
  _terms:
    description:
      - Lists of layers. Each is C(file) (path on the controller) with C(target) (path in the image) and C(mode), or C(environment) (names
        and values), or C(run) (list of shell commands, which are run as root), or C(git).
      - C(git) is the URL of a repository (https, ssh, or an absolute path on the controller), with C(revision), the whole id of a commit,
        C(target), a folder in the image, and optionally C(folder), a folder of the repository, and C(files), a list of paths in it.
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
  cache:
    description:
      - Folder on the controller in which repositories and their files are kept. Empty for C(dgx-spark-vllm/git) in E(XDG_CACHE_HOME) or
        C(~/.cache).
    type: string
    default: ""
    version_added: 0.2.0
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
    - A file of a git repository has C(origin) too, with C(repository), C(revision) and C(path).
  type: list
  elements: dict
"""

import os
import posixpath
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _overlay, _overlay_layers, _recipe
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _git_cache, _git_files
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._git import GitError


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


def cache_folder(given: str) -> str:
    """Where repositories are kept; raises AnsibleLookupError if the given folder depends on where Ansible is started."""
    folder = os.path.expanduser(given) if given else _git_cache.default_folder(os.environ)
    if not os.path.isabs(folder):
        raise AnsibleLookupError(f"image_git_cache: found {given}, wanted an absolute path on the controller, or one that begins with ~")
    return folder


def git_files(layer: dict[str, t.Any], cache: _git_cache.Cache) -> list[dict[str, t.Any]]:
    """The files of a git layer that has no other problems, as file layers in the order of their targets; raises GitError."""
    url, commit, folder = layer["git"], layer["revision"], layer.get("folder", "")
    result = []
    for file in cache.read(url, commit, lambda objects: _git_files.files(objects, commit, folder, layer.get("files"))):
        target = posixpath.join(layer["target"], file.path)
        path = posixpath.join(folder, file.path)
        for problem in _overlay_layers.target_problems(target, path):
            raise GitError("git", f"{problem}; choose other files with files")
        source = cache.keep(file.content)
        origin = {"repository": url, "revision": commit, "path": path}
        content = {"kind": "file", "target": target, "mode": file.mode, "sha256": os.path.basename(source)}
        result.append({**content, "source": source, "origin": origin})
    return result


def expanded(layer: dict[str, t.Any], folder: t.Optional[str], cache: _git_cache.Cache) -> list[dict[str, t.Any]]:
    """What a layer that has no other problems is for the module; raises GitError."""
    if "git" in layer:
        return git_files(layer, cache)
    source = {"source": path_of(layer["file"], folder)} if "file" in layer else {}
    return [{**_overlay_layers.normalized(layer, lambda file: _overlay.file_sha256(path_of(file, folder))), **source}]


def read(layers: t.Any, folder: t.Optional[str], name: str, cache: str = "") -> list[dict[str, t.Any]]:
    """The layers as the module takes them; raises AnsibleLookupError with all that is wrong."""
    found = _recipe.layer_problems(layers, name) or file_problems(layers, folder, name)
    if found:
        raise AnsibleLookupError("\n".join(found))
    repositories = _git_cache.Cache(cache_folder(cache))
    result: list[dict[str, t.Any]] = []
    placed = []
    for number, layer in enumerate(layers):
        try:
            made = expanded(layer, folder, repositories)
        except GitError as error:
            found.append(f"{name}[{number}].{error.part}: {error}")
            continue
        result += made
        placed += [(f"{name}[{number}].{'git' if 'git' in layer else 'file'}", each) for each in made if each["kind"] == "file"]
    found += _overlay_layers.clash_problems(placed)
    if found:
        raise AnsibleLookupError("\n".join(found))
    return result


class LookupModule(LookupBase):
    def run(self, terms: list[t.Any], variables: t.Optional[dict[str, t.Any]] = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        folder, name, cache = (self.get_option(option) for option in ("folder", "name", "cache"))
        return [layer for term in terms for layer in read(term, folder, name, cache)]
