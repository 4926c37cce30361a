# Copyright (c) 2026, The dgx_spark.vllm authors
# Simplified BSD License (see https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Who measures which rail with whom, by a plan: the targets of pings, and the two ends of every run of ib_write_bw."""

from __future__ import annotations

import typing as t

from . import _perftest
from ._fabric_links import Fabric, Link, Rail, name

Plan = t.Mapping[str, t.Any]
Run = dict[str, t.Any]
"""One run of ib_write_bw as the judgement takes it: `from`, `to`, `device` or `devices` (``device:port``), `gid_index`."""

TOOL = "ib_write_bw"
HOST = "host"
"""That the tool is the node's own; else it is in an image, by its name."""

_CONTAINER = "dgx-spark-rdma"
# What the tool needs in a container: the node's devices and addresses, and as much memory pinned as it likes.
_DOCKER = ("docker", "run", "--rm", "--pull", "never", "--network", "host", "--ipc", "host")
_RDMA = ("--device", "/dev/infiniband", "--cap-add", "IPC_LOCK", "--ulimit", "memlock=-1:-1")

_SLACK = 20
"""Seconds that two ends need to meet and to end, containers and all."""


def targets(plan: Plan, host: str) -> list[dict[str, t.Any]]:
    """What `host` has to ping, as the module rail_ping takes it: each rail of another node in a network of one of its own."""
    fabric = Fabric(plan, None)
    found = []
    for link in fabric.links:
        for (one, rail), (other, theirs) in (link.ends, link.ends[::-1]):
            if one == host:
                mine, far = _rail(fabric, one, rail), _rail(fabric, other, theirs)
                ends = {"from": one, "to": other, "interface": mine["netdev"], "source": mine["ipv4"], "target": far["ipv4"]}
                found.append({**ends, "mtu": mine["mtu"]})
    return found


def pairs(plan: Plan) -> list[list[Link]]:
    """The links of each two nodes that have to measure so that every rail is measured.

    Where there are cables those are all neighbours; on a switch, where each node sees all others, as few as there can be.
    """
    links: dict[tuple[str, str], list[Link]] = {}
    for link in Fabric(plan, None).links:
        links.setdefault((link.host, link.peer), []).append(link)
    covered: set[t.Any] = set()
    chosen = []
    for enough in (all, any):
        for both in links.values():
            ends = {end for link in both for end in link.ends}
            if enough(end not in covered for end in ends):
                chosen.append(both)
                covered |= ends
    return chosen


def rounds(plan: Plan, tools: t.Mapping[str, t.Optional[str]], seconds: int, port: int) -> list[dict[str, t.Any]]:
    """Return what is measured at the same time. A node has part in a round once, for its rails share what is behind them.

    `tools`: by host HOST, an image, or None where there is no ib_write_bw; pairs with such a host are left out (see `missing`). Each run
    lasts so many `seconds`; its TCP port is counted from `port` on. First each rail of a pair is measured alone, then all at once.

    A round has `servers` and `clients`: by host, what the module fabric_measure is given (`steps`, `seconds`, `ports`, `afterwards`), and
    for clients `runs`, one for each step.
    """
    found: list[dict[str, t.Any]] = []
    fabric = Fabric(plan, None)
    for links in pairs(plan):
        client, server = links[0].host, links[0].peer
        if not (tools.get(client) and tools.get(server)):
            continue
        place = next((each for each in found if not {client, server} & {*each["clients"], *each["servers"]}), None)
        if place is None:
            place = {"servers": {}, "clients": {}}
            found.append(place)
        steps = [[link] for link in links] + ([links] if len(links) > 1 else [])
        numbers = iter(range(port, port + 1000))
        numbered = [[(link, next(numbers)) for link in step] for step in steps]
        ports = [number for step in numbered for _link, number in step]
        ended = [["docker", "rm", "--force", f"{_CONTAINER}-{number}"] for number in ports]
        calls = [
            [_words(tools[client], _rail(fabric, *link.ends[0]), number, seconds, _address(fabric, link)) for link, number in step]
            for step in numbered
        ]
        listeners = [_words(tools[server], _rail(fabric, *link.ends[1]), number, seconds) for step in numbered for link, number in step]
        place["clients"][client] = {
            "steps": calls,
            "seconds": seconds + _SLACK,
            "ports": [],
            "afterwards": [] if tools[client] == HOST else ended,
            "runs": [_run(fabric, step) for step in steps],
        }
        place["servers"][server] = {
            "steps": [listeners],
            "seconds": (seconds + _SLACK) * (len(calls) + 1),
            "ports": ports,
            "afterwards": [] if tools[server] == HOST else ended,
        }
    return found


