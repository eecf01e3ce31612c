"""Decided disputes and the jobs that they are about, made as records: for what rulings cost whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.market.dispute import money
from ledger.market.dispute.judgement import outcome_of
from ledger.market.dispute.money import Sums, claim_bond
from ledger.market.dispute.payloads import WHOLE, Subject
from ledger.market.dispute.records import Claimant, Claimed, Dispute, DisputeStage, Fall, Finding, Role
from ledger.market.dispute.verdicts import Ruling, ruling_of
from ledger.market.drawing import new_verifier
from ledger.market.settlement import ending, provider_lock, verifier_lock
from ledger.market.submitting import new_job
from ledger.market.withheld.holder import at_stake
from ledger.market.withheld.money import spent
from ledger.parameters import Parameters
from ledger.records import Job, JobState, Outcome, Payout, PayoutKind, Penalty
from ledger.state import change
from ledger.transaction import Decision
from primitives.content import content_id
from primitives.hashing import ZERO_HASH
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from vm.manifest import Class

NUMBERS = Parameters()
CLIENT, PROVIDER, OWNER, CHALLENGER, RIVAL = (bytes([at]) * 20 for at in range(1, 6))
VERIFIERS = [bytes([20 + at]) * 20 for at in range(3)]
DRAWN = [bytes([30 + at]) * 20 for at in range(3)]
HELD = content_id(b"a bundle")
RIGHT, WRONG = 0, 1
"""Traces of a dispute, by their places."""


def a_job(
    *verdicts: Decision | None,
    paid: bool = False,
    class_: Class = Class.NATIVE,
    price: int = KARAT,
    audit: int = 10_000,
    forced: bool = False,
) -> Job:
    """Return a disputed job of tier high whose parties have all revealed, or are silent where the verdict is None."""
    wanted = change(kit.a_submission(max_price=price), class_=class_)
    fresh = new_job(NUMBERS, CLIENT, wanted, kit.a_cost())
    verifiers = [
        change(
            new_verifier(address),
            locked=verifier_lock(NUMBERS, NUMBERS.verifier_fee),
            commitment=ZERO_HASH,
            cut=HELD if verdict else None,
            outputs=HELD if verdict else None,
            verdict=verdict,
            forced=forced and verdict is Decision.REJECT,
        )
        for address, verdict in zip(VERIFIERS, verdicts, strict=False)
    ]
    lock = provider_lock(fresh, price)
    job = change(
        fresh,
        state=JobState.DISPUTED,
        provider=PROVIDER,
        price=price,
        provider_locked=lock,
        cut=HELD,
        outputs=HELD,
        audit_bps=audit,
        verifiers=verifiers,
    )
    if not paid:
        return job
    settled = ending(job, Outcome.SETTLED, NUMBERS, owner=OWNER)
    return change(job, outcome=Outcome.SETTLED, escrow=0, payouts=settled.payouts, penalties=settled.penalties)


def having_withheld(job: Job, holder: bytes) -> Job:
    """Return a job one of whose parties has withheld in a dispute, as `withheld.holder` leaves it (H31)."""
    lost = at_stake(job, holder)
    whole = min(spent(job), lost) if holder == job.provider and not job.escrow else 0
    made_whole = [Payout(kind=PayoutKind.MADE_WHOLE, to=job.client, amount=whole)] if whole else []
    return change(
        job,
        forfeited=lost - whole,
        provider_locked=0 if holder == job.provider else job.provider_locked,
        verifiers=[change(each, locked=0) if each.worker == holder else each for each in job.verifiers],
        payouts=[*job.payouts, *made_whole],
        penalties=[*job.penalties, Penalty(worker=holder, amount=lost)],
    )


@dataclass(kw_only=True)
class Case:
    """A dispute as it is decided: who claimed which trace, and what was proved."""

    subject: Subject = WHOLE
    challengers: Mapping[bytes, int | None] = field(default_factory=lambda: {CHALLENGER: RIGHT})
    """The first opens the dispute. None: not opened."""
    parties: Mapping[bytes, int | None] = field(default_factory=dict)
    drawn: Sequence[int | None] = (RIGHT, RIGHT, RIGHT)
    """None: silent."""
    unopened: Sequence[bytes] = ()
    """Drawn workers that are not silent, but have not opened what they claimed."""
    fallen: Mapping[int, int | None] = field(default_factory=dict)
    """Traces that were struck by the referee, and by which other one."""
    thousandths: Mapping[bytes, int] = field(default_factory=dict)
    outputs: Sequence[bytes] = ()
    ill_conditioned: bool = False
    traps: bool = False
    past: bool = False
    carriage: int = 0
    heights: Mapping[bytes, int] = field(default_factory=dict)
    """Of claims, where they are not of the first block."""

    def decided(self, job: Job) -> Dispute:
        """Return the record."""
        bond = claim_bond(NUMBERS, job)
        claims = [self._claim(who, Role.CHALLENGER, bond, at) for who, at in self.challengers.items()]
        claims += [self._claim(who, Role.PARTY, 0 if claims else bond, at) for who, at in self.parties.items()]
        lock = verifier_lock(NUMBERS, NUMBERS.verifier_fee)
        claims += [self._claim(who, Role.DRAWN, lock, at) for who, at in zip(DRAWN, self.drawn, strict=False)]
        count = max([-1, *(each.trace for each in claims if each.trace is not None)]) + 1
        struck = {at: (Fall.WRONG, by) for at, by in self.fallen.items()}
        traces = [
            Claimed(root=bytes([at]) * 32, fall=struck[at][0] if at in struck else None, beaten_by=None)
            for at in range(count)
        ]
        traces = [change(each, beaten_by=struck[at][1]) if at in struck else each for at, each in enumerate(traces)]
        judged = list(dict.fromkeys([*self.thousandths, *self.outputs]))
        made = Dispute(
            job=bytes(32),
            subject=self.subject,
            round=0,
            past=self.past,
            stage=DisputeStage.DECIDED,
            outcome=None,
            opened_height=7,
            due_live_ms=None,
            heard=0,
            spare_ms=0,
            escrow=sum(each.bond for each in claims if each.role is not Role.DRAWN),
            outline=None,
            claims=claims,
            traces=traces,
            duel=None,
            duels=0,
            ill_conditioned=self.ill_conditioned,
            traps=self.traps,
            findings=[
                Finding(party=who, thousandths=self.thousandths.get(who, 0), output=who in self.outputs, tried=[])
                for who in judged
            ],
            payouts=[],
            penalties=[],
        )
        return change(made, outcome=outcome_of(made))

    def _claim(self, who: bytes, role: Role, bond: int, trace: int | None) -> Claimant:
        return Claimant(
            who=who,
            role=role,
            bond=bond,
            commitment=None if role is Role.DRAWN and trace is None and who not in self.unopened else ZERO_HASH,
            height=self.heights.get(who, 7),
            trace=trace,
            carriage=self.carriage,
        )


def ruled(job: Job, *cases: Case, operators: dict[bytes, bytes] | None = None) -> tuple[Ruling, Sums]:
    """Return what disputes come to, and how their money moves."""
    disputes = [case.decided(job) for case in cases]
    ruling = ruling_of(job, disputes)
    people = [PROVIDER, *VERIFIERS, *(each.who for dispute in disputes for each in dispute.claims)]
    sums = money.settle(job, disputes, ruling, NUMBERS, operators={**{who: who for who in people}, **(operators or {})})
    return ruling, sums


def nets(job: Job, *cases: Case, operators: dict[bytes, bytes] | None = None) -> tuple[Outcome, dict[bytes, int]]:
    """Return how a job ends and what everybody has of it, from the time when nothing was paid in; b"": burned."""
    disputes = [case.decided(job) for case in cases]
    ruling, sums = ruled(job, *cases, operators=operators)
    after = change(job, ruled=ruling.outcome, penalties=[*job.penalties, *sums.penalties])
    rest = ending(after, ruling.outcome, NUMBERS, owner=OWNER) if job.outcome is None else None
    found = {CLIENT: -(job.max_price + job.k * job.verifier_fee)}

    def move(who: bytes | None, amount: int) -> None:
        found[who or b""] = found.get(who or b"", 0) + amount

    for dispute in disputes:
        for claim in dispute.claims:
            if claim.role is not Role.DRAWN:
                move(claim.who, -claim.bond)
    payouts = [*job.payouts, *sums.payouts, *(rest.payouts if rest else [])]
    payouts += [each for share in sums.shares for each in share.payouts]
    penalties = [*job.penalties, *sums.penalties, *(rest.penalties if rest else [])]
    penalties += [each for share in sums.shares for each in share.penalties]
    for payout in payouts:
        move(payout.to, payout.amount)
    for penalty in penalties:
        move(penalty.worker, -penalty.amount)
    assert sum(found.values()) == 0, "grains are neither made nor lost"
    return ruling.outcome, found
