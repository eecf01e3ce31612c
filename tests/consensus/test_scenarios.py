"""Named cases that have stopped or split real networks of this kind, with four cores at one table.

Sources: commonware simplex ("certified split", late notarizations, equivocation across a restart), ava-labs/Simplex,
TON's Catchain (standstill), and what a prototype of this core met.
"""

from collections import deque
from collections.abc import Callable

import pytest

from consensus.evidence import contradict
from consensus.io import (
    BlockKnown,
    Build,
    Built,
    Commit,
    Effect,
    Evidence,
    FetchBlock,
    Halt,
    Received,
    RetryDue,
    Send,
    SetTimer,
    Start,
    TimedOut,
    Validate,
    Validated,
    Verdict,
    Voted,
)
from consensus.messages import Certificate, Certificates, Message, Proposal, SignedVote, VoteKind
from testnet.kit.consensus_builders import START, Bench, a_block, an_instance, of

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
Lost = Callable[[int, int, Message], bool]
NODES = range(4)


class Table:
    """Four cores, their messages, and blocks of nothing but a name; no time passes but when a test says so."""

    def __init__(self) -> None:
        self.benches = [Bench(me) for me in NODES]
        self.lost: Lost = lambda _sender, _to, _message: False
        self.committed: list[list[bytes]] = [[] for _ in NODES]
        self.accused: set[int] = set()
        self._places: dict[bytes, BlockKnown] = {}
        self._held: list[set[bytes]] = [set() for _ in NODES]
        self._mail: deque[tuple[int, int, Message]] = deque()
        self._timers: dict[int, int] = {}
        self._wishes: dict[int, Build] = {}
        """What leaders are to build before messages flow again: each time one block, else it would never end."""
        for me in NODES:
            self.do(me, self.benches[me].give(Start()))

    def do(self, me: int, effects: list[Effect]) -> None:
        """Carry out what a core answers; what it wants to know is answered at once."""
        for effect in effects:
            match effect:
                case Send():
                    receivers = [to for to in NODES if to != me] if effect.to is None else [effect.to]
                    self._mail += [(me, to, effect.message) for to in receivers]
                case SetTimer():
                    self._timers[me] = effect.view
                case Build():
                    self._wishes[me] = effect
                case Validate():
                    self._held[me].add(effect.block)
                    self.do(
                        me,
                        self.benches[me].give(Validated(view=effect.view, block=effect.block, verdict=Verdict.VALID)),
                    )
                case FetchBlock():
                    self._fetch(me, effect)
                case Commit():
                    self.committed[me].append(effect.block)
                case Evidence():
                    self.accused.add(effect.first.signer)
                case Halt():
                    pytest.fail(f"{me} halts: {effect.why}")
                case _:
                    pass

    def _build(self, me: int, wish: Build) -> None:
        block = a_block(f"of view {wish.view}")
        self.place(block, wish.view, wish.parent_view, wish.parent)
        self._held[me].add(block)
        self.do(me, self.benches[me].give(Built(view=wish.view, block=block, body=b"body of " + block)))

    def place(self, block: bytes, view: int, parent_view: int, parent: bytes) -> None:
        """Note what the header of a block says."""
        self._places[block] = BlockKnown(block=block, view=view, parent_view=parent_view, parent=parent)

    def _fetch(self, me: int, wish: FetchBlock) -> None:
        holders = [to for to in NODES if wish.block in self._held[to] and wish.hint in (None, to)]
        if any(not self.lost(to, me, Certificates(certificates=[])) for to in holders):
            self._held[me].add(wish.block)
            self.do(me, self.benches[me].give(self._places[wish.block]))

    def flow(self) -> None:
        """Build what is to be built, deliver what is on its way, and what that leads to."""
        wishes, self._wishes = self._wishes, {}
        for me, wish in wishes.items():
            self._build(me, wish)
        while self._mail:
            sender, to, message = self._mail.popleft()
            if not self.lost(sender, to, message):
                self.do(to, self.benches[to].hear(sender, message))

    def hear(self, me: int, message: Message, *, sender: int | None = None) -> None:
        self.do(me, self.benches[me].give(Received(sender=sender, message=message)))

    def time_out(self, *nodes: int) -> None:
        """Let the view's time be over at some nodes, or at all."""
        for me in nodes or NODES:
            self.do(me, self.benches[me].give(TimedOut(view=self._timers[me])))
        self.flow()

    def retry(self) -> None:
        for me in NODES:
            self.do(me, self.benches[me].give(RetryDue()))
        self.flow()

    def come_alive(self, *, rounds: int = 12, without: tuple[int, ...] = ()) -> None:
        """Let all be well until everybody, but for those who stay away, has committed something new."""
        self.lost = isolate(*without)
        here = [me for me in NODES if me not in without]
        before = {me: len(self.committed[me]) for me in here}
        for _ in range(rounds):
            self.flow()
            self.retry()
            if all(len(self.committed[me]) > before[me] for me in here):
                break
            self.time_out()
        assert all(len(self.committed[me]) > before[me] for me in here), self.committed
        self.agree()

    def agree(self) -> None:
        """Check that everybody's last block stands on one chain, and that nobody has contradicted itself."""
        chains = [self._chain(each[-1]) for each in self.committed if each]
        longest = max(chains, key=len)
        assert all(longest[: len(chain)] == chain for chain in chains)
        for bench in self.benches:
            signed = [record.vote.vote for record in bench.written if isinstance(record, Voted)]
            assert not [pair for pair in ((a, b) for a in signed for b in signed) if contradict(*pair)]

    def _chain(self, block: bytes) -> list[bytes]:
        chain = [block]
        while chain[-1] != START.block:
            chain.append(self._places[chain[-1]].parent)
        return chain[::-1]

    def restart(self, me: int) -> None:
        self.benches[me] = Bench(me, recovered=self.benches[me].written)
        self.do(me, self.benches[me].give(Start()))


