import pytest

from ledger.market.lifecycle import FINAL_STATES, LIFE_CYCLE, PAID_BEFORE, RELEASE_BONDS, time_allowed
from ledger.parameters import K_MAX, Parameters, accepts_needed
from ledger.records import HISTORY_MAX, PAYOUTS_MAX, PENALTIES_MAX, JobEvent, JobState, Outcome
from ledger.transitions import ALWAYS


def test_a_dispute_has_a_way_out_by_its_verdict_whatever_it_finds() -> None:
    assert time_allowed(Parameters(), JobState.DISPUTED, 0) is None
    rows = [row for row in LIFE_CYCLE.rows if row.state is JobState.DISPUTED and row.event is JobEvent.VERDICT]
    assert rows[-1].guard is ALWAYS
    assert {row.next for row in rows} == set(FINAL_STATES)


def test_bonds_are_released_where_a_job_is_final_and_nowhere_else() -> None:
    for row in LIFE_CYCLE.rows:
        if row.next in FINAL_STATES:
            assert row.effect is RELEASE_BONDS or row.effect.words.startswith("end as")
        else:
            assert row.effect is not RELEASE_BONDS


def test_every_outcome_is_an_ending() -> None:
    endings = {row.effect.words.split(",")[0] for row in LIFE_CYCLE.rows if row.effect.words.startswith("end as")}
    assert endings == {f"end as {outcome.name}" for outcome in Outcome}


def test_the_escrow_is_paid_out_once_on_every_way() -> None:
    for row in LIFE_CYCLE.rows:
        enters = row.next in (JobState.SETTLED, *FINAL_STATES) and row.next is not row.state
        ends = enters and row.effect is not RELEASE_BONDS
        assert row.effect.words.startswith("end as") == ends
    released = [(row.state, row.guard) for row in LIFE_CYCLE.rows if row.effect is RELEASE_BONDS]
    assert released == [(JobState.SETTLED, ALWAYS), (JobState.DISPUTED, PAID_BEFORE)]


def test_the_longest_life_fits_its_history() -> None:
    # Submission, three declines, acceptance, commitment, draw, redraw, picking; commitment, reveal and sample of each
    # verifier, and the provider's two; a claim on the job and on each party, the verdict; deadlines on the way.
    assert 9 + 3 * K_MAX + 2 + (2 + K_MAX) + 1 + 4 <= HISTORY_MAX


def test_what_a_job_pays_and_takes_fits_its_record() -> None:
    # Client, provider, owner, protocol, verifiers, what is burned at the end and at a redraw; as much for disputes.
    assert 2 * (4 + K_MAX + 2) <= PAYOUTS_MAX
    assert 2 * (1 + K_MAX) + K_MAX <= PENALTIES_MAX


@pytest.mark.parametrize(("k", "needed"), [(1, 1), (2, 1), (3, 2), (5, 3), (7, 5)])
def test_two_thirds_of_the_verifiers_settle(k: int, needed: int) -> None:
    assert accepts_needed(k) == needed
