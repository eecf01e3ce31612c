"""Replays one simulated run: `python -m testnet.sim --seed 7 --nodes 4 --profile storm`."""

import argparse
import sys
import time

from testnet.sim.profile import PROFILES
from testnet.sim.run import Report, Simulation


def replay_command(report: Report) -> str:
    """Return the command that repeats a run."""
    return f"python -m testnet.sim --seed {report.seed} --nodes {report.nodes} --profile {report.profile}"


def main() -> int:
    """Run one seed, print what came of it; exit with 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m testnet.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="storm")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to run, from --seed on")
    chosen = parser.parse_args()
    failed = False
    for seed in range(chosen.seed, chosen.seed + chosen.seeds):
        began = time.process_time()
        report = Simulation(seed=seed, nodes=chosen.nodes, profile=PROFILES[chosen.profile]).run()
        seconds = time.process_time() - began
        sys.stdout.write(
            f"seed {seed} nodes {report.nodes} profile {report.profile} events {report.events} "
            f"({report.events / seconds:.0f}/s) blocks {report.blocks} views {report.views} "
            f"heal {report.heal_ms} ms {report.heal_views} views faults {report.faults} caught {report.caught} "
            f"digest {report.digest}\n"
        )
        if report.broken:
            failed = True
            sys.stdout.write(f"BROKEN {report.broken}: {report.what}\nreplay: {replay_command(report)}\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
