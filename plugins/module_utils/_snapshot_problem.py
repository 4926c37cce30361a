# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What can be wrong with a model on disk."""

from __future__ import annotations

import os
import typing as t

# Every kind of problem, and what it says. The set is closed: roles and documents name these.
KINDS = {
    "directory-missing": "The directory, or the cache, is not there.",
    "repo-missing": "The cache has no model of that name.",
    "revision-missing": "The cache has the model, and no such revision of it.",
    "snapshot-missing": "The revision names a commit whose snapshot is not there.",
    "file-missing": "A file that the model needs is not there.",
    "link-dangling": "A link leads to a file that is not there.",
    "link-unmountable": "A link leads into a directory which a container needs for itself.",
    "unreadable": "A file is there and may not be read.",
    "json-invalid": "A file is not JSON, or not of the shape that its name promises.",
    "header-invalid": "The header of a weight file cannot be what it says.",
    "size-differs": "A weight file is shorter or longer than its header says: its download or copy was cut off.",
    "tensor-missing": "A weight file lacks tensors that the index expects in it: it belongs to another revision.",
    "total-differs": "The weight files together are not of the size that the index says: they belong to another revision.",
    "download-incomplete": "A download of a file of this snapshot has not finished.",
}


class Problem(t.NamedTuple):
    file: str
    kind: str
    found: str
    wanted: str


class Unfit(Exception):
    """What a file is and should be; `kind` is one of the kinds of problems of a snapshot."""

    def __init__(self, kind: str, found: str, wanted: str) -> None:
        super().__init__(kind)
        self.kind, self.found, self.wanted = kind, found, wanted


def dangling(name: str, path: str) -> Problem:
    """The problem of the link at `path`, which the result calls `name`."""
    return Problem(name, "link-dangling", f"a link to {os.readlink(path)}, which is not there", "the file that it leads to")
