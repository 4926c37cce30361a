# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding is one shape and one line."""

from __future__ import annotations

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _findings

WARNING = _findings.finding("rail.no-ipv4", "warning", "spark2", "a port\nwithout address", "an address", "give it one")
ERROR = _findings.finding("rail.no-common", "error", None, "nothing", "something", "look")


def test_a_finding_is_one_line_with_all_that_it_says() -> None:
    line = "warning rail.no-ipv4 spark2: found a port without address; wanted an address; remedy: give it one"
    assert _findings.text(WARNING) == line


def test_what_concerns_all_nodes_names_the_cluster() -> None:
    assert _findings.text(ERROR).startswith("error rail.no-common cluster: ")


def test_the_worst_comes_first_and_errors_can_be_told_apart() -> None:
    assert [line.split()[0] for line in _findings.texts([WARNING, ERROR, WARNING])] == ["error", "warning", "warning"]
    assert _findings.errors([WARNING, ERROR]) == [ERROR]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Rail.none", "error", None, "a", "b", "c"), "wanted area.kebab-case"),
        (("rail", "error", None, "a", "b", "c"), "wanted area.kebab-case"),
        (("rail.none", "fatal", None, "a", "b", "c"), "wanted one of error, warning, info"),
        (("rail.none", "error", None, "a", "b", ""), "remedy is empty"),
    ],
)
def test_a_finding_that_no_reader_could_rely_on_is_refused(arguments: tuple[str, str, None, str, str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _findings.finding(*arguments)
