"""Final chains with certificates, for tests: every validator's key is known."""

from collections.abc import Sequence
from pathlib import Path

from consensus.certificate import form
from consensus.messages import Certificate, SignedVote, Vote, VoteKind, sign_bytes
from ledger.block import Block, block_id
from ledger.genesis import Charter, charter_of
from ledger.onion import reveal
from ledger.stake.records import Evidence
from node.final_chain import FinalChain
from node.mempool.pool import Pool, PoolLimits
from node.store.disk import Disk
from node.store.pruning import Keep
from node.store.store import Store
from primitives import ed25519
from testnet.kit.ledger_builders import GENESIS_MS, a_genesis, onion_of, seed_of

CHARTER = charter_of(a_genesis())
LIMITS = PoolLimits(per_account=64, total=200, total_bytes=100_000, base_fee_min=CHARTER.parameters.base_fee_min)


def certify(
    charter: Charter,
    view: int,
    block: bytes,
    *,
    signers: int = 3,
    kind: VoteKind = VoteKind.FINALIZE,
    epoch: int = 0,
) -> Certificate:
    """Return the certificate that the first `signers` validators make."""
    vote = Vote(epoch=epoch, view=view, kind=kind, block=block)
    message = sign_bytes(charter.hash, vote)
    votes = {
        at: SignedVote(vote=vote, signer=at, signature=ed25519.sign(seed_of(f"validator {at}"), message))
        for at in range(signers)
    }
    return form(vote, votes, 1)


class Producer:
    """A chain on disk whose blocks are made, certified and made final at will."""

    def __init__(
        self,
        path: Path,
        *,
        charter: Charter = CHARTER,
        limits: PoolLimits = LIMITS,
        disk: Disk | None = None,
        keep: Keep | None = None,
    ) -> None:
        self.charter = charter
        self.now_ms = GENESIS_MS
        self.spread: list[bytes] = []
        self.path = path
        self.store = Store(path, charter.hash, disk=disk, keep=keep)
        self.pool = Pool(limits)
        self.chain = FinalChain(
            charter=charter, store=self.store, pool=self.pool, now_ms=lambda: self.now_ms, spread=self.spread.append
        )

    def propose(
        self, *, view: int | None = None, parent: bytes | None = None, evidence: Sequence[Evidence] = ()
    ) -> Block:
        """Build a block from the pool a second later."""
        self.now_ms += 1_000
        view = self.chain.head_view + 1 if view is None else view
        proposer = self.chain.instance.validators.leader(view)
        onion = onion_of(proposer)
        return self.chain.propose(
            parent or self.chain.head.block_id,
            view=view,
            proposer=proposer,
            reveal_at=lambda reveals: reveal(onion, reveals),
            evidence=evidence,
        )

    def finalize(self, block: Block) -> Certificate:
        certificate = certify(self.charter, block.header.view, block_id(block.header), epoch=block.header.epoch)
        self.chain.finalize(certificate)
        return certificate

    def extend(self, count: int) -> None:
        """Make `count` blocks final, one after another."""
        for _ in range(count):
            self.finalize(self.propose())

    def extend_by_groups(self, count: int, *, group: int = 32) -> None:
        """Make `count` blocks final, several with each certificate: with a hundredth of the waits for the disk."""
        for start in range(0, count, group):
            parent, view = self.chain.head.block_id, self.chain.head_view
            block = self.propose(view=view + 1, parent=parent)
            for at in range(1, min(group, count - start)):
                parent = self.chain.hold(block)
                block = self.propose(view=view + 1 + at, parent=parent)
            self.finalize(block)

    def close(self) -> None:
        self.store.close()
