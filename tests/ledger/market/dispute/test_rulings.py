"""What decided disputes come to, and where every grain goes (X44 to X66)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.payloads import WHOLE, tail_of
from ledger.market.dispute.records import CHALLENGERS_MAX, CLAIMS_MAX, DisputeOutcome
from ledger.market.dispute.verdicts import Fault
from ledger.market.settlement import verifier_lock
from ledger.records import Outcome, Payout, PayoutKind
from ledger.state import change
from ledger.transaction import Decision
from primitives.units import KARAT
from tests.ledger.market.dispute.crafted import (
    CHALLENGER,
    CLIENT,
    DRAWN,
    NUMBERS,
    PROVIDER,
    RIGHT,
    RIVAL,
    VERIFIERS,
    WRONG,
    Case,
    a_job,
    having_withheld,
    nets,
    ruled,
)
from vm.manifest import Class

YES, NO = Decision.ACCEPT, Decision.REJECT
FEE = NUMBERS.verifier_fee
LOCK = verifier_lock(NUMBERS, NUMBERS.verifier_fee)
SILENCE = LOCK // 10
FAR, NEAR, HONEST = {PROVIDER: 64_001}, {PROVIDER: 64_000}, {PROVIDER: 16_000}


def test_beyond_64_sigma_is_slashed_within_16_is_paid_and_between_forfeits_x51_x55() -> None:
    job = a_job(YES, YES, YES)
    assert nets(job, Case(thousandths=FAR))[0] is Outcome.CONVICTED
    outcome, found = nets(job, Case(thousandths=NEAR))
    assert outcome is Outcome.GREY
    assert (found[CLIENT], found[PROVIDER]) == (0, -3 * FEE - 4 * FEE)  # verifiers, and four canonical runs
    outcome, found = nets(job, Case(thousandths=HONEST))
    assert outcome is Outcome.CLEARED
    assert found[PROVIDER] == KARAT * 93 // 100


def test_who_rejects_and_lets_nothing_about_the_provider_be_found_counts_as_silent_x46() -> None:
    """J56: else a dispute about a tail of one's own would spare who rejects what it owes."""
    job = a_job(YES, YES, NO)
    own_tail = Case(subject=tail_of(VERIFIERS[2]), challengers={}, parties={VERIFIERS[2]: RIGHT})
    outcome, found = nets(job, own_tail)
    assert (outcome, found[VERIFIERS[2]]) == (Outcome.CLEARED, -SILENCE - job.run_fee * 3)
    assert ruled(job, own_tail, Case())[0].faults == {VERIFIERS[2]: Fault.FALSE_REJECT}
    agreed = a_job(NO, NO, None)  # what can't be run leaves nothing to claim
    assert ruled(agreed, own_tail)[0].faults == {VERIFIERS[2]: Fault.SILENT}


def test_a_provider_that_withheld_in_a_dispute_is_not_paid_x46() -> None:
    """H31: the client gets everything back, and out of the bond verifiers and claimants what they have earned."""
    lock = a_job(YES, YES, NO).provider_locked
    outcome, found = nets(having_withheld(a_job(YES, YES, NO), PROVIDER), Case(carriage=7))
    assert (outcome, found[CLIENT], found[PROVIDER]) == (Outcome.UNDECIDED, 0, -lock)
    assert [found[each] for each in VERIFIERS] == [FEE, FEE, -LOCK]  # who rejected was wrong (X54)
    assert found[CHALLENGER] > FEE + 7  # X60, and of what the false reject has cost
    agreed = nets(having_withheld(a_job(YES, YES, YES), PROVIDER), Case(carriage=7))[1]
    assert agreed[CHALLENGER] == FEE + 7
    assert agreed[b""] == lock - 3 * FEE - 4 * (FEE + 7)  # nobody gains by accusing


