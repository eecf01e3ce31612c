"""The pool of evidence: one proof for an offender, checked before it travels, dropped once it is punished (N77)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.messages import SignedVote, Vote, VoteKind, sign_bytes
from ledger.stake.records import Evidence
from ledger.state import State
from node.evidence import JUDGED_MAX, TOPIC, EvidencePool
from node.p2p.ipc import Gossip, Verdict
from primitives import ed25519
from primitives.codec import encode
from testnet.kit.ledger_builders import seed_of
from tests.node.chains import CHARTER, Producer


class Wall:
    """A network that keeps what is published."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []

    def publish(self, topic: str, body: bytes) -> bool:
        self.said.append((topic, body))
        return True


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Producer]:
    made = Producer(tmp_path)
    yield made
    made.close()


def proof(signer: int, *, view: int = 3, block: bytes = b"b", epoch: int = 0) -> Evidence:
    """Return two votes of a genesis validator that contradict each other, unless the blocks are the same."""

    def signed(name: bytes) -> SignedVote:
        vote = Vote(epoch=epoch, view=view, kind=VoteKind.NOTARIZE, block=name * 32)
        signature = ed25519.sign(seed_of(f"validator {signer}"), sign_bytes(CHARTER.hash, vote))
        return SignedVote(vote=vote, signer=signer, signature=signature)

    return Evidence(first=signed(b"a"), second=signed(block))


def gossip(body: bytes) -> Gossip:
    return Gossip(handle=1, topic=TOPIC, forwarder=b"forwarder", author=b"author", body=body)


def test_what_consensus_finds_is_said_once_and_waits(producer: Producer) -> None:
    wall = Wall()
    pool, state = EvidencePool(wall, CHARTER.hash), producer.chain.state()
    pool.accuse(proof(1), state)
    pool.accuse(proof(1, view=9), state)  # one is enough
    assert wall.said == [(TOPIC, encode(proof(1)))]
    assert pool.waiting() == [proof(1)]


def test_a_proof_from_another_node_travels_on_once(producer: Producer) -> None:
    pool, state = EvidencePool(Wall(), CHARTER.hash), producer.chain.state()
    assert pool.receive(gossip(encode(proof(2))), state) is Verdict.ACCEPT
    assert pool.receive(gossip(encode(proof(2))), state) is Verdict.IGNORE
    assert pool.waiting() == [proof(2)]


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"noise", Verdict.REJECT),
        (bytes(600), Verdict.REJECT),
        (encode(proof(2, block=b"a")), Verdict.REJECT),  # the same vote twice
        (encode(Evidence(first=proof(1).first, second=proof(2).second)), Verdict.REJECT),  # of two validators
        (encode(proof(9)), Verdict.IGNORE),  # of nobody
        (encode(proof(2, epoch=50)), Verdict.IGNORE),  # of an epoch that is not known here
    ],
)
def test_what_proves_nothing_goes_no_further(producer: Producer, body: bytes, verdict: Verdict) -> None:
    pool = EvidencePool(Wall(), CHARTER.hash)
    assert pool.receive(gossip(body), producer.chain.state()) is verdict
    assert len(pool) == 0


def test_a_liar_gets_only_so_many_signatures_checked_for_each_block(producer: Producer) -> None:
    pool, state = EvidencePool(Wall(), CHARTER.hash), producer.chain.state()
    forged = encode(Evidence(first=proof(1).first, second=proof(2).second))
    verdicts = [pool.receive(gossip(forged), state) for _ in range(JUDGED_MAX + 1)]
    assert verdicts == [Verdict.REJECT] * JUDGED_MAX + [Verdict.IGNORE]
    pool.settle(state)
    assert pool.receive(gossip(forged), state) is Verdict.REJECT


def test_evidence_stands_in_the_next_block_and_is_dropped_when_that_is_final(producer: Producer) -> None:
    pool = EvidencePool(Wall(), CHARTER.hash)
    pool.accuse(proof(3), producer.chain.state())
    block = producer.propose(evidence=pool.waiting())
    assert block.evidence == [proof(3)]
    producer.finalize(block)
    state: State = producer.chain.state()
    pool.settle(state)
    assert len(pool) == 0
    assert pool.receive(gossip(encode(proof(3, view=9))), state) is Verdict.IGNORE
