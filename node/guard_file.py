"""A validator's record of votes as a file that goes with its key to another machine (N93), in the spirit of EIP-3076.

Only a home in which no node runs is read or written: a copy of a record that still grows would be an old one at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from consensus.messages import SignedVote, Vote, VoteKind, sign_bytes
from ledger.block import decode_block
from ledger.genesis import charter_of
from node.config import read_config
from node.genesis_file import read_genesis
from node.home import Home, locked
from node.keys.files import KeyKind, list_keys
from node.store.store import Store
from primitives import ed25519
from primitives.reasons import Reason, Refused

GUARD_FILE_BYTES_MAX = 16 << 20
"""Some 50,000 votes; a validator has a few hundred above the final block, however long nothing becomes final."""
_HASH = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_KINDS = {kind.name.lower(): kind for kind in VoteKind}


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An epoch and a view of it."""

    epoch: _Number
    view: _Number


class FiledVote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vote with its signature."""

    epoch: _Number
    view: _Number
    kind: Literal["notarize", "nullify", "finalize"]
    block: _HASH
    signer: Annotated[int, Meta(ge=0, le=127)]
    signature: Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]


class GuardFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    format: Literal["assay-guard"] = "assay-guard"
    version: Literal[1] = 1
    genesis_hash: _HASH
    keys: Annotated[list[_HASH], Meta(min_length=1, max_length=64)]
    """The public vote keys of the home."""
    closed: Place
    """Nothing at or below is ever signed."""
    votes: Annotated[list[FiledVote], Meta(max_length=50_000)]
    """Those that are known above it."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What an import did."""

    added: int
    known: int
    contradicted: int
    """Votes of the file beside which the home holds other ones: both were signed, and nothing undoes that."""
    closed: Place


def export_guard(home: Home) -> bytes:
    """Return the file of a home's record.

    Raises Refused HOME_IN_USE, KEY_UNKNOWN, and as stores and configurations do.
    """
    charter = charter_of(read_genesis(home.genesis))
    with locked(home):
        keys = _vote_keys(home)
        store = Store(home.state, charter.hash)
        try:
            closed = _closed(store)
            votes = [_filed(signed) for signed in store.guard.votes() if _place(signed.vote) > closed]
        finally:
            store.close()
    file = GuardFile(
        genesis_hash=charter.hash.hex(),
        keys=[key.hex() for key in keys],
        closed=Place(epoch=closed[0], view=closed[1]),
        votes=votes,
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def import_guard(home: Home, raw: bytes) -> Merged:
    """Take a file into a home's record, of two marks the higher one and of votes all; done whole or not at all.

    Raises Refused MALFORMED, TOO_LARGE, WRONG_NETWORK, KEY_UNKNOWN for a record of other keys, BAD_SIGNATURE, and as
    `export_guard` does.
    """
    file = _parsed(raw)
    charter = charter_of(read_genesis(home.genesis))
    if file.genesis_hash != charter.hash.hex():
        raise Refused(Reason.WRONG_NETWORK, seen=file.genesis_hash, wanted=charter.hash)
    with locked(home):
        keys = _vote_keys(home)
        if not {key.hex() for key in keys} & set(file.keys):
            raise Refused(Reason.KEY_UNKNOWN, seen=file.keys[0], wanted="a vote key of this home")
        votes = [_signed(each, charter.hash, keys) for each in file.votes]
        store = Store(home.state, charter.hash)
        try:
            closed = max(_closed(store), (file.closed.epoch, file.closed.view))
            held = {(each.vote.epoch, each.vote.view, each.vote.kind): each.vote for each in store.guard.votes()}
            news = [each for each in votes if (each.vote.epoch, each.vote.view, each.vote.kind) not in held]
            store.guard.close_up_to(closed, news)
        finally:
            store.close()
    contradicted = [
        each
        for each in votes
        if each not in news and held[each.vote.epoch, each.vote.view, each.vote.kind] != each.vote
    ]
    return Merged(
        added=len(news),
        known=len(votes) - len(news) - len(contradicted),
        contradicted=len(contradicted),
        closed=Place(epoch=closed[0], view=closed[1]),
    )


def _parsed(raw: bytes) -> GuardFile:
    if len(raw) > GUARD_FILE_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, seen=len(raw), wanted=GUARD_FILE_BYTES_MAX)
    try:
        return msgspec.json.decode(raw, type=GuardFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Refused(Reason.MALFORMED, what="guard file", why=str(fault)) from None


def _vote_keys(home: Home) -> list[bytes]:
    """Return the public vote keys of a home; raises Refused KEY_UNKNOWN if there is none."""
    folder: Path = home.path_of(read_config(home.config).keys.validator).parent
    keys = [info.public for info in list_keys(folder) if info.kind is KeyKind.VALIDATOR]
    if not keys:
        raise Refused(Reason.KEY_UNKNOWN, seen="no vote key", wanted="the home of a validator")
    return keys


def _closed(store: Store) -> tuple[int, int]:
    """Return epoch and view at or below which this home signs nothing: of its last final block, or as imported."""
    raw = None if store.head is None else store.block(store.head.height)
    head = (0, 0)
    if raw is not None:
        header = decode_block(raw).header
        head = (header.epoch, header.view)
        found = store.certificate_from(header.height)
        if found is not None:  # of a later view, where the block was proposed again (C23)
            head = max(head, _place(found[1].vote))
    return max(head, store.guard.closed())


def _place(vote: Vote) -> tuple[int, int]:
    return vote.epoch, vote.view


def _filed(signed: SignedVote) -> FiledVote:
    vote = signed.vote
    return FiledVote(
        epoch=vote.epoch,
        view=vote.view,
        kind=vote.kind.name.lower(),  # type: ignore[arg-type]  # one of the three
        block=vote.block.hex(),
        signer=signed.signer,
        signature=signed.signature.hex(),
    )


def _signed(filed: FiledVote, genesis_hash: bytes, keys: list[bytes]) -> SignedVote:
    """Return a vote of the file; raises Refused BAD_SIGNATURE unless a key of the home signed it."""
    vote = Vote(epoch=filed.epoch, view=filed.view, kind=_KINDS[filed.kind], block=bytes.fromhex(filed.block))
    signature = bytes.fromhex(filed.signature)
    if not any(ed25519.verify(key, sign_bytes(genesis_hash, vote), signature) for key in keys):
        raise Refused(Reason.BAD_SIGNATURE, what="vote", epoch=filed.epoch, view=filed.view)
    return SignedVote(vote=vote, signer=filed.signer, signature=signature)
