"""A node that comes to the head: blocks a second from one peer and from three, each behind a slow line."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter

import trio

from benches.figures import Figure
from consensus.certificate import form
from consensus.messages import Certificate, SignedVote, Vote, VoteKind, sign_bytes
from ledger.block import Block
from ledger.genesis import charter_of
from ledger.onion import reveal
from node.final_chain import FinalChain
from node.mempool.pool import Pool, PoolLimits
from node.network import PeerUnavailableError
from node.store.store import Store
from node.sync.answers import SyncAnswers
from node.sync.catch_up import CatchUp
from primitives import ed25519
from testnet.kit.ledger_builders import GENESIS_MS, a_genesis, a_transfer, onion_of, seed_of

BLOCKS = 768
STEP_MS = 40
"""Between two blocks: all transfers are valid for a minute."""
TRANSFERS = 8
"""Of each block."""
GROUP = 24
"""Blocks with one certificate, so that making them takes less time than fetching them."""
LATENCY_S = 0.1
"""There and back, of one request."""
LINE_BYTES_PER_S = 150_000
"""Of each peer's line."""
CHARTER = charter_of(a_genesis())
METHOD = (
    f"{BLOCKS:,} blocks with {TRANSFERS} transfers each, checked, executed and synced to disk; each peer behind "
    f"{LATENCY_S * 1e3:.0f} ms and {LINE_BYTES_PER_S / 1e6:g} MB/s"
)


def run() -> Iterator[Figure]:
    """Yield blocks a second from one and from three peers, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        with closing(Store(made / "ahead", CHARTER.hash)) as store:
            ahead = _filled(store)
            rates = {count: trio.run(_rate, ahead, made / f"from {count}", count) for count in (1, 3)}
    for count, rate in rates.items():
        what = f"blocks fetched from {count} peer{'s' if count > 1 else ''}"
        yield Figure(what=what, value=rate, unit="1/s", method=METHOD)
    yield Figure(what="three peers against one", value=rates[3] / rates[1], unit="x", method="the same")


def _open(store: Store, now_ms: Callable[[], int]) -> FinalChain:
    limits = PoolLimits(
        per_account=BLOCKS * TRANSFERS, total=10_000, total_bytes=64 << 20, base_fee_min=CHARTER.parameters.base_fee_min
    )
    return FinalChain(charter=CHARTER, store=store, pool=Pool(limits), now_ms=now_ms, spread=lambda _: None)


def _filled(store: Store) -> FinalChain:
    """Return a chain of BLOCKS final blocks."""
    clock = [GENESIS_MS]
    chain = _open(store, lambda: clock[0])
    nonce = 0
    parent = chain.head.block_id
    for view in range(1, BLOCKS + 1):
        for _ in range(TRANSFERS):
            raw = a_transfer(CHARTER, payer="client", payee="publisher", amount=5, nonce=nonce)
            chain.take(chain.open(raw))
            nonce += 1
        clock[0] += STEP_MS
        parent = chain.hold(_block(chain, view, parent))
        if view % GROUP == 0:
            chain.finalize(_certificate(view, parent))
    return chain


def _block(chain: FinalChain, view: int, parent: bytes) -> Block:
    proposer = chain.instance.validators.leader(view)
    return chain.propose(
        parent, view=view, proposer=proposer, reveal_at=lambda reveals: reveal(onion_of(proposer), reveals)
    )


def _certificate(view: int, block: bytes) -> Certificate:
    vote = Vote(epoch=0, view=view, kind=VoteKind.FINALIZE, block=block)
    message = sign_bytes(CHARTER.hash, vote)
    votes = {
        at: SignedVote(vote=vote, signer=at, signature=ed25519.sign(seed_of(f"validator {at}"), message))
        for at in range(len(CHARTER.genesis.validators))
    }
    return form(vote, votes, 1)


class _Lines:
    """A network of peers that all have the chain, each behind a line of its own."""

    def __init__(self, chain: FinalChain, peers: int) -> None:
        self.peers = [b"peer %d" % at for at in range(peers)]
        self._answers = SyncAnswers(chain)

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:  # noqa: ARG002  # there is one protocol
        """Answer after the time that the line takes."""
        answer = await self._answers.answer(body)
        if answer is None:
            raise PeerUnavailableError(peer, "no answer")
        await trio.sleep(LATENCY_S + len(answer) / LINE_BYTES_PER_S)
        return answer

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        """Fail: all of them are honest."""
        raise AssertionError((peer, why, weight))


async def _rate(ahead: FinalChain, folder: Path, peers: int) -> float:
    """Return how many blocks a second a new node takes from so many peers."""
    with closing(Store(folder, CHARTER.hash)) as store:
        chain = _open(store, lambda: GENESIS_MS)
        lines = _Lines(ahead, peers)
        catch_up = CatchUp(chain, lines, patience_s=lambda: 0, synced=_nobody)
        catch_up.heard(lines.peers, BLOCKS)
        async with trio.open_nursery() as nursery:
            began = perf_counter()
            nursery.start_soon(catch_up.run)
            await chain.wait_for_height(BLOCKS)
            took = perf_counter() - began
            nursery.cancel_scope.cancel()
    return BLOCKS / took


async def _nobody(_: object) -> None:
    """Tell nobody: there is no consensus here."""
