# Copyright: (c) 2026, The dgx_spark.vllm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For use by hand: `python -m simulation.rdma up`, `down`, or `ssh NODE COMMAND`."""

from __future__ import annotations

import argparse
import sys

from simulation.images import SimulationError
from simulation.rdma import lab


def main() -> int:
    """Exit status: 0, that of the command on the node, or 1 with one sentence on standard error."""
    top = argparse.ArgumentParser(prog="python -m simulation.rdma", description=(__doc__ or "").splitlines()[0])
    verbs = top.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="bring both nodes up, or find them up")
    verbs.add_parser("down", help="stop them and remove their disks and network")
    login = verbs.add_parser("ssh", help="run a command on a node as root")
    login.add_argument("node", type=int, choices=lab.NODES)
    login.add_argument("command")
    given = top.parse_args()
    try:
        if given.verb == "ssh":
            done = lab.ssh(given.node, given.command)
            print(done.stdout, end="")
            print(done.stderr, end="", file=sys.stderr)
            return done.returncode
        (lab.up if given.verb == "up" else lab.down)()
    except SimulationError as error:
        print(f"simulation: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
