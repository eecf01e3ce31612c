"""Whose a validator's keys are: proofs of possession, and owners for good (Q11)."""

from ledger.moment import Moment
from ledger.stake.records import KeyOwner
from ledger.state import key_owner_key
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
    _take(moment, validator, proven.key, again=True)
    return proven.key


def take_onion(moment: Moment, validator: bytes, onion: bytes) -> bytes:
    """Make an onion a validator's and return it; none is taken twice, as its layers are known by then.

    Raises Refused KEY_TAKEN.
    """
    _take(moment, validator, onion, again=False)
    return onion


def _take(moment: Moment, validator: bytes, key: bytes, *, again: bool) -> None:
    """Note whose a key is; one that is the validator's own already may be named `again`."""
    owner = moment.state.find(KeyOwner, key_owner_key(key))
    if owner is not None and not (again and owner.validator == validator):
        raise Refused(Reason.KEY_TAKEN, key=key, seen=owner.validator)
    moment.state.put(key_owner_key(key), KeyOwner(validator=validator))
