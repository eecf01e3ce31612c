"""Cores with one rule broken each, which the checks must catch: what is never caught is not checked."""

from collections.abc import Callable
from typing import NamedTuple

from consensus.ancestry import Standing
from consensus.core import Core
from consensus.io import Effect, Evidence, Input, Persist, Send, Stored, TimedOut, Verdict, Voted
from consensus.messages import Certificate, Message, SignedVote, VoteKind


class Mutated(Core):
    """A core that is broken as soon as it is made."""

    def __init__(self, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]  # what a core is made of, passed on
        self.patch()

    def patch(self) -> None:
        """Break the rule."""


def _nothing(*_: object, **__: object) -> None:
    """Do nothing."""


# Safety.


class SkipsAncestry(Mutated):
    """Notarizes on any parent, whatever views lie between."""

    def patch(self) -> None:
        """Break the rule."""
        self.ancestry.standing = lambda *_: Standing.CERTIFIED  # type: ignore[method-assign]  # a mutant


class VotesTwice(Mutated):
    """Notarizes every valid block of a view."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self.guard.may
        self.guard.may = lambda kind, view: (  # type: ignore[method-assign]  # a mutant
            view > self.guard.low if kind is VoteKind.NOTARIZE else honest(kind, view)
        )


class FinalizesNullified(Mutated):
    """Finalizes a block of a view that it has nullified."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self.guard.may
        self.guard.may = lambda kind, view: (  # type: ignore[method-assign]  # a mutant
            honest(kind, view)
            or (kind is VoteKind.FINALIZE and view > self.guard.low and self.guard.vote(kind, view) is None)
        )


class FinalizesEarly(Mutated):
    """Finalizes what it notarizes, at once."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self._vote

        def vote(kind: VoteKind, view: int, block: bytes) -> None:
            honest(kind, view, block)
            if kind is VoteKind.NOTARIZE and self._voter.may(VoteKind.FINALIZE, view):
                honest(VoteKind.FINALIZE, view, block)

        self._vote = vote  # type: ignore[method-assign]  # a mutant


class FinalizesUnjudged(Mutated):
    """Finalizes whatever is notarized, judged or not."""

    def patch(self) -> None:
        """Break the rule."""

        def finalize(view: int) -> None:
            notarized = self.ancestry.notarized.get(view)
            if notarized is not None and self._voter.may(VoteKind.FINALIZE, view):
                self._vote(VoteKind.FINALIZE, view, notarized.vote.block)

        self._try_finalize = finalize  # type: ignore[method-assign]  # a mutant


class VotesForInvalid(Mutated):
    """Takes every block for a valid one."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self._validated
        self._validated = lambda view, block, verdict: honest(  # type: ignore[method-assign]  # a mutant
            view, block, Verdict.VALID if verdict is Verdict.INVALID else verdict
        )


class CountsHalf(Mutated):
    """Takes half of the weight for a quorum."""

    def patch(self) -> None:
        """Break the rule."""
        self._validators.quorum = self._validators.total // 2 + 1


class TrustsCertificates(Mutated):
    """Takes every certificate for a good one."""

    def patch(self) -> None:
        """Break the rule."""

        def take(_: int | None, certificate: Certificate) -> bool:
            if not self.halted and not self.ancestry.holds(certificate):
                self._certified(certificate)
            return True

        self._on_certificate = take  # type: ignore[method-assign, assignment]  # a mutant


# Crashes.


class SendsFirst(Mutated):
    """Persists after it has sent."""

    def step(self, given: Input) -> list[Effect]:
        """Put what is to be written last."""
        return sorted(super().step(given), key=lambda effect: isinstance(effect, Persist))


class Forgets(Mutated):
    """Writes everything but some of what it should."""

    def is_forgotten(self, record: object) -> bool:
        """Tell what is left out."""
        return isinstance(record, Persist)

    def step(self, given: Input) -> list[Effect]:
        """Leave something out of what is written."""
        return [
            Persist(records=[record for record in effect.records if not self.is_forgotten(record)])
            if isinstance(effect, Persist)
            else effect
            for effect in super().step(given)
        ]


