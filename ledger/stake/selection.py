"""Who validates next: the best staked, under a limit to how much weight comes and goes at a time (Q20 to Q23)."""

from dataclasses import dataclass

from ledger.limits import VALIDATORS_MAX
from ledger.parameters import Parameters
from ledger.stake.epochs import Member
from ledger.stake.records import Validator, ValidatorState
from primitives.units import BASIS

Registered = list[tuple[bytes, Validator]]
"""Addresses and rows."""
OUTCASTS = (ValidatorState.BANNED, ValidatorState.JAILED)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A validator's way from its weight in one set to that in the next."""

    address: bytes
    validator: Validator
    now: int
    """Its weight in the set that was fixed last; 0 if it is not in it."""
    wanted: int
    """What its stake gives it, or 0."""


def next_members(
    parameters: Parameters, members: list[Member], registered: list[tuple[bytes, Validator]]
) -> list[Member]:
    """Return the set that follows `members`, all of whom are among the `registered` validators."""
    seats = _seats(parameters, members, registered)
    weights = {seat.address: seat.now for seat in seats}
    left = max(1, sum(weights.values()) * parameters.churn_bps // BASIS)  # Q20
    falling = [seat for seat in seats if seat.wanted < seat.now]
    outcasts = [seat for seat in falling if seat.validator.state in OUTCASTS]
    others = [seat for seat in falling if seat.validator.state not in OUTCASTS]
    for group in (outcasts, others):  # Q21
        left -= _move(weights, group, left)
    rising = _rising(seats, weights)
    _move(weights, rising, left)
    if not any(weights.values()):  # Q23
        if not rising:
            return members
        weights[rising[0].address] = 1
    return [
        Member(
            validator=seat.address,
            key=seat.validator.key,
            peer=seat.validator.peer,
            onion=seat.validator.onion,
            weight=weights[seat.address],
        )
        for seat in seats
        if weights[seat.address]
    ]


def _seats(parameters: Parameters, members: list[Member], registered: Registered) -> list[Seat]:
    """Return all who are in the set or should be, in the order of registration (Q22)."""
    now = {member.validator: member.weight for member in members}
    fit = [
        (address, validator)
        for address, validator in registered
        if validator.state is ValidatorState.READY and validator.stake >= max(1, parameters.validator_bond_min)
    ]
    fit.sort(key=lambda each: (-each[1].stake, each[1].number))
    wanted = {address: validator.stake for address, validator in fit[:VALIDATORS_MAX]}
    seats = [
        Seat(address=address, validator=validator, now=now.get(address, 0), wanted=wanted.get(address, 0))
        for address, validator in registered
        if address in now or address in wanted
    ]
    return sorted(seats, key=lambda seat: seat.validator.number)


def _rising(seats: list[Seat], weights: dict[bytes, int]) -> list[Seat]:
    """Return who gains weight: members, and as many of the best staked others as there are places free (Q22)."""
    free = VALIDATORS_MAX - sum(1 for weight in weights.values() if weight)
    entering = sorted((seat for seat in seats if not seat.now), key=lambda seat: (-seat.wanted, seat.validator.number))
    return [seat for seat in seats if 0 < seat.now < seat.wanted] + entering[:free]


def _move(weights: dict[bytes, int], seats: list[Seat], left: int) -> int:
    """Move weights towards what is wanted, by `left` in all at most, in proportion; return by how much (Q20)."""
    asked = sum(abs(seat.wanted - seat.now) for seat in seats)
    moved = ways = 0
    for seat in seats:
        ways += abs(seat.wanted - seat.now)
        # The sum so far is rounded, not each step: else several who have next to nothing would stand still for ever.
        step = min(ways, ways * left // max(1, asked)) - moved
        weights[seat.address] += step if seat.wanted > seat.now else -step
        moved += step
    return moved
