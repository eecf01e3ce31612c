"""Cores with one rule of docs/spec/consensus.md switched off each: what is never caught is not checked.

A mutant breaks a core after it is made, by replacing what carries the rule out. It stands under the id of its rule.
"""

# mypy: disable-error-code="method-assign"
# Replacing methods of one object is what mutants are made by.

from collections.abc import Callable
from typing import NamedTuple

from consensus.core import Core
from consensus.io import Effect, Input, Persist, Send
from consensus.messages import Message

Break = Callable[[Core], None]


class Mutant(NamedTuple):
    """A rule that is off, and what that means."""

    rule: str
    what: str
    broken: Break


class Registry(dict[str, Mutant]):
    """Mutants by name."""

    def off(self, rule: str, name: str) -> Callable[[Break], Break]:
        """Enter a mutant under its rule; its docstring says what the broken core does."""

        def enter(broken: Break) -> Break:
            assert name not in self, "a mutant has a name of its own"
            self[name] = Mutant(rule=rule, what=broken.__doc__ or "", broken=broken)
            return broken

        return enter


def changed(core: Core, change: Callable[[list[Effect]], list[Effect]]) -> None:
    """Change what comes out of each step."""
    step = core.step
    core.step = lambda given: change(step(given))


def without(core: Core, unwanted: Callable[[Effect], bool]) -> None:
    """Leave effects out."""
    changed(core, lambda effects: [effect for effect in effects if not unwanted(effect)])


def silent(core: Core, unsaid: Callable[[int | None, Message], bool]) -> None:
    """Leave messages unsaid."""
    without(core, lambda effect: isinstance(effect, Send) and unsaid(effect.to, effect.message))


def unwritten(core: Core, unwanted: Callable[[object], bool]) -> None:
    """Leave records unwritten."""

    def change(effects: list[Effect]) -> list[Effect]:
        kept: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Persist):
                records = [record for record in effect.records if not unwanted(record)]
                if not records:
                    continue
                kept.append(Persist(records=records))
            else:
                kept.append(effect)
        return kept

    changed(core, change)


def deaf(core: Core, unheard: Callable[[Input], bool]) -> None:
    """Ignore inputs."""
    step = core.step
    core.step = lambda given: [] if unheard(given) else step(given)
