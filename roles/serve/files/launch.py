# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start or stop this node's rank of a recipe: what the unit vllm@RECIPE.service runs.

    launch.py start RECIPE    wait for the planned rails, choose the GID setting from what the kernel says now, then become `docker run`
    launch.py stop RECIPE     stop the container and remove it

Reads /etc/dgx-spark/RECIPE/{launch.json,static.env,secret.env}; writes /run/dgx-spark/RECIPE/live.env.
No controller is needed: after a reboot or a re-addressing the same plan is carried out with today's GID indexes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

from dgx_spark_vllm import _docker_run, _gid, _roce

CONFIGURATION = "/etc/dgx-spark"
RUNTIME = "/run/dgx-spark"
DOCKER = "/usr/bin/docker"
POLL_SECONDS = 2
DOCKER_SECONDS = 60
UNAVAILABLE = 69  # EX_UNAVAILABLE: a rail is not there
UNUSABLE = 78  # EX_CONFIG: the files or the GID table do not allow a start


class LaunchFailed(Exception):
    """The rank can't start; the text is the one line that says why and what to do."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def read_launch(recipe: str) -> dict:
    path = f"{CONFIGURATION}/{recipe}/launch.json"
    try:
        with open(path, encoding="utf-8") as file:
            launch = json.load(file)
    except (OSError, ValueError) as error:
        raise LaunchFailed(f"{path} can't be read ({error}); run the deploy playbook again", UNUSABLE) from error
    if launch.get("schema") != 1:
        raise LaunchFailed(f"{path} has schema {launch.get('schema')!r}, wanted 1; run the deploy playbook again", UNUSABLE)
    return launch


def observe() -> dict:
    """What the kernel says about this node's RDMA devices and addresses now."""

    def ip(*words: str) -> list:
        return json.loads(subprocess.run(["ip", "-json", *words, "show"], check=True, capture_output=True, text=True).stdout or "[]")

    return _roce.observe("/sys", ip("address"), ip("route"))


def missing_rails(planned: list, devices: list) -> tuple[list, list]:
    """The devices of the planned rails, and one sentence for each rail that is not as planned."""
    present, missing = [], []
    for rail in planned:
        name = f"rail {rail['netdev']} ({rail['device']} port {rail['port']}, {rail['ipv4']})"
        device = next((d for d in devices if d["device"] == rail["device"] and d["port"] == rail["port"]), None)
        addresses = [entry["address"] for entry in device["ipv4"]] if device else []
        if device is None:
            missing.append(f"{name}: no such RDMA device; found {', '.join(d['device'] for d in devices) or 'none'}")
        elif device["state"] != "ACTIVE":
            missing.append(f"{name}: port is {device['state']}, wanted ACTIVE")
        elif device["netdev"] != rail["netdev"] or rail["ipv4"] not in addresses:
            missing.append(f"{name}: found {device['netdev']} with {', '.join(addresses) or 'no IPv4'}")
        else:
            present.append({**device, "planned_ipv4": rail["ipv4"]})
    return present, missing


def missing_control(planned: dict | None, interfaces: list) -> list:
    """One sentence if the ranks are to find each other over an interface beside the rails, and it is not as planned."""
    if not planned:
        return []
    found = next((i for i in interfaces if i["name"] == planned["netdev"]), None)
    addresses = [entry["address"] for entry in found["ipv4"]] if found else []
    if found and found["carrier"] and planned["ipv4"] in addresses:
        return []
    state = "is not there" if not found else f"has {', '.join(addresses) or 'no IPv4'}{'' if found['carrier'] else ' and no carrier'}"
    return [f"{planned['netdev']} {state}, wanted {planned['ipv4']}, by which the other ranks find this one"]


def wait_for_rails(launch: dict) -> list:
    """The devices of all planned rails, as soon as each is up with its address and the kernel has its GID."""
    seconds = launch["rail_wait_seconds"]
    deadline = time.monotonic() + seconds
    while True:
        observed = observe()
        present, missing = missing_rails(launch["rails"], observed["devices"])
        missing += missing_control(launch.get("control"), observed["interfaces"])
        missing += [
            f"rail {d['netdev']}: no RoCE v2 GID for {d['planned_ipv4']} yet"
            for d in present
            if _gid.index_of(d["gids"], d["planned_ipv4"], d["netdev"]) is None
        ]
        if not missing:
            return present
        if time.monotonic() >= deadline:
            remedy = "check cable and address, or, when the cabling has changed, run the deploy playbook again"
            raise LaunchFailed(f"{'; '.join(missing)} (waited {seconds} s); {remedy}", UNAVAILABLE)
        time.sleep(POLL_SECONDS)


def write_live(recipe: str, environment: dict) -> str:
    directory = f"{RUNTIME}/{recipe}"
    os.makedirs(directory, mode=0o755, exist_ok=True)
    path = f"{directory}/live.env"
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in sorted(environment.items()))
    os.replace(path + ".new", path)
    return path


def planned_image(launch: dict) -> str:
    """What `docker run` is given: the name of the planned image, or its id if the name has been given to another image since."""
    name, planned = launch["image"], launch.get("image_id")
    problem = ""
    for reference in filter(None, (name, planned)):
        words = [DOCKER, "image", "inspect", "--format", "{{.Id}}", reference]
        try:
            answer = subprocess.run(words, capture_output=True, text=True, check=False, timeout=DOCKER_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise LaunchFailed(f"Docker has not answered for {DOCKER_SECONDS} s; see systemctl status docker", UNAVAILABLE) from error
        if answer.returncode != 0:
            problem = answer.stderr.strip()
        elif answer.stdout.strip() == planned or not planned:
            return reference
    remedy = "run the deploy playbook again" if "No such image" in problem else "see systemctl status docker"
    raise LaunchFailed(f"image {name} ({planned or 'of any id'}) can't be used: {problem}; {remedy}", UNAVAILABLE)


def start(recipe: str) -> None:
    launch = read_launch(recipe)
    choice = _gid.choose(wait_for_rails(launch))
    if choice.error:
        raise LaunchFailed(f"no GID setting fits all rails: {choice.error}", UNUSABLE)
    image = planned_image(launch)
    live = write_live(recipe, choice.env)
    unset = _docker_run.removed(launch, choice.env)
    configuration = f"{CONFIGURATION}/{recipe}"
    env_files = [f"{configuration}/static.env", f"{configuration}/secret.env", live]
    remove(launch)
    print(f"launcher: {socket.gethostname()} rank {launch['rank']}: {choice.reason}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    os.execve(DOCKER, [DOCKER, *_docker_run.words(launch, image, env_files, unset)], environment)


def stop(recipe: str) -> None:
    launch = read_launch(recipe)
    # The container outlives a killed client, so it is stopped by name and not by signal.
    subprocess.run([DOCKER, "stop", "--time", str(launch["stop_seconds"]), launch["container"]], capture_output=True, check=False)
    remove(launch)


def remove(launch: dict) -> None:
    subprocess.run([DOCKER, "rm", "--force", launch["container"]], capture_output=True, check=False)


def main(arguments: list) -> int:
    actions = {"start": start, "stop": stop}
    if len(arguments) != 2 or arguments[0] not in actions:
        print("usage: launch.py start|stop RECIPE", file=sys.stderr)
        return 64
    try:
        actions[arguments[0]](arguments[1])
    except LaunchFailed as error:
        print(f"launcher: {socket.gethostname()}: vllm@{arguments[1]}: {error}", file=sys.stderr, flush=True)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
