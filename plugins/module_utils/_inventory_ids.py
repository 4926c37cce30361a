# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""The ids of everything that can be wrong with an inventory."""

from __future__ import annotations

from ._findings import Meaning

IDS = {
    "inventory.placeholder": Meaning(
        "error",
        "a host still has the address that the example inventory came with",
        "put the names or addresses under which ssh reaches your nodes",
    ),
    "inventory.too-few-nodes": Meaning(
        "error",
        "the group has fewer than two hosts",
        "add the other nodes to the group, or name another group with `-e spark_group=NAME`",
    ),
    "inventory.node-count": Meaning(
        "error",
        "the group has fewer hosts than the recipe is for, or another number than the playbook is for",
        "change the group, or choose another recipe with `dsv4_recipe`",
    ),
    "inventory.spares": Meaning(
        "info",
        "the group has more hosts than the recipe is for",
        "nothing: the first that can serve together get a rank, and the others are spares",
    ),
    "inventory.head-not-in-group": Meaning(
        "error",
        "`spark_head` is none of the group's hosts",
        "set it to one of them, or leave it out: the first host is the head",
    ),
    "inventory.same-machine": Meaning(
        "error",
        "two hosts have one address, or have a network card in common",
        "give each machine one host name, and correct `ansible_host`",
    ),
    "inventory.unknown-variable": Meaning(
        "error",
        "a variable begins like those of the collection and is none of them",
        "correct its name, or, if it is your own, add it to the list `spark_known_variables`",
    ),
    "inventory.wrong-type": Meaning(
        "error",
        "the value of a variable is not of its type, or is none of its choices",
        "correct the value; `ansible-doc -t role` lists types and choices",
    ),
    "inventory.unreadable-variable": Meaning(
        "error",
        "the value of a variable can't be worked out, for example because it refers to a variable that does not exist",
        "correct the value",
    ),
    "inventory.login": Meaning(
        "error",
        "a node cannot be logged in to, or its user cannot become root; all such nodes are named before anything is changed on any",
        "what the message says, after what ssh said: the address, the user, the key, the host key, sudo",
    ),
    "inventory.recipe": Meaning(
        "error",
        "the recipe is not there, has a mistake in it, or is for another number of nodes than the playbook",
        "correct `dsv4_recipe`, or what is named in the recipe",
    ),
    "inventory.layers": Meaning(
        "error",
        "an entry of `image_layers` is no layer, or sets a variable that nothing is known to read",
        "correct it, as `recipes/README.md` describes layers, or declare the variable in `serve_extra_declared`",
    ),
    "inventory.port": Meaning(
        "error",
        "`serve_api_port` is no port, or the one at which the recipe's ranks meet",
        "choose another, or leave it out for the recipe's",
    ),
    "inventory.arguments": Meaning(
        "error",
        "`serve_extra_arguments` or `serve_extra_environment` does not fit the recipe, or sets what is found per node",
        "correct it, or leave it out",
    ),
}
