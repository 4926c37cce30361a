# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What can be wrong with an inventory before any node is asked: hosts, head, names of variables.

Every function returns findings (see `_findings`), so that a user sees all of them at once.
"""

from __future__ import annotations

import typing as t

from ._findings import did_you_mean, finding

# Host names of the example inventories, which nobody's node has.
PLACEHOLDER = "REPLACE-ME"
ROLES = ("preflight", "discover", "fabric", "validate", "image", "model", "caches", "serve")
# Variables of the cluster as a whole; those of a role are in its argument_specs.
CLUSTER_VARIABLES = ("dsv4_recipe", "spark_group", "spark_head", "spark_known_variables")


def host_findings(
    hosts: list[str],
    group: str,
    head: t.Optional[str],
    wanted_nodes: t.Optional[int],
    addresses: dict[str, str],
    inventory: str,
    spares: bool = False,
) -> list[dict[str, t.Any]]:
    """Findings about the group: `hosts` in inventory order, `addresses` {host: ansible_host}, `inventory` the path that the user gave.

    `spares`: whether there may be more than `wanted_nodes`.
    """
    placeholders = [host for host in hosts if PLACEHOLDER in addresses.get(host, host)]
    if placeholders:
        return [
            finding(
                "inventory.placeholder",
                "error",
                placeholders[0],
                f"ansible_host of {', '.join(placeholders)} is still {PLACEHOLDER}",
                "the names or addresses under which ssh reaches your nodes",
                f"edit {inventory}",
            )
        ]
    found = []
    if len(hosts) < 2:
        found.append(
            finding(
                "inventory.too-few-nodes",
                "error",
                group,
                f"group {group} has {len(hosts)} host{'' if len(hosts) == 1 else 's'}{': ' + hosts[0] if hosts else ''}",
                "two or more",
                f"add the other nodes to group {group} in {inventory} (another group's name is given with -e spark_group=NAME)",
            )
        )
    elif wanted_nodes is not None and len(hosts) != wanted_nodes:
        found.append(_number_finding(len(hosts), group, wanted_nodes, inventory, spares))
    if head is not None and head not in hosts:
        found.append(
            finding(
                "inventory.head-not-in-group",
                "error",
                head,
                f"spark_head is {head}, which is not in group {group}",
                f"one of {', '.join(hosts) or 'no host'}",
                did_you_mean(head, hosts) or "set spark_head to one of them, or leave it out: the first host is the head",
            )
        )
    by_address: dict[str, list[str]] = {}
    for host in hosts:
        by_address.setdefault(addresses.get(host, host), []).append(host)
    for address, names in by_address.items():
        if len(names) > 1:
            found.append(
                finding(
                    "inventory.same-machine",
                    "error",
                    names[1],
                    f"{' and '.join(names)} are both {address}",
                    "one host name for each machine",
                    f"correct ansible_host in {inventory}",
                )
            )
    return found


def _number_finding(hosts: int, group: str, wanted: int, inventory: str, spares: bool) -> dict[str, t.Any]:
    # Nothing is planned for a single node.
    if spares and hosts > wanted > 1:
        more = f"{hosts - wanted} of them as spare{'' if hosts - wanted == 1 else 's'}"
        return finding(
            "inventory.spares",
            "info",
            group,
            f"group {group} has {hosts} hosts, {more}",
            f"{wanted} or more, for this recipe",
            "nothing: the first that can serve together get a rank",
        )
    return finding(
        "inventory.node-count",
        "error",
        group,
        f"group {group} has {hosts} hosts",
        f"{wanted}{' or more' if spares and wanted > 1 else ''}, for this playbook and recipe",
        f"change the group in {inventory}, or choose a recipe for {hosts} nodes with dsv4_recipe",
    )


def variable_findings(
    variables: dict[str, list[str]], options: t.Iterable[str], allowed: t.Collection[str], inventory: str
) -> list[dict[str, t.Any]]:
    """Findings about variables that look like ours and are not: `variables` is {host: names}, `allowed` are names the user declared.

    A name is taken for ours when it begins like a role of the collection, with `spark_` or with `dsv4_`.
    """
    known = sorted({*options, *CLUSTER_VARIABLES})
    prefixes = (*(f"{role}_" for role in ROLES), "spark_", "dsv4_")
    by_name: dict[str, list[str]] = {}
    for host, names in variables.items():
        for name in names:
            if name.startswith(prefixes) and name not in known and name not in allowed:
                by_name.setdefault(name, []).append(host)
    return [
        finding(
            "inventory.unknown-variable",
            "error",
            ", ".join(hosts),
            f"variable {name}",
            did_you_mean(name, known) or "a variable of a role, as `ansible-doc -t role` lists them",
            f"correct its name in {inventory}, or, if it is your own, add it to the list spark_known_variables",
        )
        for name, hosts in sorted(by_name.items())
    ]


def recipe_finding(problem: str, inventory: str) -> dict[str, t.Any]:
    """The finding for a recipe that is not there or has a mistake in it."""
    remedy = f"correct the recipe, or choose another with dsv4_recipe in {inventory}"
    return finding("inventory.recipe", "error", "dsv4_recipe", problem, "a recipe as recipes/README.md describes it", remedy)


def recipe_size_finding(recipe: str, nodes: int, wanted: int) -> dict[str, t.Any]:
    """The finding for a recipe that is for another number of nodes than the playbook."""
    return finding(
        "inventory.recipe",
        "error",
        "dsv4_recipe",
        f"recipe {recipe} is for {nodes} nodes",
        f"one for {wanted}, as the playbook is",
        "choose another recipe with dsv4_recipe, or use deploy_dsv4.yml",
    )


def unreadable_finding(host: str, variable: str, problem: str, inventory: str) -> dict[str, t.Any]:
    """The finding for a variable whose template can't be evaluated."""
    return finding(
        "inventory.unreadable-variable", "error", host, f"{variable}: {problem}", "a value", f"correct {variable} in {inventory}"
    )


def arguments_finding(host: str, problem: str, inventory: str) -> dict[str, t.Any]:
    """The finding for arguments or environment variables of a user that do not fit the recipe."""
    place = f"serve_extra_arguments or serve_extra_environment in {inventory}"
    remedy = f"correct {place}, or declare what only the image knows in serve_extra_declared"
    return finding("inventory.arguments", "error", host, problem, "what a recipe may hold", remedy)


def port_finding(host: str, problem: str, inventory: str) -> dict[str, t.Any]:
    """The finding for a port of the API that is none, or is taken by the recipe itself."""
    return finding("inventory.port", "error", host, problem, "a port of its own", f"correct serve_api_port in {inventory}")


def layers_finding(host: str, problem: str, inventory: str) -> dict[str, t.Any]:
    """The finding for a layer of an overlay that is not written as one."""
    return finding(
        "inventory.layers", "error", host, problem, "a layer as recipes/README.md describes it", f"correct image_layers in {inventory}"
    )


def type_finding(host: str, variable: str, problem: str, wanted: str, inventory: str) -> dict[str, t.Any]:
    """The finding for a variable whose value does not fit its argument spec."""
    return finding("inventory.wrong-type", "error", host, f"{variable}: {problem}", wanted, f"correct {variable} in {inventory}")
