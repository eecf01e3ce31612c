"""The second writing of the rules on disputes gives the same time and draws the same workers as the ledger."""

from ledger.market.dispute.payloads import tail_of
from ledger.parameters import Parameters
from ledger.transaction import WorkerUpdate
from primitives.codec import encode
from testnet.audit.books import Books
from testnet.audit.holdings import End
from testnet.kit.ledger_builders import World, address
from tests.ledger.market.dispute import again, played, withholding
from tests.ledger.market.dispute.crowded import LIAR, idle_proofs, taken, two_disputes
from tests.ledger.market.dispute.played import PROVIDER, Court
from tests.testnet.audit.walked import books_of, disagreements


def enter(books: Books, world: World, *courts: Court) -> None:
    """Enter the blocks of a world that the books don't have; they have each dispute where the ledger has it then."""
    for final in world.finals[books.height :]:
        books.take(encode(final.block))
    for court in courts:
        ours, mine = court.dispute, books.holdings.disputes[court.id]
        assert (int(ours.stage), ours.due_live_ms) == (int(mine.stage), mine.due)
        assert [each.who for each in ours.claims] == [each.who for each in mine.claims]
    assert not disagreements(books, world.state)


def test_the_books_give_as_much_time_as_the_ledger_while_the_referee_is_taken() -> None:
    world, court, crowd = two_disputes()
    taken(court, idle_proofs(crowd), 12)
    books = books_of(world.charter.genesis)
    enter(books, world, court, crowd)
    court.silent = {LIAR}
    court.fight()
    crowd.finish()
    enter(books, world, court, crowd)
    assert books.holdings.proofs == 13


def test_the_books_draw_whom_the_ledger_draws_where_workers_are_busy() -> None:
    world = played.a_world(workers=7, parameters=Parameters(draw_ms=30_000))
    job_id = played.a_job_played(world, played.right())
    parties = [PROVIDER, *played.drawn_of(world, job_id)]
    for name in (f"worker {at}" for at in range(7)):
        if name not in parties:
            world.must(name, WorkerUpdate(ask=0, gas_ask=0, capacity=1))
    courts = [Court(world, job_id, tail_of(address(party))) for party in parties[:3]]
    for at, court in enumerate(courts):
        court.claim(f"challenger {at}", played.truth())
    world.blocks(8)
    assert [len(court.dispute.claims) for court in courts] == [4, 4, 1]
    books = books_of(world.charter.genesis)
    enter(books, world, *courts)
    assert courts[2].drawn() == []
    enter(books, world, *courts)


def test_the_books_leave_to_those_who_convict_what_was_forfeited_by_withholding() -> None:
    world = withholding.a_world()
    books = books_of(world.charter.genesis)
    books.holdings.track(address(PROVIDER)).trusted = 10**9
    court = withholding.convict(world, withheld_from=1)
    enter(books, world, court)
    assert books.holdings.jobs[court.job_id].ruled is End.CONVICTED


def test_the_books_open_a_dispute_anew_that_has_decided_nothing() -> None:
    world = again.a_world()
    books = books_of(world.charter.genesis)
    books.holdings.track(address(PROVIDER)).trusted = 10**9
    court = again.used_up(world)
    enter(books, world, court)
    court = again.claimed_anew(court)
    enter(books, world, court)
    assert len(books.holdings.disputes) == 2
    assert books.holdings.jobs[court.job_id].ruled is End.UNDECIDED
