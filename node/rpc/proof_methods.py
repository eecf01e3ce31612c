"""Methods for those who want to believe nobody: rows of the state with all that shows them."""

from typing import Annotated

from msgspec import Meta

from ledger.proven import KEY_BYTES_MAX, PROVEN_ROWS_MAX
from node.rpc.method import HeightNumber, HexHash, Method, Shape
from node.rpc.services import Services
from primitives import codec

RowKey = Annotated[
    str,
    Meta(
        pattern="^([0-9a-f]{2})+$",
        max_length=2 * KEY_BYTES_MAX,
        description="A key of the state in hexadecimal, its namespace first: 01 and the address for an account (L40).",
    ),
]


class StateKeys(Shape):
    """Rows of the state after a final block; of the last one that can be proved if there is no height."""

    keys: Annotated[list[RowKey], Meta(min_length=1, max_length=PROVEN_ROWS_MAX)]
    height: HeightNumber | None = None


class StateRow(Shape):
    """A row, encoded as the state holds it; null where there is none."""

    key: str
    value: str | None


class StateProofShape(Shape):
    """Rows of a state, and what shows them."""

    height: int
    """Of the block after which the state was this."""
    state_root: HexHash
    rows: list[StateRow]
    proven: str
    """The encoded ProvenRows: headers, certificate, validators, and each row with its path (L66)."""


async def state_proof(services: Services, params: StateKeys) -> StateProofShape:
    """Return rows of a late final state with proofs that they, and no others, stand there."""
    proven = services.chain.prove([bytes.fromhex(key) for key in params.keys], params.height)
    return StateProofShape(
        height=proven.height,
        state_root=proven.state_root.hex(),
        rows=[StateRow(key=row.key.hex(), value=None if row.value is None else row.value.hex()) for row in proven.rows],
        proven=codec.encode(proven).hex(),
    )


METHODS = (Method(name="state.proof", params=StateKeys, result=StateProofShape, answer=state_proof),)
