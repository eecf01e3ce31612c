"""Asking the others, after a start, how far this validator's votes may have gone: as node.driver.witness does (C13)."""

from typing import TYPE_CHECKING

from consensus.io import Stalled, Witnessed
from consensus.witness import Inquiry, Witnesses, testify
from primitives import codec
from primitives.reasons import Refused
from testnet.sim.network import INQUIRY

if TYPE_CHECKING:
    from testnet.sim.node import SimNode

ANSWER_DELTAS = 2
"""How many Δ one round of answers takes."""
PATIENCE_ROUNDS = 5
"""Rounds in which everybody has to answer, after which a quorum is enough."""
STALLED_ROUNDS = 3
"""Rounds of answers after one another that show no progress, before this node is taken to be needed for it."""


class Asking:
    """What one node asks, round after round, until its record of votes is proven."""

    def __init__(self, node: "SimNode") -> None:
        self._node = node
        self._life = 0
        self._told: Witnesses | None = None
        self._rounds = 0
        self._mark: int | None = None
        self._seen = 0
        self._stalled = 0

    @property
    def proven(self) -> bool:
        """Whether all views are over in which the node may have cast votes that it does not know of."""
        core = self._node.core
        return core is not None and not core.quarantined and core.guard.low >= core.guard.doubted

    def begin(self) -> None:
        """Ask, if the node's core is in quarantine."""
        core = self._node.core
        self._told, self._mark, self._life = None, None, self._node.life
        self._rounds = self._seen = self._stalled = 0
        if core is None or core.me is None or not core.quarantined:
            return
        validators = core.instance.validators
        if validators.weights[core.me] >= validators.quorum:
            self._node.take(Witnessed(mark=0, votes=[]))
        else:
            self._ask()

    def _ask(self) -> None:
        """Ask all others once."""
        node, life = self._node, self._life
        core = node.core
        assert core is not None, "a node that is down asks nobody"
        assert core.me is not None, "only a validator asks"
        self._rounds += 1
        told = self._told = Witnesses(core.instance, core.me, node.world.scheme(node.committee))
        inquiry, asker, delta_ms = Inquiry(epoch=node.epoch, signer=core.me), node.index, core.timing.delta_ms
        for other in node.committee.nodes:
            if other != node.voice:
                node.world.carry(
                    asker, other, INQUIRY, b"inquiry", lambda holder: holder.asking.answer(asker, inquiry, told)
                )

        def over(who: "SimNode") -> None:
            if who.life == life and who.asking._told is told:
                who.asking._judge(told)

        node.world.later(ANSWER_DELTAS * delta_ms, asker, b"asked", over)

    def answer(self, asker: int, inquiry: Inquiry, asked: Witnesses) -> None:
        """Tell a validator what this one knows of it."""
        node = self._node
        if node.core is None or node.core.me is None:
            return
        told, me = testify(node.core, inquiry), node.voice
        if told is None:
            return
        raw = codec.encode(told)
        node.world.reply(node.index, asker, INQUIRY, raw, lambda who: who.asking.hear(me, raw, asked))

    def hear(self, sender: int, raw: bytes, asked: Witnesses) -> None:
        """Take an answer to the question of this round."""
        node = self._node
        index = node.committee.index(sender)
        if asked is not self._told or node.life != self._life or index is None:
            return
        try:
            asked.take(index, raw)
        except Refused:
            node.world.accused(node, sender, "testimony")
        if asked.everybody:
            self._judge(asked)

    def _judge(self, told: Witnesses) -> None:
        """Decide by the answers of a round, and ask anew as long as it is called for."""
        node, core = self._node, self._node.core
        if core is None:
            return
        self._told = None
        view = max(told.view, core.ancestry.next_view())
        if self._mark is None:
            self._open(told, view)
        else:
            node.take(Witnessed(mark=self._mark, votes=told.votes))
            self._stalled = self._stalled + 1 if told.enough and view == self._seen else 0
            if self._stalled == STALLED_ROUNDS and view <= self._mark:
                node.take(Stalled())
        self._seen = max(self._seen, view)
        if node.life == self._life and not self.proven:
            life = self._life
            node.world.later(
                ANSWER_DELTAS * core.timing.delta_ms, node.index, b"ask", lambda who: who.asking.again(life)
            )

    def _open(self, told: Witnesses, view: int) -> None:
        """Let the core vote above what the first good answers show."""
        core = self._node.core
        assert core is not None, "a node that is down judges nothing"
        votes = [signed for signed in told.votes if signed.vote.view <= view + 1]
        first = view == 1 and core.instance.epoch == 0 and not votes and core.guard.last_view() == 0
        if told.everybody or (told.enough and (first or self._rounds > PATIENCE_ROUNDS)):
            self._mark = 0 if first else view + 1
            self._node.take(Witnessed(mark=self._mark, votes=votes))

    def again(self, life: int) -> None:
        """Begin another round, unless the node has died or an epoch has ended."""
        if self._node.core is not None and self._node.life == life == self._life:
            self._ask()
