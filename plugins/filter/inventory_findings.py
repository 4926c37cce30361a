# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

import jinja2
import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.dgx_spark.vllm.plugins.lookup import recipe as recipes
from ansible_collections.dgx_spark.vllm.plugins.module_utils import (
    _inventory,
    _recipe,
    _recipe_contradictions,
    _recipe_declarations,
    _recipe_findings,
)
from ansible_collections.dgx_spark.vllm.plugins.plugin_utils._vllm_files import CATALOGUE

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
        # The validator takes for granted that what has options inside is a mapping.
        if "options" in option and isinstance(values[name], dict):
            result = ArgumentSpecValidator({name: {**spec, "options": option["options"]}}).validate({name: values[name]})
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
        path = os.path.abspath(main if os.path.isfile(main) else source)
        relative = os.path.relpath(path)
        named.append(path if relative.startswith("..") else relative)
    return ", ".join(named) or "the inventory"


class Variables:
    """The variables of one host, read only where needed: a user's other variables may be costly, or not meant to be read here."""

    def __init__(self, host: str, variables: t.Mapping[str, t.Any]) -> None:
        self.host = host
        self.names = sorted(variables)
        self.unreadable: dict[str, str] = {}
        self._variables = variables

    def read(self, names: t.Iterable[str]) -> dict[str, t.Any]:
        """The values of those `names` that are set; what can't be templated is noted in `unreadable`."""
        values = {}
        for name in names:
            if name in self.names:
                try:
                    value = self._variables[name]
                except AnsibleError as error:
                    self.unreadable[name] = str(error).splitlines()[0]
                    continue
                # What a template could not make out comes as an object that fails at its first use.
                if isinstance(value, jinja2.Undefined):
                    self.unreadable[name] = str(value._undefined_message)
                else:
                    values[name] = value
        return values


def inventory_findings(hostvars: t.Mapping[str, t.Any], hosts: list[str], **context: t.Any) -> list[dict[str, t.Any]]:
    """Everything that is wrong with the inventory, before any node is asked."""
    try:
        return _inventory_findings(hostvars, hosts, **context)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"the inventory can't be checked: {type(error).__name__}: {error}") from error


def _inventory_findings(
    hostvars: t.Mapping[str, t.Any],
    hosts: list[str],
    group: str,
    inventory: t.Union[str, list[str]],
    recipe: str,
    head: t.Optional[str] = None,
    expected_nodes: t.Optional[int] = None,
) -> list[dict[str, t.Any]]:
    options, where = role_options(), place(inventory)
    variables = {host: Variables(host, hostvars[host]) for host in hosts}
    values = {host: own.read([*options, "ansible_host", "spark_known_variables"]) for host, own in variables.items()}
    addresses = {host: str(own.get("ansible_host", host)) for host, own in values.items()}
    found: list[dict[str, t.Any]] = []
    content = None
    try:
        content = recipes.read(recipe)
    except recipes.RecipeError as error:
        found += [_inventory.recipe_finding(problem, where) for problem in error.problems]
    wanted = int(expected_nodes) if expected_nodes else content["nodes"] if content else None
    found += _inventory.host_findings(hosts, group, head, wanted, addresses, where, spares=not expected_nodes)
    if content and expected_nodes and content["nodes"] != int(expected_nodes):
        found.append(_inventory.recipe_size_finding(recipe, content["nodes"], int(expected_nodes)))
    found += _inventory.variable_findings(
        {host: own.names for host, own in variables.items()},
        options,
        {name for own in values.values() for name in own.get("spark_known_variables") or []},
        where,
    )
    merged = []
    for host, own in variables.items():
        found += [_inventory.unreadable_finding(host, name, problem, where) for name, problem in own.unreadable.items()]
        wrong = _value_findings(host, values[host], options, where)
        found += wrong
        layers = [] if wrong else values[host].get("image_layers") or []
        in_layers = _recipe.layer_problems(layers, "image_layers")
        if content and not wrong:
            extra = (values[host].get(f"serve_extra_{kind}") for kind in ("arguments", "environment", "declared"))
            merged.append(_recipe.override(content, *extra))
            problems = _recipe.override_problems(merged[-1], vllm=CATALOGUE)
            port = values[host].get("serve_api_port")
            # 0 stands for the recipe's.
            wrong_port = _recipe_contradictions.api_port_problem(content, port) if str(port or 0) != "0" else None
            found += [_inventory.port_finding(host, wrong_port, where)] if wrong_port else []
            found += [_inventory.arguments_finding(host, problem, where) for problem in problems]
            in_layers = in_layers or _recipe_declarations.layer_problems(layers, "image_layers", merged[-1], CATALOGUE)
        found += [_inventory.layers_finding(host, problem, where) for problem in in_layers]
    if content:
        # Once: the nodes run the same, or the launch is refused.
        found += _recipe_findings.findings((merged or [content])[0], CATALOGUE)
    return found


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"inventory_findings": inventory_findings}
