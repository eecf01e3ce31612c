"""The parts of docs/spec/dispute.md that come from the code. Run as a program, it writes them."""

from ledger.market.dispute.lifecycle import LIFE_CYCLE, time_allowed
from ledger.market.dispute.payloads import tail_of
from ledger.market.dispute.records import DisputeStage
from ledger.parameters import Parameters
from ledger.records import Job
from ledger.transaction import Decision
from primitives.units import KARAT
from tests.ledger.market.dispute.crafted import (
    CHALLENGER,
    CLIENT,
    DRAWN,
    PROVIDER,
    RIGHT,
    RIVAL,
    VERIFIERS,
    WRONG,
    Case,
    a_job,
    nets,
)
from tests.ledger.pages import SPEC, life_cycle, rewritten

PAGE = SPEC / "dispute.md"
YES, NO = Decision.ACCEPT, Decision.REJECT


def deadlines() -> str:
    """Return how long a dispute may stay in each stage."""
    lines = ["| stage | seconds of live time (parameter) | grows with the run (J7) |", "| --- | --- | --- |"]
    for stage in DisputeStage:
        allowed, longer = (time_allowed(Parameters(), stage, run_ms) for run_ms in (0, 1))
        told = "no limit: final" if allowed is None else f"{allowed // 1_000}"
        told += ", each step of a duel" if stage is DisputeStage.DUEL else ""
        lines.append(f"| {stage.name} | {told} | {'yes' if allowed != longer else ''} |")
    return "\n".join(lines)


RIVALS = {CHALLENGER: RIGHT, RIVAL: WRONG}
BEATEN = {WRONG: RIGHT}
FAR, NEAR = {PROVIDER: 70_000}, {PROVIDER: 20_000}
ENDINGS: dict[str, tuple[Job, list[Case]]] = {
    "a false result that two accept and one rejects": (a_job(YES, YES, NO), [Case(thousandths=FAR)]),
    "a false result that was paid": (a_job(YES, YES, YES, paid=True), [Case(thousandths=FAR)]),
    "the same, with a rival who swears to it": (
        a_job(YES, YES, YES, paid=True),
        [Case(challengers=RIVALS, fallen=BEATEN, thousandths=FAR)],
    ),
    "a right result, challenged by a liar": (
        a_job(YES, YES, YES, paid=True),
        [Case(challengers={CHALLENGER: WRONG}, drawn=[RIGHT] * 3, fallen=BEATEN)],
    ),
    "a right result, challenged in good faith": (a_job(YES, YES, YES, paid=True), [Case()]),
    "a right result, rejected by one": (a_job(YES, YES, NO), [Case()]),
    "a result in the grey zone, accepted by two": (a_job(YES, YES, NO), [Case(thousandths=NEAR)]),
    "a label that does not follow from the values": (
        a_job(YES, YES, NO),
        [Case(subject=tail_of(PROVIDER), outputs=[PROVIDER])],
    ),
    "a job that is ill-conditioned": (a_job(YES, YES, NO), [Case(ill_conditioned=True, thousandths=FAR)]),
    "two false rivals, and nobody else": (
        a_job(YES, YES, NO),
        [Case(challengers={CHALLENGER: RIGHT, RIVAL: WRONG}, drawn=[None] * 3, fallen={RIGHT: None, WRONG: None})],
    ),
    "a claim that nobody confirms or opposes": (a_job(YES, YES, NO), [Case(drawn=[None] * 3, thousandths=FAR)]),
}


def costs() -> str:
    """Return what endings cost whom."""

    def karat(grains: int) -> str:
        return f"{grains / KARAT:+.3f}" if grains else "0"

    names = [
        "ending",
        "outcome",
        "client",
        "provider",
        "opener",
        "rival",
        "a drawn worker",
        "who accepts",
        "who rejects",
    ]
    lines = [f"| {' | '.join([*names, 'burned'])} |", f"|{' --- |' * (len(names) + 1)}"]
    for words, (job, cases) in ENDINGS.items():
        outcome, found = nets(job, *cases)
        accepts, rejects = VERIFIERS[0], VERIFIERS[2] if job.verifiers[2].verdict is NO else None
        people = [CLIENT, PROVIDER, CHALLENGER, RIVAL, DRAWN[0], accepts, rejects, b""]
        told = [karat(found.get(who, 0)) if who is not None else "" for who in people]
        lines.append(f"| {words} | {outcome.name} | {' | '.join(told)} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """Return the page with its generated parts as the code gives them."""
    return rewritten(
        page,
        {
            "life-cycle": life_cycle(LIFE_CYCLE, born="CLAIM", state="stage"),
            "deadlines": deadlines(),
            "costs": costs(),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
