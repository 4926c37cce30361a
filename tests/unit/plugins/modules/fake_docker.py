# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path


class FakeDocker:
    """The part of docker that the image modules use: images with tags, labels and one library inside, and containers that never run."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, t.Any]] = {}
        self.tags: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self.libraries: dict[str, bytes] = {}
        self.registry: dict[str, dict[str, t.Any]] = {}
        self.calls: list[list[str]] = []
        self.built: list[str] = []
        # The files that each build was given.
        self.contexts: list[list[str]] = []
        # What the packages of a build put in place, and the words that end a command with an error.
        self.package_library = b""
        self.failures: dict[str, str] = {}

    def add(self, tag: t.Optional[str], identity: str, library: bytes = b"", **image: t.Any) -> str:
        self.images[identity] = {"Id": identity, "Architecture": "arm64", "Config": {}, "RepoDigests": [], **image}
        self.libraries[identity] = library
        if tag:
            self.tags[tag] = identity
        return identity

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        assert words[0] == "/usr/bin/docker"
        self.calls.append(words[1:])
        if words[1] in self.failures:
            return 1, "", self.failures[words[1]]
        name = "_".join(words[1:3]) if words[1] == "image" else words[1]
        return t.cast("tuple[int, str, str]", getattr(self, f"do_{name}")(words[3:] if words[1] == "image" else words[2:]))

    def find(self, reference: str) -> t.Optional[str]:
        return self.tags.get(reference, reference if reference in self.images else None)

    def missing(self, reference: str) -> tuple[int, str, str]:
        return 1, "[]\n", f"Error response from daemon: No such image: {reference}\n"

    def do_image_inspect(self, words: list[str]) -> tuple[int, str, str]:
        identity = self.find(words[0])
        if identity is None:
            return self.missing(words[0])
        tags = [tag for tag, image in self.tags.items() if image == identity]
        return 0, json.dumps([{**self.images[identity], "RepoTags": tags}]), ""

    def do_image_rm(self, words: list[str]) -> tuple[int, str, str]:
        identity = self.tags.pop(words[0], None)
        if identity is None:
            return self.missing(words[0])
        if identity not in self.tags.values():
            del self.images[identity]
        return 0, "", ""

    def do_pull(self, words: list[str]) -> tuple[int, str, str]:
        image = self.registry.get(words[0])
        if image is None:
            return 1, "", "Error response from daemon: manifest unknown\n"
        self.add(words[0], image["Id"], **{key: value for key, value in image.items() if key != "Id"})
        return 0, f"Status: Downloaded newer image for {words[0]}\n", ""

    def do_tag(self, words: list[str]) -> tuple[int, str, str]:
        identity = self.find(words[0])
        if identity is None:
            return self.missing(words[0])
        self.tags[words[1]] = identity
        return 0, "", ""

    def do_build(self, words: list[str]) -> tuple[int, str, str]:
        directory = Path(words[-1])
        text = (directory / "Dockerfile").read_text()
        self.built.append(text)
        self.contexts.append(sorted(path.name for path in directory.iterdir()))
        assert self.find(text.splitlines()[0].split()[1]) is not None
        labels = dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--label")
        library = (directory / "libnccl.so.2").read_bytes() if "COPY" in text else self.package_library
        self.add(words[words.index("--tag") + 1], f"sha256:built{len(self.built)}", library, Config={"Labels": labels})
        return 0, "", ""

    def do_create(self, words: list[str]) -> tuple[int, str, str]:
        name, image = words[words.index("--name") + 1], words[-2]
        assert name not in self.containers
        self.containers[name] = t.cast(str, self.find(image))
        return 0, "c0ffee\n", ""

    def do_cp(self, words: list[str]) -> tuple[int, str, str]:
        source, target = words[-2:]
        container, path = source.split(":")
        assert path == "/opt/dgx-spark/nccl/libnccl.so.2"
        Path(target).write_bytes(self.libraries[self.containers[container]])
        return 0, "", ""

    def do_ps(self, words: list[str]) -> tuple[int, str, str]:
        name = words[-1].replace("name=^/?", "").rstrip("$")
        return 0, "c0ffee\n" if name in self.containers else "", ""

    def do_rm(self, words: list[str]) -> tuple[int, str, str]:
        del self.containers[words[-1]]
        return 0, "", ""
