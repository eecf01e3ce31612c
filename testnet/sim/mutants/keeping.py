"""Mutants of what a node repeats, lets in, keeps, proves and waits for (C8 to C23)."""

# mypy: disable-error-code="method-assign,assignment"

import msgspec

from consensus.core import Core
from consensus.io import (
    Certified,
    Effect,
    Evidence,
    Halt,
    Penalise,
    Persist,
    SetRetry,
    Stored,
    Verdict,
    Voted,
)
from consensus.messages import Certificate, Certificates, SignedVote, VoteKind, sign_bytes
from testnet.sim.mutants.registry import Registry, changed, silent, unwritten, without

KEEPING = Registry()

# --- C8, C9: repeating and answering


@KEEPING.off("C8", "never-repeats")
def _(core: Core) -> None:
    """Say everything once."""
    core._repeat = lambda: None


@KEEPING.off("C8", "does-not-repeat-finalize")
def _(core: Core) -> None:
    """Say finalize votes once."""
    core.guard.finalize_votes = lambda _: []


@KEEPING.off("C8", "does-not-repeat-certificates")
def _(core: Core) -> None:
    """Repeat votes and no certificate."""
    silent(core, lambda to, said: to is None and isinstance(said, Certificates))


@KEEPING.off("C8", "retries-once")
def _(core: Core) -> None:
    """Set the retry timer once."""
    seen: list[Effect] = []

    def again(effect: Effect) -> bool:
        if isinstance(effect, SetRetry):
            seen.append(effect)
            return len(seen) > 1
        return False

    without(core, again)


@KEEPING.off("C9", "answers-nobody")
def _(core: Core) -> None:
    """Answer neither the stale nor requests."""
    core._exchange.answer = lambda *_: None


@KEEPING.off("C9", "answers-always")
def _(core: Core) -> None:
    """Answer as often as it is asked."""
    honest = core._exchange.answer

    def answer(sender: int | None, first: int, last: int, view: int) -> None:
        core._exchange._answers.clear()
        honest(sender, first, last, view)

    core._exchange.answer = answer


# --- C10, C11: admission, halting


@KEEPING.off("C10", "counts-old-and-far-votes")
def _(core: Core) -> None:
    """Count votes of any view."""
    core._ballots._floor = lambda _: 0
    honest = core._ballots.is_news
    core._ballots.is_news = lambda signed, view: honest(signed, max(view, signed.vote.view))


@KEEPING.off("C10", "counts-a-signer-twice")
def _(core: Core) -> None:
    """Count a validator's vote as often as it comes."""
    core._ballots.is_news = lambda signed, view: core.final.view < signed.vote.view <= view + 1


@KEEPING.off("C11", "goes-on-after-contradiction")
def _(core: Core) -> None:
    """Go on where a quorum signed what can't be."""
    without(core, lambda effect: isinstance(effect, Halt))
    core._outbox.halt = lambda _: None


# --- C12, C13: crashes


@KEEPING.off("C12", "sends-first")
def _(core: Core) -> None:
    """Write after it has sent."""
    changed(core, lambda effects: sorted(effects, key=lambda effect: isinstance(effect, Persist)))


@KEEPING.off("C12", "forgets-notarize-votes")
def _(core: Core) -> None:
    """Leave votes to notarize unwritten."""
    unwritten(core, lambda record: isinstance(record, Voted) and record.vote.vote.kind is VoteKind.NOTARIZE)


@KEEPING.off("C12", "forgets-nullify-votes")
def _(core: Core) -> None:
    """Leave votes to nullify unwritten."""
    unwritten(core, lambda record: isinstance(record, Voted) and record.vote.vote.kind is VoteKind.NULLIFY)


@KEEPING.off("C12", "forgets-finalize-votes")
def _(core: Core) -> None:
    """Leave votes to finalize unwritten."""
    unwritten(core, lambda record: isinstance(record, Voted) and record.vote.vote.kind is VoteKind.FINALIZE)


@KEEPING.off("C12", "forgets-blocks")
def _(core: Core) -> None:
    """Leave the blocks that it notarizes unwritten."""
    unwritten(core, lambda record: isinstance(record, Stored))


@KEEPING.off("C12", "forgets-certificates")
def _(core: Core) -> None:
    """Leave certificates unwritten."""
    unwritten(core, lambda record: isinstance(record, Certified))


@KEEPING.off("C13", "votes-at-once")
def _(core: Core) -> None:
    """Vote as soon as it starts, as if its record were the newest."""
    core._voter.quarantined = False


@KEEPING.off("C13", "forgets-the-mark")
def _(core: Core) -> None:
    """Vote where it may have voted before."""
    honest = core._voter.witnessed
    core._voter.witnessed = lambda _, votes: honest(0, votes)


@KEEPING.off("C13", "does-not-adopt-votes")
def _(core: Core) -> None:
    """Take no vote into the record that others hold."""
    honest = core._voter.witnessed
    core._voter.witnessed = lambda mark, _: honest(mark, [])


@KEEPING.off("C13", "does-not-stop-for-a-double")
def _(core: Core) -> None:
    """Go on although another node signs with its key."""
    core._voter.stops_at = lambda _: False


# --- C14 to C16: time, weights, leaders


@KEEPING.off("C14", "never-rearms")
def _(core: Core) -> None:
    """Leave the view's time as it is when a block becomes final."""
    core._hearing.rearm = lambda *_: None


