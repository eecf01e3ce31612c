"""Rows of a state with all that shows them to somebody who trusts the validators of one epoch and nobody else (L66)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Annotated

import msgspec

from consensus.certificate import check_final
from consensus.messages import CERTIFICATE_BYTES_MAX, Certificate
from ledger.block import Header, block_id
from ledger.limits import STATE_ROW_BYTES_MAX
from ledger.stake.epochs import EpochSet, instance_of, set_hash
from ledger.tree import StateTree
from primitives import codec
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.state_proof import PROOF_BYTES_MAX, StateProof, check_state_proof

KEY_BYTES_MAX = 96
"""The longest key of a row has 65 bytes, of a lowering: a namespace and two ids."""
PROVEN_ROWS_MAX = 16
"""Rows of one answer: a light wallet asks for a few accounts."""
PROVEN_HEADERS_MAX = 64
"""From the block that carries the root to the one that a certificate names: few unless many became final together."""
_HEADER_BYTES_MAX = 512
_SET_BYTES_MAX = 20_000
PROVEN_BYTES_MAX = (
    PROVEN_ROWS_MAX * (STATE_ROW_BYTES_MAX + PROOF_BYTES_MAX + 2 * KEY_BYTES_MAX)
    + PROVEN_HEADERS_MAX * _HEADER_BYTES_MAX
    + CERTIFICATE_BYTES_MAX
    + _SET_BYTES_MAX
)
"""An encoded ProvenRows; some 2 KB for an account among four validators."""


class ProvenRow(Record):
    """What a state has at a key."""

    key: Annotated[bytes, msgspec.Meta(max_length=KEY_BYTES_MAX)]
    value: Annotated[bytes, msgspec.Meta(max_length=STATE_ROW_BYTES_MAX)] | None
    """None: there is no such row."""
    proof: StateProof


class ProvenRows(Record):
    """Rows of the state after a final block, and what shows that the state is final."""

    headers: Annotated[list[Header], msgspec.Meta(min_length=1, max_length=PROVEN_HEADERS_MAX)]
    """From the child of that block, which carries the root, to the block that the certificate names."""
    certificate: Certificate
    validators: EpochSet
    """Who signed the certificate."""
    rows: Annotated[list[ProvenRow], msgspec.Meta(max_length=PROVEN_ROWS_MAX)]

    @property
    def height(self) -> int:
        """Return the height of the block after which the state is this."""
        return self.headers[0].height - 1

    @property
    def state_root(self) -> bytes:
        """Return its root."""
        return self.headers[0].state_root


def prove_rows(tree: StateTree, value_of: Callable[[bytes], bytes | None], keys: Iterable[bytes]) -> list[ProvenRow]:
    """Return the rows at `keys`, or that they are absent, each with its proof; `value_of` reads the tree's rows."""
    return [ProvenRow(key=key, value=value_of(key), proof=tree.prove(key)) for key in keys]


def check_proven_rows(proven: ProvenRows, *, genesis_hash: bytes, validators_hash: bytes) -> None:
    """Raise Refused unless validators with this hash made a state of this network final that has these rows (L66).

    WRONG_NETWORK, BLOCK_WRONG_VALIDATORS for other validators, BLOCK_WRONG_PARENT for headers that don't follow each
    other, BAD_PROOF or BAD_SIGNATURE for a certificate or a row that shows something else; the fact `part` tells which.
    """
    last = proven.headers[-1]
    if last.genesis != genesis_hash:
        raise Refused(Reason.WRONG_NETWORK, seen=last.genesis, wanted=genesis_hash)
    seen = set_hash(proven.validators)
    for wanted in (validators_hash, last.validators_hash):
        if seen != wanted:
            raise Refused(Reason.BLOCK_WRONG_VALIDATORS, seen=seen, wanted=wanted)
    with naming("certificate"):
        check_final(proven.certificate, block_id(last), instance_of(genesis_hash, proven.validators))
    with naming("headers"):
        _check_links(proven.headers)
    for at, row in enumerate(proven.rows):
        with naming(f"row {at}"):
            check_state_proof(proven.state_root, row.key, row.value, row.proof)


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Add to whatever is refused here of which part it tells, unless that is told already."""
    try:
        yield
    except Refused as refused:
        raise Refused(refused.reason, **{"part": part, **refused.facts}) from None


def _check_links(headers: Sequence[Header]) -> None:
    """Raise Refused BLOCK_WRONG_PARENT unless each header names the one before it as its parent."""
    for header, child in pairwise(headers):
        identity = block_id(header)
        if child.parent != identity:
            raise Refused(Reason.BLOCK_WRONG_PARENT, seen=child.parent, wanted=identity)


def decode_proven_rows(raw: bytes) -> ProvenRows:
    """Return what `raw` encodes. Raises Refused TOO_LARGE or MALFORMED."""
    return codec.decode(ProvenRows, raw, at_most=PROVEN_BYTES_MAX)
