"""What a node says again while nothing happens: what its view and its final point stand on, and its votes (C8)."""

from consensus.ancestry import Ancestry
from consensus.guard import Guard
from consensus.messages import Certificates, SignedVote, VoteKind
from consensus.outbox import Outbox
from consensus.proposer import Proposer

REPEATED_MAX = 8
"""FINALIZE votes that are said again: the latest; an older view's block becomes final with a later one (C8)."""


def repeat(view: int, *, ancestry: Ancestry, guard: Guard, proposer: Proposer, outbox: Outbox) -> None:
    """Send the certificates that lead into `view` and make the last block final, and this node's votes."""
    entered, final = ancestry.certificate_of(view - 1), ancestry.final_certificate
    known = [certificate for certificate in (entered, final) if certificate is not None]
    if known:
        outbox.send(None, Certificates(certificates=known[:1] if entered == final else known))
    proposed = proposer.repeat()
    for signed in own_votes(guard, view):
        if not (proposed and signed.vote.kind is VoteKind.NOTARIZE):
            outbox.send(None, signed)


def own_votes(guard: Guard, view: int) -> list[SignedVote]:
    """Return this node's votes of `view` to notarize or to nullify, and its latest to finalize."""
    mine = [guard.vote(kind, view) for kind in (VoteKind.NOTARIZE, VoteKind.NULLIFY)]
    return [*(signed for signed in mine if signed is not None), *guard.finalize_votes(REPEATED_MAX)]
