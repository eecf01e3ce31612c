"""Whose a validator's keys are: proofs of possession, and owners for good (Q11)."""

from ledger.moment import Moment
from ledger.stake.records import KeyOwner
from ledger.state import key_owner_key, named_onion_key
from ledger.transaction import ProvenKey
from primitives import ed25519
from primitives.reasons import Reason, Refused

PROOF_DOMAIN = b"assay/validator-key"


def proof_bytes(genesis_hash: bytes, validator: bytes) -> bytes:
    """Return what a vote key or network key signs to show that it is a validator's (by address)."""
    return PROOF_DOMAIN + genesis_hash + validator


def prove(seed: bytes, genesis_hash: bytes, validator: bytes) -> ProvenKey:
    """Return the public key of a 32-byte secret seed, with its proof for a validator (by address)."""
    proof = ed25519.sign(seed, proof_bytes(genesis_hash, validator))
    return ProvenKey(key=ed25519.public_key_of(seed), proof=proof)


def take_key(moment: Moment, validator: bytes, proven: ProvenKey) -> bytes:
    """Make a key a validator's for good and return it. Raises Refused BAD_KEY, BAD_SIGNATURE, KEY_TAKEN."""
    ed25519.check_public_key(proven.key)
    if not ed25519.verify(proven.key, proof_bytes(moment.charter.hash, validator), proven.proof):
        raise Refused(Reason.BAD_SIGNATURE, key=proven.key, wanted="a proof for this validator on this network")
    row = key_owner_key(proven.key)
    owner = moment.state.find(KeyOwner, row)
    if owner is not None and owner.validator != validator:
        raise Refused(Reason.KEY_TAKEN, key=proven.key, seen=owner.validator)
    moment.state.put(row, KeyOwner(validator=validator))
    return proven.key


def take_onion(moment: Moment, validator: bytes, onion: bytes) -> bytes:
    """Note that a validator names an onion, which it has not before, and return it: its layers are known by then.

    An onion has no proof of who made it: if others could not name it too, whoever saw it first could keep it from its
    maker. Who copies one gives away what it is to reveal, and nothing else. Raises Refused KEY_TAKEN.
    """
    row = named_onion_key(onion, validator)
    if moment.state.find(KeyOwner, row) is not None:
        raise Refused(Reason.KEY_TAKEN, key=onion, seen=validator)
    moment.state.put(row, KeyOwner(validator=validator))
    return onion
