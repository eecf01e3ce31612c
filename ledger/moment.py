"""The block that is being executed, as payloads and life-cycles see it; and how money moves in it."""

from dataclasses import dataclass

from ledger.events import Event
from ledger.genesis import Charter
from ledger.parameters import Parameters
from ledger.state import TOTALS, State, account_key, change
from primitives.reasons import Reason, Refused


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A block in execution: its state so far, and its clocks."""

    charter: Charter
    state: State
    height: int
    time_ms: int
    live_ms: int
    beacon: bytes
    base_fee: int
    """Grains per gas."""
    events: list[Event]
    """What has happened in this block so far."""

    @property
    def parameters(self) -> Parameters:
        """Return the network's numbers."""
        return self.charter.parameters


def credit(state: State, address: bytes, amount: int) -> None:
    """Add grains to a balance."""
    account = state.account(address)
    state.put(account_key(address), change(account, balance=account.balance + amount))


def debit(state: State, address: bytes, amount: int) -> None:
    """Take grains from a balance. Raises Refused INSUFFICIENT_BALANCE."""
    account = state.account(address)
    if account.balance < amount:
        raise Refused(Reason.INSUFFICIENT_BALANCE, seen=account.balance, wanted=amount)
    state.put(account_key(address), change(account, balance=account.balance - amount))


def burn(state: State, amount: int) -> None:
    """Add grains to the pot of what is gone for ever; it stays part of the supply's sum (L50)."""
    totals = state.totals()
    state.put(TOTALS, change(totals, burned=totals.burned + amount))


def to_protocol(state: State, amount: int) -> None:
    """Add grains to the protocol's pot."""
    totals = state.totals()
    state.put(TOTALS, change(totals, protocol=totals.protocol + amount))
