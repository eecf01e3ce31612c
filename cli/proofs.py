"""Rows of the state, fetched with their proofs and checked here: the node that is asked need not be trusted."""

from dataclasses import dataclass
from pathlib import Path

from consensus.certificate import signers_of
from ledger.block import block_id
from ledger.genesis import first_set, genesis_hash
from ledger.proven import KEY_BYTES_MAX, ProvenRow, ProvenRows, check_proven_rows, decode_proven_rows
from ledger.records import Account
from ledger.stake.epochs import set_hash
from ledger.state import ACCOUNT, account_key
from node.genesis_file import read_genesis
from node.rpc.client import RpcClient
from node.rpc.json_value import Json
from primitives import codec
from primitives.address import parse_address
from primitives.hashing import HASH_BYTES
from primitives.reasons import Reason, Refused

FIRST_EPOCHS = (0, 1)
"""Their validators are fixed by genesis."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the caller believes without proof; what is None is taken from the node."""

    genesis: Path | None
    validators: bytes | None
    """Their hash in the epoch of the answer."""


@dataclass(frozen=True, kw_only=True)
class CheckedRows:
    """Rows that were checked, and how far."""

    proven: ProvenRows
    trusted: str
    """Where the hash of the validators came from."""
    is_independent: bool
    """Whether network and validators were known without asking the node."""


def state_key(text: str, prefix: str) -> bytes:
    """Return the key that somebody names: an account by its address, any row in hexadecimal. Raises Refused."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return account_key(parse_address(text, prefix))
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise Refused(Reason.REQUEST_INVALID, seen=len(key), wanted=f"a key of 1 to {KEY_BYTES_MAX} bytes")
    return key


def hash_of(text: str) -> bytes:
    """Return the hash that somebody gives in hexadecimal. Raises Refused REQUEST_INVALID."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        raise Refused(Reason.REQUEST_INVALID, seen=text, wanted="64 hexadecimal digits")
    return found


def fetch_rows(rpc: RpcClient, names: list[str], *, height: int | None, trust: Trust) -> CheckedRows:
    """Ask the node for rows and check the answer.

    Raises Refused as the node does and as check_proven_rows; BAD_PROOF if the answer is about other rows or another
    height, NODE_ANSWER_INVALID if it is no answer to this.
    """
    status = rpc.table("node.status")
    keys = [state_key(name, str(status["network"])) for name in names]
    wanted = {} if height is None else {"height": height}
    told = rpc.table("state.proof", keys=[key.hex() for key in keys], **wanted)
    try:
        proven = decode_proven_rows(bytes.fromhex(str(told.get("proven"))))
        network = bytes.fromhex(str(status.get("genesis_hash")))
    except ValueError:
        raise Refused(Reason.NODE_ANSWER_INVALID, node=rpc.url, method="state.proof") from None
    genesis = None if trust.genesis is None else read_genesis(trust.genesis)
    if genesis is not None:
        network = genesis_hash(genesis)
    validators, trusted = trust.validators, "as given"
    if validators is None and genesis is not None and proven.validators.epoch in FIRST_EPOCHS:
        validators, trusted = set_hash(first_set(genesis, proven.validators.epoch)), "fixed by the genesis file"
    is_independent = genesis is not None and validators is not None
    if validators is None:
        validators, trusted = set_hash(proven.validators), "as the node says"
    check_proven_rows(proven, genesis_hash=network, validators_hash=validators)
    if [row.key for row in proven.rows] != keys or height not in (None, proven.height):
        raise Refused(Reason.BAD_PROOF, seen=proven.height, wanted=height, what="rows that were not asked for")
    return CheckedRows(proven=proven, trusted=trusted, is_independent=is_independent)


def told_facts(checked: CheckedRows) -> dict[str, Json]:
    """Return what was checked, for people."""
    proven = checked.proven
    signers = signers_of(proven.certificate.signers)
    members = proven.validators.members
    weight = sum(members[at].weight for at in signers)
    last = proven.headers[-1]
    return {
        "height": proven.height,
        "state_root": proven.state_root.hex(),
        "final_block": block_id(last).hex(),
        "final_height": last.height,
        "signed_by": f"{len(signers)} of {len(members)} validators",
        "signed_weight": f"{weight} of {proven.validators.weight}",
        "validators": set_hash(proven.validators).hex(),
        "epoch": proven.validators.epoch,
        "trusted": checked.trusted,
    }


def told_rows(checked: CheckedRows) -> list[dict[str, Json]]:
    """Return the rows, for people: accounts as such, others in hexadecimal; None where there is none."""
    return [{"key": row.key.hex(), "value": _told(row)} for row in checked.proven.rows]


def _told(row: ProvenRow) -> Json:
    if row.value is None:
        return None
    if row.key[:1] != ACCOUNT:
        return row.value.hex()
    account = codec.decode(Account, row.value, at_most=len(row.value))
    return {"nonce": account.nonce, "balance": str(account.balance)}
