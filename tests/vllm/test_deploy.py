"""The playbook puts a real vLLM onto two nodes, and tokens come from two real ranks."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.acceptance.harness import Playbooks, Run
from tests.vllm.conftest import VARIABLES

UNIT = "vllm@tiny-cpu.service"
NCCL = "/opt/dgx-spark/nccl/libnccl.so.2"
HEAD = "192.168.100.11"
CHAT = {"model": "tiny", "max_tokens": 8, "ignore_eos": True, "messages": [{"role": "user", "content": "How many nodes does it take?"}]}


def ask(node: Any, path: str, body: Any = None) -> str:
    """The head's answer, asked on its own loop-back; an AssertionError unless it is 200."""
    words = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "120", f"http://127.0.0.1:8000{path}"]
    if body is not None:
        words += ["-H", "'Content-Type: application/json'", "-d", f"'{json.dumps(body)}'"]
    text: str = node.check_output(" ".join(words))
    return text


def journal(node: Any) -> str:
    text: str = node.check_output(f"journalctl --no-pager --output cat --unit {UNIT}")
    return text


def test_both_ranks_come_up_and_a_second_run_changes_nothing(deployed: Run, playbooks: Playbooks, nodes: dict[str, Any]) -> None:
    assert ("spark1", "dgx_spark.vllm.serve : run | Start the head") in deployed.changed
    for host, node in nodes.items():
        log = journal(node)
        assert ("Initializing a V1 LLM engine (v0.32.0)" if host == "spark1" else "Launching vLLM (v0.32.0) headless") in log
        assert "backend=gloo" in log and "NCCL INFO" not in log
    again = playbooks.deploy("-e", VARIABLES).succeeded()
    assert again.changed == set()


def test_a_completion_comes_whole_and_in_pieces(deployed: Run, nodes: dict[str, Any]) -> None:
    head = nodes["spark1"]
    model = json.loads(ask(head, "/v1/models"))["data"][0]
    assert (model["id"], model["max_model_len"]) == ("tiny", 512)
    whole = json.loads(ask(head, "/v1/chat/completions", CHAT))
    assert (whole["usage"]["completion_tokens"], whole["choices"][0]["finish_reason"]) == (8, "length")
    events = [line for line in ask(head, "/v1/chat/completions", {**CHAT, "stream": True}).splitlines() if line.startswith("data: ")]
    assert events[-1] == "data: [DONE]" and len(events) > 3
    deltas = [json.loads(event[len("data: ") :])["choices"][0] for event in events[:-1]]
    assert deltas[-1]["finish_reason"] == "length"


def test_the_other_rank_is_a_process_that_is_connected_to_the_head(deployed: Run, nodes: dict[str, Any]) -> None:
    worker = nodes["spark2"]
    assert "VLLM::Worker_TP1" in worker.check_output("docker top vllm-tiny-cpu -eo pid,args")
    connected = worker.check_output(f"ss --no-header --tcp state established dst {HEAD}:25000")
    assert re.search(rf"(^|[ :]){re.escape(HEAD)}\]?:25000", connected), connected
    assert "rank 1 in world size 2 is assigned as DP rank 0" in journal(worker)


def test_the_real_nccl_is_in_the_overlay_and_in_the_process(deployed: Run, nodes: dict[str, Any]) -> None:
    """LD_PRELOAD of a library for GPUs does no harm where there is none, and the loader did take it."""
    for host, node in nodes.items():
        image = node.check_output("docker inspect --format '{{.Config.Image}}' vllm-tiny-cpu")
        assert image.startswith("dgx-spark/vllm:"), host
        process = node.check_output("docker inspect --format '{{.State.Pid}}' vllm-tiny-cpu")
        assert NCCL in node.check_output(f"cat /proc/{process}/maps"), host
        said = node.check_output(
            f"docker run --rm --entrypoint python3 {image} -c 'import ctypes; v = ctypes.c_int();"
            f' print(ctypes.CDLL("{NCCL}").ncclGetVersion(ctypes.byref(v)), v.value)\''
        )
        assert said.split() == ["0", "23004"], host
        size = int(node.check_output(f"docker run --rm --entrypoint stat {image} --format %s {NCCL}"))
        assert size > 200_000_000, host


def test_the_status_says_what_runs(deployed: Run, playbooks: Playbooks, tmp_path: Any) -> None:
    playbooks.run("playbooks/status.yml", "-e", VARIABLES, "-e", f"status_file={tmp_path}/status.json").succeeded()
    document = json.loads((tmp_path / "status.json").read_text())
    assert (document["state"], document["recipe"], document["model"]["id"]) == ("serving", "tiny-cpu", "tiny")
    assert [node["rank"] for node in document["nodes"]] == [0, 1]


def test_the_unit_starts_docker_without_a_gpu(deployed: Run, nodes: dict[str, Any]) -> None:
    for node in nodes.values():
        launch = json.loads(node.file("/etc/dgx-spark/tiny-cpu/launch.json").content_string)
        assert not {"--gpus", "--runtime", "--device"} & set(launch["docker_options"])
        assert node.check_output("docker inspect --format '{{json .HostConfig.DeviceRequests}}' vllm-tiny-cpu") == "null"
