"""Jobs between honest machines that differ: `python -m tests.vm.deviation.jobs --jobs 2000`; exit 1 if one is punished.

Every model with a native class is run on inputs that no calibration has seen, in all settings here and on emulated
processors. Each job takes a provider and three verifiers from those by chance, and is judged as the chain judges: by
the comparison between workers, and by what a dispute could prove of each of them.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from primitives.reasons import Refused
from tests.vm.deviation.emulated import PROCESSORS, hand_over, result, run_emulated
from tests.vm.deviation.subject import Runs, Subject, all_settings, told
from tests.vm.models.catalogue import all_models
from vm import compiled
from vm.canonical.arrays import tensor_of
from vm.compare import compare
from vm.noise import HONEST_SIGMA, PAID_SIGMA, SLASHED_SIGMA
from vm.sandbox_protocol import Optimisation

PARTIES = 4
"""A provider and the three verifiers of tier high."""


def main() -> int:
    """Judge so many jobs, and tell what became of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.deviation.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="this machine alone")
    options = parser.parse_args()
    subjects = _subjects(options.jobs)
    seen = {subject.case.name: _here(subject) for subject in subjects}
    for processor in () if options.quick else PROCESSORS:
        for level in (Optimisation.ALL, Optimisation.DISABLED):
            with tempfile.TemporaryDirectory() as folder:
                hand_over(Path(folder), subjects)
                run_emulated(Path(folder), processor, level, 1)
                for subject in subjects:
                    seen[subject.case.name][f"{processor}, {level.name.lower()}"] = result(Path(folder), subject)
        _say(f"{processor}: {PROCESSORS[processor]}")
    counts: Counter[str] = Counter()
    worst = 0.0
    for subject in subjects:
        off = judged(subject, seen[subject.case.name], counts)
        worst = max(worst, off)
        _say(f"{subject.case.name:<28} {len(subject.feeds):>4} jobs, worst party {off:.2f} σ")
    _say(", ".join(f"{words} {count}" for words, count in sorted(counts.items())))
    _say(f"worst party of any job {worst:.2f} σ; slashed beyond {SLASHED_SIGMA}, unpaid beyond {PAID_SIGMA}")
    punished = sum(count for words, count in counts.items() if words.startswith("PUNISHED"))
    _say(f"{counts['jobs']} jobs, {punished} punished")
    return 1 if punished else 0


def _subjects(jobs: int) -> list[Subject]:
    """Return the models that are offered natively, each on its share of inputs."""
    library = compiled.make()
    found = []
    for case in all_models():
        try:
            subject = Subject(case, library)
            if subject.is_native and case.draw is not None:
                found.append(subject)
        except Refused:
            continue  # declined, and the backend suite says why
    share = -(-jobs // len(found))
    return [subject.on(subject.case.drawn(share)) for subject in found]


def _here(subject: Subject) -> dict[str, Runs]:
    return {
        f"here, {setting.optimisation.name.lower()}, {setting.threads}": subject.native(setting)
        for setting in all_settings()
    }


def judged(subject: Subject, seen: dict[str, Runs], counts: Counter[str]) -> float:
    """Judge a job for each input of a model; return the largest deviation of a party, in σ."""
    chance, worst = random.Random(subject.case.name), 0.0
    ill = subject.ill_conditioned()
    for at, noises in enumerate(subject.noises):
        counts["jobs"] += 1
        if ill[at]:
            counts["ill-conditioned, everybody at cost"] += 1
            continue
        provider, *verifiers = [seen[place][at] for place in chance.sample(sorted(seen), PARTIES)]
        off = [
            max(told(noise.worst(tensor_of(array))[0]) for noise, array in zip(noises, arrays, strict=True))
            for arrays in (provider, *verifiers)
        ]
        worst = max(worst, *off)
        rejects = sum(
            not all(
                compare(tensor_of(own), tensor_of(other), subject.tolerance).within
                for own, other in zip(arrays, provider, strict=True)
            )
            for arrays in verifiers
        )
        counts["verdicts accept"] += len(verifiers) - rejects
        counts["verdicts reject"] += rejects
        if max(off) > PAID_SIGMA:
            counts["PUNISHED: a party beyond what is paid"] += 1
        elif rejects and off[0] <= HONEST_SIGMA:
            counts["PUNISHED: a reject of what honest machines give"] += 1
    return worst


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