def isolate(*nodes: int) -> Lost:
    """Lose everything that comes from or goes to some nodes."""
    return lambda sender, to, _message: sender in nodes or to in nodes


def votes_of(table: Table, me: int, view: int) -> set[VoteKind]:
    """Return the kinds of votes that a node has cast in a view."""
    signed = [record.vote.vote for record in table.benches[me].written if isinstance(record, Voted)]
    return {vote.kind for vote in signed if vote.view == view}


def test_certified_split_half_hold_a_block_and_half_hold_its_view_as_skipped() -> None:
    for leader_side in (True, False):  # whether the next leader holds the block
        table = Table()
        view = table.benches[0].core.view
        block = a_block(f"of view {view}")
        table.lost = lambda _sender, _to, message: not isinstance(message, Proposal)
        table.flow()
        table.lost = isolate(*NODES)
        table.time_out()
        assert all(votes_of(table, me, view) == {N, S} for me in NODES)
        following = an_instance().validators.leader(view + 1)
        others = [node for node in NODES if node != following]
        with_block = [following, others[0]] if leader_side else others[:2]
        for me in NODES:
            kind, named = (N, block) if me in with_block else (S, bytes(32))
            table.hear(me, table.benches[me].certificate(kind, view, named))
        assert {table.benches[me].core.view for me in NODES} == {view + 1}
        table.come_alive()


def test_stale_node_that_was_away_for_many_views_is_told_by_who_hears_it() -> None:
    table = Table()
    table.lost = isolate(3)
    for _ in range(8):
        table.flow()
        table.time_out(0, 1, 2)
    assert table.committed[0]
    assert not table.committed[3]
    table.lost = lambda _sender, _to, _message: False
    table.time_out(3)  # its vote to skip an old view is all that it says
    assert table.benches[3].core.view >= table.benches[0].core.view - 1
    table.come_alive()


def test_lost_body_of_a_final_block_is_asked_for_until_it_comes() -> None:
    table = Table()
    table.lost = lambda _sender, to, message: to == 3 and not isinstance(message, Certificate)
    for _ in range(4):
        table.flow()
        table.retry()
    assert table.committed[0]
    assert not table.committed[3]
    assert table.benches[3].core.final.view > 0  # it knows what is final, and not what is in it
    table.come_alive()


def test_late_notarization_moves_a_node_that_has_skipped_the_view_and_gets_no_finalize_vote_of_it() -> None:
    table = Table()
    view = table.benches[0].core.view
    table.lost = lambda _sender, _to, message: isinstance(message, SignedVote | Certificate)
    table.flow()
    table.time_out(3)
    assert S in votes_of(table, 3, view)
    table.hear(3, table.benches[3].certificate(N, view, a_block(f"of view {view}"), signers=[0, 1, 2]))
    assert table.benches[3].core.view == view + 1
    assert F not in votes_of(table, 3, view)
    table.come_alive()


def test_skip_then_notarize_a_node_whose_time_was_over_helps_a_late_proposal_through() -> None:
    table = Table()
    view = table.benches[0].core.view
    leader = an_instance().validators.leader(view)
    late = next(node for node in NODES if node != leader)
    table.lost = lambda _sender, _to, message: isinstance(message, Proposal)
    table.time_out(late)
    assert votes_of(table, late, view) == {S}
    table.lost = lambda _sender, _to, _message: False
    table.retry()
    table.retry()
    assert {N, S} <= votes_of(table, late, view)
    assert table.committed[leader]
    table.come_alive()


def test_equivocating_leader_and_a_restart_in_the_middle_leave_one_vote_and_a_proof() -> None:
    table = Table()
    table.lost = lambda sender, _to, _message: sender == 1
    while table.benches[0].core.leader != 1:
        table.flow()
        if table.benches[0].core.leader != 1:
            table.time_out(0, 2, 3)
    view = table.benches[0].core.view
    parent = table.benches[0].parent()
    one, other = a_block("one face"), a_block("other face")
    for block in (one, other):
        table.place(block, view, parent.view, parent.block)
    table.hear(0, table.benches[0].proposal(view, one, parent), sender=1)
    table.hear(2, table.benches[2].proposal(view, other, parent), sender=1)
    for block in (one, other):
        table.hear(3, table.benches[3].proposal(view, block, parent), sender=1)
    assert table.accused == {1}
    table.restart(0)
    table.hear(0, table.benches[0].proposal(view, other, parent), sender=1)
    mine = [record.vote.vote for record in table.benches[0].written if isinstance(record, Voted)]
    assert [vote.block for vote in mine if (vote.kind, vote.view) == (N, view)] == [one]
    table.come_alive(rounds=20, without=(1,))
    assert table.accused == {1}


def test_timer_set_anew_after_finality_wakes_a_node_that_waited_for_long() -> None:
    bench = Bench(0)
    bench.give(Start())
    for _ in range(40):  # nothing becomes final, so the time of a view grows
        bench.hear(1, bench.certificate(S, bench.core.view))
    notarized = bench.core.view
    [armed] = of(SetTimer, bench.hear(1, bench.certificate(N, notarized, a_block("late news"))))
    [again] = of(SetTimer, bench.hear(1, bench.certificate(F, notarized, a_block("late news"))))
    assert again.view == armed.view == notarized + 1
    assert again.delay_ms < armed.delay_ms
