"""Methods about validators: who they are, what stands behind them, what was proved against them."""

from collections import Counter
from itertools import islice

from consensus.messages import SignedVote, VoteKind
from ledger.stake.epochs import EpochSet, set_hash
from ledger.stake.records import Claim, Conviction, Pool, Validator
from ledger.stake.shares import grains_of
from ledger.state import State, pool_key
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.rpc.method import Method
from node.rpc.services import Services
from node.rpc.shapes import ByAddress
from node.rpc.validator_shapes import (
    ByEpoch,
    ClaimShape,
    DelegationList,
    DelegationPage,
    DelegationShape,
    EpochShape,
    EvidenceList,
    EvidencePage,
    EvidenceShape,
    MemberShape,
    ValidatorList,
    ValidatorPage,
    ValidatorShape,
    VoteShape,
)
from node.rpc.views import Views
from primitives.address import parse_address
from primitives.reasons import Reason, Refused

CLAIMS_LOOKED_AT_MAX = 10_000
"""Of all accounts: some ten milliseconds. What lies beyond is due later than all of these."""


async def validator_list(services: Services, params: ValidatorPage) -> ValidatorList:
    """Return registered validators, those with the most stake first."""
    state, prefix = services.chain.state(), services.chain.genesis.prefix
    found = sorted(state.registered_validators(), key=lambda each: (-each[1].stake, each[1].number))
    offences = _offences(state)
    shown = [_validator(state, prefix, address, row, offences[address]) for address, row in found[: params.limit]]
    return ValidatorList(epoch=state.epoch().number, validators=shown, registered=len(found))


async def validator_get(services: Services, params: ByAddress) -> ValidatorShape:
    """Return one validator."""
    state, prefix = services.chain.state(), services.chain.genesis.prefix
    address = parse_address(params.address, prefix)
    row = state.validator(address)
    if row is None:
        raise Refused(Reason.VALIDATOR_UNKNOWN, validator=address)
    return _validator(state, prefix, address, row, _offences(state)[address])


async def validator_evidence(services: Services, params: EvidencePage) -> EvidenceList:
    """Return offences of validators that were proved and punished: the votes, and what they cost."""
    state, prefix = services.chain.state(), services.chain.genesis.prefix
    accused = None if params.validator is None else parse_address(params.validator, prefix)
    rows = ((epoch, who, row) for epoch, who, row in state.convictions(epoch=params.epoch) if accused in (None, who))
    found = list(islice(rows, params.limit))
    return EvidenceList(evidence=[_evidence(Views(prefix), epoch, who, row) for epoch, who, row in found])


async def epoch_get(services: Services, params: ByEpoch) -> EpochShape:
    """Return an epoch and its validators: the running one, the next, or an earlier one that is still kept."""
    state, genesis = services.chain.state(), services.chain.genesis
    running = state.epoch()
    number = running.number if params.epoch is None else params.epoch
    found = state.epoch_set(number)
    if found is None:
        raise Refused(Reason.NOT_FOUND, what="epoch", seen=number, running=running.number)
    is_running = number == running.number
    counts = zip(running.proposed, running.missed, strict=True) if is_running else None
    return EpochShape(
        epoch=number,
        running=running.number,
        started_ms=running.started_ms if is_running else None,
        ends_ms=running.started_ms + genesis.parameters.epoch_ms if is_running else None,
        epoch_ms=genesis.parameters.epoch_ms,
        seed=found.seed.hex(),
        validators_hash=set_hash(found).hex(),
        weight=str(found.weight),
        members=_members(Views(genesis.prefix), found, list(counts) if counts else None),
    )


async def delegation_list(services: Services, params: DelegationPage) -> DelegationList:
    """Return what an account has delegated, and what it is waiting to be paid back."""
    state, prefix = services.chain.state(), services.chain.genesis.prefix
    delegator = parse_address(params.delegator, prefix)
    views = Views(prefix)
    delegations = []
    for validator, shares in state.delegations(delegator, limit=params.limit):
        row = state.validator(validator)
        assert row is not None, "a validator with shares has a row (Q18)"
        delegations.append(
            DelegationShape(
                validator=views.address(validator), shares=shares, amount=str(grains_of(row, shares)), state=_state(row)
            )
        )
    claims = (each for each in state.claims(limit=CLAIMS_LOOKED_AT_MAX) if each[1] == delegator)
    return DelegationList(
        delegations=delegations,
        unbonding=[_claim(state, views, *each) for each in islice(claims, params.limit)],
    )