class ForgetsVotes(Forgets):
    """Writes everything but its votes."""

    def is_forgotten(self, record: object) -> bool:
        """Tell what is left out."""
        return isinstance(record, Voted)


class ForgetsFinalizeVotes(Forgets):
    """Writes everything but its votes to finalize."""

    def is_forgotten(self, record: object) -> bool:
        """Tell what is left out."""
        return isinstance(record, Voted) and record.vote.vote.kind is VoteKind.FINALIZE


class ForgetsBodies(Forgets):
    """Writes its votes without the bodies that they are for."""

    def is_forgotten(self, record: object) -> bool:
        """Tell what is left out."""
        return isinstance(record, Stored)


class AsksNobody(Mutated):
    """Votes at once after a start, as if its record of votes were the newest."""

    def __init__(self, **given: object) -> None:
        super().__init__(**{**given, "quarantine": False})


# Liveness.


class Mute(Mutated):
    """Leaves out some of what it should send to all."""

    def is_kept_back(self, message: Message) -> bool:
        """Tell what is not sent."""
        return message is None

    def step(self, given: Input) -> list[Effect]:
        """Leave something unsaid."""
        return [
            effect
            for effect in super().step(given)
            if not (isinstance(effect, Send) and effect.to is None and self.is_kept_back(effect.message))
        ]


class KeepsCertificates(Mute):
    """Tells nobody of the certificates that it makes or hears of, unless it is stuck."""

    def is_kept_back(self, message: Message) -> bool:
        """Tell what is not sent."""
        return isinstance(message, Certificate)


class NeverFinalizes(Mute):
    """Keeps its votes to finalize to itself."""

    def is_kept_back(self, message: Message) -> bool:
        """Tell what is not sent."""
        return isinstance(message, SignedVote) and message.vote.kind is VoteKind.FINALIZE


class NeverRepeats(Mutated):
    """Says everything once."""

    def patch(self) -> None:
        """Break the rule."""
        self._repeat = _nothing  # type: ignore[method-assign]  # a mutant


class ForgetsToFinalize(Mutated):
    """Says its votes to finalize once."""

    def patch(self) -> None:
        """Break the rule."""
        self.guard.finalize_votes = lambda _: []  # type: ignore[method-assign, assignment]  # a mutant


class ProposesOnce(Mutated):
    """Does not take up its proposal after a restart."""

    def patch(self) -> None:
        """Break the rule."""
        self._proposer.recover = _nothing  # type: ignore[method-assign]  # a mutant


class FetchesOnce(Mutated):
    """Asks for a body once, and not again if it does not come."""

    def patch(self) -> None:
        """Break the rule."""
        self._wanted.again = _nothing  # type: ignore[method-assign]  # a mutant


class IgnoresTheStale(Mutated):
    """Answers nobody who is behind, and no request."""

    def patch(self) -> None:
        """Break the rule."""
        self._exchange.answer = _nothing  # type: ignore[method-assign]  # a mutant


class NeverAsks(Mutated):
    """Asks for no certificate that it lacks."""

    def patch(self) -> None:
        """Break the rule."""
        self._exchange.request = _nothing  # type: ignore[method-assign]  # a mutant


class NeverJoins(Mutated):
    """Skips a view when its own timer is over, and for nobody else."""

    def patch(self) -> None:
        """Break the rule."""
        self._join_nullify = _nothing  # type: ignore[method-assign]  # a mutant


class NeverTimesOut(Mutated):
    """Waits for a leader for ever."""

    def step(self, given: Input) -> list[Effect]:
        """Hear no timer."""
        return [] if isinstance(given, TimedOut) else super().step(given)


class NeverRearms(Mutated):
    """Leaves a long timer as it is when finality catches up."""

    def patch(self) -> None:
        """Break the rule."""
        self._hearing.rearm = _nothing  # type: ignore[method-assign]  # a mutant


class NeverReconsiders(Mutated):
    """Does not look again at a proposal that came before what it stands on."""

    def patch(self) -> None:
        """Break the rule."""
        self._reconsider = self._propose  # type: ignore[method-assign]  # a mutant


