# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recipe
short_description: Read and check a recipe
version_added: 0.1.0
author: The dgx_spark.vllm authors (@dgx-spark-vllm)
description:
  - Reads the recipe of that name, which says how a model is served, and checks it.
  - What is wrong in it is reported in one message that names each key, what was found and what was wanted.
  - Arguments and variables are held to what vLLM of the recipe's C(vllm_version) knows, from lists that come with the collection.
options:
  _terms:
    description:
      - Names of recipes of the collection, or paths of YAML files that end in C(.yml).
    type: list
    elements: string
    required: true
"""

EXAMPLES = r"""
- name: Show the arguments of a recipe
  ansible.builtin.debug:
    msg: "{{ lookup('dgx_spark.vllm.recipe', 'dsv4-flash-b12x-1m').arguments }}"
"""

RETURN = r"""
_raw:
  description:
    - The recipes, as read.
  type: list
  elements: dict
"""

import copy
import functools
import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _recipe, _recipe_words
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _recipe_file
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

# Beside plugins/, both in an installed collection and in a checkout.
RECIPES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "recipes")


def names() -> list[str]:
    """Names of the recipes that come with the collection, sorted."""
    return sorted(name[:-4] for name in os.listdir(RECIPES) if name.endswith(".yml"))


class RecipeError(AnsibleLookupError):
    """A recipe cannot be used; `problems` are sentences that each name the recipe."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read(term: str) -> dict[str, t.Any]:
    """The recipe called `term`, or in the file `term`; raises RecipeError with all that is wrong in it."""
    if not isinstance(term, str):
        raise RecipeError([f"no recipe {_recipe_words.shown(term)}, wanted the name of a recipe or the path of one in quotes"])
    if term.endswith(".yml"):
        path = place = os.path.expanduser(term)
        name = os.path.basename(term)[:-4]
    else:
        path, place, name = os.path.join(RECIPES, f"{term}.yml"), term, term
        if term not in (known := names()):
            path_hint = "; a path ends in .yml" if os.sep in term else ""
            raise RecipeError([f"no recipe {term!r}{_recipe.suggestion(term, known)}{path_hint}; the recipes are: {', '.join(known)}"])
    return copy.deepcopy(_judged(path, name, place, _state(path)))


def _state(path: str) -> t.Optional[tuple[int, ...]]:
    """What changes when a file is written or replaced; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        # The second for a path that can be none, as one with a zero byte.
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@functools.lru_cache(maxsize=16)
def _judged(path: str, name: str, place: str, state: t.Optional[tuple[int, ...]]) -> dict[str, t.Any]:
    """The recipe in the file, kept as long as its `state` is the same: a deployment asks for it in most of its tasks."""
    try:
        recipe = _recipe_file.load(path)
    except _recipe_file.FileError as error:
        # Ansible would add the text of a cause, which is the same.
        raise RecipeError([f"recipe {place}: {problem}" for problem in error.problems]) from None
    found = _recipe.problems(recipe, name, place, vllm=CATALOGUE)
    if found:
        raise RecipeError(found)
    return t.cast("dict[str, t.Any]", recipe)


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: t.Optional[dict[str, t.Any]] = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        return [read(term) for term in terms]
