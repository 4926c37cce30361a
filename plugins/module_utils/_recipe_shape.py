# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The shape of a recipe: its keys, what each may be, and what it is for. `hacking/recipe_schema` writes `recipes/schema.json` from it.

What depends on several keys, or on more than the recipe, is the meaning, and is checked by `_recipe`.
"""

from __future__ import annotations

import typing as t

from . import _overlay_layers
from ._recipe_containers import Either, List, Mapping, Table
from ._recipe_kinds import Argument, Flag, Text, Whole

DEVICES = ("gpu", "cpu")
NCCL_SOURCES = ("wheel", "apt")

_ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime"),
    *("sigpending", "stack"),
)
# capabilities(7), without CAP_.
_CAPABILITIES = (
    *("ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE"),
    *("DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE"),
    *("MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID"),
    *("SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE"),
    *("SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
)
_VARIABLE = Text("", "the name of an environment variable", r"[A-Za-z_][A-Za-z0-9_]*")
# What follows a dot is a key of a JSON argument, which may have underscores.
_OPTION = Text("", "an option of vllm serve with hyphens and without leading dashes", r"[a-z0-9][a-z0-9-]*(\.[A-Za-z0-9_.+-]+)?")
_NO_OPTION = "name of an option, wanted it with hyphens and without leading dashes, such as max-model-len"
# The words of `docker run --mount` are separated by commas and may be quoted.
_MOUNTED = r"""/[^,"\x00-\x1f]*"""
_PORT = (1, 65535)

# As distribution/reference has it: the registry, if any, words of the path in lower case, tag, digest.
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE_NAME = (
    rf"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)?{_WORD}(?:/{_WORD})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
IMAGE = Mapping(
    "The image that vLLM comes in.",
    {
        "name": Text("What docker pull takes.", "the name of an image, such as vllm/vllm-openai:v0.21.0", _IMAGE_NAME),
        "digest": Text("Digest of the image in its registry.", "sha256: and 64 hex digits in lower case", r"sha256:[0-9a-f]{64}"),
        "entrypoint": List(
            "Words that start vLLM's command line. Left out, the image's own are looked at.", Text("", "a word, not empty"), 1
        ),
        "command": List("Words before the model, such as serve. Left out, they follow from the image.", Text("", "a word, not empty")),
    },
    optional=("digest", "entrypoint", "command"),
)
NCCL = Mapping(
    "The NCCL that the overlay brings.",
    {
        "version": Text("Version of NCCL.", "three numbers in quotes, such as 2.30.4", r"[0-9]+\.[0-9]+\.[0-9]+"),
        "source": Text("Where the overlay takes it from.", choices=NCCL_SOURCES),
        "wheel_package": Text("Python package that has it.", "the name of a Python package", r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"),
        "wheel_sha256": Table(
            "SHA-256 of the wheel, by architecture.",
            Text("", choices=("aarch64", "x86_64")),
            "architecture of NCCL's wheels",
            Text("", "64 hex digits in quotes", r"[0-9A-Fa-f]{64}"),
        ),
        "apt_package": Text("Debian package that has it, and its version.", "NAME=VERSION such as libnccl2=2.30.4-1+cuda13.2"),
        "rings": Flag("Whether it was built to leave out the trees for which rings of more than three nodes have no cables."),
    },
    optional=("wheel_package", "wheel_sha256", "apt_package", "rings"),
)
MODEL = Mapping(
    "The model, and what clients call it.",
    {
        "repo": Text("Repository of the Hugging Face hub.", "OWNER/NAME", r"([A-Za-z0-9_][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*"),
        "revision": Text("Commit, tag or branch.", "a commit, tag or branch in quotes", r"[A-Za-z0-9_][A-Za-z0-9._/+-]*"),
        "served_name": Text("What clients ask for.", "a name without blanks that begins with no dash", r"[^\s\x00-\x1f-][^\s\x00-\x1f]*"),
        "attention_heads": Whole("Attention heads of the model; the tensor parallel size divides them.", 1),
    },
)
PORTS = Mapping("Ports on the head.", {"api": Whole("Port of the API.", *_PORT), "master": Whole("Port of the rendezvous.", *_PORT)})
ARGUMENTS = Table(
    "Options of vllm serve. true is the bare option; mappings and lists become JSON.",
    _OPTION,
    _NO_OPTION,
    Argument("Value of the option."),
)
ENVIRONMENT = Table(
    "Variables of the container.",
    _VARIABLE,
    "name of an environment variable",
    Text("Value of the variable.", "text of one line, in quotes (an empty value is not the same as none)"),
)


class _Layers(List):
    """Layers are checked where overlays are made of them, for a user may give some without a recipe."""

    def problems(self, value: t.Any, path: str) -> list[str]:
        return _overlay_layers.problems(value, path)


_COMMAND = Text("", "a shell command of one line", r"[^\x00-\x1f]*[^\s\x00-\x1f][^\x00-\x1f]*")
LAYERS = _Layers(
    "What the overlay brings beside NCCL, in order.",
    Either(
        "A file, variables, or commands.",
        (
            Mapping(
                "A file that is copied into the image.",
                {
                    "file": Text("Path beside the recipe, or an absolute one on the controller.", "the path of a file"),
                    "target": Text("Path of the file in the image.", "an absolute path", _overlay_layers.TARGET.pattern),
                    "mode": Text("Its mode, in quotes.", "three octal digits in quotes", _overlay_layers.MODE.pattern),
                },
                optional=("mode",),
            ),
            Mapping(
                "Variables that the image carries.",
                {"environment": Table("Names and values.", _VARIABLE, "name of an environment variable", Text("", pattern=r"[^\r\n]*"))},
            ),
            Mapping("Commands that are run as root.", {"run": List("One command an entry, each in a shell of its own.", _COMMAND, 1)}),
            Mapping(
                "Files of a git repository at a commit.",
                {
                    "git": Text("URL of the repository, or its absolute path on the controller.", "a URL without secrets"),
                    "revision": Text("Id of the commit, in quotes.", "40 hex digits in lower case", r"[0-9a-f]{40}"),
                    "folder": Text("Folder of the repository; left out, all of it.", "a path from the top of the repository"),
                    "files": List("Files of that folder; left out, all of them.", Text("", "a path in the folder"), 1, unique=True),
                    "target": Text("Folder in the image.", "an absolute path", r"/|" + _overlay_layers.TARGET.pattern),
                },
                optional=("folder", "files"),
            ),
        ),
    ),
)
_MOUNT = Either(
    "A path of the node that appears in the container.",
    (
        Mapping(
            "A path that appears under another name, or only to be read.",
            {
                "source": Text("Path on the node.", "an absolute path without commas and double quotes", _MOUNTED),
                "target": Text("Path in the container.", "an absolute path without commas and double quotes", _MOUNTED),
                "read_only": Flag("Whether the container may only read it."),
                "optional": Flag("Whether a node may lack it."),
            },
            optional=("read_only", "optional"),
        ),
        Text("A path that is the same on the node and in the container.", "an absolute path without commas and double quotes", _MOUNTED),
    ),
)
CONTAINER = Mapping(
    "How Docker runs the container.",
    {
        # With none there is no /dev/shm, over which the processes of a rank talk.
        "ipc": Text("Namespace of shared memory.", choices=("host", "private", "shareable")),
        "ulimits": Table(
            "Limits of the container, by name.",
            Text("", choices=_ULIMITS),
            "limit that Docker knows",
            Text(
                "SOFT or SOFT:HARD; -1 is no limit.",
                'SOFT or SOFT:HARD in quotes, such as "-1:-1"',
                r"(-1|[0-9]{1,19})(:(-1|[0-9]{1,19}))?",
            ),
        ),
        "capabilities": List(
            "Capabilities that the container gets, without CAP_.",
            Text("", "a capability of Linux without CAP_", choices=_CAPABILITIES),
            unique=True,
        ),
        "devices": List(
            "Devices that the container gets.",
            Text("", "PATH, PATH:PATH or PATH:PATH:rwm, absolute", r"/[^:,\s\x00-\x1f]+(:/[^:,\s\x00-\x1f]+)?(:[rwm]{1,3})?"),
            unique=True,
        ),
        "mounts": List("Paths of the node that the container gets.", _MOUNT, unique=False),
        # The unit gives a stop 120 s, and removing the container is part of it.
        "stop_seconds": Whole("How long the container may take to stop before it is killed.", 1, 110),
    },
)
RECIPE = Mapping(
    "How one model is served: image, NCCL, arguments, environment, container.",
    {
        "schema": Whole("Version of this shape.", 1, 1),
        "name": Text(
            "The file's name without its ending.",
            "lower-case letters, digits, dots and hyphens, at most 64, because it names a unit",
            r"[a-z0-9][a-z0-9.-]{0,63}",
        ),
        "title": Text("One line for people."),
        "source": Text("Where the values come from."),
        "vllm_version": Text(
            "Version of vLLM that the arguments are for.", "a version in quotes, such as 0.21.1", r"[0-9]+\.[0-9]+[A-Za-z0-9.+_-]*"
        ),
        # A single node has no cluster to plan.
        "nodes": Whole("Number of nodes.", 2),
        "device": Text("What the ranks compute on.", choices=DEVICES),
        "image": IMAGE,
        "nccl": NCCL,
        "layers": LAYERS,
        "model": MODEL,
        "ports": PORTS,
        "arguments": ARGUMENTS,
        "fork_arguments": List("Options that only this image's fork of vLLM knows.", _OPTION, unique=True),
        "fork_values": Table(
            "Values that only this image's fork takes, by option.",
            _OPTION,
            _NO_OPTION,
            List("", Argument("", nested=False), 1, unique=True),
        ),
        "environment": ENVIRONMENT,
        "fork_environment": List("Variables that only this image's fork of vLLM knows.", _VARIABLE, unique=True),
        "other_environment": List("Variables that are read by something other than vLLM.", _VARIABLE, unique=True),
        "container": CONTAINER,
    },
    optional=("device", "layers", "fork_arguments", "fork_values", "fork_environment", "other_environment"),
)


def problems(recipe: t.Any) -> list[str]:
    """What is wrong with the shape of a parsed recipe, one sentence each, which begins with the path inside it."""
    if not RECIPE.takes(recipe):
        return RECIPE.problems(recipe, "the file")
    return RECIPE.problems(recipe, "")
