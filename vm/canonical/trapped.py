"""A trap: the result of a run that has no other (G4)."""

from vm.program import TrapCode


class Trapped(Exception):
    """An operation has no result, for every honest machine alike. `operation` is its number, once it is known."""

    def __init__(self, code: TrapCode, operation: int = -1) -> None:
        self.code, self.operation = code, operation
        super().__init__(code, operation)
