# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _findings, _inventory

_ROLES = os.path.join(os.path.dirname(recipes.RECIPES), "roles")


def role_options() -> dict[str, dict[str, t.Any]]:
    """The options of all roles by name, from their argument_specs."""
    options: dict[str, dict[str, t.Any]] = {}
    for role in _inventory.ROLES:
        with open(os.path.join(_ROLES, role, "meta", "argument_specs.yml"), encoding="utf-8") as file:
            options.update(yaml.safe_load(file)["argument_specs"]["main"]["options"])
    return options


def _value_findings(host: str, values: dict[str, t.Any], options: dict[str, dict[str, t.Any]], inventory: str) -> list[dict[str, t.Any]]:
    found = []
    for name, option in options.items():
        if name not in values:
            continue
        spec = {key: option[key] for key in ("type", "elements", "choices", "no_log") if key in option}
        result = ArgumentSpecValidator({name: spec}).validate({name: values[name]})
        wanted = f"type {option['type']}" + (f", one of {', '.join(map(str, option['choices']))}" if "choices" in option else "")
        # The validator's text repeats the value, which must not be shown where it is a secret.
        shown = "found a value that does not fit" if option.get("no_log") else "; ".join(result.error_messages)
        if result.error_messages:
            found.append(_inventory.type_finding(host, name, shown, wanted, inventory))
    return found


def place(sources: t.Union[str, list[str]]) -> str:
    """What to name as the place to correct: the inventory file that the user gave, or the main file of the folder."""
    named = []
    for source in [sources] if isinstance(sources, str) else sources:
        main = os.path.join(source, "hosts.yml")
        named.append(os.path.relpath(main if os.path.isfile(main) else source))
    return ", ".join(named) or "the inventory"


def inventory_findings(hostvars: t.Mapping[str, t.Any], hosts: list[str], **context: t.Any) -> list[dict[str, t.Any]]:
    """Everything that is wrong with the inventory, before any node is asked."""
    try:
        options = role_options()
        inventory = place(context["inventory"])
        variables = {host: dict(hostvars[host]) for host in hosts}
        found: list[dict[str, t.Any]] = []
        wanted_nodes = context.get("expected_nodes")
        try:
            wanted_nodes = wanted_nodes or recipes.read(context["recipe"])["nodes"]
        except AnsibleError as error:
            found.append(
                _findings.finding(
                    "inventory.recipe", "error", "dsv4_recipe", str(error), "a recipe that can be read", "correct dsv4_recipe"
                )
            )
        found += _inventory.host_findings(
            hosts,
            context["group"],
            context.get("head"),
            wanted_nodes,
            {host: str(values.get("ansible_host", host)) for host, values in variables.items()},
            inventory,
            context.get("limit"),
            context.get("limited_hosts"),
        )
        found += _inventory.variable_findings(variables, options, inventory)
        for host, values in variables.items():
            found += _value_findings(host, values, options, inventory)
        return found
    except (OSError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"the inventory can't be checked: {type(error).__name__}: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"inventory_findings": inventory_findings}
