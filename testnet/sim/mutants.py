"""Cores with one rule broken each, which the checks must catch: what is never caught is not checked."""

from collections.abc import Sequence

from consensus.ancestry import Point, Standing
from consensus.core import Core
from consensus.io import Effect, GuardRecord, Input, Persist, Verdict, Voted
from consensus.messages import VoteKind
from consensus.validators import Instance
from primitives.record import Record
from testnet.sim.keyring import KeyedScheme
from testnet.sim.profile import Profile
from testnet.sim.run import TIMING, CoreMaker


class Mutated(Core):
    """A core that can be broken after it is made."""

    def patch(self) -> None:
        """Break the rule."""


class SkipsAncestry(Mutated):
    """Notarizes on any parent, whatever views lie between (against C2)."""

    def patch(self) -> None:
        """Break the rule."""
        self.ancestry.standing = lambda *_: Standing.CERTIFIED  # type: ignore[method-assign]  # a mutant


class VotesTwice(Mutated):
    """Notarizes every valid block of a view (against C7)."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self.guard.may
        self.guard.may = lambda kind, view: (  # type: ignore[method-assign]  # a mutant
            view > self.guard.low if kind is VoteKind.NOTARIZE else honest(kind, view)
        )


class FinalizesNullified(Mutated):
    """Finalizes a block of a view that it has nullified (against C7)."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self.guard.may
        self.guard.may = lambda kind, view: (  # type: ignore[method-assign]  # a mutant
            honest(kind, view)
            or (kind is VoteKind.FINALIZE and view > self.guard.low and self.guard.vote(kind, view) is None)
        )


class SendsFirst(Mutated):
    """Persists after it has sent (against C12)."""

    def step(self, given: Input) -> list[Effect]:
        """Put what is to be written last."""
        effects = super().step(given)
        return sorted(effects, key=lambda effect: isinstance(effect, Persist))


class ForgetsVotes(Mutated):
    """Writes everything but its votes (against C12)."""

    def step(self, given: Input) -> list[Effect]:
        """Leave votes out of what is written."""
        return [
            Persist(records=[record for record in effect.records if not isinstance(record, Voted)])
            if isinstance(effect, Persist)
            else effect
            for effect in super().step(given)
        ]


class VotesForInvalid(Mutated):
    """Takes every block for a valid one (against C2)."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self._validated
        self._validated = lambda view, block, verdict: honest(  # type: ignore[method-assign]  # a mutant
            view, block, Verdict.VALID if verdict is Verdict.INVALID else verdict
        )


class FinalizesEarly(Mutated):
    """Finalizes what it notarizes, at once (against C7)."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self._vote

        def vote(kind: VoteKind, view: int, block: bytes) -> None:
            honest(kind, view, block)
            if kind is VoteKind.NOTARIZE and self._voter.may(VoteKind.FINALIZE, view):
                honest(VoteKind.FINALIZE, view, block)

        self._vote = vote  # type: ignore[method-assign]  # a mutant


class NeverRepeats(Mutated):
    """Says everything once (against C8)."""

    def patch(self) -> None:
        """Break the rule."""
        self._repeat = lambda: None  # type: ignore[method-assign]  # a mutant


class FetchesOnce(Mutated):
    """Asks for a body once, and not again if it does not come (against C5)."""

    def patch(self) -> None:
        """Break the rule."""
        self._wanted.again = lambda: None  # type: ignore[method-assign]  # a mutant


class Mutant(Record):
    """A broken core, with the faults that bring it out."""

    core: type[Mutated]
    profile: Profile


MUTANTS = {
    "skips-ancestry": Mutant(core=SkipsAncestry, profile=Profile(name="skipper", loss=0.05, liars=("skipper",) * 2)),
    "votes-twice": Mutant(core=VotesTwice, profile=Profile(name="equivocator", loss=0.1, liars=("equivocator",) * 2)),
    "finalizes-nullified": Mutant(core=FinalizesNullified, profile=Profile(name="lossy", loss=0.15, late=0.05)),
    "sends-first": Mutant(core=SendsFirst, profile=Profile(name="torn", loss=0.05, torn=40)),
    "forgets-votes": Mutant(core=ForgetsVotes, profile=Profile(name="crash", loss=0.1, crashes=20)),
    "votes-for-invalid": Mutant(core=VotesForInvalid, profile=Profile(name="garbler", liars=("garbler",) * 2)),
    "finalizes-early": Mutant(core=FinalizesEarly, profile=Profile(name="lossy", loss=0.1)),
    "never-repeats": Mutant(core=NeverRepeats, profile=Profile(name="lossy", loss=0.5)),
    "fetches-once": Mutant(core=FetchesOnce, profile=Profile(name="lossy", loss=0.3, deaf=4)),
}


def maker(name: str) -> CoreMaker:
    """Return what makes the cores of a mutant."""

    def make(instance: Instance, me: int, start: Point, recovered: Sequence[GuardRecord]) -> Core:
        core = MUTANTS[name].core(
            instance=instance, me=me, scheme=KeyedScheme(me), timing=TIMING, start=start, recovered=recovered
        )
        core.patch()
        return core

    return make
