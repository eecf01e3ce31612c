"""Which rules hold when, and what a program does that does not know them (Q50, Q51)."""

from ledger.stake.records import RuleVersion
from ledger.state import State
from primitives.reasons import Reason
from vm import program

PROTOCOLS = (1,)
"""Versions of the rules that this program carries out."""
VM_VERSION = program.VM_VERSION
VMS = (VM_VERSION,)
"""Versions of the meaning of a job that it knows."""


class RulesUnknownError(Exception):
    """Rules are in force that this program does not know: it can judge no block, and must stop (Q51).

    `reason`, `seen` and `from_ms` say it to people: which rules, and since which block time.
    """

    reason = Reason.RULES_UNKNOWN

    def __init__(self, seen: RuleVersion) -> None:
        self.seen = seen
        super().__init__(
            f"rules {seen.protocol} with vm_version {seen.vm} are in force since block time {seen.from_ms}; "
            f"this program knows rules {', '.join(map(str, PROTOCOLS))} with vm_version {', '.join(map(str, VMS))}"
        )


def rules_at(state: State, time_ms: int) -> RuleVersion:
    """Return the rules for a block of this time. Raises RulesUnknownError (Q50, Q51)."""
    active = [each for each in state.rule_versions() if each.from_ms <= time_ms][-1]
    if active.protocol not in PROTOCOLS or active.vm not in VMS:
        raise RulesUnknownError(active)
    return active
