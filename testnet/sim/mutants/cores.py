"""All mutants by name, and the cores that they make."""

from consensus.core import Core
from testnet.sim.mutants.keeping import KEEPING
from testnet.sim.mutants.voting import VOTING

MUTANTS = {**VOTING, **KEEPING}
"""By name, in the order of the rules that they break."""
ALONE = {
    "votes-on-final-views": (
        "Whatever a node signs stands on a second rule that excludes closed views: N and S are cast in the current "
        "view alone, which lies above the final one (C2, C6), and F on a certificate above it alone (C3)."
    ),
    "nullifies-after-finalizing": (
        "F is cast on an N certificate, which ends its view (C3), and S in the current view alone (C6); so no node "
        "comes to nullify a view in which it has cast F, with this half of C7 or without it."
    ),
}
"""Mutants that no check can catch as long as every other rule holds, and why."""


def core_of(name: str) -> type[Core]:
    """Return the core of a mutant, or the product's for the empty name. Raises KeyError."""
    if not name:
        return Core
    broken = MUTANTS[name].broken

    class Mutated(Core):
        """A core that is broken as soon as it is made."""

        def __init__(self, **given: object) -> None:
            super().__init__(**given)  # type: ignore[arg-type]  # what a core is made of, passed on
            broken(self)

    return Mutated
