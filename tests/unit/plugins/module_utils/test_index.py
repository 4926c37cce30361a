# Copyright (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.dgx_spark.vllm.plugins.module_utils import _index

PAGE = "https://mirror.lab/root/simple/nvidia-nccl-cu13/"
ARM = "nvidia_nccl_cu13-2.30.4-py3-none-manylinux_2_18_aarch64.whl"
INTEL = "nvidia_nccl_cu13-2.30.4-py3-none-manylinux_2_18_x86_64.whl"
OLD_ARM = "nvidia_nccl_cu13-2.27.7-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"
SOURCE = "nvidia_nccl_cu13-0.0.0a0.tar.gz"
SHA = {name: digit * 64 for name, digit in ((ARM, "a"), (INTEL, "b"), (OLD_ARM, "c"), (SOURCE, "d"))}


def json_page(*entries: dict[str, t.Any], version: str = "1.4") -> bytes:
    return json.dumps({"meta": {"api-version": version}, "name": "nvidia-nccl-cu13", "files": entries}).encode()


def entry(name: str, **changes: t.Any) -> dict[str, t.Any]:
    return {"filename": name, "url": f"https://files.lab/{name}", "hashes": {"sha256": SHA[name]}, "yanked": False, **changes}


def anchor(name: str, href: str = "", more: str = "") -> str:
    return f'<a href="{href or f"https://files.lab/{name}#sha256={SHA[name]}"}" data-requires-python="&gt;=3" {more}>{name}</a><br/>'


def html_page(*anchors: str, head: str = "") -> bytes:
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>{''.join(anchors)}</body></html>".encode()


def read(page: bytes) -> list[_index.File]:
    return _index.files_of(page, "text/plain", PAGE)


def choose(files: t.Sequence[_index.File], architecture: str = "aarch64", sha256: str = SHA[ARM], version: str = "2.30.4") -> _index.File:
    return _index.choose(files, "nvidia-nccl-cu13", version, architecture, sha256)


ALL = (SOURCE, OLD_ARM, ARM, INTEL)
FILES = [_index.File(name, f"https://files.lab/{name}", SHA[name]) for name in ALL]


@pytest.mark.parametrize(
    "page", [json_page(*map(entry, ALL)), html_page(*map(anchor, ALL)), b"\xef\xbb\xbf\n" + json_page(*map(entry, ALL))]
)
def test_both_kinds_of_page_list_the_same_files(page: bytes) -> None:
    assert read(page) == FILES


@pytest.mark.parametrize(
    ("link", "url"),
    [
        (f"../../packages/{ARM}#sha256={SHA[ARM]}", f"https://mirror.lab/root/packages/{ARM}"),
        (f"/packages/{ARM}", f"https://mirror.lab/packages/{ARM}"),
        (ARM, f"{PAGE}{ARM}"),
        (f"//cdn.lab/{ARM}?token=1&amp;x=2", f"https://cdn.lab/{ARM}?token=1&x=2"),
    ],
)
def test_relative_addresses_count_from_the_page(link: str, url: str) -> None:
    assert [file.url for file in read(html_page(anchor(ARM, link)))] == [url]
    assert [file.url for file in read(json_page(entry(ARM, url=link.replace("&amp;", "&"))))] == [url]


def test_html_addresses_count_from_the_base_that_the_page_names() -> None:
    assert read(html_page(anchor(ARM, ARM), head='<base href="/files/">'))[0].url == f"https://mirror.lab/files/{ARM}"


def test_html_name_is_decoded_and_its_hash_may_be_missing_or_of_another_kind() -> None:
    files = read(html_page(anchor(ARM, "https://files.lab/a%2Bb-1%2B1.whl#md5=00"), anchor(ARM, f"https://files.lab/{ARM}")))
    assert [(file.name, file.sha256) for file in files] == [("a+b-1+1.whl", None), (ARM, None)]


def test_json_may_lack_hashes_and_what_is_no_file_is_passed_over() -> None:
    files = read(json_page(entry(ARM, hashes={}), entry(ARM, url="http://[broken"), t.cast(t.Any, "text"), entry(INTEL, hashes=None)))
    assert [(file.name, file.sha256) for file in files] == [(ARM, None), (INTEL, None)]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<html><body><a href='/login'>Sign in</a></body></html>", "lists no files"),
        (b"", "lists no files"),
        (json_page(), "lists no files"),
        (b'{"error": "not found"}', "lists no files"),
        (b'{"files": ', "begins like JSON and is none"),
        (json_page(entry(ARM), version="2.0"), "version 2.0 of the interface"),
    ],
)
def test_page_that_is_not_an_indexs_is_told_from_one(page: bytes, words: str) -> None:
    with pytest.raises(_index.IndexPageError, match=words):
        read(page)


@pytest.mark.parametrize(
    ("architecture", "version", "name"), [("aarch64", "2.30.4", ARM), ("x86_64", "2.30.4", INTEL), ("aarch64", "2.27.7", OLD_ARM)]
)
def test_wheel_is_chosen_by_version_and_architecture(architecture: str, version: str, name: str) -> None:
    assert choose(FILES, architecture, SHA[name].upper(), version).name == name


