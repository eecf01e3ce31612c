"""What was measured of each model, kept after each step, and what must hold of it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from primitives.reasons import Refused
from tests.vm.deviation.emulated import hand_over, result, run_emulated
from tests.vm.deviation.impostors import ROUNDINGS, with_weights
from tests.vm.deviation.subject import INFINITE, Runs, Subject, all_settings, changed, digest, settings
from vm.canonical.fast_library import Library
from vm.noise import HONEST_SIGMA, PAID_SIGMA, SLASHED_SIGMA
from vm.sandbox_protocol import Optimisation

MORE_INPUTS = 100
"""Inputs for each impostor of a model that runs in milliseconds."""
SMALL_BYTES = 400_000
"""Files up to this size do."""
SHARE_PAID = 20
"""No more than one in so many impostors of a crafted model may be paid; of others each is to be slashed."""
DECIDED = ("fp16", "bf16", "int8", "pruned", "smaller", "another input")
"""Kinds of impostors of which each is to be slashed."""


@dataclass
class Impostor:
    """What came of one kind of impostor over inputs where a bit at the cut changed."""

    cases: int
    least: float
    paid: int
    """Within what is paid."""
    doubtful: int
    """Neither paid nor slashed."""


@dataclass
class Row:
    """What is known of one model."""

    name: str
    declined: str = ""
    values: int = 0
    """Elements at the cut."""
    sigma: float = 0.0
    ill_conditioned: int = 0
    """Inputs with which a job is."""
    inputs: int = 0
    honest: dict[str, float] = field(default_factory=dict)
    """By setting the largest deviation in σ, over inputs with which a job is not ill-conditioned."""
    bits: dict[str, str] = field(default_factory=dict)
    impostors: dict[str, Impostor] = field(default_factory=dict)

    @property
    def worst(self) -> float:
        """Return the largest honest deviation."""
        return max(self.honest.values(), default=0.0)

    @property
    def parted(self) -> bool:
        """Tell whether settings or processors gave other bits."""
        return len(set(self.bits.values())) > 1

    def line(self) -> str:
        """Return the row as a line of a table."""
        if self.declined:
            return f"| {self.name} | {self.declined} |"
        cells = [
            self.name,
            str(self.values),
            f"{self.sigma:.1e}",
            f"{self.ill_conditioned} of {self.inputs}" if self.ill_conditioned else "",
            f"{self.worst:.2f}",
            str(len(set(self.bits.values()))),
        ]
        for kind in (*ROUNDINGS, "smaller", "another input"):
            found = self.impostors.get(kind)
            cells.append("" if found is None or not found.cases else _told(found))
        return f"| {' | '.join(cells)} |"


def _told(found: Impostor) -> str:
    spared = f" ({found.paid + found.doubtful} of {found.cases})" if found.paid + found.doubtful else ""
    return f"{found.least:.3g}{spared}"


HEAD = (
    "| model | values | σ | ill-conditioned | honest, σ | bits | "
    + " | ".join((*ROUNDINGS, "smaller", "another input"))
    + " |"
)


def table(rows: Iterable[Row]) -> list[str]:
    """Return the lines of a table; in brackets how many impostors were not beyond 64 σ, of how many."""
    rows = list(rows)
    lines = [HEAD, "| --- " * (HEAD.count("|") - 1) + "|"]
    lines += [row.line() for row in rows if not row.declined]
    return [*lines, *(f"{row.name}: {row.declined}" for row in rows if row.declined)]


class Campaign:
    """Rows by model, in a file."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.rows: dict[str, Row] = {}
        if state.exists():
            for name, held in json.loads(state.read_text()).items():
                row = Row(**{**held, "impostors": {}})
                row.impostors = {kind: Impostor(**each) for kind, each in held["impostors"].items()}
                self.rows[name] = row

    def _keep(self) -> None:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        self._state.write_text(json.dumps({name: asdict(row) for name, row in self.rows.items()}, indent=1))

    def declined(self, name: str, why: str) -> None:
        """Note why a model has nothing to compare."""
        self.rows[name] = Row(name, declined=why)
        self._keep()

    def here(self, subject: Subject) -> None:
        """Run a model in all settings on this machine, unless that is done."""
        name = subject.case.name
        row = self.rows.get(name)
        if row is None or row.declined:
            row = self.rows[name] = Row(name)
        if row.honest:
            return
        row.values = sum(array.size for array in subject.native(settings())[0])
        bad = subject.ill_conditioned()
        row.sigma, row.ill_conditioned, row.inputs = subject.sigma(), sum(bad), len(bad)
        for setting in all_settings():
            where = f"here, {setting.optimisation.name.lower()}, {setting.threads}"
            self._honest(row, subject, where, subject.native(setting))
        self._keep()

    def _honest(self, row: Row, subject: Subject, where: str, runs: Runs) -> None:
        off = [value for value, bad in zip(subject.in_sigma(runs), subject.ill_conditioned(), strict=True) if not bad]
        row.honest[where], row.bits[where] = max(off, default=0.0), digest(runs)

    def there(self, processor: str, subjects: list[Subject], folder: Path) -> None:
        """Run models on an emulated processor, those that are not done."""
        for level in (Optimisation.ALL, Optimisation.DISABLED):
            where = f"{processor}, {level.name.lower()}, 1"
            left = [subject for subject in subjects if where not in self.rows[subject.case.name].honest]
            if not left:
                continue
            place = folder / level.name
            place.mkdir()
            hand_over(place, left)
            run_emulated(place, processor, level, 1)
            for subject in left:
                self._honest(self.rows[subject.case.name], subject, where, result(place, subject))
            self._keep()

    def impostors(self, subject: Subject, library: Library | None) -> None:
        """Measure every impostor of a model, unless that is done."""
        case = subject.case
        row = self.rows[case.name]
        if row.impostors:
            return
        if len(case.model) <= SMALL_BYTES and case.draw is not None:
            subject = subject.on(case.drawn(MORE_INPUTS))
        genuine = subject.native(settings())
        for kind, change in ROUNDINGS.items():
            try:
                runs = subject.native(settings(), model=with_weights(case.model, change))
            except Refused:
                continue  # another graph, which gives nothing that could be taken for this one's
            row.impostors[kind] = self._impostor(subject, genuine, runs)
        if case.smaller is not None:
            other = Subject(type(case)(case.name, case.smaller, case.feeds, "", ""), library).on(subject.feeds)
            row.impostors["smaller"] = self._impostor(subject, genuine, other.native(settings()))
        turned = [*genuine[1:], *genuine[:1]]
        row.impostors["another input"] = self._impostor(subject, genuine, turned)
        self._keep()

    def _impostor(self, subject: Subject, genuine: Runs, runs: Runs) -> Impostor:
        differ = changed(genuine, runs)
        off = [
            value
            for value, other, bad in zip(subject.in_sigma(runs), differ, subject.ill_conditioned(), strict=True)
            if other and not bad
        ]
        paid = sum(value <= PAID_SIGMA for value in off)
        doubtful = sum(PAID_SIGMA < value <= SLASHED_SIGMA for value in off)
        return Impostor(cases=len(off), least=min(off, default=INFINITE), paid=paid, doubtful=doubtful)


def problems(rows: list[Row], *, emulated: bool, is_crafted: bool = False) -> list[str]:
    """Return what must not be: honest machines beyond their bound, impostors that are paid, nothing that was tested."""
    measured = [row for row in rows if not row.declined]
    bound = PAID_SIGMA if is_crafted else HONEST_SIGMA
    wrong = [f"{row.name}: an honest machine at {row.worst:.1f} σ" for row in measured if row.worst > bound]
    for row in measured:
        for kind in DECIDED:
            found = row.impostors.get(kind)
            if found is None or (is_crafted and found.cases < SHARE_PAID):  # nearly all its jobs are ill-conditioned
                continue
            if found.paid * SHARE_PAID > found.cases:
                wrong.append(f"{row.name}: {kind} at {found.least:.1f} σ, {found.paid} of {found.cases} would be paid")
            elif not is_crafted and found.paid + found.doubtful:
                wrong.append(f"{row.name}: {kind} at {found.least:.1f} σ, within {SLASHED_SIGMA}")
    if emulated and 2 * sum(row.parted for row in measured) < len(measured):
        wrong.append(f"only {sum(row.parted for row in measured)} of {len(measured)} models gave different bits")
    return wrong
