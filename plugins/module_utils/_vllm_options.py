# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What each version of vLLM knows: options of `vllm serve` and environment variables, as `recipes/vllm/VERSION.json` hold them.

The files are read on the controller (`plugin_utils/_vllm_files`); what is here takes their content.  An option is a mapping:
`kind` (`value`; `switch`, which has an opposite; `flag`, which has none), `also` (spellings besides `--NAME` and, of a switch,
`--no-NAME`), and of a value `type` (`int`, `float`, `size`, `size-or-auto`, `json`, `json-or-text`; text if absent), `nargs` (argparse's),
`choices` (texts), `keys` {key of a JSON argument: its choices or null}.
"""

from __future__ import annotations

import re
import typing as t

Option = dict[str, t.Any]

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)[._-]?(.*)", re.ASCII)
_EARLIER = re.compile(r"(a|b|c|rc|alpha|beta|pre|preview|dev)[._-]?\d*(?![a-z])", re.ASCII)


class Spelling(t.NamedTuple):
    """A word of the command line: the option that it means, and whether it is one that a recipe can use, which starts with two dashes."""

    name: str
    option: Option
    long: bool


def takes_several(option: Option) -> bool:
    """Whether an option takes one word or more, which a recipe gives in a list; a list for any other is one word of JSON."""
    return option["kind"] == "value" and option.get("nargs") == "+" and option.get("type") != "json"


class Vllm:
    """One version: `version`, `options` {name without dashes: option}, `environment` (names)."""

    def __init__(self, data: dict[str, t.Any]) -> None:
        self.version: str = data["vllm"]
        self.options: dict[str, Option] = data["options"]
        self.environment = frozenset(data["environment"])
        self._spellings: dict[str, Spelling] = {}
        for name, option in self.options.items():
            opposite = [f"--no-{name}"] if option["kind"] == "switch" else []
            for word in (f"--{name}", *opposite, *option.get("also", ())):
                self._spellings[word.lstrip("-")] = Spelling(name, option, word.startswith("--"))

    def find(self, word: str) -> t.Optional[Spelling]:
        """The option that is spelt so, without dashes."""
        return self._spellings.get(word)

    def words(self) -> list[str]:
        """All spellings that a recipe can use, without dashes."""
        return [word for word, spelling in self._spellings.items() if spelling.long]

    def knows(self, option: str) -> bool:
        """Whether there is that option, or that key of a JSON argument (`speculative-config.method`) whose keys are known."""
        name, key = option.partition(".")[::2]
        spelling = self.find(name)
        return spelling is not None and (not key or key in (spelling.option.get("keys") or ()))

    def takes_several(self, option: str) -> bool:
        """`takes_several` of the option that is spelt so."""
        spelling = self.find(option)
        return spelling is not None and takes_several(spelling.option)

    def choices(self, option: str) -> t.Optional[list[str]]:
        """The values of an option, or of such a key; None where they are not listed."""
        name, key = option.partition(".")[::2]
        spelling = self.find(name)
        if spelling is None:
            return None
        listed: t.Optional[list[str]] = (spelling.option.get("keys") or {}).get(key) if key else spelling.option.get("choices")
        return listed


class Catalogue:
    """The versions of which there are data, oldest first. `read` gives the content of the file of one; it is called when it is needed."""

    def __init__(self, versions: t.Iterable[str], read: t.Callable[[str], dict[str, t.Any]]) -> None:
        self.versions = sorted(versions, key=lambda version: _order(version) or ((), False))
        self._read = read
        self._known: dict[str, Vllm] = {}

    def of(self, version: str) -> Vllm:
        """What one of `versions` knows."""
        if version not in self._known:
            self._known[version] = Vllm(self._read(version))
        return self._known[version]

    def fitting(self, version: str) -> t.Optional[Vllm]:
        """What is known of `version`, or of the newest before it in the same minor series; None if there is neither."""
        wanted = _order(version)
        if wanted is None:
            return None
        not_newer = [known for known in self.versions if known and (_order(known) or wanted) <= wanted]
        same_series = [known for known in not_newer if (_order(known) or wanted)[0][:2] == wanted[0][:2]]
        return self.of(same_series[-1]) if same_series else None

    def others(self, has: t.Callable[[Vllm], bool]) -> str:
        """` (vLLM 0.25.0 and later have it)` for what some version `has`, as far as there are data; or nothing."""
        having = [version for version in self.versions if has(self.of(version))]
        if not having:
            return ""
        first, last = having[0], having[-1]
        if last == self.versions[-1]:
            return f" (vLLM {first}{' and later have' if first != last else ' has'} it)"
        until = "up to " if first == self.versions[0] else f"{first} to " if first != last else ""
        return f" (vLLM {until}{last} had it)"

    def others_taking(self, option: str, value: str) -> str:
        """The same of a value of an option; where one version lists it, another that lists none takes it, too."""
        listed = any(value in (self.of(version).choices(option) or ()) for version in self.versions)
        return self.others(lambda vllm: listed and vllm.knows(option) and value in (vllm.choices(option) or [value]))


def _order(version: str) -> t.Optional[tuple[tuple[int, ...], bool]]:
    """What versions are compared by: the numbers, and whether it is a release rather than what came before it; None if there are none.

    After PEP 440: `0.21.1rc1.dev339+gabc` comes before 0.21.1, a post-release and a build of a release do not.
    """
    parts = _VERSION.fullmatch(version.strip().lower())
    if parts is None:
        return None
    numbers = tuple(int(number[:9]) for number in parts[1].split("."))
    return (*numbers, *[0] * (3 - len(numbers))), not _EARLIER.match(parts[2])