@KEEPING.off("C14", "waits-for-ever")
def _(core: Core) -> None:
    """Give views sixteen times their time."""
    arm = core._hearing._view_ms
    core._hearing._view_ms = lambda view, leader: arm(view, leader) * 16


@KEEPING.off("C14", "never-gives-more-time")
def _(core: Core) -> None:
    """Give a view no more time than a hasty leader takes."""
    core._hearing._view_ms = lambda *_: core.timing.idle_ms // 4


@KEEPING.off("C14", "waits-for-the-silent")
def _(core: Core) -> None:
    """Give a leader that nobody hears as much time as any."""
    core._hearing.is_silent = lambda *_: False


@KEEPING.off("C14", "skips-the-heard")
def _(core: Core) -> None:
    """Give no leader but itself any time."""
    core._hearing.is_silent = lambda leader, _: leader != core.me


@KEEPING.off("C15", "majority-suffices")
def _(core: Core) -> None:
    """Take half of the weight for a quorum."""
    core.instance.validators.quorum = core.instance.validators.total // 2 + 1


@KEEPING.off("C15", "quorum-is-all")
def _(core: Core) -> None:
    """Take nothing but everybody for a quorum."""
    core.instance.validators.quorum = core.instance.validators.total


@KEEPING.off("C15", "blame-is-quorum")
def _(core: Core) -> None:
    """Join those who nullify when they are a quorum."""
    core.instance.validators.blame = core.instance.validators.quorum


@KEEPING.off("C15", "blame-is-anybody")
def _(core: Core) -> None:
    """Join whoever nullifies."""
    core.instance.validators.blame = 1


@KEEPING.off("C16", "leads-by-turns")
def _(core: Core) -> None:
    """Let validators lead in turn, not by draw."""
    validators = core.instance.validators
    validators.leader = lambda view: view % len(validators)


# --- C17 to C19: proofs


@KEEPING.off("C17", "trusts-certificates")
def _(core: Core) -> None:
    """Take a certificate for what it claims to prove."""
    honest = core._on_certificate

    def on_certificate(sender: int | None, certificate: Certificate) -> bool:
        if certificate.vote.epoch == core.instance.epoch and not core.ancestry.holds(certificate):
            core._certified(certificate)
            return True
        return honest(sender, certificate)

    core._on_certificate = on_certificate


@KEEPING.off("C17", "trusts-votes")
def _(core: Core) -> None:
    """Count a vote without a look at its signature."""
    core._ballots.is_signed = lambda *_: True


@KEEPING.off("C18", "reports-nobody")
def _(core: Core) -> None:
    """Tell nobody of two votes that contradict each other."""
    without(core, lambda effect: isinstance(effect, Evidence))


@KEEPING.off("C19", "blames-nobody")
def _(core: Core) -> None:
    """Name nobody who breaks a rule."""
    without(core, lambda effect: isinstance(effect, Penalise))


@KEEPING.off("C19", "takes-foreign-votes")
def _(core: Core) -> None:
    """Take a validator's vote from anybody's link."""
    honest = core._ballots.is_proper
    core._ballots.is_proper = lambda _, signed, view: honest(signed.signer, signed, view)


@KEEPING.off("C19", "asks-again-and-again")
def _(core: Core) -> None:
    """Ask for certificates whenever it lacks some."""
    honest = core._exchange.request

    def request(to: int, first: int, last: int) -> None:
        core._exchange._requested = False
        honest(to, first, last)

    core._exchange.request = request


# --- C20, C21: what is signed and sent


@KEEPING.off("C20", "signs-other-bytes")
def _(core: Core) -> None:
    """Sign a vote without its view."""
    honest = core._voter.sign

    def sign(kind: VoteKind, view: int, block: bytes) -> SignedVote:
        signed = honest(kind, view, block)
        message = sign_bytes(core.instance.genesis_hash, msgspec.structs.replace(signed.vote, view=0))
        return msgspec.structs.replace(signed, signature=core._scheme.sign(message))

    core._voter.sign = sign


@KEEPING.off("C21", "shows-all-certificates")
def _(core: Core) -> None:
    """Put as many certificates into a message as there are."""
    ancestry = core.ancestry
    ancestry.justification = lambda view, parent: [ancestry.nullified[at] for at in range(parent.view + 1, view)]
    ancestry.certificates = lambda first, last: [
        known[view]
        for view in range(first, last + 1)
        for known in (ancestry.notarized, ancestry.nullified)
        if view in known
    ]


# --- C22, C23: followers, the end of an epoch


@KEEPING.off("C22", "follower-speaks")
def _(core: Core) -> None:
    """Answer and pass on what it hears, without being a validator."""
    core._outbox._me = -1 if core.me is None else core.me


@KEEPING.off("C23", "leaves-the-end-alone")
def _(core: Core) -> None:
    """Never propose the last block of an epoch again."""
    honest = core._built

    def built(view: int, block: bytes, body: bytes) -> None:
        parent = core._proposer.building
        if parent is not None and parent.block == block:
            core._nullify(view)
        else:
            honest(view, block, body)

    core._built = built


@KEEPING.off("C23", "judges-the-end-once")
def _(core: Core) -> None:
    """Take a block that is proposed again for judged."""
    honest = core._pending.verdict

    def verdict(view: int, block: bytes) -> Verdict | None:
        known = (honest(at, block) for at in range(view, max(0, view - 8), -1))
        return next((each for each in known if each is not None), None)

    core._pending.verdict = verdict
