import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.market.costs import cost_table
from ledger.market.drawing import new_verifier
from ledger.market.settlement import ending, provider_lock, verifier_lock
from ledger.market.submitting import new_job
from ledger.parameters import Parameters, Tier, accepts_needed
from ledger.records import Job, Outcome
from ledger.state import change
from ledger.transaction import Decision
from primitives.units import BASIS, KARAT
from testnet.kit import ledger_builders as kit

OWNER = kit.address("publisher")
parameters = st.builds(
    Parameters,
    verifier_fee=st.integers(0, 10**12),
    owner_share_bps=st.integers(0, 5_000),
    protocol_share_bps=st.integers(0, 5_000),
    no_show_bps=st.integers(0, 10_000),
    no_reveal_bps=st.integers(0, 10_000),
)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Parameters, Job]:
    numbers = draw(parameters)
    max_price = draw(st.integers(1, 10**15))
    job = new_job(numbers, kit.address("client"), kit.a_submission(max_price=max_price), kit.a_cost())
    price = draw(st.integers(0, max_price))
    verifiers = []
    for at in range(job.k):
        committed = draw(st.booleans())
        verdict = draw(st.sampled_from([None, Decision.ACCEPT, Decision.REJECT])) if committed else None
        verifiers.append(
            change(
                new_verifier(kit.address(f"worker {at + 1}")),
                locked=verifier_lock(numbers, numbers.verifier_fee),
                commitment=bytes(32) if committed else None,
                verdict=verdict,
            )
        )
    return numbers, change(
        job,
        provider=kit.address("worker 0"),
        price=price,
        provider_locked=provider_lock(job, price),
        verifiers=verifiers,
    )


@given(jobs(), st.sampled_from(Outcome))
def test_every_ending_pays_out_exactly_what_was_held_and_lost(given_job: tuple[Parameters, Job], how: Outcome) -> None:
    numbers, job = given_job
    ended = ending(job, how, numbers, owner=OWNER)
    paid = sum(each.amount for each in ended.payouts)
    assert paid == job.escrow + sum(each.amount for each in ended.penalties)
    assert all(each.amount > 0 for each in ended.payouts)
    assert all(each.amount > 0 for each in ended.penalties)


@given(jobs(), st.sampled_from(Outcome))
def test_nobody_loses_more_than_they_locked_or_twice(given_job: tuple[Parameters, Job], how: Outcome) -> None:
    numbers, job = given_job
    ended = ending(job, how, numbers, owner=OWNER)
    locked = {each.worker: each.locked for each in job.verifiers}
    assert job.provider is not None
    locked[job.provider] = job.provider_locked
    assert all(each.amount <= locked[each.worker] for each in ended.penalties)
    assert len({each.worker for each in ended.penalties}) == len(ended.penalties)


@given(jobs())
def test_verifiers_who_committed_are_paid_in_full_when_the_provider_falls_silent(
    given_job: tuple[Parameters, Job],
) -> None:
    numbers, job = given_job
    ended = ending(job, Outcome.PROVIDER_SILENT_AT_REVEAL, numbers, owner=OWNER)
    for each in job.verifiers:
        paid = sum(payout.amount for payout in ended.payouts if payout.to == each.worker)
        assert paid == (numbers.verifier_fee if each.commitment is not None else 0)


@given(jobs(), st.sampled_from(Outcome))
def test_a_client_never_pays_more_than_price_and_fees(given_job: tuple[Parameters, Job], how: Outcome) -> None:
    numbers, job = given_job
    back = sum(each.amount for each in ending(job, how, numbers, owner=OWNER).payouts if each.to == job.client)
    if how in (Outcome.SETTLED, Outcome.UNCHALLENGED, Outcome.CLEARED):
        assert back >= job.max_price - job.price
    elif how is Outcome.ILL_CONDITIONED:  # X53: who ran it gets what a run costs
        assert back >= job.max_price - min(job.price, job.verifier_fee)
    else:
        assert back == job.escrow


def test_the_cost_table_has_every_ending_and_these_numbers() -> None:
    rows = {cost.outcome: cost for cost in cost_table(Parameters(), KARAT, Tier.HIGH)}
    told = {each: (row.client, row.provider, row.verifier, row.silent_verifier) for each, row in rows.items()}
    fee = KARAT // 100
    assert told == {
        Outcome.SETTLED: (-KARAT - 3 * fee, KARAT * 93 // 100, fee, -5 * fee),
        Outcome.NOT_ACCEPTED: (0, 0, 0, 0),
        Outcome.PROVIDER_SILENT_AFTER_ACCEPT: (0, -KARAT - 3 * fee // 2, 0, 0),
        Outcome.NOT_DRAWN: (0, 0, 0, 0),
        Outcome.NO_VERIFIER_COMMITTED: (0, 0, 0, -5 * fee),
        Outcome.PROVIDER_SILENT_AT_REVEAL: (0, -KARAT - 3 * fee // 2, fee, -5 * fee),
        Outcome.REJECTED: (0, 0, fee, -5 * fee),
        Outcome.TOO_FEW_REVEALS: (0, 0, fee, -5 * fee),
        Outcome.DECLINED: (0, 0, 0, 0),
        Outcome.WITHHELD: (0, -2 * KARAT - 3 * fee, fee, 0),
    }


@pytest.mark.parametrize(("tier", "k", "multiple"), [(1, 1, 12), (2, 1, 4), (3, 3, 2), (4, 7, 2)])
def test_the_cost_table_of_a_tier_counts_its_verifiers_and_bond_j46(tier: int, k: int, multiple: int) -> None:
    rows = {cost.outcome: cost for cost in cost_table(Parameters(), KARAT, Tier(tier), at_risk=KARAT)}
    fee = KARAT // 100
    assert (Outcome.UNCHALLENGED in rows) == (tier == Tier.SPOT)
    assert rows[Outcome.SETTLED].client == -KARAT - k * fee
    assert rows[Outcome.PROVIDER_SILENT_AT_REVEAL].provider == -(multiple * 2 * KARAT + k * fee) // 2
    few = rows[Outcome.TOO_FEW_REVEALS]
    assert (few.verifier, few.silent_verifier) == (fee if accepts_needed(k) > 1 else 0, -5 * fee)


@pytest.mark.parametrize("tier", Tier)
def test_who_answers_falsely_and_falls_silent_when_drawn_loses_more_than_it_can_gain_j50(tier: Tier) -> None:
    terms, parameters = Parameters().tiers.of(tier), Parameters()
    lost = terms.q_bps * terms.bond_multiple * parameters.no_show_bps
    assert lost > (BASIS - terms.q_bps) * BASIS
