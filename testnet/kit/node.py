"""A node whose worker misbehaves: `python -m testnet.kit.node --home DIR --behaviour NAME`."""

import argparse
import sys
from pathlib import Path

from node.app import run_program
from node.home import Home
from node.ports import Machine
from testnet.kit.liars.behaviours import BEHAVIOURS


def main(arguments: list[str]) -> int:
    """Run the node of a home until SIGTERM or SIGINT; return its exit status."""
    parser = argparse.ArgumentParser(prog="testnet.kit.node", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="directory of a node with the role of a worker")
    parser.add_argument("--behaviour", choices=sorted(BEHAVIOURS), required=True)
    options = parser.parse_args(arguments)
    behaviour: str = options.behaviour

    def wrap(engine: Machine) -> Machine:
        return BEHAVIOURS[behaviour](engine, options.home)

    return run_program(Home(options.home), engine_wrap=wrap)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