@pytest.mark.parametrize(
    "name",
    [
        "nvidia_nccl_cu12-2.30.4-py3-none-manylinux_2_18_aarch64.whl",
        "nvidia_nccl_cu13-2.30.40-py3-none-manylinux_2_18_aarch64.whl",
        "nvidia_nccl_cu13-2.30.4.post1-py3-none-manylinux_2_18_aarch64.whl",
        "nvidia_nccl_cu13-2.30.4-py3-none-musllinux_1_2_aarch64.whl",
        "nvidia_nccl_cu13-2.30.4-py3-none-win_arm64.whl",
        "nvidia_nccl_cu13-2.30.4-py3-none-../manylinux_2_18_aarch64.whl",
        "nvidia_nccl_cu13-2.30.4-py3-none-manylinux_2_18_aarch64.whl.metadata",
        "nvidia_nccl_cu13-2.30.4.tar.gz",
    ],
)
def test_similar_file_is_not_taken_for_the_wheel(name: str) -> None:
    assert choose([_index.File(name, "https://files.lab/x"), *FILES]).name == ARM
    with pytest.raises(_index.IndexPageError):
        choose([_index.File(name, "https://files.lab/x")])


@pytest.mark.parametrize("name", ["Nvidia.NCCL_cu13-2.30.4-py3-none-manylinux_2_18_aarch64.whl", ARM.replace("-py3", "-1build-py3")])
def test_other_spelling_and_a_build_number_are_the_same_package(name: str) -> None:
    assert choose([_index.File(name, "https://files.lab/x")]).name == name


def test_of_several_wheels_the_one_with_the_wanted_hash_is_taken() -> None:
    files = [_index.File(ARM.replace("2_18", glibc), glibc, sha) for glibc, sha in (("2_17", "e" * 64), ("2_28", None), ("2_34", SHA[ARM]))]
    assert choose(files).url == "2_34"
    assert choose(files[:2]).url == "2_28"


@pytest.mark.parametrize(
    ("architecture", "version", "sha256", "words"),
    [
        ("aarch64", "2.31.0", SHA[ARM], r"4 files, but no wheel of version 2\.31\.0; .* 2\.27\.7, 2\.30\.4$"),
        ("riscv64", "2.30.4", SHA[ARM], f"none for Linux on riscv64: {ARM}, {INTEL}"),
        ("x86_64", "2.27.7", SHA[ARM], f"none for Linux on x86_64: {OLD_ARM}"),
        ("aarch64", "2.30.4", "f" * 64, f"{ARM} with SHA-256 {'a' * 64} instead of {'f' * 64}"),
    ],
)
def test_wheel_that_is_missing_is_told_with_what_is_there(architecture: str, version: str, sha256: str, words: str) -> None:
    with pytest.raises(_index.IndexPageError, match=words):
        choose(FILES, architecture, sha256, version)


@pytest.mark.parametrize("yanked", [True, "does not load", False])
def test_yanked_file_of_json_is_skipped(yanked: t.Any) -> None:
    files = read(json_page(entry(ARM, yanked=yanked)))
    if yanked:
        with pytest.raises(_index.IndexPageError, match=f"{ARM}, but it has been yanked"):
            choose(files)
    else:
        assert choose(files).name == ARM


@pytest.mark.parametrize("attribute", ["data-yanked", 'data-yanked=""', 'data-yanked="does not load"'])
def test_yanked_file_of_html_is_skipped_and_another_taken(attribute: str) -> None:
    again = anchor(ARM, f"https://files.lab/again/{ARM}")
    assert choose(read(html_page(anchor(ARM, more=attribute), again))).url == f"https://files.lab/again/{ARM}"


@pytest.mark.parametrize("url", ["https://mirror.lab/root/simple", "https://mirror.lab/root/simple/"])
def test_page_of_a_package_is_below_the_index(url: str) -> None:
    assert _index.page_url(url, "NVIDIA_nccl.cu13") == PAGE


def test_login_of_the_index_is_used_on_its_own_server_only_and_never_shown() -> None:
    index = "https://me:p%40ss@mirror.lab/root/simple"
    assert _index.with_login("https://mirror.lab/f.whl?a=1", index) == "https://me:p%40ss@mirror.lab/f.whl?a=1"
    for other in ("https://files.lab/f.whl", "http://mirror.lab/f.whl", "https://mirror.lab:8443/f.whl", "https://you@mirror.lab/f.whl"):
        assert _index.with_login(other, index) == other
    assert _index.with_login("https://mirror.lab/f.whl", "https://mirror.lab/simple") == "https://mirror.lab/f.whl"
    assert _index.without_login(index) == "https://mirror.lab/root/simple"
    assert _index.without_login("https://mirror.lab/@scope/f") == "https://mirror.lab/@scope/f"
