"""Cases in which a provider does not hand out what it owes: asked on the chain, it has nothing to show, and loses."""

import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

from node.home import Home
from node.rpc.json_value import Json, records
from primitives.codec import encode
from testnet.kit.liars.withholding import lose
from testnet.trials.report import Outcome
from testnet.trials.stage import ENDED_S, Stage
from testnet.trials.trial import Expected, Trial
from vm.tensor import Bundle, DType, NamedTensor, Tensor

LARGE_MODEL_FILE = "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"
PICTURE, HEIGHT, WIDTH = b"x", 64, 96
"""What that model reads."""
LARGE_PRICE = "0.5"
"""Karat: it takes more gas than the model of the other cases."""
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


def withheld_output(stage: Stage, outcome: Outcome, *, liar: str) -> None:
    """Play parties that do not hand out a sealed output: its client demands it on the chain, and is paid back."""
    trial = WithheldTrial(stage, outcome)
    path = stage.directory / "picture"
    path.write_bytes(_picture())
    model = stage.assay("model", "publish", str(_large_model()), "--input", str(path), "--key", "dev0")["model"]
    job = trial.order(model, path, provider=liar)
    told = stage.in_state(job, "settled")
    sealed = [each["sealed"] for each in ({"sealed": told["sealed"]}, *records(told["verifiers"]))]
    trial.note_bonds()
    for content in sealed:
        if isinstance(content, dict):
            for name in stage.nodes:
                lose(Home(stage.directory / name).blobs, bytes.fromhex(str(content["root"])))
    stage.assay("job", "demand", job, "--key", "dev1")
    trial.judge_filings(job, Expected(state="void", ruled=None, slashed={liar}, whole=True))


def _picture() -> bytes:
    """Return an encoded picture of noise."""
    values = (at * 2_654_435_761 % 2**32 / 2**32 for at in range(3 * HEIGHT * WIDTH))
    data = b"".join(struct.pack("<f", each) for each in values)
    tensor = Tensor(dtype=DType.FLOAT32, shape=[1, 3, HEIGHT, WIDTH], data=data)
    return encode(Bundle(tensors=[NamedTensor(name=PICTURE, tensor=tensor)]))


def _large_model() -> Path:
    """Return the file of a model whose output is too large for the chain."""
    return Path(str(distribution("rapidocr-onnxruntime").locate_file(LARGE_MODEL_FILE)))


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

    def order(self, model: str, input_file: Path, *, provider: str, key: str = "dev1") -> str:
        """Order the job that the case is about on a model of its own, and return its id."""
        stage = self._stage
        self._outcome.before, self._client = stage.holdings(), key
        words = ["job", "submit", model, "--input", str(input_file), "--max-price", LARGE_PRICE, "--key", key]
        told = stage.assay(*words, "--provider", stage.nodes[provider].address)
        self._job = self._outcome.job = str(told["id"])
        for role in ("provide", "verify"):
            stage.play(self._job, role, {})
        return self._job

    def note_bonds(self) -> None:
        """Note what the job holds of each party's bond."""
        self._held = self._locked()

    def judge_filings(self, job: str, expected: Expected) -> None:
        """Wait until the job has ended, and note what is not as it should be."""
        stage, outcome = self._stage, self._outcome
        verifiers = stage.drawn(job)
        if not self._held:
            self.note_bonds()
        told = stage.until(lambda: _ended(stage, job), f"the end of job {job}", limit_s=ENDED_S)
        assert told is not None
        outcome.after = stage.holdings_of_all_ended()
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