def test_a_liar_that_withholds_takes_nothing_from_those_who_convict_it_h31() -> None:
    case = Case(thousandths=FAR, carriage=7)
    for verdicts in ([], [YES, YES, NO]):
        plain = nets(a_job(*verdicts), case)
        assert nets(having_withheld(a_job(*verdicts), PROVIDER), case) == plain
    # Where it was paid its client is made whole first, and the bounty is of the rest.
    paid = having_withheld(a_job(YES, YES, YES, paid=True), PROVIDER)
    found = nets(paid, case)[1]
    assert (found[CLIENT], found[CHALLENGER]) == (0, FEE + 7 + (paid.forfeited + 3 * LOCK) * 3 // 10 // 4)


def test_a_verifier_that_has_withheld_in_a_dispute_earns_no_fee_x58() -> None:
    job = having_withheld(a_job(YES, YES, NO), VERIFIERS[2])
    assert nets(job, Case(thousandths=FAR))[1][VERIFIERS[2]] == -LOCK


def test_a_convict_loses_all_that_the_job_holds_and_the_client_gets_all_back_x48_x57() -> None:
    for paid in (False, True):
        job = a_job(YES, YES, YES, paid=paid)
        outcome, found = nets(job, Case(thousandths=FAR))
        assert outcome is Outcome.CONVICTED
        assert found[CLIENT] == 0
        earned = KARAT * 93 // 100 if paid else 0
        assert found[PROVIDER] == earned - job.provider_locked
        assert all(found[each] == (FEE if paid else 0) - LOCK for each in VERIFIERS)  # X54


def test_the_first_who_were_right_and_the_drawn_share_at_most_30_per_cent_x61() -> None:
    job = a_job(YES, YES, NO)
    case = Case(challengers={CHALLENGER: RIGHT, RIVAL: RIGHT}, thousandths=FAR)
    ruling, sums = ruled(job, case)
    slashed = job.provider_locked + 2 * LOCK
    bounties = [each for each in sums.shares[0].payouts if each.kind is PayoutKind.BOUNTY]
    assert [each.amount for each in bounties] == [slashed * 3 // 10 // 5] * 5
    assert ruling.faults == {PROVIDER: Fault.BEYOND, VERIFIERS[0]: Fault.FALSE_ACCEPT, VERIFIERS[1]: Fault.FALSE_ACCEPT}


def test_a_later_claim_is_paid_its_costs_and_no_bounty_x60_x61() -> None:
    job = a_job(YES, YES, NO)
    both = {CHALLENGER: RIGHT, RIVAL: RIGHT}
    _, found = nets(job, Case(challengers=both, thousandths=FAR, carriage=5, heights={RIVAL: 8}))
    assert found[RIVAL] == job.run_fee + 5
    assert found[CHALLENGER] > found[RIVAL]


def test_no_bounty_goes_to_who_shares_an_operator_with_the_accused_x62() -> None:
    job = a_job(YES, YES, NO)
    plain = nets(job, Case(thousandths=FAR))[1]
    own = nets(job, Case(thousandths=FAR), operators={CHALLENGER: PROVIDER})[1]
    shared = nets(job, Case(thousandths=FAR), operators={CHALLENGER: RIVAL, PROVIDER: RIVAL})[1]
    assert plain[CHALLENGER] > own[CHALLENGER] == shared[CHALLENGER] == job.run_fee


@pytest.mark.parametrize("paid", [False, True])
def test_a_claim_that_nobody_confirms_slashes_nobody_and_bonds_return_x46_x64(paid: bool) -> None:
    job = a_job(YES, YES, YES, paid=paid)
    case = Case(drawn=[], thousandths=FAR)
    assert case.decided(job).outcome is DisputeOutcome.UNCONFIRMED
    outcome, found = nets(job, case)
    assert outcome is (Outcome.CLEARED if paid else Outcome.UNDECIDED)
    assert found[CHALLENGER] == 0
    assert found.get(PROVIDER, 0) == (KARAT * 93 // 100 if paid else 0)
    assert found.get(VERIFIERS[0], 0) == (FEE if paid else 0)


def test_who_beats_a_stranger_of_his_own_confirms_nothing_x45() -> None:
    """A liar who opens two claims and lets one beat the other has convicted nobody."""
    job = a_job(YES, YES, YES)
    case = Case(challengers={CHALLENGER: RIGHT, RIVAL: WRONG}, drawn=[], fallen={WRONG: RIGHT}, thousandths=FAR)
    assert case.decided(job).outcome is DisputeOutcome.UNCONFIRMED
    assert ruled(job, case)[0].outcome is Outcome.UNDECIDED
    rejected = a_job(YES, YES, NO)
    cleared = Case(challengers={CHALLENGER: RIGHT, RIVAL: WRONG}, drawn=[], fallen={WRONG: RIGHT})
    assert ruled(change(rejected, k=7), cleared)[0].outcome is Outcome.UNDECIDED


@pytest.mark.parametrize("loser", ["provider", "drawn"])
def test_who_beats_the_accused_or_a_drawn_worker_may_convict_x45(loser: str) -> None:
    job = a_job(YES, YES, YES)
    parties = {PROVIDER: WRONG} if loser == "provider" else {}
    drawn = [WRONG] if loser == "drawn" else []
    case = Case(parties=parties, drawn=drawn, fallen={WRONG: RIGHT}, thousandths=FAR)
    assert ruled(job, case)[0].outcome is Outcome.CONVICTED


def test_of_the_rounds_about_one_subject_the_last_alone_speaks_of_the_parties_x5() -> None:
    job = a_job(YES, YES, YES)
    both = {CHALLENGER: RIGHT, RIVAL: WRONG}
    past = Case(challengers=both, drawn=[], fallen={WRONG: RIGHT}, thousandths=FAR, past=True, carriage=3 * KARAT)
    ruling, sums = ruled(job, past, Case(thousandths=HONEST))
    assert (ruling.outcome, ruling.faults) == (Outcome.CLEARED, {})
    bond = claim_bond(NUMBERS, job)
    assert sums.shares[0].payouts == [  # no more than its own failed bond
        Payout(kind=PayoutKind.CLAIM_COSTS, to=CHALLENGER, amount=bond),
        Payout(kind=PayoutKind.BOND_RETURNED, to=CHALLENGER, amount=bond),
    ]
    convicted = nets(job, past, Case(challengers={CLIENT: RIGHT}, thousandths=FAR))
    assert (convicted[0], convicted[1][CHALLENGER]) == (Outcome.CONVICTED, bond)


def test_where_no_trace_stands_the_job_is_void_and_every_claim_fails_x46() -> None:
    job = a_job(YES, YES, NO)
    case = Case(challengers={CHALLENGER: RIGHT, RIVAL: WRONG}, drawn=[], fallen={RIGHT: None, WRONG: None})
    outcome, found = nets(job, case)
    bond = claim_bond(NUMBERS, job)
    assert outcome is Outcome.UNDECIDED
    assert (found[CHALLENGER], found[RIVAL], found[CLIENT], found[b""]) == (-bond, -bond, 0, 2 * bond)


def test_a_reject_of_what_is_within_8_sigma_is_slashed_and_of_more_is_not_x54() -> None:
    for thousandths, fault in ((8_000, Fault.FALSE_REJECT), (8_001, None)):
        ruling, _ = ruled(a_job(YES, YES, NO), Case(thousandths={PROVIDER: thousandths}))
        assert ruling.outcome is Outcome.CLEARED
        assert ruling.faults.get(VERIFIERS[2]) is fault
    _, found = nets(a_job(YES, YES, NO), Case(thousandths={PROVIDER: 8_001}))
    assert found[VERIFIERS[2]] == FEE


def test_a_reject_that_the_chain_forced_is_no_false_verdict_but_values_made_up_for_it_are_judged_x54() -> None:
    forced = a_job(YES, YES, NO, forced=True)
    liar = VERIFIERS[2]
    for far, fault, gained in ((0, None, FEE), (20_000, Fault.GREY, -FEE), (70_000, Fault.BEYOND, -LOCK)):
        case = Case(thousandths={liar: far})
        assert ruled(forced, case)[0].faults.get(liar) is fault
        assert nets(forced, case)[1][liar] == gained


def test_a_reject_is_no_false_verdict_where_the_label_is_wrong_though_the_values_are_right_x52() -> None:
    job = a_job(YES, YES, NO)
    ruling, _ = ruled(job, Case(), Case(subject=tail_of(PROVIDER), outputs=[PROVIDER]))
    assert ruling.outcome is Outcome.CONVICTED
    assert VERIFIERS[2] not in ruling.faults
    doubted, _ = ruled(job, Case(), Case(subject=tail_of(PROVIDER), outputs=[PROVIDER], drawn=[]))
    assert doubted.outcome is Outcome.UNDECIDED
    assert doubted.faults == {}


def test_verifiers_are_judged_by_their_own_values_too_x51_x52_x55() -> None:
    job = a_job(YES, YES, YES)
    first, second, third = VERIFIERS
    ruling, _ = ruled(
        job, Case(thousandths={first: 70_000, second: 20_000}), Case(subject=tail_of(third), outputs=[third])
    )
    assert ruling.outcome is Outcome.CLEARED
    assert ruling.faults == {first: Fault.BEYOND, second: Fault.GREY, third: Fault.WRONG_OUTPUT}
    _, found = nets(job, Case(thousandths={first: 70_000, second: 20_000}))
    assert (found[first], found[second], found[third]) == (-LOCK, -FEE, FEE)
    assert found[PROVIDER] == KARAT * 93 // 100


def test_the_grey_zone_costs_what_a_lower_audit_rate_would_have_gained_x55() -> None:
    fair = nets(a_job(price=KARAT), Case(thousandths=NEAR))[1][PROVIDER]
    seldom = nets(a_job(price=KARAT, audit=5_000), Case(thousandths=NEAR))[1][PROVIDER]
    assert fair - seldom == KARAT


def test_a_job_found_grey_after_it_was_paid_gives_the_client_its_money_back_x55_x57() -> None:
    job = a_job(YES, YES, YES, paid=True)
    outcome, found = nets(job, Case(thousandths=NEAR))
    assert outcome is Outcome.GREY
    assert found[CLIENT] == 0


def test_an_ill_conditioned_job_slashes_nobody_and_pays_for_the_runs_x53() -> None:
    outcome, found = nets(a_job(YES, YES, NO), Case(ill_conditioned=True, thousandths=FAR))
    assert outcome is Outcome.ILL_CONDITIONED
    assert (found[CLIENT], found[PROVIDER]) == (-4 * FEE, FEE)
    assert [found[each] for each in VERIFIERS] == [FEE] * 3
    paid = a_job(YES, YES, NO, paid=True)
    assert ruled(paid, Case(ill_conditioned=True, thousandths=FAR))[0].outcome is Outcome.CLEARED


def test_nobody_is_told_that_a_job_is_ill_conditioned_by_what_may_not_be_held_against_its_provider_x53() -> None:
    """X45: a stranger whose rival is a verifier and his friend upholds what he likes, and confirms nothing."""
    alone = Case(ill_conditioned=True, drawn=())
    assert ruled(a_job(YES, YES, YES), alone)[0].outcome is Outcome.CLEARED
    friends = Case(ill_conditioned=True, drawn=(), parties={VERIFIERS[0]: WRONG}, fallen={WRONG: RIGHT})
    assert friends.decided(a_job(YES, YES, YES)).outcome is DisputeOutcome.UPHELD
    assert ruled(a_job(YES, YES, YES), friends)[0].outcome is Outcome.CLEARED
    accused = Case(ill_conditioned=True, drawn=(), parties={PROVIDER: WRONG}, fallen={WRONG: RIGHT})
    assert ruled(a_job(YES, YES, YES), accused)[0].outcome is Outcome.ILL_CONDITIONED


def test_where_the_run_traps_nothing_is_held_against_who_rejected_x65() -> None:
    exact = a_job(YES, NO, NO, class_=Class.EXACT)
    ruling, _ = ruled(exact, Case(outputs=[PROVIDER, *VERIFIERS], traps=True))
    assert ruling.faults == {PROVIDER: Fault.BEYOND, VERIFIERS[0]: Fault.BEYOND}
    native, _ = ruled(a_job(NO, NO, NO), Case(thousandths={VERIFIERS[0]: 70_000}, traps=True))
    assert (native.outcome, native.faults) == (Outcome.CLEARED, {})


def test_a_confessed_canary_convicts_no_provider_and_judges_who_accepted_it_x49() -> None:
    job = change(a_job(YES, YES, NO), canary_opened=True)
    ruling, _ = ruled(job, Case(thousandths=FAR))
    assert ruling.outcome is Outcome.CANARY
    assert not ruling.is_slashed(PROVIDER)
    assert [ruling.faults.get(each) for each in VERIFIERS] == [Fault.FALSE_ACCEPT, Fault.FALSE_ACCEPT, None]


def test_of_a_canary_all_who_are_not_at_fault_are_paid_whatever_their_verdict_j94() -> None:
    job = change(a_job(YES, YES, NO), canary_opened=True)
    outcome, found = nets(job, Case(thousandths=NEAR))  # not so far off that who accepted would be wrong
    assert outcome is Outcome.CANARY
    assert [found[each] for each in (CLIENT, *VERIFIERS)] == [-3 * FEE, FEE, FEE, FEE]
    outcome, found = nets(job, Case(thousandths={**FAR, VERIFIERS[2]: 70_000}))  # it has made its values up
    assert outcome is Outcome.CANARY
    assert [found.get(each, 0) for each in (CLIENT, *VERIFIERS)] == [0, -LOCK, -LOCK, -LOCK]


def test_in_class_exact_any_output_that_differs_is_beyond_x51() -> None:
    ruling, _ = ruled(a_job(YES, YES, NO, class_=Class.EXACT), Case(outputs=[PROVIDER]))
    assert ruling.outcome is Outcome.CONVICTED
    assert ruling.faults[PROVIDER] is Fault.BEYOND


def test_a_failed_bond_pays_who_was_right_before_it_burns_x59_x63() -> None:
    job = a_job(YES, YES, YES, paid=True)
    bond = claim_bond(NUMBERS, job)
    liar = Case(challengers={CHALLENGER: WRONG, RIVAL: RIGHT}, fallen={WRONG: RIGHT}, carriage=7)
    _, found = nets(job, liar)
    assert (found[CHALLENGER], found[RIVAL], found[DRAWN[0]]) == (-bond, FEE + 7, FEE + 7)
    # Where nobody has failed or is at fault, who opened it pays the drawn.
    _, found = nets(job, Case(carriage=7))
    assert (found[CHALLENGER], found[DRAWN[0]]) == (-3 * (FEE + 7), FEE + 7)


def test_drawn_workers_lose_as_silent_verifiers_for_silence_and_all_for_a_false_trace_x15() -> None:
    job = a_job(YES, YES, YES, paid=True)
    _, found = nets(job, Case(drawn=[RIGHT, None, WRONG], fallen={WRONG: RIGHT}))
    assert [found[each] for each in DRAWN] == [FEE, -SILENCE, -LOCK]


def test_drawn_workers_who_all_find_nothing_to_claim_lose_nothing_x19() -> None:
    """J6: of a lowering that is not the file's nobody honest can open a trace; that must not be a way to drain them."""
    job = a_job(NO, NO, NO)
    for silent, lost in (([None] * 3, 0), ([None] * 2, 0), ([None], SILENCE), ([None, None, RIGHT], SILENCE)):
        assert nets(job, Case(drawn=silent))[1].get(DRAWN[0], 0) == -lost
    broken = Case(drawn=[None] * 3, unopened=[DRAWN[1]])
    assert [nets(job, broken)[1].get(each, 0) for each in DRAWN] == [0, -SILENCE, 0]
    assert nets(job, broken)[1].get(CHALLENGER, 0) == 0


def test_a_partys_false_claim_is_answered_for_by_what_the_job_holds_x12() -> None:
    job = a_job(YES, YES, YES, paid=True)
    bond = claim_bond(NUMBERS, job)
    _, found = nets(job, Case(parties={PROVIDER: WRONG, VERIFIERS[0]: WRONG}, fallen={WRONG: RIGHT}))
    assert found[PROVIDER] == KARAT * 93 // 100 - bond
    assert found[VERIFIERS[0]] == FEE - LOCK


def test_a_silent_verifier_of_a_disputed_job_loses_what_silence_costs_j43() -> None:
    _, found = nets(a_job(YES, NO, None), Case(thousandths=FAR))
    assert found[VERIFIERS[2]] == -SILENCE


def test_the_records_have_room_for_all_that_is_paid() -> None:
    """With every claim that nine disputes may have."""
    job = change(a_job(NO, NO, NO), k=7)
    strangers = {bytes([100 + at]) * 20: RIGHT for at in range(CHALLENGERS_MAX)}
    wholes = [Case(challengers=strangers, parties=dict.fromkeys(VERIFIERS, RIGHT), thousandths=FAR, carriage=5)] * 9
    _, sums = ruled(job, *wholes)
    assert len(sums.payouts) <= 1 + len(VERIFIERS) + 1
    assert all(len(each.payouts) <= 4 * CLAIMS_MAX for each in sums.shares)


def test_one_drawn_worker_alone_confirms_nothing_against_who_rejects_x45() -> None:
    """J6: else one in league with who registered a lowering of his own took the bonds of all who refuse to run it."""
    job = a_job(NO, NO, NO)
    made_up = dict.fromkeys(VERIFIERS, 70_000)  # D15
    alone = Case(drawn=[RIGHT, None, None], thousandths=made_up)
    assert alone.decided(job).outcome is DisputeOutcome.UPHELD
    ruling, _ = ruled(job, alone)
    assert (ruling.outcome, ruling.faults) == (Outcome.UNDECIDED, {})
    for drawn in ([RIGHT, RIGHT, None], [RIGHT]):  # or where there was but one to draw
        ruling, _ = ruled(job, Case(drawn=drawn, thousandths=made_up))
        assert (ruling.outcome, ruling.faults) == (Outcome.CLEARED, dict.fromkeys(VERIFIERS, Fault.BEYOND))
    liar = ruled(job, Case(drawn=[RIGHT, None, None], thousandths={**made_up, **FAR}))[0]
    assert liar.faults == {PROVIDER: Fault.BEYOND}  # one honest machine is enough against who provides


def test_what_a_rejecting_verifier_loses_is_nobodys_bounty_x61() -> None:
    job = a_job(NO, NO, NO)
    _, found = nets(job, Case())
    assert [found[each] for each in (*VERIFIERS, CHALLENGER, DRAWN[0])] == [-LOCK] * 3 + [FEE] * 2


some_trace = st.one_of(st.none(), st.integers(0, 2))
far = st.sampled_from([0, 8_001, 20_000, 70_000])


@st.composite
def cases(draw: st.DrawFn, subjects: list[bytes | None]) -> Case:
    party = draw(st.sampled_from(subjects))
    fallen = {at: draw(st.sampled_from([None, 0, 1, 2])) for at in draw(st.sets(st.integers(0, 2), min_size=2))}
    return Case(
        subject=WHOLE if party is None else tail_of(party),
        challengers={CHALLENGER: draw(some_trace), RIVAL: draw(some_trace)},
        parties={PROVIDER: draw(some_trace), VERIFIERS[0]: draw(some_trace)} if draw(st.booleans()) else {},
        drawn=draw(st.lists(some_trace, max_size=3)),
        fallen=fallen,
        thousandths={each: draw(far) for each in (PROVIDER, *VERIFIERS)},
        outputs=[each for each in (PROVIDER, *VERIFIERS) if draw(st.booleans()) and party == each],
        ill_conditioned=draw(st.booleans()) and draw(st.booleans()),
        carriage=draw(st.integers(0, KARAT)),
    )


@given(data=st.data(), paid=st.booleans(), audit=st.integers(1, 10_000))
def test_whatever_was_claimed_and_proved_no_grain_is_made_or_lost_x66(
    data: st.DataObject, paid: bool, audit: int
) -> None:
    verdicts = data.draw(st.lists(st.sampled_from([YES, NO, None]), min_size=3, max_size=3))
    job = a_job(*verdicts, paid=paid, audit=audit)
    if data.draw(st.booleans()):
        job = having_withheld(job, data.draw(st.sampled_from([PROVIDER, *VERIFIERS])))
    told = [data.draw(cases([None]))]
    if data.draw(st.booleans()):
        told.append(data.draw(cases([PROVIDER, VERIFIERS[1]])))
    if data.draw(st.booleans()):
        told.append(replace(data.draw(cases([None])), past=True))
    _, found = nets(job, *told)
    ruling, sums = ruled(job, *told)
    held = {PROVIDER: job.provider_locked, **{each.worker: each.locked for each in job.verifiers}}
    assert all(0 < each.amount <= held[each.worker] for each in sums.penalties)
    assert found[CLIENT] >= -(job.price + 3 * FEE)
    if ruling.outcome in (Outcome.CONVICTED, Outcome.GREY) and not ruling.is_slashed(CLIENT):
        assert found[CLIENT] == 0 or ruling.outcome is Outcome.GREY
