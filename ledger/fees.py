"""What a transaction pays: its gas, fixed by its kind and length, and a base fee per gas that follows demand (L20)."""

from dataclasses import dataclass

from ledger.limits import ORDINARY_GAS_MAX
from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputeTell,
)
from ledger.market.order_payloads import BatchAccept, BatchSubmit, CanaryOpen
from ledger.market.withheld.payloads import WithheldChunk, WithheldFile
from ledger.transaction import (
    Delegate,
    JobAccept,
    JobCommit,
    JobDecline,
    JobSubmit,
    LoweringPublish,
    ModelPublish,
    Payload,
    ProviderReveal,
    SampleOpen,
    Transaction,
    Transfer,
    Undelegate,
    ValidatorExit,
    ValidatorRegister,
    ValidatorUnjail,
    ValidatorUpdate,
    VerifierCommit,
    VerifierReveal,
    WorkerBond,
    WorkerExit,
    WorkerRegister,
    WorkerUpdate,
)
from primitives.reasons import Reason, Refused

PIECE_BYTES = 256
"""Length counts in pieces, so that the gas of most transactions is known before they are signed."""
PIECE_GAS = 400
"""A block that is full of bytes is nearly full of gas."""
KIND_GAS: dict[type[Payload], int] = {
    Transfer: 100,
    WorkerRegister: 100,
    WorkerBond: 100,
    WorkerUpdate: 100,
    WorkerExit: 100,
    ModelPublish: 150,
    JobSubmit: 1_500,
    JobAccept: 150,
    JobCommit: 100,
    VerifierCommit: 100,
    ProviderReveal: 200,
    VerifierReveal: 200,
    JobDecline: 150,
    LoweringPublish: 150,
    CanaryOpen: 200,
    BatchSubmit: 1_500,
    BatchAccept: 150,
    SampleOpen: 400,
    ValidatorRegister: 250,
    ValidatorUpdate: 250,
    ValidatorExit: 100,
    ValidatorUnjail: 100,
    Delegate: 100,
    Undelegate: 100,
    WithheldFile: 600,
    WithheldChunk: 400,
    DisputeClaim: 150,
    DisputeOpen: 200,
    DisputeTell: 200,
    DisputeLeaf: 150,
    DisputeDefend: 60_000,
    DisputeBeyond: 60_000,
}
"""By kind of payload: microseconds of checking and executing it on a slow machine, as benches/gas.py measures (L26).

Of a batch for each of its items.
"""
GAS_TARGET = ORDINARY_GAS_MAX // 2
"""Of ordinary transactions in a block: with so much of it the base fee stays as it is (L27)."""
STEP_PARTS = 8
"""The base fee moves by an eighth at most, as in EIP-1559."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What a transaction pays in a block, in grains."""

    burned: int
    tip: int
    """To the operator of the block's proposer."""

    @property
    def total(self) -> int:
        """Return both together: the fee of the receipt."""
        return self.burned + self.tip


def gas_of(payload: Payload, length: int) -> int:
    """Return the gas of a transaction whose envelope has `length` bytes (L26)."""
    items = len(payload.items) if isinstance(payload, BatchSubmit | BatchAccept) else 1
    return KIND_GAS[type(payload)] * items + PIECE_GAS * -(-length // PIECE_BYTES)


def gas(transaction: Transaction) -> int:
    """Return the gas of a transaction (L26)."""
    return gas_of(transaction.body.payload, len(transaction.raw))


def next_base_fee(base_fee: int, gas_used: int, *, floor: int) -> int:
    """Return the base fee, grains per gas, after a block with `gas_used` of ordinary transactions (L27; EIP-1559)."""
    away = abs(gas_used - GAS_TARGET)
    if away == 0:
        return max(floor, base_fee)
    step = max(1, base_fee * away // GAS_TARGET // STEP_PARTS)
    return max(floor, base_fee + step if gas_used > GAS_TARGET else base_fee - step)


def charge(transaction: Transaction, price: int) -> Charge:
    """Return what a transaction pays where a unit of gas costs `price`. Raises Refused FEE_TOO_LOW (L20, L21)."""
    cap, tip, units = transaction.body.fee_cap, transaction.body.tip, gas(transaction)
    if cap < price:
        raise Refused(Reason.FEE_TOO_LOW, seen=cap, wanted=price)
    return Charge(burned=units * price, tip=units * min(tip, cap - price))


def suggested_cap(base_fee: int) -> int:
    """Return a fee cap, grains per gas, that outlasts a dozen full blocks; what is not needed is not paid."""
    return 4 * base_fee
