"""The parts of docs/spec/market.md that come from the code. Run as a program, it writes them."""

from ledger.market.costs import cost_table, job_at_cap
from ledger.market.lifecycle import FINAL_STATES, LIFE_CYCLE, time_allowed
from ledger.parameters import Parameters, Tier, accepts_needed
from ledger.records import JobState
from primitives.units import BASIS, KARAT
from tests.ledger.pages import SPEC, life_cycle, rewritten

PAGE = SPEC / "market.md"


def deadlines() -> str:
    """Return how long a job may stay in each state."""
    lines = ["| state | seconds of live time (parameter) | grows with the run (J7) |", "| --- | --- | --- |"]
    for state in JobState:
        allowed, longer = (time_allowed(Parameters(), state, run_ms) for run_ms in (0, 1))
        told = _untimed(state) if allowed is None else allowed // 1_000
        lines.append(f"| {state.name} | {told} | {'yes' if allowed != longer else ''} |")
    return "\n".join(lines)


def _untimed(state: JobState) -> str:
    return "no limit: final" if state in FINAL_STATES else "ends with the last of its disputes"


def costs() -> str:
    """Return what each ending costs whom."""

    def karat(grains: int) -> str:
        return f"{grains / KARAT:+.3f}" if grains else "0"

    lines = ["| ending | client | provider | verifier | silent verifier |", "| --- | --- | --- | --- | --- |"]
    rows = {cost.outcome: cost for tier in (Tier.HIGH, Tier.SPOT) for cost in cost_table(Parameters(), KARAT, tier)}
    high = {cost.outcome: cost for cost in cost_table(Parameters(), KARAT, Tier.HIGH)}
    for outcome, cost in (rows | high).items():
        amounts = (cost.client, cost.provider, cost.verifier, cost.silent_verifier)
        name = outcome.name if outcome in high else f"{outcome.name} (spot)"
        lines.append(f"| {name} | " + " | ".join(map(karat, amounts)) + " |")
    return "\n".join(lines)


def tiers() -> str:
    """Return what each tier asks, and what a job of 1 karat holds of whom."""
    lines = ["| tier | q | k | bond multiple | accepts to settle | client pays in | provider locks | runs per job |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for tier in Tier:
        terms, job = Parameters().tiers.of(tier), job_at_cap(Parameters(), KARAT, tier)
        runs = f"{1 + terms.q_bps * terms.k / BASIS:g}"
        share = f"{terms.q_bps / BASIS:g}"
        held = f"{job.escrow / KARAT:.2f} | {job.provider_locked / KARAT:.2f}"
        lines.append(
            f"| {tier.name.lower()} | {share} | {terms.k} | {terms.bond_multiple} | {accepts_needed(terms.k)} |"
            f" {held} | {runs} |"
        )
    return "\n".join(lines)


def written(page: str) -> str:
    """Return the page with its generated parts as the code gives them."""
    return rewritten(
        page,
        {
            "life-cycle": life_cycle(LIFE_CYCLE, born="SUBMIT"),
            "deadlines": deadlines(),
            "costs": costs(),
            "tiers": tiers(),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