def missing(plan: Plan, tools: t.Mapping[str, t.Optional[str]], reason: str = "") -> list[Run]:
    """The runs that are not made, as the judgement takes them, because ib_write_bw is missing at one of the ends or for a `reason`."""
    found = []
    fabric = Fabric(plan, None)
    for links in pairs(plan):
        without = [host for host in (links[0].host, links[0].peer) if not tools.get(host)]
        why = reason or (f"{TOOL} is neither on {' and '.join(without)} nor in the image" if without else "")
        steps = [[link] for link in links] + ([links] if len(links) > 1 else [])
        found += [{**_run(fabric, step), "status": "missing", "gbps": None, "error": why} for step in steps if why]
    return found


def entries(runs: t.Sequence[Run], outcomes: t.Sequence[t.Sequence[t.Mapping[str, t.Any]]]) -> list[dict[str, t.Any]]:
    """Return the client's runs with what came out, as the judgement takes them: of several devices the sum, and the worst status."""
    found = []
    for number, run in enumerate(runs):
        ended = outcomes[number] if number < len(outcomes) else []
        parsed = [_perftest.parse(outcome["output"], outcome["rc"]) for outcome in ended]
        wrong = next((each for each in parsed if each["status"] != "ok"), None) if parsed else {"status": "timeout", "error": "not ended"}
        output = [line for outcome in ended for line in outcome["output"].splitlines() if line.strip()]
        gbps = None if wrong else round(sum(each["gbps"] for each in parsed), 3)
        found.append(
            {**run, "status": wrong["status"] if wrong else "ok", "gbps": gbps, "output": output[-40:], "error": wrong and wrong["error"]}
        )
    return found


def available(outcomes: t.Sequence[t.Mapping[str, t.Any]], image: str) -> t.Optional[str]:
    """Where ib_write_bw is, by what the commands of `look` said."""
    return next((place for place, said in zip((HOST, image), outcomes) if "Version" in said["output"]), None)


def look(image: str) -> list[list[str]]:
    """The commands that show whether a node has ib_write_bw, and whether the image has it, where one is named."""
    inside = [*_DOCKER, "--entrypoint", TOOL, image, "--version"]
    return [[TOOL, "--version"], *([inside] if image else [])]


def _rail(fabric: Fabric, host: str, rail: t.Optional[str]) -> Rail:
    found = fabric.rail(host, rail)
    if found is None:
        raise KeyError(f"rail {rail} of {host}")
    return found


def _address(fabric: Fabric, link: Link) -> str:
    return str(_rail(fabric, link.peer, link.peer_rail)["ipv4"])


def _run(fabric: Fabric, links: t.Sequence[Link]) -> Run:
    host = links[0].host
    rails = [_rail(fabric, host, link.rail) for link in links]
    devices = {"device": name(rails[0])} if len(rails) == 1 else {"devices": [name(rail) for rail in rails]}
    return {"from": host, "to": links[0].peer, **devices, "gid_index": rails[0]["gid_index"]}


def _words(tool: t.Optional[str], rail: Rail, port: int, seconds: int, address: str = "") -> list[str]:
    """One end of a run: without an `address` the one that listens."""
    options = ["-d", rail["device"], "-i", str(rail["port"]), "-x", str(rail["gid_index"]), "-p", str(port), "-D", str(seconds)]
    options += ["-F", "--report_gbits", *([address] if address else [])]
    if tool == HOST:
        return [TOOL, *options]
    return [*_DOCKER, *_RDMA, "--name", f"{_CONTAINER}-{port}", "--entrypoint", TOOL, str(tool), *options]
