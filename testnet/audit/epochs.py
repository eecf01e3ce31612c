"""Epochs: who validates, what that earns, what absence and offences cost (Q1 to Q5, Q18 to Q44, C16)."""

from typing import Any

import msgspec

from testnet.audit.holdings import Holdings
from testnet.audit.money import BASIS
from testnet.audit.rules import Header, tagged
from testnet.audit.stakes import Member, Offender, Set, Stakes, Stands, Validator

VALIDATORS_MAX = 100
EVIDENCE_EPOCHS_MAX = 1_024
MILLION = 1_000_000
SHARE_GRAINS_MAX = 1_000


def first_stakes(told: dict[str, Any]) -> Stakes:
    """Return the stake of genesis (L3, Q3)."""
    stakes = Stakes(started_ms=int(told["timestamp_ms"]))
    members = []
    for number, each in enumerate(told["validators"]):
        who, key, peer, onion = (bytes.fromhex(each[name]) for name in ("operator", "key", "peer", "onion_tip"))
        stake = int(each["stake"])
        members.append(Member(who, key, peer, onion, stake))
        stakes.validators[who] = Validator(number=number, key=key, peer=peer, onion=onion, stake=stake, shares=stake)
        stakes.roll.append(who)
        stakes.delegated[who, who] = stake
        stakes.owners |= {key: who, peer: who}
        stakes.onions[onion, who] = True
    beacon = bytes.fromhex(told["beacon"])
    stakes.sets = {epoch: Set(epoch, _seed(beacon, epoch), members) for epoch in (0, 1)}
    _begin(stakes, 0, stakes.started_ms)
    return stakes


def _seed(beacon: bytes, epoch: int) -> bytes:
    """Return the randomness of an epoch (Q3)."""
    return tagged(b"assay/epoch-seed", beacon + epoch.to_bytes(8, "big"))


def _begin(stakes: Stakes, epoch: int, time_ms: int) -> None:
    stakes.epoch, stakes.started_ms = epoch, time_ms
    stakes.proposed, stakes.missed = ([0] * len(stakes.running.members) for _ in range(2))


def set_hash(stakes: Stakes, epoch: int) -> bytes:
    """Return the hash by which headers name the validators of an epoch (Q2)."""
    return tagged(b"assay/validators", msgspec.msgpack.encode(stakes.sets[epoch]))


def count_views(holdings: Holdings, header: Header) -> None:
    """Count a block and its reveal for its proposer, and the views before it against their leaders (Q42)."""
    stakes = holdings.stakes
    stakes.proposed[header.proposer] += 1
    stakes.revealed[stakes.running.members[header.proposer].validator] = header.height
    skipped = range(header.parent_view + 1, header.view)
    if len(skipped) < len(stakes.missed):
        for view in skipped:
            stakes.missed[_leader(stakes.running, view)] += 1


def _leader(members: Set, view: int) -> int:
    """Return who leads a view (C16)."""
    draw = int.from_bytes(tagged(b"assay/leader", members.seed + view.to_bytes(8, "big")), "big") % members.weight
    at = 0
    while draw >= members.members[at].weight:
        draw -= members.members[at].weight
        at += 1
    return at


def punish(holdings: Holdings, evidence: list[Any], reporter: bytes) -> None:
    """Carry out the evidence of a block: what it proves the chain has checked, else the block were invalid (Q31)."""
    stakes = holdings.stakes
    epochs: dict[int, None] = {}
    for first, _ in evidence:
        _, vote, signer, _ = first
        epoch = vote[0]
        member = stakes.sets[epoch].members[signer]
        stakes.offenders[epoch, member.validator] = Offender(weight=member.weight, reporter=reporter)
        stakes.validators[member.validator].state = Stands.BANNED  # Q35
        epochs[epoch] = None
    for epoch in epochs:
        _sentence(holdings, epoch)


