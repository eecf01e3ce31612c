"""One case in the making: a job, who held what before it, and whether it ended as it should."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from node.rpc.json_value import Json, records
from testnet.kit.liars.script import Cast
from testnet.trials.report import Outcome
from testnet.trials.stage import ENDED_S, Stage

DUST = 10**7
"""Grains: more than the fees of a case's transactions, and less than what anybody wins or loses by it."""
DIGEST_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class Expected:
    """How a case must end."""

    state: str | None = None
    ruled: str | None
    """The outcome of the job's disputes."""
    slashed: set[str]
    """Workers that lose all that the job held of their bonds."""
    whole: bool = False
    """Whether the client must have got back all but the fees of its own transactions, and the verifiers' if any."""
    gains: set[str] = field(default_factory=set)
    loses: set[str] = field(default_factory=set)
    unharmed: set[str] = field(default_factory=set)


class Trial:
    """One case on a stage."""

    def __init__(self, stage: Stage, outcome: Outcome) -> None:
        self._stage = stage
        self._outcome = outcome
        self._job = ""
        self._client = ""
        self._held: dict[str, int] = {}
        """What the job holds of each party's bond, while it is disputed."""

    def submit(self, *, provider: str, tier: str = "high", provide: Cast | None = None) -> str:
        """Order the job that the case is about, note who holds what before it, and return its id."""
        self._outcome.before = self._stage.holdings()
        self._client = self._client or self._stage.client()
        self._job = self._outcome.job = self._stage.submit(provider=provider, tier=tier, key=self._client, play=provide)
        return self._job

    def plant(self, *, provider: str, key: str = "dev1") -> str:
        """Have a worker's operator order a canary, note who holds what before it, and return its id."""
        self._outcome.before = self._stage.holdings()
        self._client = key
        self._job = self._outcome.job = self._stage.plant(provider=provider, key=key)
        return self._job

    def strangers(self, count: int) -> list[str]:
        """Return workers that have no part in the job."""
        told = self._stage.job(self._job)
        parties = [self._stage.name_of(each["worker"]) for each in records(told["verifiers"])]
        parties.append(self._stage.name_of(told["provider"]))
        return [name for name in reversed(self._stage.workers) if name not in parties][:count]

    def claimants(self, count: int, *, but: str) -> list[str]:
        """Return workers that are committed to a claim about the job, as soon as there are so many besides one."""

        def look() -> list[str]:
            disputes = records(self._stage.ask("dispute.list", job=self._job)["disputes"])
            claims = [each for dispute in disputes for each in records(dispute["claims"])]
            names = [self._stage.name_of(each["who"]) for each in claims if each["claimed"]]
            found = [name for name in names if name != but]
            return found[:count] if len(found) >= count else []

        return self._stage.until(look, f"{count} claims about job {self._job}")

    def judge(self, expected: Expected) -> None:
        """Wait until the job has ended for good, and note what is not as it should be."""
        stage, outcome = self._stage, self._outcome
        stage.until(self._is_disputed, f"a dispute of job {self._job}")
        self._held = self._locked()
        told = stage.until(self._ended, f"the end of job {self._job}", limit_s=ENDED_S)
        assert told is not None
        outcome.after = stage.holdings_of_all_ended()
        outcome.ended = f"job {told['state']}, {told['outcome']}"
        disputes = records(stage.ask("dispute.list", job=self._job)["disputes"])
        outcome.verdicts = [words(each, stage) for each in disputes]
        self._compare_validators()
        self._check(expected, told)

    def _is_disputed(self) -> bool:
        return bool(self._stage.ask("dispute.list", job=self._job)["disputes"])

    def _ended(self) -> dict[str, Json] | None:
        """Return the job once its disputes are decided."""
        told = self._stage.job(self._job)
        undecided = self._stage.ask("dispute.list", job=self._job, open_only=True)["disputes"]
        return told if told["state"] in ("void", "past_challenge") and not undecided else None

    def _compare_validators(self) -> None:
        """Note a digest of what each validator says of the job and its disputes."""
        jobs = self._stage.on_every_validator("job.show", id=self._job)
        disputes = self._stage.on_every_validator("dispute.list", job=self._job)
        told: Mapping[str, object] = {name: [jobs[name], disputes[name]] for name in jobs}
        self._outcome.validators = {
            name: hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()[:DIGEST_CHARS]
            for name, each in told.items()
        }
        silent = [name for name in jobs if jobs[name] is None or disputes[name] is None]
        if silent:
            self._outcome.wrong.append(f"no answer from {', '.join(silent)}")
        if len(set(self._outcome.validators.values())) != 1:
            self._outcome.wrong.append("the validators' verdicts differ")

    def _check(self, expected: Expected, told: dict[str, Json]) -> None:
        wrong = self._outcome.wrong
        if expected.state is not None and told["state"] != expected.state:
            wrong.append(f"the job is {told['state']}, not {expected.state}")
        if expected.ruled is not None and told["ruled"] != expected.ruled:
            wrong.append(f"ruled {told['ruled']}, not {expected.ruled}")
        slashed = self._slashed(told)
        if slashed != expected.slashed:
            wrong.append(f"slashed {sorted(slashed) or 'nobody'}, not {sorted(expected.slashed) or 'nobody'}")
        moved = {name: self._outcome.after[name] - was for name, was in self._outcome.before.items()}
        wrong += [f"{name} gains nothing" for name in sorted(expected.gains) if moved[name] <= DUST]
        wrong += [f"{name} loses nothing" for name in sorted(expected.loses | expected.slashed) if moved[name] >= -DUST]
        wrong += [f"{name} loses {-moved[name]}" for name in sorted(expected.unharmed) if moved[name] < -DUST]
        if expected.whole and moved[self._client] < -DUST:
            wrong.append(f"{self._client} is not whole: {moved[self._client]}")

    def _slashed(self, told: dict[str, Json]) -> set[str]:
        """Return the parties of the job that lost all that it held of their bonds."""
        lost: dict[str, int] = {}
        for each in records(told["penalties"]):
            name = self._stage.name_of(each["worker"])
            lost[name] = lost.get(name, 0) + int(str(each["amount"]))
        return {name for name, amount in lost.items() if amount and amount == self._held.get(name)}

    def _locked(self) -> dict[str, int]:
        told = self._stage.job(self._job)
        held = {self._stage.name_of(told["provider"]): int(str(told["provider_locked"]))}
        verifiers = records(told["verifiers"])
        return held | {self._stage.name_of(each["worker"]): int(str(each["locked"])) for each in verifiers}


def words(dispute: dict[str, Json], stage: Stage) -> str:
    """Return what a dispute has found, in a line."""
    subject = dispute["subject"]
    assert isinstance(subject, dict)
    about = "whole" if subject["kind"] == "whole" else f"tail of {stage.name_of(subject['party'])}"
    traces = {each["root"]: str(each["struck"] or "stands") for each in records(dispute["traces"])}
    claims = [
        f"{stage.name_of(each['who'])} ({each['role']}) {traces.get(each['trace'], 'unopened')}"
        for each in records(dispute["claims"])
    ]
    found = [
        f"{stage.name_of(each['party'])} {int(str(each['thousandths'])) / 1_000:.1f} σ"
        + (", outputs differ" if each["outputs_differ"] else "")
        for each in records(dispute["findings"])
    ]
    return f"{about}: {dispute['outcome']}; {dispute['duels']} duels; {'; '.join([*claims, *found])}"
