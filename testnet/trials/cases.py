"""The cases: who lies and how, and how it must end."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ledger.parameters import Parameters, Tiers, TierTerms
from primitives.units import KARAT
from testnet.manifest import Manifest, Worker
from testnet.trials.report import Outcome
from testnet.trials.stage import ENDED_S, Stage, TrialError
from testnet.trials.trial import Expected, Trial
from testnet.trials.withheld import withheld_input, withheld_model, withheld_output

SECOND_MS = 1_000
WORKERS = 10
"""A provider, three verifiers, three fresh workers for a dispute, and strangers who claim something."""
WARM_UP = 4
"""Settled jobs that make a provider's spot jobs go undrawn four times in five, where one job is trust enough."""
SPOT_TRIES = 5
"""Of which each is drawn one time in five."""
KILLED = 3
"""Claimants who are killed in the middle of a dispute."""
HONEST, LIAR = "worker0", "worker7"

MANIFEST = Manifest(
    workers=[Worker(behaviour="puppet", ask=KARAT // 5) for _ in range(WORKERS)],
    parameters=Parameters(
        contest_ms=60 * SECOND_MS,
        challenge_ms=90 * SECOND_MS,
        withheld_ms=20 * SECOND_MS,
        dispute_claim_ms=30 * SECOND_MS,
        dispute_open_ms=15 * SECOND_MS,
        dispute_step_ms=25 * SECOND_MS,
        dispute_judge_ms=20 * SECOND_MS,
        canary_spacing_ms=1,
        audit_trust=1,
        audit_forced=0,
        tiers=Tiers(spot=TierTerms(q_bps=1, k=1, bond_multiple=12)),
    ),
)
"""Windows long enough for a busy machine and short enough to watch; trust that is quickly earned."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to dispute."""

    name: str
    words: str
    play: Callable[[Stage, Outcome], None]


def _lying_provider(stage: Stage, outcome: Outcome) -> None:
    # The verifiers reject, one of them opens a dispute, and drawn workers confirm what it claims.
    trial = Trial(stage, outcome)
    job = trial.submit(provider=LIAR, provide={LIAR: "other-input"})
    stage.play(job, "verify", {})
    trial.judge(Expected(state="void", ruled="convicted", slashed={LIAR}, whole=True))


def _undrawn_spot_job(stage: Stage, outcome: Outcome) -> None:
    # A job that nobody was drawn for is challenged by a bystander.
    trial = Trial(stage, outcome)
    job = _undrawn(stage, trial, LIAR, {LIAR: "other-input"})
    stage.assay("job", "challenge", job, "--yes", home=HONEST)
    trial.judge(Expected(state="void", ruled="convicted", slashed={LIAR}, whole=True, gains={HONEST}))


def _false_challenge(stage: Stage, outcome: Outcome, part: str) -> None:
    """Have a stranger who plays a part challenge what is right: it loses its bond, and the provider nothing."""
    trial = Trial(stage, outcome)
    job = trial.submit(provider=HONEST)
    stage.play(job, "verify", {})
    stage.in_state(job, "settled")
    liar = trial.strangers(1)[0]
    stage.play(job, "dispute", {liar: part})
    stage.assay("job", "challenge", job, "--yes", home=liar)
    trial.judge(Expected(state="past_challenge", ruled="cleared", slashed=set(), loses={liar}))


def _honest_provider_challenged(stage: Stage, outcome: Outcome) -> None:
    # A stranger claims a forged trace against an honest provider, and loses its bond.
    _false_challenge(stage, outcome, "forge")


def _false_reject(stage: Stage, outcome: Outcome) -> None:
    # A verifier commits to other values, rejects what is right, and stands by it with a forged trace.
    trial = Trial(stage, outcome)
    job = trial.submit(provider=HONEST)
    liar = stage.drawn(job)[0]
    stage.play(job, "dispute", {liar: "forge"})
    stage.play(job, "verify", {liar: "other-input"})
    trial.judge(Expected(state="past_challenge", ruled="cleared", slashed={liar}))


def _grey_zone(stage: Stage, outcome: Outcome) -> None:
    # A provider whose values are off by some 32 σ is not paid, forfeits what it costs, and is not slashed.
    trial = Trial(stage, outcome)
    job = _undrawn(stage, trial, LIAR, {LIAR: "grey"})
    stage.assay("job", "challenge", job, "--yes", home=HONEST)
    trial.judge(Expected(state="void", ruled="grey", slashed=set(), whole=True, loses={LIAR}))


def _wrong_label(stage: Stage, outcome: Outcome) -> None:
    # The values at the cut are right, the label is not: a dispute about the tail convicts.
    trial = Trial(stage, outcome)
    job = trial.submit(provider=LIAR, provide={LIAR: "swap-top-two"})
    stage.play(job, "verify", {})
    trial.judge(Expected(state="void", ruled="convicted", slashed={LIAR}, whole=True))


def _false_rivals(stage: Stage, outcome: Outcome) -> None:
    # Two strangers claim traces that differ from each other and from what is true in one element: both are struck.
    trial = Trial(stage, outcome)
    job = trial.submit(provider=HONEST)
    stage.play(job, "verify", {})
    stage.in_state(job, "settled")
    first, second = trial.strangers(2)
    stage.play(job, "dispute", {first: "forge", second: "forge-otherwise"})
    stage.assay("job", "challenge", job, "--yes", home=first)
    stage.assay("job", "challenge", job, "--yes", home=second)
    trial.judge(Expected(state="past_challenge", ruled="cleared", slashed=set(), loses={first, second}))


def _unopposed(stage: Stage, outcome: Outcome) -> None:
    # A false claim that nobody opposes, and no drawn worker confirms: it slashes nobody.
    trial = Trial(stage, outcome)
    job = _undrawn(stage, trial, HONEST, {})
    liar = trial.strangers(1)[0]
    others = {name: "absent" for name in stage.workers if name != liar}
    stage.play(job, "dispute", {**others, liar: "forge"})
    stage.assay("job", "challenge", job, "--yes", home=liar)
    trial.judge(Expected(ruled=None, slashed=set(), unharmed={HONEST}))


def _mute(stage: Stage, outcome: Outcome) -> None:
    # A false claimant that falls silent in the duel is struck for that.
    _false_challenge(stage, outcome, "mute")


def _lazy_verifier(stage: Stage, outcome: Outcome) -> None:
    # A verifier copies what its provider leaks to it. The job is a canary: what it copies is false on purpose.
    trial = Trial(stage, outcome)
    job = trial.plant(provider=HONEST)
    lazy = stage.drawn(job)[0]
    stage.play(job, "verify", {lazy: "lazy"})
    trial.judge(Expected(state="void", ruled="canary", slashed={lazy}))


def _killed(stage: Stage, outcome: Outcome) -> None:
    # Honest claimants are killed between claim and opening. Their claims are on their disks, so they lose nothing.
    trial = Trial(stage, outcome)
    job = trial.submit(provider=HONEST)
    stage.play(job, "verify", {})
    stage.in_state(job, "settled")
    liar = trial.strangers(1)[0]
    stage.play(job, "dispute", {liar: "forge"})
    stage.assay("job", "challenge", job, "--yes", home=liar)
    killed = trial.claimants(KILLED, but=liar)
    for name in killed:
        stage.kill(name)
    stage.start(*killed)
    expected = Expected(state="past_challenge", ruled="cleared", slashed=set(), loses={liar}, unharmed=set(killed))
    trial.judge(expected)


def _undrawn(stage: Stage, trial: Trial, provider: str, provide: dict[str, str]) -> str:
    """Return a job that was not drawn, of a provider that has earned some trust."""
    for _ in range(SPOT_TRIES):
        trusted = [stage.submit(provider=provider, tier="standard") for _ in range(WARM_UP)]
        for job in trusted:
            stage.play(job, "verify", {})
            stage.in_state(job, "settled")
        job = trial.submit(provider=provider, tier="spot", provide=provide)
        stage.play(job, "verify", {})
        told = stage.in_state(job, "unverified", "verifying", "checking", "contested", "settled", "void")
        if told["state"] == "unverified":
            return job
        stage.in_state(job, "settled", "void", "past_challenge", limit_s=ENDED_S)
    raise TrialError(f"each of {SPOT_TRIES} spot jobs was drawn")


CASES = (
    Case(name="lying-provider", words="a lying provider is slashed after a verifier's reject", play=_lying_provider),
    Case(
        name="undrawn",
        words="an undrawn spot job is challenged by a bystander, the liar slashed",
        play=_undrawn_spot_job,
    ),
    Case(
        name="honest-challenged",
        words="an honest provider is challenged by a liar, who loses its bond",
        play=_honest_provider_challenged,
    ),
    Case(name="false-reject", words="a verifier that rejects falsely is slashed", play=_false_reject),
    Case(name="grey-zone", words="values in the grey zone forfeit, and slash nobody", play=_grey_zone),
    Case(name="wrong-label", words="right values at the cut with a wrong label are slashed", play=_wrong_label),
    Case(name="false-rivals", words="two rival claims, both false, are both struck", play=_false_rivals),
    Case(name="lazy-verifier", words="a lazy verifier is caught by a canary", play=_lazy_verifier),
    Case(
        name="withheld-input",
        words="a provider that keeps the input from the verifiers loses its bond",
        play=partial(withheld_input, liar=LIAR),
    ),
    Case(
        name="withheld-model",
        words="a provider that keeps the model from the verifiers loses its bond",
        play=partial(withheld_model, liar=LIAR),
    ),
    Case(
        name="withheld-output",
        words="a provider that keeps a sealed output from its client loses its bond",
        play=partial(withheld_output, liar=LIAR),
    ),
    Case(name="mute", words="a claimant that is silent in a duel is struck", play=_mute),
    Case(name="killed", words="claimants killed with SIGKILL before they open lose nothing", play=_killed),
    Case(name="unopposed", words="an unopposed false claim without a drawn worker slashes nobody", play=_unopposed),
)
