# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import typing as t

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _sparkrun, _sparkrun_report
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils import _recipe_file
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

# For what sparkrun does not say: NCCL, the container's limits, ports and timeouts are those of this recipe.
PATTERN = "dsv4-flash-b12x-1m"
_NUMBERS = ("attention_heads", "nodes")
_TEXTS = ("vllm_version", "image", "model")


def sparkrun_recipe(path: str, name: str, tell_error: bool = False, **options: t.Any) -> dict[str, t.Any]:
    """The sparkrun recipe in the file `path` as a recipe called `name`, with a report; see `_sparkrun.convert`.

    `tell_error`: return what is wrong as `error`, for a task that says it without Ansible's account of where a filter failed.
    """
    try:
        given = _options(options)
        recipe, report = _sparkrun.convert(
            _parsed(path), str(name), os.path.basename(path), recipes.read(PATTERN), catalogue=CATALOGUE, **given
        )
    except _sparkrun_report.SparkrunError as error:
        if tell_error:
            return {"error": f"{path}: {error}"}
        # Ansible would repeat the cause, which is part of the text.
        raise AnsibleFilterError(f"{path}: {error}") from None
    title = f"{recipe['title']}."
    origin = f"Converted from the sparkrun recipe {os.path.basename(path)} by dgx_spark.vllm {_version()}."
    notes = [title, "", origin, "Everything that is not as it was there is named here.", *_sparkrun_report.comments(report)]
    return {"recipe": recipe, "report": report, "table": _sparkrun_report.lines(report), "comments": notes}


class _Loader(yaml.SafeLoader):
    """Refuses whole numbers which Python reads and then does not write."""

    def whole(self, node: yaml.ScalarNode) -> int:
        value = self.construct_yaml_int(node)
        if abs(value) >= 10**30:
            raise yaml.constructor.ConstructorError(None, None, "found a number with too many digits", node.start_mark)
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole)


def _parsed(path: str) -> t.Any:
    try:
        # A SafeLoader, which makes nothing but plain values.
        loader = _Loader(_recipe_file.text(path))
        node = loader.get_single_node()
        _recipe_file.bounded(node)
        return loader.construct_document(node) if node else None
    except _recipe_file.FileError as error:
        raise _sparkrun_report.SparkrunError(str(error)) from error
    # The parser of YAML lets pass what the types of its tags make of a value: a date with 13 months, or a number with too many digits.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _sparkrun_report.SparkrunError(f"the file is not YAML: {_sparkrun_report.one_line(error)}") from error


def _options(given: dict[str, t.Any]) -> dict[str, t.Any]:
    """The options as `_sparkrun.convert` takes them; given on a command line, numbers are text."""
    unknown = sorted(set(given) - {*_NUMBERS, *_TEXTS})
    if unknown:
        raise _sparkrun_report.SparkrunError(f"{', '.join(unknown)}: no option of the import, wanted {', '.join((*_NUMBERS, *_TEXTS))}")
    found: dict[str, t.Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        text = str(value).strip()
        if name in _NUMBERS and not re.fullmatch(r"[1-9][0-9]{0,3}", text):
            raise _sparkrun_report.SparkrunError(f"{name}: found {value!r}, wanted a whole number from 1 on")
        if not text:
            raise _sparkrun_report.SparkrunError(f"{name}: found no text, wanted a value")
        found[name] = int(text) if name in _NUMBERS else text
    return found


def _version() -> str:
    """Version of this collection, from the file that is there: the built artifact's, or the source's."""
    folder = os.path.dirname(recipes.RECIPES)
    manifest = os.path.join(folder, "MANIFEST.json")
    if os.path.isfile(manifest):
        with open(manifest, encoding="utf-8") as file:
            return str(json.load(file)["collection_info"]["version"])
    with open(os.path.join(folder, "galaxy.yml"), encoding="utf-8") as file:
        return str(yaml.safe_load(file)["version"])


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"sparkrun_recipe": sparkrun_recipe}
