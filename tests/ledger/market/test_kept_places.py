"""What a deadline waits for, and costs somebody who comes too late, has a place in every block (L28, L36)."""

from functools import cache

import pytest

from ledger.apply import kept_place
from ledger.chain import start_chain
from ledger.fees import KIND_GAS
from ledger.market import lifecycle as jobs
from ledger.market.dispute import lifecycle as disputes
from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputeTell,
)
from ledger.market.dispute.records import DisputeEvent
from ledger.market.order_payloads import BatchAccept, CanaryOpen
from ledger.market.withheld import lifecycle as filings
from ledger.market.withheld.payloads import WithheldChunk, WithheldFile
from ledger.market.withheld.records import FilingEvent
from ledger.records import JobEvent
from ledger.transaction import (
    JobAccept,
    JobCommit,
    JobDecline,
    Payload,
    ProviderReveal,
    SampleOpen,
    VerifierCommit,
    VerifierReveal,
    open_transaction,
)
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER
from tests.ledger.market.whole_lives import CANARY, a_disputed_job, a_large_job

Kinds = tuple[type[Payload], ...]

OF_JOBS: dict[JobEvent, Kinds] = {
    JobEvent.ACCEPT: (JobAccept, BatchAccept),
    JobEvent.DECLINE: (JobDecline,),
    JobEvent.COMMIT: (JobCommit,),
    JobEvent.VERIFIER_COMMIT: (VerifierCommit,),
    JobEvent.PROVIDER_REVEAL: (ProviderReveal,),
    JobEvent.VERIFIER_REVEAL: (VerifierReveal,),
    JobEvent.SAMPLE: (SampleOpen,),
    JobEvent.CLAIM: (DisputeClaim,),
    JobEvent.CANARY: (CanaryOpen,),
}
"""By event: what makes it happen."""
OF_DISPUTES: dict[DisputeEvent, Kinds] = {
    DisputeEvent.CLAIM: (DisputeClaim,),
    DisputeEvent.OPEN: (DisputeOpen,),
    DisputeEvent.ACT: (DisputeTell, DisputeLeaf, DisputeDefend),
    DisputeEvent.BEYOND: (DisputeBeyond,),
}
OF_FILINGS: dict[FilingEvent, Kinds] = {FilingEvent.CHUNK: (WithheldChunk,)}
BY_THE_CHAIN = (JobEvent.DRAW, JobEvent.SKIP, JobEvent.REDRAW, JobEvent.PICK, JobEvent.WITHHOLD)
"""Events of a job that nobody sends and that no deadline brings; of a dispute there is its draw."""
COSTS_NOTHING = (JobAccept, BatchAccept, JobDecline)
"""Whoever comes too late with these loses nothing: the job is void, and its client has everything back (J44)."""
NO_LIFE_WAITS = (WithheldFile,)
"""No state of its own ends without it; but who files while it lacks something has its own clock stopped (H15)."""
WAITED_FOR = dict.fromkeys(
    [kind for acts in (OF_JOBS, OF_DISPUTES, OF_FILINGS) for kinds in acts.values() for kind in kinds]
    + list(NO_LIFE_WAITS)
)


def kept_kinds(world: World) -> set[type[Payload]]:
    """Return the kinds of payload for which some block of a world has kept a place."""
    chain, reader = start_chain(world.charter)
    found: set[type[Payload]] = set()
    for final in world.finals:
        for raw in final.block.transactions:
            transaction = open_transaction(raw, world.charter.hash)
            if kept_place(chain.head.state, transaction) is not None:
                found.add(type(transaction.body.payload))
        outcome = chain.check(final.block, now_ms=None)
        chain.finalize(outcome.id)
        reader.write(outcome.writes)
    return found


@cache
def all_kept() -> set[type[Payload]]:
    return kept_kinds(a_disputed_job()) | kept_kinds(a_large_job())


def test_each_event_of_a_life_is_somebodys_or_the_chains() -> None:
    own = jobs.LIFE_CYCLE.by_itself, disputes.LIFE_CYCLE.by_itself, filings.LIFE_CYCLE.by_itself
    assert {row.event for row in jobs.LIFE_CYCLE.rows} == {*OF_JOBS, *BY_THE_CHAIN, *own[0]}
    assert {row.event for row in disputes.LIFE_CYCLE.rows} == {*OF_DISPUTES, DisputeEvent.DRAW, *own[1]}
    assert {row.event for row in filings.LIFE_CYCLE.rows} == {*OF_FILINGS, *own[2]}


@pytest.mark.parametrize("kind", WAITED_FOR, ids=lambda kind: kind.__name__)
def test_what_a_deadline_waits_for_and_costs_somebody_has_a_kept_place_l28_l36(kind: type[Payload]) -> None:
    assert (kind in all_kept()) is (kind not in COSTS_NOTHING)


def test_nothing_else_has_one_l36() -> None:
    assert all_kept() <= set(WAITED_FOR) <= set(KIND_GAS)


def test_a_provider_has_one_place_for_all_its_confessions_and_a_stranger_none_j91() -> None:
    world = played.a_world()
    first, second = (played.a_job_played(world, played.right()) for _ in range(2))

    def place(name: str, job_id: bytes) -> bytes | None:
        transaction = open_transaction(world.sign(name, CanaryOpen(job=job_id, salt=CANARY)), world.charter.hash)
        return kept_place(world.state, transaction)

    assert place(PROVIDER, first) == place(PROVIDER, second) is not None
    assert place("client", first) is None
    assert place(PROVIDER, bytes(32)) is None
    both = [world.sign(PROVIDER, CanaryOpen(job=job_id, salt=CANARY)) for job_id in (first, second)]
    assert len(world.block(*both).outcome.receipts) == 1
