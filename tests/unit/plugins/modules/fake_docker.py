# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path


class FakeDocker:
    """The part of docker that the image modules use: images with tags, labels and one library, containers, and apt in one of them."""

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
        # What a layer of a build puts in place of the library, and the modes of the files that each build was given.
        self.overwritten: t.Optional[bytes] = None
        self.modes: list[dict[str, int]] = []
        # The base's folders, what each image has been given at which path, and what later layers put there instead (None: they remove it).
        self.folders: set[str] = set()
        self.files: dict[str, dict[str, bytes]] = {}
        self.replaced: dict[str, t.Optional[bytes]] = {}
        # What apt unpacks or how it ends, the words of the container that it ran in, and the files that it was given.
        self.package_library = b""
        self.apt: tuple[int, str, str] = (0, "", "")
        self.apt_words: list[str] = []
        self.apt_files: dict[str, str] = {}
        # The words that end a command with an error.
        self.failures: dict[str, str] = {}

    def add(self, tag: t.Optional[str], identity: str, library: bytes = b"", **image: t.Any) -> str:
        self.images[identity] = {"Id": identity, "Architecture": "arm64", "Os": "linux", "Config": {}, "RepoDigests": [], **image}
        self.libraries[identity] = library
        if tag:
            self.tags[tag] = identity
        return identity

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        if words[0] == sys.executable:
            # A library of this machine is asked for its version; these are only headers and can't be loaded.
            return 1, "", "OSError: file too short\n"
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
        already = self.images.get(image["Id"], {}).get("RepoDigests", [])
        self.add(words[0], image["Id"], **{"RepoDigests": already, **{key: value for key, value in image.items() if key != "Id"}})
        if "@" in words[0] and words[0] not in self.images[image["Id"]]["RepoDigests"]:
            self.images[image["Id"]]["RepoDigests"] = [*already, words[0]]
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
        self.modes.append({path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()})
        assert self.find(text.splitlines()[0].split()[1]) is not None
        labels = dict(words[place + 1].split("=", 1) for place, word in enumerate(words) if word == "--label")
        library = (directory / "libnccl.so.2").read_bytes() if self.overwritten is None else self.overwritten
        files: dict[str, t.Optional[bytes]] = {}
        for line in text.splitlines():
            if line.startswith("COPY ["):
                name, target = json.loads(line[len("COPY ") :])
                files[f"{target}/{name}" if target in self.folders else target] = (directory / name).read_bytes()
        files.update(self.replaced)
        self.files[f"sha256:built{len(self.built)}"] = {path: content for path, content in files.items() if content is not None}
        self.add(words[words.index("--tag") + 1], f"sha256:built{len(self.built)}", library, Config={"Labels": labels})
        return 0, "", ""

    def do_create(self, words: list[str]) -> tuple[int, str, str]:
        name = words[words.index("--name") + 1]
        runs_apt = "--entrypoint" in words
        assert name not in self.containers
        image = words[words.index("--entrypoint") + 2] if runs_apt else words[-2]
        self.containers[name] = t.cast(str, self.find(image))
        if runs_apt:
            self.apt_words = words
        return 0, "c0ffee\n", ""

    def do_cp(self, words: list[str]) -> tuple[int, str, str]:
        source, target = words[-2:]
        if ":" in target:
            assert target.split(":")[0] in self.containers
            self.apt_files = {str(path.relative_to(source)): path.read_text() for path in Path(source).rglob("*") if path.is_file()}
            return 0, "", ""
        container, path = source.split(":")
        if path == "/dgx-spark-package/libnccl.so.2":
            Path(target).write_bytes(self.package_library)
            return 0, "", ""
        if path != "/opt/dgx-spark/nccl/libnccl.so.2":
            content = self.files[self.containers[container]].get(path)
            if content is None:
                return 1, "", f"Error response from daemon: Could not find the file {path} in container {container}\n"
            Path(target).write_bytes(content)
            return 0, "", ""
        Path(target).write_bytes(self.libraries[self.containers[container]])
        return 0, "", ""

    def do_start(self, words: list[str]) -> tuple[int, str, str]:
        assert words[0] == "--attach" and words[1] in self.containers
        return self.apt

    def do_ps(self, words: list[str]) -> tuple[int, str, str]:
        name = words[-1].replace("name=^/?", "").rstrip("$")
        return 0, "c0ffee\n" if name in self.containers else "", ""

    def do_rm(self, words: list[str]) -> tuple[int, str, str]:
        del self.containers[words[-1]]
        return 0, "", ""
