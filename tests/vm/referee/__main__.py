"""The long campaign: `python -m tests.vm.referee --elements 100000`. Stopped, it goes on where it was.

A third of the elements are of random operations, a third of the ONNX backend suite, and a third of whole models; each
is judged in the first run or the second, and once more with a bit of the proof changed.
"""

import argparse
import json
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from primitives.reasons import Refused
from tests.vm.backend_suite.cases import SuiteCase, suite
from tests.vm.backend_suite.engines import bound
from tests.vm.models.case import Case
from tests.vm.models.catalogue import all_models
from tests.vm.referee.agreement import disagreement
from tests.vm.referee.random_operations import drawn
from tests.vm.referee.subjects import Judged, judged, subject_of, subject_of_model
from vm.canonical.arrays import normal
from vm.program import Op
from vm.tensor import element_count

STATE = Path(".night") / "referee.json"
PER_DRAWN = 8
"""Elements of a random operation, in one run."""
PER_CASE = 10
"""Elements of each run of a case of the suite, at most."""
PER_MODEL = 500
"""Elements of each run of a model, for one set of values, at most."""
NIGHT_SEEDS = 1000
"""Other operations than those of every test run."""
REPORT_S = 30.0


class Unit(NamedTuple):
    """A piece of the campaign that is done or not."""

    name: str
    run: Callable[[], Judged]


def main() -> None:
    """Run a campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.referee", description=__doc__)
    parser.add_argument("--elements", type=int, default=100_000, help="how many in all, about")
    parser.add_argument("--anew", action="store_true", help="forget where the last campaign stopped")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # the suite's own expectations overflow
    if asked.anew:
        STATE.unlink(missing_ok=True)
    sys.exit(_campaign(asked.elements))


def _campaign(elements: int) -> int:
    told = json.loads(STATE.read_text()) if STATE.exists() else {}
    if told.get("elements") != elements:
        told = {"elements": elements, "done": 0, "judged": 0, "found": 0}
    skip, count, found = told["done"], told["judged"], told.get("found", 0)
    began = reported = time.monotonic()
    for at, unit in enumerate(units(elements)):
        if at < skip:
            continue
        done, findings = unit.run()
        count, found = count + done, found + len(findings)
        for finding in findings[:3]:
            _say(f"! {unit.name}: {finding:.300}")
        if time.monotonic() - reported >= REPORT_S:
            reported = time.monotonic()
            STATE.parent.mkdir(exist_ok=True)
            STATE.write_text(json.dumps({"elements": elements, "done": at + 1, "judged": count, "found": found}))
            _say(f"{count:>9,} of {elements:,} elements, {unit.name}, {found} findings")
    STATE.unlink(missing_ok=True)
    _say(f"{count:,} elements judged in {time.monotonic() - began:,.0f} s: {found} disagreements")
    return 1 if found else 0


def units(elements: int) -> Iterator[Unit]:
    """Yield the campaign, the same each time: operations, the suite, models."""
    third = -(-elements // 3)
    for seed in range(-(-third // (len(Op) * PER_DRAWN)) * 5 // 4):  # small results have fewer elements
        for op in Op:
            yield Unit(f"{op.name} {seed}", partial(_drawn, op, seed))
    cases = [case for case in suite() if all(isinstance(each, np.ndarray) for each in case.data_sets[0][0])]
    of_each = min(PER_CASE, -(-third // (len(cases) * 2)))
    for turn in range(-(-third // (len(cases) * PER_CASE))):  # a quarter is declined
        for case in cases:
            yield Unit(case.name, partial(_of_suite, case, turn, of_each))
    models = all_models()
    of_each = min(PER_MODEL, -(-third // (len(models) * 2)))
    for turn in range(-(-third // (len(models) * 2 * PER_MODEL))):
        for model in models:
            yield Unit(model.name, partial(_of_model, model, turn, of_each))


def _drawn(op: Op, seed: int) -> Judged:
    case = drawn(op, NIGHT_SEEDS + seed)
    found = disagreement(case, perturbed=seed % 2 == 1, at_most=PER_DRAWN)
    return Judged(min(PER_DRAWN, element_count(case.operation.result.shape)), [found] if found else [])


def _of_suite(case: SuiteCase, turn: int, elements: int) -> Judged:
    """Judge elements of a case, if the lowering takes it."""
    try:
        _, _, left, lowered = bound(case, case.data_sets[0][0])
    except Refused:
        return Judged(0, [])
    subject = subject_of(lowered.program, lowered.constants, [normal(each) for each in left], lowered.places)
    return judged(subject, random.Random(f"{case.name} {turn}"), elements)


def _of_model(case: Case, turn: int, elements: int) -> Judged:
    return judged(subject_of_model(case), random.Random(f"{case.name} {turn}"), elements)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
