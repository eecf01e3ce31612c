"""Watches every step of every honest node of a run."""

from collections.abc import Callable, Sequence

from consensus.io import Effect, Input, Start
from consensus.scheme import Scheme
from testnet.sim.committee import Committee
from testnet.sim.node import SimNode
from testnet.sim.obligations.courtesy import Courtesy
from testnet.sim.obligations.life import Life
from testnet.sim.obligations.progress import Progress
from testnet.sim.obligations.quorums import Quorums
from testnet.sim.obligations.signing import check_words, check_writes


class Watched:
    """One life of one node, with what it owes."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._progress = Progress(life)
        self._courtesy = Courtesy(life)

    def stepped(self, given: Input, effects: Sequence[Effect]) -> None:
        """Judge a step. Raises Broken."""
        life = self._life
        if life.halted:
            life.need(not effects, "C11", "goes on after a halt")
            return
        owed = self._progress.owed(given)
        self._courtesy.before(given)
        life.hear(given)
        life.look(effects)
        check_writes(life, given, effects)
        check_words(life, effects)
        self._progress.check_halt(given)
        if not life.halted:
            self._progress.check(given, effects, owed)
            self._courtesy.check(given, effects)


class Watch:
    """The obligations of all honest nodes."""

    def __init__(self, scheme: Callable[[Committee], Scheme]) -> None:
        """`scheme` gives what checks the signatures of an epoch."""
        self._scheme = scheme
        self._quorums: dict[int, Quorums] = {}
        self._watched: dict[int, Watched] = {}

    def stepped(self, node: SimNode, given: Input, effects: Sequence[Effect]) -> None:
        """Judge a step of a core, before its effects are carried out. Raises Broken."""
        core = node.core
        if node.liar or core is None or core.me is None:
            return
        if isinstance(given, Start):
            self._watched[node.index] = Watched(self._begin(node, core.me))
        self._watched[node.index].stepped(given, effects)

    def _begin(self, node: SimNode, me: int) -> Life:
        core, last = node.core, node.application.head()
        assert core is not None
        quorums = self._quorums.get(node.epoch)
        if quorums is None:
            committee = node.committee
            quorums = self._quorums[node.epoch] = Quorums(committee.instance, self._scheme(committee))
        return Life(
            name=f"node {node.index}",
            quorums=quorums,
            me=me,
            timing=core.timing,
            start_view=0 if last.ends else last.view,
            recovered=node.disk.recover(node.epoch),
            quarantined=core.quarantined,
        )
