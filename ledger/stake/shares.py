"""Stake in shares: how grains go in and out of what many own together, and who bears the rounding (Q12 to Q14)."""

from ledger.stake.records import Claim, Delegation, Pool, Validator
from ledger.state import State, change, claim_key, delegation_key, pool_key
from primitives.reasons import Reason, Refused
from primitives.units import NUMBER_MAX, mul_div_ceil, mul_div_floor


def shares_for(validator: Validator, grains: int) -> int:
    """Return the shares that grains buy, rounded down.

    Raises Refused ZERO_AMOUNT if that is none, TOO_LARGE beyond what a row holds (Q12).
    """
    if not validator.shares:
        bought = grains
    elif not validator.stake:
        raise Refused(Reason.ZERO_AMOUNT, seen=0, wanted="a validator that has not lost all")
    else:
        bought = mul_div_floor(grains, validator.shares, validator.stake)
    if bought == 0:
        raise Refused(Reason.ZERO_AMOUNT, seen=grains, wanted="at least one share")
    if validator.shares + bought > NUMBER_MAX:
        raise Refused(Reason.TOO_LARGE, seen=str(validator.shares + bought), wanted=NUMBER_MAX)
    return bought


def shares_of(validator: Validator, grains: int) -> int:
    """Return the shares that must go so that grains can be taken out, rounded up (Q13)."""
    return mul_div_ceil(grains, validator.shares, validator.stake) if validator.stake else 0


def grains_of(validator: Validator, shares: int) -> int:
    """Return what shares are worth, rounded down; all of them are worth all the stake (Q13)."""
    return mul_div_floor(shares, validator.stake, validator.shares) if validator.shares else 0


def put_in(state: State, delegator: bytes, address: bytes, validator: Validator, grains: int) -> Validator:
    """Give an account the shares for its grains, and return the validator with them. Raises as `shares_for`."""
    bought = shares_for(validator, grains)
    held = state.delegation(delegator, address) + bought
    state.put(delegation_key(delegator, address), Delegation(shares=held))
    return change(validator, stake=validator.stake + grains, shares=validator.shares + bought)


def take_out(
    state: State, delegator: bytes, address: bytes, validator: Validator, *, shares: int, grains: int, due_ms: int
) -> Validator:
    """Move grains for an account's shares into this epoch's pool, due at a block time; return the validator (Q14)."""
    left = state.delegation(delegator, address) - shares
    state.put(delegation_key(delegator, address), Delegation(shares=left) if left else None)
    if grains:
        _claim(state, delegator, address, grains=grains, due_ms=due_ms)
    return change(validator, stake=validator.stake - grains, shares=validator.shares - shares)


def _claim(state: State, delegator: bytes, address: bytes, *, grains: int, due_ms: int) -> None:
    epoch = state.epoch().number
    pool = state.find(Pool, pool_key(address, epoch)) or Pool(stake=0, shares=0)
    if pool.shares and not pool.stake:
        raise Refused(Reason.BUSY, seen=epoch, wanted="the next epoch: all that was taken out in this one is slashed")
    bought = mul_div_floor(grains, pool.shares, pool.stake) if pool.shares else grains
    if pool.shares + bought > NUMBER_MAX:
        raise Refused(Reason.BUSY, seen=epoch, wanted="the next epoch: most that was taken out in this one is slashed")
    state.put(pool_key(address, epoch), Pool(stake=pool.stake + grains, shares=pool.shares + bought))
    key = claim_key(due_ms, delegator, address)
    before = state.find(Claim, key)
    state.put(key, Claim(epoch=epoch, shares=bought + (0 if before is None else before.shares)))


def pay_claim(state: State, delegator: bytes, address: bytes, due_ms: int, claim: Claim) -> int:
    """Take a claim out of its pool and return what it is worth now, rounded down (Q15)."""
    state.put(claim_key(due_ms, delegator, address), None)
    key = pool_key(address, claim.epoch)
    pool = state.find(Pool, key)
    assert pool is not None
    grains = mul_div_floor(claim.shares, pool.stake, pool.shares)
    left = Pool(stake=pool.stake - grains, shares=pool.shares - claim.shares)
    state.put(key, left if left.shares else None)
    return grains
