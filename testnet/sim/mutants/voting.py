"""Mutants of how a node votes, proposes and takes certificates (C0 to C7)."""

# mypy: disable-error-code="method-assign,assignment"

from consensus.ancestry import Point, Standing
from consensus.core import Core
from consensus.io import (
    Commit,
    TimedOut,
    Verdict,
)
from consensus.messages import Certificate, Proposal, VoteKind
from testnet.sim.mutants.registry import Registry, deaf, silent

VOTING = Registry()


def _floor(core: Core) -> int:
    """Return the view up to which other rules than the broken one forbid a vote."""
    return max(core.guard.low, core.guard.doubted)


# --- C0 to C2: entering, proposing, notarizing


@VOTING.off("C0", "forgets-the-waiting")
def _(core: Core) -> None:
    """Enter a view without a look at what waited."""
    core._reconsider = lambda: None


@VOTING.off("C0", "enters-only-the-next")
def _(core: Core) -> None:
    """Stay in a view for all that a certificate of a later one says."""
    ended = core._ended
    core._ended = lambda view: ended(view) if view <= core.view else None


@VOTING.off("C1", "proposes-twice")
def _(core: Core) -> None:
    """Propose anew after a crash."""
    core._voter.may_propose = lambda view: core.me is not None and not core.quarantined and view > _floor(core)
    core._proposer.recover = lambda *_: None


@VOTING.off("C1", "proposes-after-skipping")
def _(core: Core) -> None:
    """Propose in a view that it has nullified."""
    core._voter.may_propose = lambda view: core._voter.may(VoteKind.NOTARIZE, view)


@VOTING.off("C1", "builds-on-the-final-block")
def _(core: Core) -> None:
    """Build on the final point, whatever is certified above it."""
    core.ancestry.parent_for = lambda _: core.final


@VOTING.off("C1", "proposes-no-more-after-a-crash")
def _(core: Core) -> None:
    """Keep a proposal to itself after a crash."""
    core._proposer.recover = lambda *_: None


@VOTING.off("C1", "leader-without-parent-waits")
def _(core: Core) -> None:
    """Wait for a parent that does not come, as a leader."""
    core._proposer.is_idle = lambda: False


@VOTING.off("C1", "justifies-nothing")
def _(core: Core) -> None:
    """Propose without the certificates that the proposal stands on."""
    core.ancestry.justification = lambda *_: []


@VOTING.off("C2", "skips-ancestry")
def _(core: Core) -> None:
    """Notarize on any parent, whatever views lie between."""
    core.ancestry.standing = lambda *_: Standing.CERTIFIED


@VOTING.off("C2", "ignores-gaps")
def _(core: Core) -> None:
    """Notarize on a notarized parent without the certificates of the views between."""
    honest = core.ancestry.standing

    def standing(view: int, parent: Point) -> Standing:
        found = honest(view, parent)
        certified = parent.view in core.ancestry.notarized or parent == core.final
        return Standing.CERTIFIED if found is Standing.MISSING and certified else found

    core.ancestry.standing = standing


@VOTING.off("C2", "votes-for-invalid")
def _(core: Core) -> None:
    """Take every block for a valid one."""
    honest = core._validated
    core._validated = lambda view, block, verdict: honest(
        view, block, Verdict.VALID if verdict is Verdict.INVALID else verdict
    )


@VOTING.off("C2", "follows-any-leader")
def _(core: Core) -> None:
    """Take a proposal from whoever sends one."""
    validators = core.instance.validators
    honest = core._on_proposal

    def on_proposal(sender: int | None, proposal: Proposal) -> None:
        leader = validators.leader
        validators.leader = lambda view: proposal.vote.signer if view == proposal.vote.vote.view else leader(view)
        try:
            honest(sender, proposal)
        finally:
            validators.leader = leader

    core._on_proposal = on_proposal


@VOTING.off("C2", "asks-for-no-certificates")
def _(core: Core) -> None:
    """Wait for the certificates that a proposal stands on, and ask nobody."""
    core._exchange.request = lambda *_: None


@VOTING.off("C2", "votes-on-final-views")
def _(core: Core) -> None:
    """Vote in views that a final block has closed."""
    core.guard.raise_low = lambda _: None


# --- C3 to C5: certificates


@VOTING.off("C3", "keeps-notarizations-to-itself")
def _(core: Core) -> None:
    """Keep certificates of notarized blocks to itself."""
    silent(core, lambda to, said: to is None and isinstance(said, Certificate) and said.vote.kind is VoteKind.NOTARIZE)


