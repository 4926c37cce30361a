# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the nodes' images say of themselves, held against a recipe: by which words they start, and whether they are the pinned one."""

from __future__ import annotations

import typing as t

from . import _image_command
from ._findings import Finding, finding
from ._image_ids import IDS

Image = t.Mapping[str, t.Any]
"""A result of the module base_image: `name`, `id`, `entrypoint`, `verified`; all but the name are None where the image is not there yet."""


def judge(images: t.Mapping[str, Image], recipe: t.Mapping[str, t.Any], digest: str = "") -> dict[str, t.Any]:
    """Return `findings`, and `commands` by host: `entrypoint` and `command`, or None where they can't be decided.

    `images` by host; `digest` is what the image is pinned by, if it is. A node without the image, which is in check mode only, is taken to
    get that of the others; if none has it the entrypoint is a placeholder (`_image_command.UNKNOWN`) unless the recipe says all.
    """
    found: list[Finding] = []
    commands: dict[str, t.Optional[dict[str, list[str]]]] = {}
    present = next((image for image in images.values() if image["id"] is not None), None)
    for host, image in images.items():
        try:
            commands[host] = _command(recipe["image"], image if image["id"] is not None else present)._asdict()
        except _image_command.CommandError as error:
            commands[host] = None
            remedy = f"{IDS['image.entrypoint-unknown'].remedy} (recipe {recipe['name']})"
            found.append(_finding("image.entrypoint-unknown", host, *_halves(str(error), image["name"]), remedy))
        if digest and image["verified"] is False:
            what = f"image {image['name']} ({image['id']}), of which this node knows no digest"
            found.append(_finding("image.digest-unverified", host, what, f"the one of {digest}", IDS["image.digest-unverified"].remedy))
    return {"findings": found, "commands": commands}


def _command(recipe_image: t.Mapping[str, t.Any], image: t.Optional[Image]) -> _image_command.Command:
    """The words for one node; `image` is None if no node has it."""
    says_all = "entrypoint" in recipe_image
    if image is None and not says_all:
        return _image_command.Command([_image_command.UNKNOWN], [])
    return _image_command.decide(recipe_image, image["entrypoint"] if image else None)


def _halves(text: str, name: str) -> tuple[str, str]:
    """The sentence of a CommandError as what was found, with the image's name, and what was wanted."""
    found, _comma, wanted = text.partition(", wanted ")
    return f"image {name} with {found}", wanted


def _finding(identifier: str, host: str, found: str, wanted: str, remedy: str) -> Finding:
    return finding(identifier, IDS[identifier].severity, host, found, wanted, remedy)