def _offences(state: State) -> Counter[bytes]:
    return Counter(who for _, who, _ in state.convictions())


def _validator(state: State, prefix: str, address: bytes, row: Validator, offences: int) -> ValidatorShape:
    views, epoch = Views(prefix), state.epoch()
    running, following = state.validators(), state.validators(ahead=1)
    index, next_index = running.index_of(address), following.index_of(address)
    tip = None if index is None else state.tip(address)
    return ValidatorShape(
        address=views.address(address),
        state=_state(row),
        key=row.key.hex(),
        peer_id=peer_id_text(peer_id_of(row.peer)),
        onion=row.onion.hex(),
        commission_bps=row.commission,
        stake=str(row.stake),
        own_stake=str(grains_of(row, state.delegation(address, address))),
        unbonding=str(sum(pool.stake for _, pool in state.pools(address))),
        jailed_until_ms=row.jailed_until_ms or None,
        index=index,
        weight="0" if index is None else str(running.members[index].weight),
        next_weight="0" if next_index is None else str(following.members[next_index].weight),
        proposed=0 if index is None else epoch.proposed[index],
        missed=0 if index is None else epoch.missed[index],
        reveals=None if tip is None else tip.reveals,
        offences=offences,
    )


def _members(views: Views, found: EpochSet, counts: list[tuple[int, int]] | None) -> list[MemberShape]:
    return [
        MemberShape(
            index=at,
            validator=views.address(each.validator),
            key=each.key.hex(),
            peer_id=peer_id_text(peer_id_of(each.peer)),
            onion=each.onion.hex(),
            weight=str(each.weight),
            proposed=None if counts is None else counts[at][0],
            missed=None if counts is None else counts[at][1],
        )
        for at, each in enumerate(found.members)
    ]


def _evidence(views: Views, epoch: int, validator: bytes, row: Conviction) -> EvidenceShape:
    return EvidenceShape(
        epoch=epoch,
        validator=views.address(validator),
        offence=row.offence.name.lower(),
        first=_vote(row.evidence.first),
        second=_vote(row.evidence.second),
        weight=str(row.weight),
        slash_bps=row.slash_bps,
        slashed=str(row.slashed),
        bounty=str(row.bounty),
        reporter=views.address(row.reporter),
        height=row.height,
        time_ms=row.time_ms,
    )


def _vote(signed: SignedVote) -> VoteShape:
    vote = signed.vote
    return VoteShape(
        kind=vote.kind.name.lower(),
        view=vote.view,
        block=None if vote.kind is VoteKind.NULLIFY else vote.block.hex(),
        signer=signed.signer,
        signature=signed.signature.hex(),
    )


def _claim(state: State, views: Views, due_ms: int, _: bytes, validator: bytes, claim: Claim) -> ClaimShape:
    pool = state.find(Pool, pool_key(validator, claim.epoch))
    assert pool is not None, "a pool is kept while somebody has shares of it"
    return ClaimShape(
        validator=views.address(validator), due_ms=due_ms, amount=str(claim.shares * pool.stake // pool.shares)
    )


def _state(row: Validator) -> str:
    return row.state.name.lower()


METHODS = (
    Method(name="validator.list", params=ValidatorPage, result=ValidatorList, answer=validator_list),
    Method(name="validator.get", params=ByAddress, result=ValidatorShape, answer=validator_get),
    Method(name="validator.evidence", params=EvidencePage, result=EvidenceList, answer=validator_evidence),
    Method(name="epoch.get", params=ByEpoch, result=EpochShape, answer=epoch_get),
    Method(name="delegation.list", params=DelegationPage, result=DelegationList, answer=delegation_list),
)
