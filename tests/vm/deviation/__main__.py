"""Native against canonical, honest machines and impostors: `python -m tests.vm.deviation`; goes on where it stopped.

For every model with float values at the cut: ONNX Runtime in twelve settings on this machine, and in two on each
emulated processor, then every impostor; and the same for crafted models. `--quick` leaves the emulated ones out.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from primitives.reasons import Refused
from tests.vm.code_version import code_version
from tests.vm.deviation.campaign import Campaign, problems, table
from tests.vm.deviation.crafted import crafted
from tests.vm.deviation.emulated import PROCESSORS
from tests.vm.deviation.subject import Subject
from tests.vm.models.case import Case
from tests.vm.models.catalogue import all_models
from vm import compiled

STATE = Path(".night") / "deviation"
CODE = ("vm", "primitives", "tests/vm/models", "tests/vm/deviation")
"""What is measured follows from these: when they change, all of it is measured anew."""


def main() -> int:
    """Measure what is not measured yet; print the tables; return 1 if something is as it must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.deviation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models whose names hold this")
    parser.add_argument("--quick", action="store_true", help="this machine alone")
    parser.add_argument("--anew", action="store_true", help="forget what is measured")
    asked = parser.parse_args()
    campaign = Campaign(_state(anew=asked.anew))
    ordinary, made = (_chosen(cases, asked.names) for cases in (all_models(), crafted()))
    library = compiled.make()
    subjects: list[Subject] = []
    for case in [*ordinary, *made]:
        try:
            subject = Subject(case, library)
            if not subject.is_native:
                campaign.declined(case.name, "too few float values at the cut: class exact alone")
                continue
            campaign.here(subject)
            campaign.impostors(subject, library)
        except Refused as refused:
            campaign.declined(case.name, f"{refused!s:.100}")
            continue
        subjects.append(subject)
        _say(campaign.rows[case.name].line())
    if not asked.quick:
        for processor in PROCESSORS:
            with tempfile.TemporaryDirectory() as folder:
                campaign.there(processor, subjects, Path(folder))
            _say(f"{processor}: {PROCESSORS[processor]}")
    names = [case.name for case in ordinary]
    rows = [row for name, row in campaign.rows.items() if name in names]
    strange = [row for name, row in campaign.rows.items() if name in [case.name for case in made]]
    for line in [*table(rows), "", *table(strange)]:
        _say(line)
    wrong = [*problems(rows, emulated=not asked.quick), *problems(strange, emulated=False, is_crafted=True)]
    for line in wrong:
        _say(f"! {line}")
    return 1 if wrong else 0


def _state(*, anew: bool) -> Path:
    """Return where the measurements of this code are kept; those of other code are forgotten."""
    own = STATE / f"{code_version(CODE)}.json"
    for kept in STATE.glob("*.json"):
        if anew or kept != own:
            kept.unlink()
    return own


def _chosen(cases: list[Case], names: list[str]) -> list[Case]:
    return [case for case in cases if not names or any(name in case.name for name in names)]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
