"""What the parties of a job have revealed, as a dispute needs it: from this node's content, final blocks, or peers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.block import Block
from ledger.records import Job, JobEvent, Verifier
from ledger.transaction import ProviderReveal, VerifierReveal, open_transaction
from node.p2p.peer_id import peer_id_of
from node.ports import ChainView
from primitives.content import ContentId, content_id
from primitives.reasons import Reason, Refused

REVEALS = (JobEvent.PROVIDER_REVEAL, JobEvent.VERIFIER_REVEAL)


class Fetching(Protocol):
    """Where content is fetched."""

    async def fetch(self, content: ContentId, *, hints: Sequence[bytes] = ()) -> bytes:
        """Return content, from `hints` first. Raises Refused CONTENT_NOT_FOUND."""


async def shown_cut(chain: ChainView, blobs: Fetching, job: Job, party: bytes) -> bytes:
    """Return the encoded values at the cut that a party (20-byte address) of a job revealed (D22).

    Small values stand in a final block; the others are served by whoever revealed them.
    Raises Refused CONTENT_NOT_FOUND.
    """
    return await _shown(chain, blobs, job, party, revealed(job, party).cut)


async def shown_outputs(chain: ChainView, blobs: Fetching, job: Job, party: bytes) -> bytes:
    """Return the encoded outputs likewise: large ones are served in the open in a dispute alone (D53)."""
    return await _shown(chain, blobs, job, party, revealed(job, party).outputs)


async def _shown(chain: ChainView, blobs: Fetching, job: Job, party: bytes, content: ContentId) -> bytes:
    raw = _in_blocks(chain, job, party).get(content.root)
    if raw is not None:
        return raw
    worker = chain.state().worker(party)
    return await blobs.fetch(content, hints=[] if worker is None else [peer_id_of(worker.peer)])


@dataclass(frozen=True, kw_only=True)
class Revealed:
    """What a party's values are, by their ids."""

    cut: ContentId
    outputs: ContentId


def revealed(job: Job, party: bytes) -> Revealed:
    """Return the ids of what a party of a job revealed. Raises Refused CONTENT_NOT_FOUND if it has not."""
    part: Job | Verifier | None = job
    if party != job.provider:
        part = next((each for each in job.verifiers if each.worker == party), None)
    if part is None or part.cut is None or part.outputs is None:
        raise Refused(Reason.CONTENT_NOT_FOUND, what="values that were revealed", party=party)
    return Revealed(cut=part.cut, outputs=part.outputs)


def _in_blocks(chain: ChainView, job: Job, party: bytes) -> dict[bytes, bytes]:
    """Return the bundles that stand in the final block of a party's reveal, by root; none if it is not kept here."""
    heights = [each.height for each in job.history if each.event in REVEALS and each.who == party]
    found: dict[bytes, bytes] = {}
    for height in heights:
        kept = chain.block(height)
        if kept is not None:
            for raw in _revealed(kept[0], chain.genesis_hash, party):
                found[content_id(raw).root] = raw
    return found


def _revealed(block: Block, genesis_hash: bytes, party: bytes) -> list[bytes]:
    """Return the bundles that a party shows whole in a final block, of whichever job."""
    found: list[bytes] = []
    for raw in block.transactions:
        transaction = open_transaction(raw, genesis_hash, verified=lambda _: True)  # it is final
        match transaction.body.payload:
            case ProviderReveal(cut=cut, outputs=outputs) if transaction.sender == party:
                found += [each for each in (cut, outputs) if isinstance(each, bytes)]
            case VerifierReveal(cut=cut, outputs=outputs) if transaction.sender == party:
                found += [each for each in (cut, outputs) if isinstance(each, bytes)]
            case _:
                pass
    return found
