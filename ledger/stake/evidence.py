"""Evidence in blocks: what makes it count, and what it costs whom (Q30 to Q35)."""

from dataclasses import dataclass

from consensus.evidence import Offence, offence
from consensus.scheme import Ed25519Scheme
from ledger.moment import Moment, burn, credit
from ledger.parameters import Parameters
from ledger.stake.epochs import EpochSet, Member, instance_of
from ledger.stake.lifecycle import ValidatorEvent, advance, remove_staked
from ledger.stake.records import Conviction, Evidence
from ledger.state import State, change, conviction_key, pool_key, validator_key
from primitives.reasons import Reason, Refused
from primitives.units import BASIS, mul_div_floor

CORRELATION = 3
"""Validators who offend together lose three times their part of the weight: a third of it, all (Q32)."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What evidence proves, of whom."""

    epoch: int
    validator: bytes
    weight: int
    offence: Offence


def find(genesis_hash: bytes, state: State, evidence: Evidence) -> Finding:
    """Return what evidence proves, its signatures checked.

    Raises Refused EVIDENCE_STALE, EVIDENCE_PROVES_NOTHING (Q30).
    """
    epoch_set, member = _accused(state, evidence)
    instance = instance_of(genesis_hash, epoch_set)
    proved = offence(evidence.first, evidence.second, instance, Ed25519Scheme(instance.validators, None))
    if proved is None:
        raise Refused(Reason.EVIDENCE_PROVES_NOTHING, validator=member.validator, epoch=epoch_set.epoch)
    return Finding(epoch=epoch_set.epoch, validator=member.validator, weight=member.weight, offence=proved)


def is_fresh(state: State, evidence: Evidence) -> bool:
    """Tell whether nobody was punished for it and it is not too old; says nothing of the signatures (Q30)."""
    try:
        _accused(state, evidence)
    except Refused:
        return False
    return True


def _accused(state: State, evidence: Evidence) -> tuple[EpochSet, Member]:
    """Return whom evidence names. Raises Refused EVIDENCE_STALE, EVIDENCE_PROVES_NOTHING."""
    epoch, signer = evidence.first.vote.epoch, evidence.first.signer
    epoch_set = state.epoch_set(epoch)
    if epoch_set is None:
        raise Refused(Reason.EVIDENCE_STALE, seen=epoch, wanted="an epoch whose validators are known")  # Q5
    if signer >= len(epoch_set.members):
        raise Refused(Reason.EVIDENCE_PROVES_NOTHING, seen=signer, wanted=f"fewer than {len(epoch_set.members)}")
    member = epoch_set.members[signer]
    if state.conviction(epoch, member.validator) is not None:
        raise Refused(Reason.EVIDENCE_STALE, seen=epoch, validator=member.validator, wanted="nobody punished for it")
    return epoch_set, member


def convict(moment: Moment, evidence: Evidence, reporter: bytes) -> int:
    """Ban whoever evidence convicts and return the epoch of the offence, of which `sentence` is due then.

    `reporter` is the operator who is to have the bounty. Raises Refused as `find`, and nothing has changed then.
    """
    state = moment.state
    found = find(moment.charter.hash, state, evidence)
    conviction = Conviction(
        evidence=evidence,
        offence=found.offence,
        weight=found.weight,
        slash_bps=0,
        slashed=0,
        bounty=0,
        reporter=reporter,
        height=moment.height,
        time_ms=moment.time_ms,
    )
    state.put(conviction_key(found.epoch, found.validator), conviction)
    validator = state.validator(found.validator)
    assert validator is not None, "who was in a set has a row (Q18)"
    advance(moment, found.validator, validator, ValidatorEvent.CONVICT)  # Q35
    return found.epoch


def sentence(moment: Moment, epoch: int) -> None:
    """Slash all who were convicted for an epoch to what they lose together (Q32).

    Once for all pieces of a block: each convict may have pools by the hundred, which every further one cuts anew.
    """
    epoch_set = moment.state.epoch_set(epoch)
    assert epoch_set is not None
    convicts = [(who, row) for _, who, row in moment.state.convictions(epoch=epoch)]
    bps = slash_bps(moment.parameters, [row.weight for _, row in convicts], epoch_set.weight)
    for who, row in convicts:
        if bps > row.slash_bps:
            _slash(moment, epoch, who, row, bps)


def slash_bps(parameters: Parameters, convicted: list[int], weight: int) -> int:
    """Return what validators of these weights lose who offended in one epoch, of `weight` in all (Q32)."""
    together = sum(convicted)
    if len(convicted) == 1 and CORRELATION * together < weight:
        return parameters.slash_bps
    return min(BASIS, max(parameters.slash_bps, mul_div_floor(CORRELATION * together, BASIS, weight)))


def _slash(moment: Moment, epoch: int, who: bytes, row: Conviction, bps: int) -> None:
    """Raise what a convict has lost to `bps` of the stake that stood for that epoch, and write its row (Q32 to Q34)."""
    state = moment.state
    of_pools = _cut_pools(state, who, epoch, row, bps)
    of_validator, own = _cut_validator(moment, who, row.slash_bps, bps)
    slashed = of_validator + of_pools
    bounty = mul_div_floor(own, moment.parameters.bounty_bps, BASIS)
    if bounty:
        credit(state, row.reporter, bounty)  # Q34
    burn(state, slashed - bounty)
    after = change(row, slash_bps=bps, slashed=row.slashed + slashed, bounty=row.bounty + bounty)
    state.put(conviction_key(epoch, who), after)


def _cut_validator(moment: Moment, who: bytes, before: int, bps: int) -> tuple[int, int]:
    """Take from a validator's stake; return the grains, and how many of them were the operator's own."""
    validator = moment.state.validator(who)
    if validator is None or not validator.shares:
        return 0, 0
    cut = _cut(validator.stake, before, bps)
    own = mul_div_floor(cut, moment.state.delegation(who, who), validator.shares)
    moment.state.put(validator_key(who), change(validator, stake=validator.stake - cut))
    remove_staked(moment, cut)
    return cut, own


def _cut_pools(state: State, who: bytes, epoch: int, row: Conviction, bps: int) -> int:
    """Take from what was taken out and stood for the offence's epoch; return the grains (Q33)."""
    validator, slashed = state.validator(who), 0
    stands = 0 if validator is None else validator.stake
    for taken, pool in reversed(list(state.pools(who))):
        # The set of an epoch is fixed while the second before it ends; but weight falls more slowly than stake goes.
        if taken + 1 < epoch and stands * BASIS >= row.weight * (BASIS - row.slash_bps):
            break
        stands += pool.stake
        cut = _cut(pool.stake, row.slash_bps, bps)
        state.put(pool_key(who, taken), change(pool, stake=pool.stake - cut))
        slashed += cut
    return slashed


def _cut(stake: int, before: int, bps: int) -> int:
    """Return what must still go of stake of which `before` basis points are gone, rounded down."""
    return mul_div_floor(stake, bps - before, BASIS - before)