def _sentence(holdings: Holdings, epoch: int) -> None:
    """Slash all who were convicted for an epoch to what they lose together (Q32)."""
    stakes = holdings.stakes
    convicts = sorted((who, each) for (at, who), each in stakes.offenders.items() if at == epoch)
    together, weight = sum(each.weight for _, each in convicts), stakes.sets[epoch].weight
    bps = holdings.tell("slash_bps")
    if len(convicts) > 1 or 3 * together >= weight:
        bps = min(BASIS, max(bps, 3 * together * BASIS // weight))
    for who, each in convicts:
        if bps > each.bps:
            _slash(holdings, epoch, who, each, bps)


def _slash(holdings: Holdings, epoch: int, who: bytes, offender: Offender, bps: int) -> None:
    """Take from a convict's pools and stake what is still to go of them (Q32 to Q34)."""
    stakes, validator, before = holdings.stakes, holdings.stakes.validators[who], offender.bps
    slashed, stands = 0, validator.stake
    for taken in sorted((at for at_who, at in stakes.pools if at_who == who), reverse=True):
        if taken < epoch - 1 and stands * BASIS >= offender.weight * (BASIS - before):  # Q33
            break
        pool = stakes.pools[who, taken]
        stands += pool.stake
        cut = pool.stake * (bps - before) // (BASIS - before)
        pool.stake -= cut
        slashed += cut
    bounty = 0
    if validator.shares:
        cut = validator.stake * (bps - before) // (BASIS - before)
        own = cut * stakes.delegated.get((who, who), 0) // validator.shares
        bounty = own * holdings.tell("bounty_bps") // BASIS  # Q34
        validator.stake -= cut
        slashed += cut
    holdings.give(offender.reporter, bounty)
    holdings.burned += slashed - bounty
    offender.bps = bps


def end_epoch(holdings: Holdings) -> None:
    """Carry out the end of an epoch, if this block is its last (Q1)."""
    stakes = holdings.stakes
    if holdings.time_ms < stakes.started_ms + holdings.tell("epoch_ms"):
        return
    _pay(holdings)
    _jail(holdings)
    ended = stakes.epoch
    before = stakes.sets[ended + 1].members
    chosen = _next_members(holdings, before)
    stakes.sets[ended + 2] = Set(ended + 2, _seed(holdings.beacon, ended + 2), chosen)
    named = {each.validator for each in [*before, *chosen]}
    parted = (Stands.LEAVING, Stands.BANNED)
    stakes.roll = [who for who in stakes.roll if stakes.validators[who].state not in parted or who in named]  # Q18
    kept = min(EVIDENCE_EPOCHS_MAX, -(-holdings.tell("unbonding_ms") // holdings.tell("epoch_ms")))
    stakes.sets.pop(ended - kept, None)  # Q5
    _begin(stakes, ended + 1, holdings.time_ms)


def _pay(holdings: Holdings) -> None:
    """Pay an epoch's blocks out of the pot (Q40, Q41)."""
    stakes = holdings.stakes
    pot = holdings.rewards * holdings.tell("reward_ppm") // MILLION
    views = sum(stakes.proposed) + sum(stakes.missed)
    for member, blocks in zip(stakes.running.members, stakes.proposed, strict=True):
        validator = stakes.validators[member.validator]
        if not blocks or validator.state not in (Stands.READY, Stands.LEAVING):
            continue
        reward = pot * blocks // views
        room = max(0, SHARE_GRAINS_MAX * validator.shares - validator.stake)
        added = min(reward - reward * validator.commission // BASIS, room)
        validator.stake += added
        holdings.give(member.validator, reward - added)
        holdings.rewards -= reward


def _jail(holdings: Holdings) -> None:
    """Jail whoever was absent, unless that were too many (Q43, Q44)."""
    stakes = holdings.stakes
    counted = zip(stakes.running.members, stakes.proposed, stakes.missed, strict=True)
    least = max(1, holdings.tell("absence_views_min"))
    absent = [member for member, blocks, missed in counted if missed >= least and missed > blocks]
    if 3 * sum(each.weight for each in absent) > stakes.running.weight:
        return
    for member in absent:
        validator = stakes.validators[member.validator]
        if validator.state is Stands.READY:
            lost = validator.stake * holdings.tell("absence_bps") // BASIS
            validator.stake -= lost
            validator.state, validator.jailed_until = Stands.JAILED, holdings.time_ms + holdings.tell("jail_ms")
            holdings.burned += lost


def _next_members(holdings: Holdings, before: list[Member]) -> list[Member]:
    """Return the set that follows another (Q20 to Q23)."""
    stakes = holdings.stakes
    rows = stakes.validators
    weights = {each.validator: each.weight for each in before}
    least = max(1, holdings.tell("validator_bond_min"))
    fit = [who for who in stakes.roll if rows[who].state is Stands.READY and rows[who].stake >= least]
    fit.sort(key=lambda who: (-rows[who].stake, rows[who].number))
    wanted = {who: rows[who].stake for who in fit[:VALIDATORS_MAX]}
    order = sorted({**weights, **wanted}, key=lambda who: rows[who].number)
    ways = {who: wanted.get(who, 0) - weights.get(who, 0) for who in order}
    cast_out = (Stands.BANNED, Stands.JAILED)
    left = max(1, sum(weights.values()) * holdings.tell("churn_bps") // BASIS)
    falling = [who for who in order if ways[who] < 0]
    for group in (
        [who for who in falling if rows[who].state in cast_out],
        [who for who in falling if rows[who].state not in cast_out],
    ):
        left -= _move(weights, group, ways, left)
    free = VALIDATORS_MAX - sum(weight > 0 for weight in weights.values())
    new = [who for who in fit if who in wanted and who not in weights]
    rising = [who for who in order if who in weights and ways[who] > 0] + new[:free]
    _move(weights, rising, ways, left)
    if not any(weights.values()):
        if not rising:
            return before
        weights[rising[0]] = 1  # Q23
    return [
        Member(who, rows[who].key, rows[who].peer, rows[who].onion, weights[who]) for who in order if weights.get(who)
    ]


def _move(weights: dict[bytes, int], group: list[bytes], ways: dict[bytes, int], left: int) -> int:
    """Move each as far as its part of what is left goes, and return how far all went together (Q20)."""
    asked = sum(abs(ways[who]) for who in group)
    if not asked:
        return 0
    moved = so_far = 0
    for who in group:
        so_far += abs(ways[who])
        step = min(so_far, so_far * left // asked) - moved
        weights[who] = weights.get(who, 0) + (step if ways[who] > 0 else -step)
        moved += step
    return moved
