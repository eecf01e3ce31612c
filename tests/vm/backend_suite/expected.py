"""What is expected of each case in each engine: the checked-in list."""

from dataclasses import dataclass
from pathlib import Path

from tests.vm.backend_suite.cases import SuiteCase
from tests.vm.backend_suite.engines import PASS, admitted, canonical, native

EXPECTED = Path(__file__).parent / "expected.txt"
NO_CLASS = "none"
_BETWEEN = " | "
_HEAD = "case | canonical | ONNX Runtime | offered in class\n"


@dataclass(frozen=True)
class Row:
    """What came of a case."""

    name: str
    canonical: str
    native: str
    offered: str
    """In which classes the model is admitted, or why in none."""

    def line(self) -> str:
        """Return the row as one line."""
        return _BETWEEN.join((self.name, self.canonical, self.native, self.offered))


def tried(case: SuiteCase) -> Row:
    """Run a case in both engines; what canonical does not pass is offered in no class."""
    found, held = canonical(case)
    offered = admitted(held).replace("|", "/") if held is not None and found.startswith(PASS) else NO_CLASS
    return Row(case.name, found.replace("|", "/"), native(case).replace("|", "/"), offered)


def table(rows: dict[str, Row]) -> str:
    """Return the text of the list."""
    return _HEAD + "".join(f"{rows[name].line()}\n" for name in sorted(rows))


def read() -> dict[str, Row]:
    """Return the checked-in list by name."""
    lines = EXPECTED.read_text().splitlines()[1:]
    return {row.name: row for row in (Row(*line.split(_BETWEEN)) for line in lines)}
