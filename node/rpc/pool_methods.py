"""Methods about transactions that wait, and what it costs to get into a block."""

from ledger.fees import GAS_TARGET, KIND_GAS, PIECE_BYTES, PIECE_GAS, suggested_cap
from node.rpc.method import Amount, Method, Nothing, Shape
from node.rpc.services import Services


class FeeEstimate(Shape):
    """What a transaction should offer. Amounts are grains per gas; see rules L20 and L26 of the ledger."""

    base_fee: Amount
    """Of the next block."""
    base_fee_min: Amount
    """The least that it can be."""
    fee_cap: Amount
    """To be safe against a rise; what is not needed is not paid."""
    tip: Amount
    gas_used: int
    """By the ordinary transactions of the last final block."""
    gas_target: int
    """With more the base fee rises, with less it falls."""
    piece_bytes: int
    piece_gas: int
    """The gas of a transaction is that of its kind, and this for each started piece of its envelope."""
    kinds: dict[str, int]


async def fee_estimate(services: Services, _: Nothing) -> FeeEstimate:
    """Tell what gas costs in the next block, what to offer for it, and how much of it a transaction takes."""
    clock, floor = services.chain.state().clock(), services.chain.genesis.parameters.base_fee_min
    return FeeEstimate(
        base_fee=str(clock.base_fee),
        base_fee_min=str(floor),
        fee_cap=str(suggested_cap(clock.base_fee)),
        tip="0",
        gas_used=clock.gas_used,
        gas_target=GAS_TARGET,
        piece_bytes=PIECE_BYTES,
        piece_gas=PIECE_GAS,
        kinds={kind.__name__: units for kind, units in KIND_GAS.items()},
    )


METHODS = (Method(name="fee.estimate", params=Nothing, result=FeeEstimate, answer=fee_estimate),)