# What others may do to it, and it to others.


class ConvictsNobody(Mutated):
    """Keeps evidence to itself."""

    def step(self, given: Input) -> list[Effect]:
        """Leave out evidence."""
        return [effect for effect in super().step(given) if not isinstance(effect, Evidence)]


class CountsAnything(Mutated):
    """Counts votes of whatever view."""

    def patch(self) -> None:
        """Break the rule."""
        self._ballots.is_news = lambda signed, _: (  # type: ignore[method-assign, assignment]  # a mutant
            not self._ballots.tally(signed.vote.view).has(signed)
        )


class AnswersAlways(Mutated):
    """Answers whoever is behind as often as it speaks."""

    def patch(self) -> None:
        """Break the rule."""
        honest = self._exchange.answer

        def answer(sender: int | None, first: int, last: int, view: int) -> None:
            for _ in range(8):
                self._exchange.renew()
                honest(sender, first, last, view)

        self._exchange.answer = answer  # type: ignore[method-assign]  # a mutant


class Mutant(NamedTuple):
    """A broken core, the rules that it breaks, and manifests that bring it out, the likeliest first."""

    core: type[Mutated]
    rules: str
    manifests: tuple[str, ...]


MUTANTS: dict[str, Mutant] = {
    "skips-ancestry": Mutant(SkipsAncestry, "C2", ("skippers",)),
    "votes-twice": Mutant(VotesTwice, "C7", ("equivocators",)),
    "finalizes-nullified": Mutant(FinalizesNullified, "C7", ("lossy",)),
    "finalizes-early": Mutant(FinalizesEarly, "C7", ("lossy",)),
    "finalizes-unjudged": Mutant(FinalizesUnjudged, "C3", ("lossy",)),
    "votes-for-invalid": Mutant(VotesForInvalid, "C2", ("garblers",)),
    "counts-half": Mutant(CountsHalf, "C15", ("lossy",)),
    "trusts-certificates": Mutant(TrustsCertificates, "C17", ("garblers",)),
    "sends-first": Mutant(SendsFirst, "C12", ("crash",)),
    "forgets-votes": Mutant(ForgetsVotes, "C12", ("crash",)),
    "forgets-finalize-votes": Mutant(ForgetsFinalizeVotes, "C12", ("crash",)),
    "forgets-bodies": Mutant(ForgetsBodies, "C12", ("crash",)),
    "asks-nobody": Mutant(AsksNobody, "C13", ("disks",)),
    "keeps-certificates": Mutant(KeepsCertificates, "C3 C4 C5", ("lossy",)),
    "never-finalizes": Mutant(NeverFinalizes, "C3", ("calm",)),
    "never-repeats": Mutant(NeverRepeats, "C8", ("lossy",)),
    "forgets-to-finalize": Mutant(ForgetsToFinalize, "C8", ("lossy",)),
    "proposes-once": Mutant(ProposesOnce, "C1", ("crash",)),
    "fetches-once": Mutant(FetchesOnce, "C5", ("lossy",)),
    "ignores-the-stale": Mutant(IgnoresTheStale, "C9", ("lossy",)),
    "never-asks": Mutant(NeverAsks, "C1 C2", ("stale", "taciturn")),
    "never-joins": Mutant(NeverJoins, "C6", ("lossy",)),
    "never-times-out": Mutant(NeverTimesOut, "C6", ("silent-leaders",)),
    "never-rearms": Mutant(NeverRearms, "C14", ("partition",)),
    "never-reconsiders": Mutant(NeverReconsiders, "C0", ("lossy",)),
    "convicts-nobody": Mutant(ConvictsNobody, "C18", ("conflicters",)),
    "counts-anything": Mutant(CountsAnything, "C10", ("garblers",)),
    "answers-always": Mutant(AnswersAlways, "C9", ("lossy",)),
}


def core_of(name: str) -> Callable[..., Core]:
    """Return what makes the cores of a mutant, or the product's for the empty name. Raises KeyError."""
    return MUTANTS[name].core if name else Core
