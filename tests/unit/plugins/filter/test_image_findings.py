# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any, Optional

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.dgx_spark.vllm.plugins.filter.image_findings import image_findings
from ansible_collections.dgx_spark.vllm.plugins.module_utils import _findings
from ansible_collections.dgx_spark.vllm.plugins.module_utils._image_command import UNKNOWN

NAME, DIGEST = "own/image:1", f"sha256:{'1' * 64}"
SILENT = {"name": "mine", "image": {"name": NAME}}
SAYS_ALL = {"name": "mine", "image": {"name": NAME, "entrypoint": ["bash"], "command": ["serve"]}}
ABSENT: dict[str, Any] = {"name": NAME, "id": None, "entrypoint": None, "verified": None}


def image(*entrypoint: str, verified: Optional[bool] = None) -> dict[str, Any]:
    return {"name": NAME, "id": "sha256:x", "entrypoint": list(entrypoint), "verified": verified}


def words(*entrypoint: str, command: tuple[str, ...] = ()) -> dict[str, list[str]]:
    return {"entrypoint": list(entrypoint), "command": list(command)}


def test_every_host_gets_the_words_of_its_image() -> None:
    judged = image_findings({"ada": image("vllm", "serve"), "bob": image("vllm", "serve")}, SILENT)
    assert judged == {"findings": [], "commands": {"ada": words("vllm", "serve"), "bob": words("vllm", "serve")}}


def test_an_unknown_entrypoint_names_host_image_words_and_the_key_to_set() -> None:
    judged = image_findings({"ada": image("/start.sh"), "bob": image("/start.sh")}, SILENT)
    assert judged["commands"] == {"ada": None, "bob": None}
    first, second = _findings.texts(judged["findings"])
    assert first.startswith(f'error image.entrypoint-unknown ada: found image {NAME} with ENTRYPOINT ["/start.sh"]; wanted one that starts')
    assert "give image.entrypoint and image.command in the recipe" in first and "(recipe mine)" in first
    assert " bob: " in second


def test_a_recipe_that_says_all_is_not_held_against_the_image() -> None:
    assert image_findings({"ada": image("/start.sh")}, SAYS_ALL)["commands"] == {"ada": words("bash", command=("serve",))}
    assert image_findings({"ada": ABSENT}, SAYS_ALL)["commands"] == {"ada": words("bash", command=("serve",))}


def test_a_node_without_the_image_is_taken_to_get_that_of_the_others() -> None:
    judged = image_findings({"ada": ABSENT, "bob": image("vllm", "serve")}, SILENT)
    assert judged["commands"]["ada"] == judged["commands"]["bob"] == words("vllm", "serve")


def test_an_image_that_no_node_has_is_not_guessed_at() -> None:
    judged = image_findings({"ada": ABSENT, "bob": ABSENT}, SILENT, digest=DIGEST)
    assert judged == {"findings": [], "commands": {"ada": words(UNKNOWN), "bob": words(UNKNOWN)}}


def test_an_image_whose_digest_nobody_knows_is_a_warning() -> None:
    judged = image_findings({"ada": image(verified=True), "bob": image(verified=False)}, SILENT, digest=DIGEST)
    (line,) = _findings.texts(judged["findings"])
    assert line.startswith(f"warning image.digest-unverified bob: found image {NAME} (sha256:x), of which")
    assert f"wanted the one of {DIGEST}; remedy: nothing, if you know" in line


@pytest.mark.parametrize("images", [{"ada": {}}, ["ada"], {"ada": None}])
def test_what_is_no_result_of_base_image_is_no_traceback(images: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="wanted results of base_image by host"):
        image_findings(images, SILENT)
