"""Evidence: two votes of one validator and one view that no honest node ever signs (C18)."""

import enum

from consensus.certificate import votes_in, well_formed
from consensus.messages import Certificate, SignedVote, Vote, VoteKind, sign_bytes
from consensus.scheme import Scheme
from consensus.validators import Instance


@enum.unique
class Offence(enum.IntEnum):
    """What a pair of votes proves of their signer."""

    DOUBLE_NOTARIZE = 1
    """E1: notarized two blocks of a view."""
    DOUBLE_FINALIZE = 2
    """E2: finalized two blocks of a view."""
    FINALIZE_AND_NULLIFY = 3
    """E3: finalized a block of a view and nullified the view."""
    DOUBLE_PROPOSAL = 4
    """E4: E1 by the leader of the view, whose notarize votes sign its proposals."""


def contradict(first: Vote, second: Vote) -> bool:
    """Tell whether no honest node casts both votes (C7). Notarize and nullify of one view do not contradict."""
    if first.epoch != second.epoch or first.view != second.view:
        return False
    if first.kind == second.kind:
        return first.block != second.block  # E1, E2
    return {first.kind, second.kind} == {VoteKind.FINALIZE, VoteKind.NULLIFY}  # E3


def offence(first: SignedVote, second: SignedVote, instance: Instance, scheme: Scheme) -> Offence | None:
    """Return what the pair proves of its signer, or None if it proves nothing."""
    if first.signer != second.signer or first.signer >= len(instance.validators):
        return None
    if not (contradict(first.vote, second.vote) and well_formed(first.vote) and well_formed(second.vote)):
        return None
    for signed in (first, second):
        message = sign_bytes(instance.genesis_hash, signed.vote)
        if signed.vote.epoch != instance.epoch or not scheme.verify(signed.signer, message, signed.signature):
            return None
    if first.vote.kind != second.vote.kind:
        return Offence.FINALIZE_AND_NULLIFY
    if first.vote.kind is VoteKind.FINALIZE:
        return Offence.DOUBLE_FINALIZE
    if instance.validators.leader(first.vote.view) == first.signer:
        return Offence.DOUBLE_PROPOSAL
    return Offence.DOUBLE_NOTARIZE


def culprits(first: Certificate, second: Certificate) -> list[tuple[SignedVote, SignedVote]]:
    """Return the pairs of votes that two checked certificates prove against whoever signed both (C18).

    Their signers weigh more than a third of all where the certificates contradict each other; empty where not.
    """
    if not contradict(first.vote, second.vote):
        return []
    others = votes_in(second)
    return [(signed, others[signer]) for signer, signed in votes_in(first).items() if signer in others]
