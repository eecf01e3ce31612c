"""Blocks and transactions against a chain in mid-life: jobs, validators and money at every stage."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count

import msgspec

from ledger.apply import Outcome, precheck
from ledger.block import Block
from ledger.chain import Chain, FinalBlock, ParentUnknown, TreeFull, start_chain
from ledger.limits import BLOCK_ENCODED_BYTES_MAX, HEAVY_TX_BYTES_MAX
from ledger.onion import reveal
from ledger.stake.evidence import find
from ledger.stake.records import Evidence
from ledger.transaction import Body, SignedTransaction, Transfer, open_transaction
from primitives import codec
from primitives.address import address_of
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit
from testnet.kit.stake_builders import a_double_vote
from tests.conformance.ledger_vectors import PAYLOADS
from tests.fuzz.target import Feed, Target

CULPRIT = "validator 3"
"""The only one who has ever cast two votes that contradict each other."""
NO_SIGNATURE = b"\x01" * 64


@cache
def history() -> list[FinalBlock]:
    """Return the blocks of an honest job and of one whose provider falls silent, of a transfer and of evidence."""
    world = kit.a_world()
    kit.publish(world)
    kit.run_job(world, kit.Script())
    kit.run_job(world, kit.Script(commits=False))
    world.block(world.sign("client", Transfer(to=kit.address("stranger"), amount=5)), evidence=[accusation()])
    world.blocks(2)
    return world.finals


@cache
def accusation() -> Evidence:
    """Return good evidence against the one culprit."""
    return a_double_vote(kit.a_world(), CULPRIT)


class Stages:
    """The chain of `history`, none of it final, so that a block can be tried on any of its blocks."""

    def __init__(self) -> None:
        self.chain: Chain
        self.chain, _ = start_chain(kit.a_world().charter, verified=lambda _: True)
        self.parents: list[Outcome] = [self.chain.head]
        for final in history():
            self.parents.append(self.chain.check(final.block, now_ms=None))
        self.parents.pop()  # nothing stands on the last one, so it is the first to give way to a block that is tried

    def try_block(self, raw: bytes) -> None:
        """Try a block as it is; then a block of its transactions and evidence, made to fit on one of the parents."""
        block = codec.decode(Block, raw, at_most=BLOCK_ENCODED_BYTES_MAX)
        parent = self.parents[block.header.height % len(self.parents)]
        with suppress(Refused, ParentUnknown, TreeFull):
            self._check(block)
        self._check(self._fitted(block, parent))

    def _check(self, block: Block) -> None:
        outcome = self.chain.check(block, now_ms=None)
        totals = outcome.state.totals()
        assert kit.supply_of(outcome.state) == totals.supply, "grains were made or lost"

    def _fitted(self, block: Block, parent: Outcome) -> Block:
        members = parent.state.validators().members
        proposer = block.header.proposer % len(members)
        tip = parent.state.tip(members[proposer].validator)
        onion = next(onion for onion in map(kit.onion_of, count()) if onion.tip == tip.onion)
        now_ms = parent.header.timestamp_ms + 1 + block.header.timestamp_ms % 4_000
        return self.chain.propose(
            parent.id,
            view=parent.child_parent_view + 1 + block.header.view % 3,
            transactions=list(self._fitting(block.transactions, parent, now_ms)),
            now_ms=now_ms,
            proposer=proposer,
            reveal=reveal(onion, tip.reveals),
            evidence=block.evidence,
        )

    def _fitting(self, transactions: list[bytes], parent: Outcome, now_ms: int) -> Iterator[bytes]:
        """Yield the transactions with the nonces, times and fees that they need."""
        ahead: dict[bytes, int] = {}
        for raw in transactions:
            try:
                body = codec.decode(
                    Body,
                    codec.decode(SignedTransaction, raw, at_most=HEAVY_TX_BYTES_MAX).body,
                    at_most=HEAVY_TX_BYTES_MAX,
                )
            except Refused:
                yield raw
                continue
            sender = address_of(body.sender)
            nonce = parent.state.account(sender).nonce + ahead.setdefault(sender, 0)
            ahead[sender] += 1
            fitted = msgspec.structs.replace(
                body, nonce=nonce, valid_until=now_ms + 1_000, fee_cap=body.fee_cap | 1 << 20
            )
            yield codec.encode(SignedTransaction(body=codec.encode(fitted), signature=NO_SIGNATURE))

    def try_transaction(self, raw: bytes) -> None:
        """Judge a transaction as a mempool does, at some stage."""
        parent = self.parents[len(raw) % len(self.parents)]
        now_ms = parent.header.timestamp_ms + 500
        (fitted,) = self._fitting([raw], parent, now_ms)
        transaction = open_transaction(fitted, self.chain.charter.hash, verified=lambda _: True)
        precheck(self.chain.charter, parent.state, transaction, now_ms=now_ms)


@cache
def stages() -> Stages:
    """Return the chain, made once."""
    return Stages()


def _blocks() -> list[bytes]:
    """Return the blocks of the history that hold something, and one with each kind of payload."""
    found = [codec.encode(final.block) for final in history() if final.block.transactions]
    template = history()[-1].block
    for at, payload in enumerate(PAYLOADS):
        body = kit.a_body("client", payload, nonce=at)
        raw = codec.encode(SignedTransaction(body=codec.encode(body), signature=NO_SIGNATURE))
        found.append(codec.encode(Block(header=template.header, transactions=[raw], evidence=[])))
    return found


def _transactions() -> list[bytes]:
    blocks = [codec.decode(Block, raw, at_most=BLOCK_ENCODED_BYTES_MAX) for raw in _blocks()]
    return [raw for block in blocks for raw in block.transactions]


@contextmanager
def _block() -> Iterator[Feed]:
    yield stages().try_block


@contextmanager
def _precheck() -> Iterator[Feed]:
    yield stages().try_transaction


@contextmanager
def _evidence() -> Iterator[Feed]:
    """Try evidence whose votes the culprit signs whatever they say; nobody else can be found guilty."""
    world = kit.a_world()
    index = accusation().first.signer

    def feed(raw: bytes) -> None:
        given = codec.decode(Evidence, raw, at_most=4_096)
        found = find(world.charter.hash, world.state, given)
        assert found.validator == kit.address(CULPRIT), "an honest validator is accused"
        assert given.first.signer == given.second.signer == index
        raise Refused(Reason.ALREADY_KNOWN)

    yield feed


def ledger_handlers() -> list[Target]:
    """Return the targets of this module."""
    return [
        Target(name="apply-block", seeds=cache(_blocks), open=_block, refusals=(ParentUnknown, TreeFull), weight=8),
        Target(name="precheck", seeds=cache(_transactions), open=_precheck, weight=8),
        Target(name="find-evidence", seeds=lambda: [codec.encode(accusation())], open=_evidence, weight=2),
    ]
