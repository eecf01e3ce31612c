"""Weights, leaders and proofs of one instance by the letter of C15, C16 and C17, computed apart from the core's own."""

from collections.abc import Sequence
from hashlib import sha256

from consensus.certificate import well_formed
from consensus.messages import Certificate, SignedVote, Vote, sign_bytes
from consensus.scheme import Scheme
from consensus.validators import Instance


class Quorums:
    """Weights and leaders by the letter of C15 and C16, computed apart from the core's own."""

    def __init__(self, instance: Instance, scheme: Scheme) -> None:
        self.instance = instance
        self.weights = instance.validators.weights
        self.total = sum(self.weights)
        self._scheme = scheme
        self._good: set[tuple[Vote, bytes, tuple[bytes, ...]]] = set()

    def is_quorum(self, weight: int) -> bool:
        """Tell whether a weight is more than two thirds of all (C15)."""
        return 3 * weight > 2 * self.total

    def is_blame(self, weight: int) -> bool:
        """Tell whether what is left without this weight is no quorum (C15)."""
        return not self.is_quorum(self.total - weight)

    def leader(self, view: int) -> int:
        """Return who leads a view (C16, P5)."""
        draw = sha256(b"\x0cassay/leader" + self.instance.validators.seed + view.to_bytes(8, "big")).digest()
        rest = int.from_bytes(draw, "big") % self.total
        for index, weight in enumerate(self.weights):
            rest -= weight
            if rest < 0:
                return index
        raise AssertionError("the rest is below the sum")

    def is_signed(self, signed: SignedVote) -> bool:
        """Tell whether a vote is a validator's own."""
        if signed.signer >= len(self.weights):
            return False
        message = sign_bytes(self.instance.genesis_hash, signed.vote)
        return self._scheme.verify(signed.signer, message, signed.signature)

    def is_good(self, certificate: Certificate) -> bool:
        """Tell whether a certificate of this instance proves its vote (C17)."""
        vote = certificate.vote
        if vote.epoch != self.instance.epoch or not well_formed(vote):
            return False
        bits = int.from_bytes(certificate.signers, "little")
        if bits >> len(self.weights) or certificate.scheme != self._scheme.number:
            return False
        if not certificate.signers or certificate.signers[-1] == 0:
            return False
        signers = [index for index in range(len(self.weights)) if bits >> index & 1]
        if len(signers) != len(certificate.signatures):
            return False
        if not self.is_quorum(sum(self.weights[signer] for signer in signers)):
            return False
        key = (vote, certificate.signers, tuple(certificate.signatures))
        if key not in self._good:
            message = sign_bytes(self.instance.genesis_hash, vote)
            pairs = zip(signers, certificate.signatures, strict=True)
            if not all(self._scheme.verify(signer, message, signature) for signer, signature in pairs):
                return False
            self._good.add(key)
        return True

    def good_ones(self, certificates: Sequence[Certificate]) -> list[Certificate]:
        """Return a message's certificates up to the first bad one, which ends it (C19)."""
        good: list[Certificate] = []
        for certificate in certificates:
            if certificate.vote.epoch == self.instance.epoch and not self.is_good(certificate):
                break
            good.append(certificate)
        return good
