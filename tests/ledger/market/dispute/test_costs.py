"""What a quote tells of disputes: each ending that there is, and what it costs whom (J84)."""

import pytest

from ledger.market.dispute.costs import DisputedCost, disputed_costs
from ledger.market.lifecycle import LIFE_CYCLE
from ledger.market.submitting import new_job
from ledger.parameters import Parameters, Tier
from ledger.records import JobEvent, JobState, Outcome
from ledger.state import change
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from tests.ledger.market.dispute.crafted import CHALLENGER, CLIENT, PROVIDER, VERIFIERS, nets
from tests.ledger.market.dispute.generated import ENDINGS
from vm.manifest import Class

PLAYED = {
    "a false result that two accept and one rejects": (JobState.CONTESTED, Outcome.CONVICTED),
    "a false result that was paid": (JobState.SETTLED, Outcome.CONVICTED),
    "a right result, challenged by a liar": (JobState.SETTLED, Outcome.CLEARED),
    "a result in the grey zone, accepted by two": (JobState.CONTESTED, Outcome.GREY),
    "a job that is ill-conditioned": (JobState.CONTESTED, Outcome.ILL_CONDITIONED),
    "a claim that nobody confirms or opposes": (JobState.CONTESTED, Outcome.UNDECIDED),
}


def told(tier: Tier = Tier.HIGH, class_: Class = Class.NATIVE) -> dict[tuple[JobState, Outcome], DisputedCost]:
    wanted = change(kit.a_submission(max_price=KARAT), tier=tier, class_=class_)
    rows = disputed_costs(Parameters(), new_job(Parameters(), CLIENT, wanted, kit.a_cost()))
    return {(each.state, each.outcome): each for each in rows}


@pytest.mark.parametrize("words", PLAYED)
def test_a_quote_tells_of_disputes_what_they_cost_whom_j84(words: str) -> None:
    job, cases = ENDINGS[words]
    outcome, found = nets(job, *cases)
    row = told()[PLAYED[words]]
    rejects = [each.worker for each in job.verifiers if each.verdict is not job.verifiers[0].verdict]
    assert row == DisputedCost(
        state=PLAYED[words][0],
        outcome=outcome,
        client=found[CLIENT],
        provider=found.get(PROVIDER, 0),
        accepts=found.get(VERIFIERS[0], 0),
        rejects=found.get(rejects[0], 0) if rejects else None,
        challenger=found.get(CHALLENGER, 0),
    )


@pytest.mark.parametrize("tier", Tier)
def test_every_verdict_of_the_table_is_told_but_that_on_a_canary_j84(tier: Tier) -> None:
    verdicts = [row.effect.words for row in LIFE_CYCLE.rows if row.event is JobEvent.VERDICT]
    ends = {each for each in Outcome if f"end as {each.name}" in verdicts}
    rows = told(tier)
    assert {outcome for _, outcome in rows} == ends - {Outcome.CANARY}
    assert ((JobState.UNVERIFIED, Outcome.CONVICTED) in rows) == (tier is Tier.SPOT)


def test_the_client_never_pays_for_what_is_found_false_j84() -> None:
    for tier in Tier:
        for (_, outcome), row in told(tier).items():
            assert row.client == 0 or outcome in (Outcome.CLEARED, Outcome.ILL_CONDITIONED)


def test_in_class_exact_nothing_is_grey_j84() -> None:
    assert {outcome for _, outcome in told(class_=Class.EXACT)} == {
        Outcome.CONVICTED,
        Outcome.CLEARED,
        Outcome.UNDECIDED,
    }