@VOTING.off("C3", "finalizes-nothing-late")
def _(core: Core) -> None:
    """Finalize a block only if that is known to be valid when its certificate comes."""
    valid = core._valid

    def late(view: int, block: bytes, proposal: Proposal | None) -> None:
        honest, core._try_finalize = core._try_finalize, lambda _: None
        try:
            valid(view, block, proposal)
        finally:
            core._try_finalize = honest

    core._valid = late


@VOTING.off("C3", "finalizes-unvalidated")
def _(core: Core) -> None:
    """Finalize what is notarized without asking the application."""

    def try_finalize(view: int) -> None:
        notarized = core.ancestry.notarized.get(view)
        if notarized is not None and core._voter.may(VoteKind.FINALIZE, view):
            core._vote(VoteKind.FINALIZE, view, notarized.vote.block)

    core._try_finalize = try_finalize


@VOTING.off("C3", "finalizes-early")
def _(core: Core) -> None:
    """Finalize what it notarizes, at once."""
    honest = core._vote

    def vote(kind: VoteKind, view: int, block: bytes) -> None:
        honest(kind, view, block)
        if kind is VoteKind.NOTARIZE and core._voter.may(VoteKind.FINALIZE, view):
            honest(VoteKind.FINALIZE, view, block)

    core._vote = vote


@VOTING.off("C4", "keeps-nullifications-to-itself")
def _(core: Core) -> None:
    """Keep certificates of skipped views to itself."""
    silent(core, lambda to, said: to is None and isinstance(said, Certificate) and said.vote.kind is VoteKind.NULLIFY)


@VOTING.off("C5", "keeps-finality-to-itself")
def _(core: Core) -> None:
    """Keep certificates of final blocks to itself."""
    silent(core, lambda to, said: to is None and isinstance(said, Certificate) and said.vote.kind is VoteKind.FINALIZE)


@VOTING.off("C5", "fetches-once")
def _(core: Core) -> None:
    """Ask for a body once, and not again if it does not come."""
    core._wanted.again = lambda: None


@VOTING.off("C5", "commits-what-is-notarized")
def _(core: Core) -> None:
    """Commit a block whose certificate only notarizes it."""
    honest = core._on_notarized

    def on_notarized(certificate: Certificate) -> None:
        honest(certificate)
        if core._pending.verdict(certificate.vote.view, certificate.vote.block) is Verdict.VALID:
            core._outbox.add(Commit(block=certificate.vote.block, certificate=certificate))

    core._on_notarized = on_notarized


@VOTING.off("C5", "commits-without-ancestors")
def _(core: Core) -> None:
    """Take every final block's way down for known."""
    core.ancestry.unrooted = lambda _: None
    core.ancestry.forks = lambda _: False


# --- C6, C7: nullifying, exclusion


@VOTING.off("C6", "never-times-out")
def _(core: Core) -> None:
    """Never nullify for the time."""
    deaf(core, lambda given: isinstance(given, TimedOut))


@VOTING.off("C6", "does-not-join")
def _(core: Core) -> None:
    """Nullify for oneself alone, never with others."""
    core._ballots.is_skipped = lambda *_: False


@VOTING.off("C6", "waits-for-invalid-blocks")
def _(core: Core) -> None:
    """Wait out the time for an invalid, mismatched or declined block."""
    honest = core._validated

    def validated(view: int, block: bytes, verdict: Verdict) -> None:
        nullify, core._nullify = core._nullify, lambda _: None
        try:
            honest(view, block, verdict)
        finally:
            core._nullify = nullify

    core._validated = validated


@VOTING.off("C6", "nullifies-after-finalizing")
def _(core: Core) -> None:
    """Nullify a view whose block it has finalized."""
    honest = core.guard.may
    core.guard.may = lambda kind, view: (
        honest(kind, view) or (kind is VoteKind.NULLIFY and view > _floor(core) and core.guard.vote(kind, view) is None)
    )


@VOTING.off("C7", "notarizes-twice")
def _(core: Core) -> None:
    """Notarize every valid block of a view."""
    honest = core.guard.may
    core.guard.may = lambda kind, view: view > _floor(core) if kind is VoteKind.NOTARIZE else honest(kind, view)


@VOTING.off("C7", "finalizes-nullified")
def _(core: Core) -> None:
    """Finalize a block of a view that it has nullified."""
    honest = core.guard.may
    core.guard.may = lambda kind, view: (
        honest(kind, view)
        or (kind is VoteKind.FINALIZE and view > _floor(core) and core.guard.vote(kind, view) is None)
    )
