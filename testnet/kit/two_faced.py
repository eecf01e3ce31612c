"""A validator that breaks its word on purpose: `python -m testnet.kit.two_faced --home DIR`.

It is the product until a file `lie` lies in its home. From then on it votes in each view for a block that nobody has
proposed as well, and says so to everybody; its second votes are written nowhere and keep it from nothing (C7, C13).
"""

import argparse
import sys
from pathlib import Path

from consensus.io import Send
from consensus.messages import SignedVote, Vote, VoteKind, encode_message, sign_bytes
from consensus.voter import Voter
from node.app import run_program
from node.driver.driver import Driver
from node.home import Home
from node.traffic import CONSENSUS_CHANNEL
from primitives.hashing import sha256

LIE = "lie"


def second_vote(driver: Driver, signed: SignedVote) -> SignedVote:
    """Return the same validator's vote of the same view for a block that there is not."""
    true = signed.vote
    vote = Vote(epoch=true.epoch, view=true.view, kind=true.kind, block=sha256(true.block))
    core = driver._core
    signature = core._scheme.sign(sign_bytes(core.instance.genesis_hash, vote))
    return SignedVote(vote=vote, signer=signed.signer, signature=signature)


def main(arguments: list[str]) -> int:
    """Run the node of a home until SIGTERM or SIGINT; return its exit status."""
    parser = argparse.ArgumentParser(prog="testnet.kit.two_faced", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="directory of a validator's node")
    home: Path = parser.parse_args(arguments).home
    honest = Driver._send

    def send(driver: Driver, effect: Send) -> None:
        honest(driver, effect)
        said = effect.message
        if isinstance(said, SignedVote) and said.vote.kind is VoteKind.NOTARIZE and (home / LIE).exists():
            lie = encode_message(second_vote(driver, said))
            driver._network.send(CONSENSUS_CHANNEL, lie, to=None, priority=True)

    Driver._send = send  # type: ignore[assignment, method-assign]  # a validator that breaks rules
    Voter.stops_at = lambda *_: False  # type: ignore[method-assign]  # and is not frightened by its own second votes
    return run_program(Home(home))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
