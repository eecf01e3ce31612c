"""Certificates: put together from votes, and checked by anybody who knows the validators (C17)."""

from collections.abc import Iterable, Mapping

from consensus.messages import Certificate, SignedVote, Vote, VoteKind, sign_bytes
from consensus.scheme import Ed25519Scheme, Scheme
from consensus.validators import Instance
from primitives.hashing import ZERO_HASH
from primitives.reasons import Reason, Refused


def bitmap_of(indices: Iterable[int]) -> bytes:
    """Return the bitmap with these bits set, without a trailing zero byte."""
    bits = 0
    for index in indices:
        bits |= 1 << index
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def signers_of(bitmap: bytes) -> list[int]:
    """Return the indices that a bitmap names, ascending."""
    bits = int.from_bytes(bitmap, "little")
    return [index for index in range(bits.bit_length()) if bits >> index & 1]


def is_signer(certificate: Certificate, index: int) -> bool:
    """Tell whether a certificate names a validator as one of its signers."""
    byte, bit = divmod(index, 8)
    return byte < len(certificate.signers) and bool(certificate.signers[byte] >> bit & 1)


def well_formed(vote: Vote) -> bool:
    """Tell whether the vote names a block if, and only if, its kind does (C20)."""
    return (vote.block == ZERO_HASH) == (vote.kind is VoteKind.NULLIFY)


def form(vote: Vote, votes: Mapping[int, SignedVote], scheme_number: int) -> Certificate:
    """Return the certificate of `vote` from those of `votes` (by signer) that cast it."""
    signers = sorted(signer for signer, signed in votes.items() if signed.vote == vote)
    return Certificate(
        scheme=scheme_number,
        vote=vote,
        signers=bitmap_of(signers),
        signatures=[votes[signer].signature for signer in signers],
    )


def votes_in(certificate: Certificate) -> dict[int, SignedVote]:
    """Return the votes that a checked certificate holds, by signer."""
    return {
        signer: SignedVote(vote=certificate.vote, signer=signer, signature=signature)
        for signer, signature in zip(signers_of(certificate.signers), certificate.signatures, strict=True)
    }


def check(certificate: Certificate, instance: Instance, scheme: Scheme) -> None:
    """Raise Refused unless quorum weight signed the certificate's vote (C17).

    BAD_PROOF for a wrong scheme, epoch, form, signer or weight; BAD_SIGNATURE for a signature that fails.
    """
    vote, validators = certificate.vote, instance.validators
    if certificate.scheme != scheme.number:
        raise Refused(Reason.BAD_PROOF, seen=certificate.scheme, wanted=scheme.number)
    if vote.epoch != instance.epoch or not well_formed(vote):
        raise Refused(Reason.BAD_PROOF, seen=vote.epoch, wanted=f"a well-formed vote of epoch {instance.epoch}")
    signers = signers_of(certificate.signers)
    if certificate.signers[-1:] == b"\0" or len(signers) != len(certificate.signatures):
        raise Refused(Reason.BAD_PROOF, seen=len(certificate.signatures), wanted=f"{len(signers)} signatures")
    if not signers or signers[-1] >= len(validators):
        raise Refused(Reason.BAD_PROOF, seen=signers[-1] if signers else None, wanted=f"below {len(validators)}")
    weight = sum(validators.weights[signer] for signer in signers)
    if weight < validators.quorum:
        raise Refused(Reason.BAD_PROOF, seen=weight, wanted=validators.quorum)
    message = sign_bytes(instance.genesis_hash, vote)
    for signer, signature in zip(signers, certificate.signatures, strict=True):
        if not scheme.verify(signer, message, signature):
            raise Refused(Reason.BAD_SIGNATURE, seen=signer)


def check_final(certificate: Certificate, block: bytes, instance: Instance) -> None:
    """Raise Refused unless `certificate` proves to somebody outside that `block` is final (C17)."""
    if certificate.vote.kind is not VoteKind.FINALIZE or certificate.vote.block != block:
        raise Refused(Reason.BAD_PROOF, seen=certificate.vote.block, wanted=block)
    check(certificate, instance, Ed25519Scheme(instance.validators, None))
