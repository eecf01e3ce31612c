"""Cases in which a provider does not hand out what it owes: asked on the chain, it has nothing to show, and loses."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from node.home import Home
from node.rpc.json_value import Json, records
from testnet.trials.report import Outcome
from testnet.trials.stage import Stage
from testnet.trials.trial import DISPUTED_S, Expected, Trial

HIDDEN = "hidden"
"""Beside the homes: content that nobody has for the time of a case."""
BEFORE_THE_DRAW = ("accepted", "committed")


def withheld_input(stage: Stage, outcome: Outcome, *, liar: str) -> None:
    """Play a provider that keeps the input from the verifiers."""
    _play(stage, outcome, liar, "input")


def withheld_model(stage: Stage, outcome: Outcome, *, liar: str) -> None:
    """Play a provider that keeps the model from the verifiers, when nobody else has it either."""
    _play(stage, outcome, liar, "model")


def _play(stage: Stage, outcome: Outcome, liar: str, what: str) -> None:
    trial = WithheldTrial(stage, outcome)
    job = trial.submit(provider=liar, provide={liar: f"withhold-{what}"})
    told = stage.in_state(job, *BEFORE_THE_DRAW)
    content = told["input"] if what == "input" else stage.ask("model.show", id=str(told["model"]))["file"]
    assert isinstance(content, dict)
    with _hidden(stage, str(content["root"]), liar):
        trial.judge_filings(job, Expected(state="void", ruled=None, slashed={liar}, whole=True))


@contextmanager
def _hidden(stage: Stage, root: str, liar: str) -> Iterator[None]:
    """Take content from every node but the liar, which loses it by itself; give it back to all at the end."""
    aside = stage.directory / HIDDEN / root
    aside.mkdir(parents=True, exist_ok=True)
    held = {name: Home(stage.directory / name).blobs / root for name in stage.nodes}
    for name, path in held.items():
        if name != liar and path.exists():
            shutil.move(path, aside / name)
    try:
        yield
    finally:
        for copy in aside.iterdir():
            shutil.copy(copy, held[copy.name])
            shutil.copy(copy, held[liar])


class WithheldTrial(Trial):
    """A case about content that does not come."""

    def judge_filings(self, job: str, expected: Expected) -> None:
        """Wait until the job has ended, and note what is not as it should be."""
        stage, outcome = self._stage, self._outcome
        verifiers = stage.drawn(job)
        self._held = self._locked()
        told = stage.until(lambda: _ended(stage, job), f"the end of job {job}", limit_s=DISPUTED_S)
        assert told is not None
        outcome.after = stage.holdings()
        outcome.ended = f"job {told['state']}, {told['outcome']}"
        outcome.verdicts = [_words(each, stage) for each in records(stage.ask("withheld.list", job=job)["filings"])]
        self._compare_validators()
        if told["outcome"] != "withheld":
            outcome.wrong.append(f"ended as {told['outcome']}, not withheld")
        self._check(replace(expected, unharmed=set(verifiers)), told)


def _ended(stage: Stage, job: str) -> dict[str, Json] | None:
    told = stage.job(job)
    return None if told["outcome"] is None else told


def _words(filing: dict[str, Json], stage: Stage) -> str:
    """Return what came of a filing, in a line."""
    holder, filer = stage.name_of(filing["holder"]), stage.name_of(filing["filer"])
    return f"{filer} asks {holder} for the {filing['stage']}: {filing['state']}"
